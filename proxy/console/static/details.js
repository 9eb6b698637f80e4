// An opened number: its SMS, its story, and what can be done with it.

import { copy, copyButton } from "./clipboard.js";
import { API, ask, el, money, say } from "./dom.js";
import { visible } from "./marks.js";
import { confirmed } from "./question.js";
import { moment } from "./times.js";

const ACTS = {
  finish: ["Finish", "Finish this number?", "The number is done: no further SMS is read. It stays charged."],
  cancel: ["Cancel", "Cancel this number?", "Its program loses the number. The money comes back if the upstream allows it."],
  swap: ["Swap", "Swap this number for another?", "Its program gets a new number in its place, as if it had asked for that."],
};

/** The address of the page that opens a number. */
const link = (row) => `${location.origin}${location.pathname}#${row}`;

export class Details {
  constructor(row, now, actions) {
    this.row = row;
    this.actions = actions;
    this.messages = el("div", { class: "messages" });
    this.story = el("ol", { class: "story" });
    this.result = el("p", { class: "result", role: "status" });
    this.why = el("p", { class: "hint" });
    this.acts = new Map(Object.keys(ACTS).map((act) => [act, this.button(act)]));
    this.copyCode = el("button", { type: "button" }, "Copy code");
    this.copyCode.addEventListener("click", () => copy(this.row.code, "Code"));
    const cell = el("td", { role: "cell", colspan: "7" },
      el("div", { class: "opened" },
        el("div", {}, this.messages, el("div", { class: "buttons" }, this.copyCode, ...this.acts.values(), ...this.others()), this.why, this.result),
        el("div", {}, this.facts(), this.story)));
    this.tr = el("tr", { role: "row", class: "detail", id: `story-${row.row}`, "data-of": row.row }, cell);
    this.fill(row);
    this.load();
  }

  button(act) {
    const button = el("button", { type: "button", "data-act": act }, `${ACTS[act][0]}…`);
    button.addEventListener("click", () => this.ask(act));
    return button;
  }

  others() {
    const use = el("button", { type: "button" }, "Try a request");
    use.addEventListener("click", () => this.actions.use?.(this.row));
    if (!this.actions.sms) return [use];
    const sms = el("button", { type: "button" }, "Send it an SMS");
    sms.addEventListener("click", () => this.actions.sms(this.row));
    return [use, sms];
  }

  facts() {
    const { row, id, bought_at: at, cents, country_name: country, program } = this.row;
    const fact = (name, ...value) => el("div", {}, el("dt", {}, name), el("dd", {}, ...value));
    return el("dl", { class: "facts" },
      fact("Activation", String(id), copyButton(`Copy the id ${id}`, "Id", () => String(id))),
      fact("Bought", at ? moment(at) : "–"), fact("Price", `${money(cents)} USD`),
      fact("Country", country), fact("Program", el("span", { class: "cut", title: program }, program)),
      fact("Link", el("a", { href: `#${row}` }, "this number"), copyButton("Copy the link to this number", "Link", () => link(row))));
  }

  fill(row) {
    this.row = row;
    this.copyCode.hidden = !row.code;
    const reasons = new Map();
    for (const [act, button] of this.acts) {
      const reason = row.acts ? row.acts[act] : "this proxy does not say whether it is possible";
      button.disabled = this.isAsking || reason !== null;
      button.title = reason ?? "";
      if (reason !== null) reasons.set(reason, [...(reasons.get(reason) ?? []), ACTS[act][0]]);
    }
    say(this.why, [...reasons].map(([reason, names]) => `${names.join(", ")} off – ${reason}.`).join(" "));
  }

  /** Does one of the acts after a yes, by the path of a client's own request. */
  async ask(act) {
    const { row, phone, service_name: service } = this.row;
    const [name, title, text] = ACTS[act];
    const isSure = await confirmed({ title, text: `+${phone}, ${service}. ${text}`, yes: name, no: "Do nothing" });
    if (!isSure) return;
    this.isAsking = true;
    this.fill(this.row);
    try {
      const { word, ok, advice } = await ask(`${API}/activations/${row}/${act}`, { phone });
      this.tell(`${name}: ${word}${advice ? `. ${advice}` : ""}`, !ok);
    } catch (error) {
      this.tell(`${name}: not done: ${error.message}.`, true);
    }
    this.isAsking = false;
    this.fill(this.row);
    this.load();
  }

  tell(text, isFailed) {
    say(this.result, text);
    this.result.classList.toggle("failed", isFailed);
  }

  /** Reads SMS and story; an answer that a later question has overtaken is not shown. */
  async load() {
    const asked = this.asked = {};
    const isLast = () => asked === this.asked;
    await Promise.all([this.loadMessages(isLast), this.loadStory(isLast)]);
  }

  async loadStory(isLast) {
    const found = await ask(`${API}/activations/${this.row.row}`).catch((error) => ({ error }));
    if (isLast()) this.story.replaceChildren(...story(found));
  }

  async loadMessages(isLast) {
    const found = await ask(`${API}/activations/${this.row.row}/messages`).catch((error) => ({ error }));
    const key = JSON.stringify(found.messages);
    // What has not changed keeps its selection.
    if (!isLast() || (key && key === this.shown)) return;
    this.shown = key;
    this.messages.replaceChildren(...messages(found));
  }
}

function story({ story: parts, known_since: since, error }) {
  if (error) return [el("li", { class: "failed" }, `The story is not read: ${error.message}.`)];
  const items = parts.map((part) => el("li", { "data-what": part.what }, moment(part.at), " ", part.text));
  if (since) items.push(el("li", { class: "hint" }, "The proxy was started at ", moment(since), ": of the time before, only the purchase, SMS and refunds are known."));
  return items.length ? items : [el("li", {}, "Nothing is known of it yet.")];
}

function messages({ messages: found, error }) {
  if (error) return [el("p", { class: "failed" }, `The SMS are not read: ${error.message}.`)];
  return found.length ? found.map(sms) : [el("p", { class: "hint" }, "No SMS has come.")];
}

function sms({ text, code, sender, at }) {
  const footer = el("footer", {});
  if (sender) footer.append("from ", el("bdi", {}, visible(sender)), at ? ", " : "");
  if (at) footer.append(moment(at));
  if (code) footer.append(" · code ", el("b", { dir: "auto" }, visible(code)), copyButton(`Copy the code ${code}`, "Code", () => code));
  return el("blockquote", {}, el("p", { dir: "auto" }, visible(text)), footer);
}
