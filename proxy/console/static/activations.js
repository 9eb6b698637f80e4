// The table of numbers: filters, rows that change in place, codes and stories on request.

import { $, API, ask, el, money, options, say, span, time } from "./dom.js";

const PAGE = 100;
export const STATES = {
  waiting: "waiting",
  unread: "SMS came",
  received: "code",
  retrying: "waiting for another SMS",
  cancelling: "cancel scheduled",
  unclaimed: "unclaimed",
  doubt: "in doubt",
  finished: "finished",
  cancelled: "cancelled",
  expired: "expired",
};
const LIVE = new Set(["waiting", "unread", "received", "retrying", "cancelling", "unclaimed", "doubt"]);

export class Activations {
  constructor(now, actions) {
    this.now = now;
    this.actions = actions;
    this.all = new Map();
    this.lines = new Map();
    this.open = new Set();
    this.codes = new Map();
    this.limit = PAGE;
    this.isScheduled = false;
    this.failed = new Map();
    this.trouble = "";
    const filters = $("filters");
    this.filters = filters.elements;
    filters.addEventListener("input", () => { this.limit = PAGE; this.scheduleRender(); });
    filters.addEventListener("submit", (event) => event.preventDefault());
    $("more").addEventListener("click", () => { this.limit += 2 * PAGE; this.scheduleRender(); });
    setInterval(() => this.tick(), 1000);
  }

  /** Why numbers of before the start may be missing; empty if none are. */
  setTrouble(text) {
    if (text === this.trouble) return;
    this.trouble = text;
    this.scheduleRender();
  }

  /** With `whole` there are no rows but the changed ones. */
  update({ changed, gone, whole }) {
    if (whole) {
      const present = new Set(changed.map((row) => row.row));
      for (const row of this.all.keys()) if (!present.has(row)) this.remove(row);
    }
    for (const row of changed) {
      const before = this.all.get(row.row);
      if (before && before.state !== row.state && !whole) this.announce(row);
      if (before && before.sms !== row.sms) this.loadCode(row.row);
      this.all.set(row.row, row);
      if (this.open.has(row.row)) this.loadStory(row.row);
    }
    for (const row of gone) this.remove(row);
    this.scheduleRender();
  }

  remove(row) {
    this.all.delete(row);
    this.codes.delete(row);
    this.failed.delete(row);
    this.open.delete(row);
    const line = this.lines.get(row);
    if (line) { line.tr.remove(); line.detail?.remove(); this.lines.delete(row); }
  }

  announce(row) {
    say($("announce"), `${row.service_name}, number ending in ${row.phone.slice(-4)}: ${STATES[row.state]}`);
  }

  scheduleRender() {
    if (this.isScheduled) return;
    this.isScheduled = true;
    requestAnimationFrame(() => { this.isScheduled = false; this.render(); });
  }

  filtered() {
    const { text, program, service, state } = this.filters;
    const wanted = text.value.replace(/[\s+]/g, "");
    return [...this.all.values()]
      .filter((row) => (!program.value || row.program === program.value)
        && (!service.value || row.service === service.value)
        && (!state.value || (state.value === "live" ? LIVE.has(row.state) : row.state === state.value))
        && (!wanted || row.phone.includes(wanted) || String(row.id).startsWith(wanted)))
      .sort((a, b) => (b.created_at ?? 0) - (a.created_at ?? 0) || b.place - a.place);
  }

