// The table of numbers: rows that change in place, and open to all that is known of a number.

import { Archive } from "./archive.js";
import { tell } from "./clipboard.js";
import { $, API, ask, say } from "./dom.js";
import { NumberRow } from "./number_row.js";
import { Search, stateOf } from "./search.js";

const PAGE = 100;

export class Inbox {
  constructor(now, actions) {
    this.now = now;
    this.actions = actions;
    this.live = new Map();
    this.lines = new Map();
    this.open = new Set();
    this.limit = PAGE;
    this.isScheduled = false;
    this.trouble = "";
    this.search = new Search(() => this.restart());
    this.search.enter = () => this.focusFirst();
    this.archive = new Archive($("filters").elements.when, now, () => this.scheduleRender());
    $("more").addEventListener("click", () => { this.limit += 2 * PAGE; this.scheduleRender(); });
    $("earlier").addEventListener("click", () => { this.archive.choose(String(this.archive.dayBefore)); $("activations").focus(); });
    setInterval(() => this.tick(), 1000);
  }

  restart() {
    this.limit = PAGE;
    this.scheduleRender();
  }

  /** Why numbers of before the start may be missing; empty if none are. */
  setTrouble(text) {
    if (text === this.trouble) return;
    this.trouble = text;
    this.scheduleRender();
  }

  /** With `whole` there are no rows but the changed ones. */
  update({ changed, gone, whole }) {
    const present = new Set(changed.map((row) => row.row));
    const left = whole ? [...this.live.keys()].filter((row) => !present.has(row)) : gone;
    for (const row of changed) {
      const before = this.live.get(row.row);
      if (before && before.state !== row.state && !whole) this.announce(row);
      this.live.set(row.row, row);
      if (this.open.has(row.row)) this.lines.get(row.row)?.details?.load();
    }
    if (whole) this.archive.load();
    const old = left.map((row) => this.live.get(row)).filter(Boolean);
    for (const row of left) this.live.delete(row);
    if (old.length) this.archive.take(old);
    this.scheduleRender();
  }

  announce(row) {
    say($("announce"), `${row.service_name}, number ending in ${row.phone.slice(-4)}: ${stateOf(row)}`);
  }

  scheduleRender() {
    if (this.isScheduled) return;
    this.isScheduled = true;
    requestAnimationFrame(() => { this.isScheduled = false; this.render(); });
  }

  get(name) { return this.live.get(name) ?? this.archive.rows.get(name); }

  /** All rows of the span, newest first. */
  rows() {
    return this.archive.filter([...new Map([...this.archive.rows, ...this.live]).values()])
      .sort((a, b) => (b.created_at ?? 0) - (a.created_at ?? 0) || b.place - a.place);
  }

  render() {
    const rows = this.rows(), found = this.search.filter(rows);
    const shown = found.slice(0, this.limit);
    this.place(shown);
    say($("count"), found.length === rows.length ? "" : `${found.length} of ${rows.length}`);
    $("table").hidden = !found.length;
    $("activations").ariaBusy = String(this.archive.isBusy);
    $("empty").hidden = !!found.length;
    say($("empty"), this.emptyText(rows));
    const failed = this.archive.failed;
    $("older").hidden = !failed && this.archive.isWhole;
    say($("older"), failed ? `Older numbers are not read: ${failed}.` : "The newest 4,000 numbers of this time are shown.");
    $("more").hidden = found.length <= shown.length;
    say($("more"), `Show ${Math.min(2 * PAGE, found.length - shown.length)} more of ${found.length - shown.length}`);
    const back = this.archive.dayBefore;
    $("earlier").hidden = back === null;
    if (back !== null) say($("earlier"), `Show ${back === 1 ? "yesterday" : this.archive.name(back)}`);
    if (found.length && !this.isPainted) this.isPainted = performance.mark("first rows");
    this.onRender?.([...this.live.values()]);
    if (this.wanted) this.openWanted(found);
  }

  emptyText(rows) {
    if (rows.length) return "No number fits. Escape clears the search.";
    if (this.archive.isBusy) return "The numbers are read …";
    if (this.trouble) return `The numbers cannot be read: the store: ${this.trouble}.`;
    return this.archive.isDay
      ? "No numbers on this day."
      : "No numbers in the last 24 hours. Numbers that programs buy appear here at once.";
  }

  /** Puts the lines of these rows in order, and moves none that is in its place. */
  place(shown) {
    const names = new Set(shown.map((row) => row.row));
    for (const [row, line] of this.lines) if (!names.has(row)) { line.remove(); this.lines.delete(row); }
    let next = $("rows").firstElementChild;
    for (const row of shown) {
      const line = this.lines.get(row.row) ?? this.add(row);
      line.fill(row);
      for (const node of line.nodes) {
        if (node === next) next = next.nextElementSibling;
        else $("rows").insertBefore(node, next);
      }
    }
  }

  add(row) {
    const line = new NumberRow(row, this.now, this.actions, (isOpen) => {
      if (isOpen) this.open.add(row.row);
      else this.open.delete(row.row);
    });
    this.lines.set(row.row, line);
    if (this.open.has(row.row)) line.setOpen(true);
    return line;
  }

  tick() {
    for (const line of this.lines.values()) line.tick();
  }

  focusFirst() {
    $("rows").querySelector(".opener")?.focus();
  }

  /** The line that keys mean: the one with the focus, or the only one. */
  lineOf(node) {
    const name = node.closest?.("[data-of]")?.dataset.of;
    if (name) return this.lines.get(name);
    return this.lines.size === 1 ? [...this.lines.values()][0] : undefined;
  }

  /** Moves the focus by so many lines. */
  step(node, by) {
    const openers = [...$("rows").querySelectorAll(".opener")];
    const at = openers.indexOf(this.lineOf(node)?.opener);
    openers[Math.min(Math.max(at + by, 0), openers.length - 1)]?.focus();
  }

  /** Opens a number by its address, once its row is here. */
  async openRow(name) {
    this.wanted = name;
    try {
      const row = this.get(name) ?? (await ask(`${API}/activations/${name}`)).activation;
      if (!this.archive.show(row)) throw new Error("it is older than the days that can be shown");
      this.search.reset();
    } catch (error) {
      this.wanted = null;
      tell(`The number of this address is not shown: ${error.message}.`);
    }
  }

  openWanted(found) {
    const place = found.findIndex(({ row }) => row === this.wanted);
    if (place < 0) return;
    if (place >= this.limit) { this.limit = place + 1; this.scheduleRender(); return; }
    const line = this.lines.get(this.wanted);
    this.wanted = null;
    line.setOpen(true);
    line.opener.focus();
    line.tr.scrollIntoView({ block: "nearest" });
  }
}
