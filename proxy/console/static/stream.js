// One stream from the proxy for all tabs of a browser, which has six connections to a host: the tab
// that holds the lock listens and tells the others. A hidden tab does not listen.

import { API } from "./dom.js";

const NAME = "virtualsms-proxy console";
const KINDS = ["activations", "summary", "alive"];
const RETRY_MS = 3000;

/** Seconds without a sign of life after which a connection counts as dead. */
export const SILENT_SECONDS = 20;

/** `hear` gets each event as (kind, data), `change` the state: connecting, live, lost, full, out. */
export class Stream {
  constructor(hear, change) {
    this.hear = hear;
    this.change = change;
    this.rows = new Map();
    this.summary = null;
    this.state = "connecting";
    document.addEventListener("visibilitychange", () => this.choose());
    setInterval(() => this.watch(), 1000);
    this.choose();
  }

  choose() {
    this.leave();
    if (!document.hidden) this.join();
  }

  join() {
    this.state = "connecting";
    this.change(this.state);
    // Only addresses that browsers trust (https, localhost) have locks: elsewhere each tab listens.
    if (!navigator.locks) { this.open(); return; }
    this.channel = new BroadcastChannel(NAME);
    this.channel.addEventListener("message", ({ data }) => this.hearTab(data));
    this.channel.postMessage({ kind: "hello" });
    this.leaving = new AbortController();
    const lead = () => new Promise((release) => { this.release = release; this.open(); });
    navigator.locks.request(NAME, { signal: this.leaving.signal }, lead).catch((error) => {
      if (error.name !== "AbortError") throw error;
    });
  }

  leave() {
    this.close();
    this.release?.();
    this.leaving?.abort();
    this.channel?.close();
    this.release = this.leaving = this.channel = null;
  }

  /** What another tab says. */
  hearTab({ kind, data }) {
    if (kind !== "hello") kind === "state" ? this.change(data) : this.hear(kind, data);
    else if (this.source) {
      if (this.summary) {
        this.tell("activations", { now: this.summary.now, whole: true, changed: [...this.rows.values()], gone: [] });
        this.tell("summary", this.summary);
      }
      this.tell("state", this.state);
    }
  }

  tell(kind, data) { this.channel?.postMessage({ kind, data }); }

  setState(state) {
    this.state = state;
    this.change(state);
    this.tell("state", state);
  }

  open() {
    this.close();
    this.signAt = performance.now();
    this.isWhole = true;
    const source = this.source = new EventSource(`${API}/stream`);
    source.addEventListener("open", () => { this.isWhole = true; this.setState("live"); });
    for (const kind of KINDS) source.addEventListener(kind, ({ data }) => this.receive(kind, JSON.parse(data)));
    source.addEventListener("error", () => {
      if (source.readyState === EventSource.CLOSED) this.explain();
      else this.setState("lost");
    });
  }

  close() {
    this.source?.close();
    clearTimeout(this.retry);
    this.source = null;
  }

  receive(kind, data) {
    this.signAt = performance.now();
    if (kind === "activations") {
      data.whole = this.isWhole;
      if (this.isWhole) this.rows.clear();
      this.isWhole = false;
      for (const row of data.changed) this.rows.set(row.row, row);
      for (const row of data.gone) this.rows.delete(row);
    }
    if (kind === "summary") this.summary = data;
    this.hear(kind, data);
    this.tell(kind, data);
  }

  /** Finds out why the stream was refused: an EventSource does not say it. */
  async explain() {
    const status = await fetch("console", { method: "HEAD", signal: AbortSignal.timeout(RETRY_MS) }).then((answer) => answer.status, () => 0);
    if (!this.source) return;
    this.setState(status === 401 ? "out" : status === 200 ? "full" : "lost");
    // Without a token another try would count as one more wrong token.
    if (status !== 401) this.retry = setTimeout(() => this.open(), RETRY_MS);
  }

  /** A frozen process and a dead network keep the connection: only silence shows it. */
  watch() {
    if (this.source && this.source.readyState !== EventSource.CLOSED && performance.now() - this.signAt > SILENT_SECONDS * 1000) this.open();
  }
}
