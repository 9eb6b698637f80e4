// What can be out of reach: the proxy for this page, the upstream and the store for the proxy.

import { $, el, noun, say, time } from "./dom.js";
import { SILENT_SECONDS } from "./stream.js";
import { clock, utc } from "./times.js";

const QUIET_SECONDS = 7;
const WORDS = { connecting: "connecting", live: "live", lost: "reconnecting", full: "too many pages", out: "sign in again" };
const DOCTOR = "virtualsms-proxy doctor";

export class Connection {
  /** `now` is the proxy's time in seconds. */
  constructor(now) {
    this.now = now;
    this.state = "connecting";
    this.since = performance.now();
    window.addEventListener("signed-out", () => this.change("out"));
    setInterval(() => this.tick(), 1000);
  }

  change(state) {
    // A tab that was hidden has heard nothing for long: it has twenty seconds, too.
    if (state === "connecting") this.since = performance.now();
    this.state = state;
    this.tick();
  }

  /** Something has come from the proxy. */
  sign() {
    this.signAt = performance.now();
    this.tick();
  }

  tick() {
    const silent = (performance.now() - Math.max(this.since, this.signAt ?? 0)) / 1000;
    const isSilent = silent > SILENT_SECONDS;
    const isLive = this.state === "live" && !isSilent;
    show("link", isLive ? "live" : this.state === "connecting" ? "waiting" : "lost", isSilent && this.state !== "out" ? "no sign of life" : WORDS[this.state]);
    const age = this.signAt === undefined ? 0 : Math.floor((performance.now() - this.signAt) / 1000);
    say($("as-of"), age && silent > QUIET_SECONDS ? `as of ${age} s ago` : "");
    document.body.classList.toggle("stale", isSilent);
    this.warn(isSilent);
  }

  warn(isSilent) {
    const since = this.signAt === undefined ? "" : `What stands here is as of ${time(this.now() - (performance.now() - this.signAt) / 1000)} UTC. `;
    if (this.state === "out") banner("banner", "Sign in again: the proxy was started anew, with another token.", el("a", { href: "console" }, "Sign in"));
    else if (this.state === "full") banner("banner", "Too many pages of this console are open: close one.");
    else if (this.state === "lost" || isSilent) banner("banner", "The proxy does not answer.", `${since}If it was stopped, start it again; this page goes on by itself.`);
    else banner("banner", "");
  }

  /** What the proxy says of the upstream and of its store. */
  show({ upstream, store }) {
    this.showUpstream(upstream);
    const why = store.writes || store.reads;
    show("store-link", why ? "lost" : "live", why ? (store.writes ? "cannot be written" : "cannot be read") : "ok");
    if (store.writes) banner("store-banner", "The store cannot be written: nothing is bought until it can.", `${store.writes}. Check that its disk is writable and not full, or that its database can be reached; `, el("code", {}, DOCTOR), " says more.");
    else banner("store-banner", why ? "The store cannot be read: figures and numbers of before the start may be missing." : "", `${why}. `, el("code", {}, DOCTOR), " says more.");
  }

  showUpstream({ answered_at: answered, failing_since: since, failed, cause, is_out: isOut }) {
    const last = (at) => (answered === null ? "no answer since the start" : `last answer ${at(answered)}`);
    if (since === null) show("upstream-link", answered === null ? "waiting" : "live", answered === null ? "not asked yet" : last(clock));
    else show("upstream-link", isOut ? "lost" : "waiting", `fails since ${clock(since)}, ${failed} ${noun(failed, "request")}; ${last(clock)}`);
    $("upstream-link").title = answered === null ? "" : last(utc);
    banner("upstream-banner", isOut ? `The upstream does not answer since ${time(since)} UTC.` : "",
      `${failed} ${noun(failed, "request")} failed, at last: ${cause} (${last(utc)}). Programs are told to try again, and numbers that were bought stay. Run `, el("code", {}, DOCTOR), " where the proxy runs: it says what is wrong.");
  }
}

function show(id, state, text) {
  $(id).dataset.state = state;
  say($(`${id}-text`), text);
}

/** The first text is announced; the details may change every second and are not. */
function banner(id, text, ...details) {
  $(id).hidden = !text;
  say($(`${id}-text`), text);
  const key = details.map((one) => one.textContent ?? one).join("");
  if ($(`${id}-more`).textContent !== key) $(`${id}-more`).replaceChildren(...details);
}