  render() {
    this.updateFilters();
    const found = this.filtered();
    const shown = found.slice(0, this.limit);
    const body = $("rows");
    const names = new Set(shown.map((row) => row.row));
    for (const [row, line] of this.lines) {
      if (!names.has(row)) { line.tr.remove(); line.detail?.remove(); this.lines.delete(row); }
    }
    let next = body.firstElementChild;
    for (const row of shown) {
      const line = this.lines.get(row.row) ?? this.createLine(row);
      this.fillLine(line, row);
      if (line.tr === next) next = next.nextElementSibling;
      else body.insertBefore(line.tr, next);
      if (line.detail) {
        if (line.detail === next) next = next.nextElementSibling;
        else body.insertBefore(line.detail, next);
      }
    }
    say($("count"), found.length === this.all.size ? String(this.all.size || "") : `${found.length} of ${this.all.size}`);
    $("table").hidden = !found.length;
    // The column is hidden where there is only one program.
    $("table").classList.toggle("alone", this.programs === 1);
    $("empty").hidden = !!found.length;
    say($("empty"), this.all.size
      ? "No number fits these filters."
      : this.trouble ? `The numbers cannot be read: the store: ${this.trouble}.`
      : "No numbers yet. Numbers that programs buy appear here at once; the form below buys one, too.");
    $("more").hidden = found.length <= shown.length;
    say($("more"), `Show ${Math.min(2 * PAGE, found.length - shown.length)} more of ${found.length - shown.length}`);
    if (found.length && !this.isPainted) this.isPainted = performance.mark("first rows");
    this.onRender?.([...this.all.values()]);
  }

  /** Offers the programs, services and states of the rows as filters. */
  updateFilters() {
    const programs = new Map(), services = new Map(), states = new Map();
    let live = 0;
    for (const row of this.all.values()) {
      programs.set(row.program, row.program);
      services.set(row.service, row.service_name);
      states.set(row.state, (states.get(row.state) ?? 0) + 1);
      live += LIVE.has(row.state);
    }
    const key = JSON.stringify([[...programs.keys()], [...services.keys()], [...states]]);
    if (key === this.offered) return;
    this.offered = key;
    this.programs = programs.size;
    const byName = (pairs) => [...pairs].sort((a, b) => a[1].localeCompare(b[1]));
    options(this.filters.program, [["", "All programs"], ...byName(programs)]);
    options(this.filters.service, [["", "All services"], ...byName(services)]);
    const counted = Object.entries(STATES).filter(([state]) => states.has(state))
      .map(([state, word]) => [state, `${word} (${states.get(state)})`]);
    options(this.filters.state, [["", "All states"], ["live", `live (${live})`], ...counted]);
  }

  createLine(row) {
    const cell = (label, ...classes) => el("td", { role: "cell", "data-label": label, class: classes.join(" ") || null });
    const opener = el("button", { class: "opener", type: "button", "aria-expanded": "false" });
    const line = {
      opener,
      number: cell("Number"), service: cell("Service"), country: cell("Country"), program: cell("Program"),
      state: el("span", { class: "state" }), code: cell("Code", "code"), age: cell("Age", "n"), left: cell("Left", "n"),
      price: cell("Price", "n"),
    };
    line.number.append(opener);
    const state = cell("State");
    state.append(line.state);
    line.tr = el("tr", { role: "row", "data-row": row.row }, line.number, line.service, line.country,
      line.program, state, line.code, line.age, line.left, line.price);
    opener.addEventListener("click", () => this.toggle(row.row));
    this.lines.set(row.row, line);
    return line;
  }

  fillLine(line, row) {
    say(line.opener, `+${row.phone}`);
    say(line.service, row.service_name);
    say(line.country, row.country_name);
    say(line.program, row.program);
    say(line.price, money(row.cents));
    if (line.shown !== row.state) {
      line.shown = line.state.dataset.state = row.state;
      say(line.state, STATES[row.state] ?? row.state);
      line.tr.classList.toggle("over", !LIVE.has(row.state));
    }
    line.state.title = row.push ? "its socket is open" : "";
    this.fillCode(line, row);
    this.fillTimes(line, row);
  }

  fillCode(line, row) {
    const code = this.codes.get(row.row);
    const failed = this.failed.get(row.row);
    const wanted = row.sms ? (failed ?? (code === undefined ? "hidden" : `=${code}`)) : "none";
    if (line.codeShown === wanted) return;
    line.codeShown = wanted;
    if (wanted === "none") { line.code.replaceChildren("–"); return; }
    const isShown = code !== undefined;
    const name = failed ? `${failed}: try again` : isShown ? `Code ${code}: hide it` : `Show the code of +${row.phone}`;
    const button = el("button", { type: "button", class: ["secret", isShown && "shown", isShown && code.length > 12 && "long"].filter(Boolean).join(" "), "aria-label": name }, failed ? "not read: try again" : isShown ? code : "show");
    button.addEventListener("click", () => this.reveal(row.row));
    const hadFocus = line.code.contains(document.activeElement);
    line.code.replaceChildren(button);
    if (hadFocus) button.focus();
  }

