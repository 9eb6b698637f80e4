// One line of the table. It is filled in place, so that a selection and the focus stay.

import { copy, copyButton, tell } from "./clipboard.js";
import { Details } from "./details.js";
import { el, say, span } from "./dom.js";
import { oneLine, visible } from "./marks.js";
import { LIVE, stateOf } from "./search.js";
import { age, clock, utc } from "./times.js";

const WAITS = new Set(["waiting", "retrying", "unread"]);

const cell = (label, ...children) => el("td", { role: "cell", "data-label": label }, ...children);

/** Sets a text that may be cut; its title has all of it. */
function sayCut(node, text) {
  say(node, text);
  if (node.title !== text) node.title = text;
}

export class NumberRow {
  constructor(row, now, actions, change) {
    this.row = row;
    this.now = now;
    this.actions = actions;
    this.change = change;
    this.details = null;
    this.opener = el("button", { class: "opener", type: "button", "aria-expanded": "false" });
    this.phone = el("span", { class: "phone" });
    this.service = el("span", { class: "cut" });
    this.country = el("span", { class: "cut soft" });
    this.program = el("span", { class: "cut" });
    this.state = el("span", { class: "state" });
    this.left = el("span", { class: "left soft" });
    this.code = el("span", { class: "code", dir: "auto" });
    this.copyNumber = copyButton("Copy the number", "Number", () => `+${this.row.phone}`);
    this.copyCode = copyButton("Copy the code", "Code", () => this.row.code);
    this.sms = el("bdi", { class: "cut soft" });
    this.age = el("time");
    this.tr = el("tr", { role: "row", "data-row": row.row, "data-of": row.row },
      cell("Number", this.opener, this.phone, this.copyNumber),
      cell("Service", this.service, this.country), cell("State", this.state, this.left),
      cell("Code", this.code, this.copyCode), cell("SMS", this.sms), cell("Program", this.program), cell("Age", this.age));
    this.opener.addEventListener("click", () => this.setOpen(!this.details));
    this.tr.addEventListener("click", (event) => this.click(event));
  }

  get nodes() { return this.details ? [this.tr, this.details.tr] : [this.tr]; }

  /** A click on the line opens it; one that selects text, or on a button, does not. */
  click(event) {
    if (event.target.closest("button, a") || !getSelection().isCollapsed) return;
    this.setOpen(!this.details);
  }

  fill(row) {
    this.row = row;
    this.fillNumber(row.phone);
    sayCut(this.service, row.service_name);
    sayCut(this.country, row.country_name);
    sayCut(this.program, row.program);
    say(this.state, stateOf(row));
    if (this.shown !== row.state) {
      this.shown = this.state.dataset.state = row.state;
      this.tr.classList.toggle("over", !LIVE.has(row.state));
    }
    this.state.title = row.push ? "its socket is open" : "";
    sayCut(this.code, row.code ? visible(row.code) : "–");
    this.code.classList.toggle("none", !row.code);
    this.copyCode.hidden = !row.code;
    sayCut(this.sms, row.text ? oneLine(row.text) : "");
    this.details?.fill(row);
    this.tick();
  }

  /** A swap gives the activation another number. */
  fillNumber(phone) {
    if (this.number === phone) return;
    this.number = phone;
    say(this.phone, `+${phone}`);
    this.opener.ariaLabel = `+${phone}: its SMS, story and actions`;
    this.copyNumber.ariaLabel = `Copy +${phone}`;
    this.copyCode.ariaLabel = `Copy the code of +${phone}`;
  }

  tick() {
    const { bought_at: at, expires_at: end, state } = this.row;
    say(this.left, WAITS.has(state) && end ? `${span(end - this.now())} left` : "");
    say(this.age, at ? age(at, this.now()) : "–");
    if (!at || this.at === at) return;
    this.at = at;
    this.age.dateTime = new Date(at * 1000).toISOString();
    this.age.title = `${clock(at)} here, ${utc(at)}`;
  }

  setOpen(isOpen) {
    if (isOpen === !!this.details) return;
    this.opener.setAttribute("aria-expanded", String(isOpen));
    this.tr.classList.toggle("open", isOpen);
    if (isOpen) {
      this.details = new Details(this.row, this.now, this.actions);
      this.opener.setAttribute("aria-controls", this.details.tr.id);
      this.tr.after(this.details.tr);
    } else {
      this.details.tr.remove();
      this.details = null;
      this.opener.removeAttribute("aria-controls");
    }
    this.change(isOpen);
  }

  copy() {
    if (this.row.code) copy(this.row.code, "Code");
    else tell(`+${this.row.phone} has no code yet`);
  }

  copyPhone() { copy(`+${this.row.phone}`, "Number"); }

  remove() {
    for (const node of this.nodes) node.remove();
  }
}