  fillTimes(line, row) {
    const now = this.now();
    say(line.age, row.bought_at ? span(now - row.bought_at) : "–");
    say(line.left, LIVE.has(row.state) && row.expires_at ? span(row.expires_at - now) : "–");
  }

  tick() {
    for (const [name, line] of this.lines) {
      const row = this.all.get(name);
      if (row) this.fillTimes(line, row);
    }
  }

  async reveal(name) {
    if (this.codes.has(name)) { this.codes.delete(name); this.scheduleRender(); return; }
    await this.loadCode(name, true);
  }

  /** Loads the code of a row that shows it, or if it is requested. */
  async loadCode(name, isRequested = false) {
    if (!isRequested && !this.codes.has(name)) return;
    this.failed.delete(name);
    try {
      const { messages } = await ask(`${API}/activations/${name}/messages`);
      if (messages.length) this.codes.set(name, messages.at(-1).code);
    } catch (error) {
      this.codes.delete(name);
      this.failed.set(name, `The code is not read: ${error.message}`);
    }
    this.scheduleRender();
  }

  toggle(name) {
    const line = this.lines.get(name);
    const isOpen = !this.open.has(name);
    line.opener.setAttribute("aria-expanded", String(isOpen));
    if (!isOpen) {
      this.open.delete(name);
      line.detail?.remove();
      line.detail = null;
      return;
    }
    this.open.add(name);
    const id = `story-${name}`;
    line.story = el("ol", { class: "story" });
    line.messages = el("div", { class: "messages" });
    const texts = el("button", { type: "button" }, "Show the SMS texts");
    texts.addEventListener("click", () => this.loadMessages(name));
    const row = this.all.get(name);
    const use = el("button", { type: "button" }, "Use in the form");
    use.addEventListener("click", () => this.actions.use(this.all.get(name)));
    const buttons = el("div", { class: "buttons" }, texts, use);
    if (this.actions.sms) {
      const sms = el("button", { type: "button" }, "Send it an SMS");
      sms.addEventListener("click", () => this.actions.sms(this.all.get(name)));
      buttons.append(sms);
    }
    const facts = el("p", { class: "hint" }, `Activation ${row.id} · bought ${row.bought_at ? time(row.bought_at) : "–"} UTC`);
    const cell = el("td", { role: "cell", colspan: "9" }, facts, line.story, line.messages, buttons);
    line.detail = el("tr", { role: "row", class: "detail", id }, cell);
    line.opener.setAttribute("aria-controls", id);
    line.tr.after(line.detail);
    this.loadStory(name);
  }

  async loadStory(name) {
    const line = this.lines.get(name);
    if (!line?.story) return;
    try {
      const { story, known_since: since } = await ask(`${API}/activations/${name}`);
      const parts = story.map((part) => el("li", { "data-what": part.what }, el("time", {}, time(part.at)), " ", part.text));
      if (since) parts.push(el("li", { class: "hint" }, `The proxy was started at ${time(since)}: of the time before, only the purchase, SMS and refunds are known.`));
      line.story.replaceChildren(...(parts.length ? parts : [el("li", {}, "Nothing is known of it yet.")]));
    } catch (error) {
      line.story.replaceChildren(el("li", { class: "failed" }, `The story is not read: ${error.message}.`));
    }
  }

  async loadMessages(name) {
    const line = this.lines.get(name);
    let messages;
    try {
      ({ messages } = await ask(`${API}/activations/${name}/messages`));
    } catch (error) {
      line.messages.replaceChildren(el("p", { class: "failed" }, `The SMS are not read: ${error.message}.`));
      return;
    }
    const shown = messages.map((sms) => el("blockquote", {},
      el("p", {}, sms.text),
      el("footer", {}, [sms.sender && `from ${sms.sender}`, sms.at && `${time(sms.at)} UTC`].filter(Boolean).join(", "))));
    line.messages.replaceChildren(...(shown.length ? shown : [el("p", { class: "hint" }, "No SMS has come.")]));
  }
}
