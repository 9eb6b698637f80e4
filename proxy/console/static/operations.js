// Money, sockets, requests, and what is owed; on the inbox they are one line.

import { $, API, ask, el, list, money, noun, say, span } from "./dom.js";

const ACCOUNTS = 4;

export class Operations {
  /** `now` is the proxy's time in seconds. */
  constructor(now) {
    this.now = now;
    this.waiting = 0;
    $("balance-read").addEventListener("click", () => ask(`${API}/balances`, {}).then((found) => this.show(found), (error) => say($("balance-note"), `not read: ${error.message}`)));
  }

  show(data) {
    const { charged, refunded, saved, trouble } = data.money;
    say($("charged"), money(charged));
    say($("refunded"), money(refunded));
    say($("net"), trouble ? `the ledger cannot be read: ${trouble}` : charged === null ? "not read yet" : `${money(charged - refunded)} spent`);
    say($("saved"), money(saved.handed_over + saved.refunded_orphan + saved.refunded_promise));
    say($("saved-note"), `${money(saved.handed_over + saved.refunded_orphan)} from unclaimed numbers, ${money(saved.refunded_promise)} by scheduled cancels`);
    const sockets = data.push.open + data.push.closed, open = noun(data.push.open, "open socket");
    say($("push"), String(data.push.open));
    say($("push-note"), sockets > data.push.open ? `${open}, ${data.push.closed} to be opened` : open);
    say($("budget"), String(Math.floor(data.budget.left)));
    say($("budget-note"), data.budget.paused ? `keys paused by the upstream: ${data.budget.paused}` : `of ${data.budget.limit} ${noun(data.budget.limit, "request")} left`);
    this.balances(data.balances);
    this.owed(data);
    this.brief(data);
  }

  balances(found) {
    const known = found.filter(({ cents }) => cents !== null);
    this.balance = known.length ? money(known.reduce((sum, { cents }) => sum + cents, 0)) : "–";
    say($("balance"), this.balance);
    const told = found.filter(({ cents, failed }) => cents !== null || failed).map(({ programs, cents, failed }) =>
      [programs.join(", "), known.length > 1 && money(cents), failed && `not read: ${failed.replaceAll("_", " ").toLowerCase()}`].filter(Boolean).join(" "));
    const more = told.length - ACCOUNTS;
    const texts = found.length ? [...told.slice(0, ACCOUNTS), ...(more > 0 ? [`and ${more} more`] : [])] : ["no program has asked since the start"];
    list($("balance-note"), null, texts.length ? texts : ["not read yet"], (text) => el("span", { class: "cut", title: text }, text));
    $("balance-read").hidden = !found.length;
  }

  /** The numbers that wait, by the inbox. */
  count(rows) {
    const of = (...states) => rows.filter((row) => states.includes(row.state)).length;
    const waiting = of("waiting", "retrying"), codes = of("received", "unread");
    say($("waiting"), String(waiting));
    say($("waiting-note"), `${noun(waiting, "number")}; ${codes} with a code`);
    document.title = `${waiting ? `(${waiting}) ` : ""}console · virtualsms-proxy`;
  }

  brief({ money: { charged, refunded }, cancels, unclaimed, doubted, budget, problems }) {
    const owed = cancels.length + unclaimed.length + doubted.length;
    const parts = [
      `balance ${this.balance}`,
      charged === null ? "spent today not known" : `${money(charged - refunded)} spent today`,
      owed ? `${owed} to settle` : "nothing to settle",
      `${Math.floor(budget.left)} of ${budget.limit} requests left`,
      problems.length ? `${problems.length} ${noun(problems.length, "problem")}` : "no problems",
    ];
    list($("brief"), null, parts, (part) => el("span", {}, part));
  }

  owed({ cancels, unclaimed, doubted }) {
    const kinds = { cancels, unclaimed, doubted };
    const rows = Object.entries(kinds).flatMap(([kind, found]) => found.map((one) => ({ ...one, kind })));
    list($("pending"), $("pending-empty"), rows, (one) => this.item(one));
  }

  item(one) {
    const { kind, phone, program } = one;
    const [title, act] = { cancels: ["Cancel scheduled", "Cancel now"], unclaimed: ["Unclaimed", "Refund now"], doubted: ["In doubt"] }[kind];
    return el("li", {},
      el("p", {}, el("b", {}, title), " ", el("a", { href: `#${one.row}` }, `+${phone}`)),
      el("p", { class: "hint" }, `${one.service_name}, ${one.country_name}, ${money(one.cents)} · `, el("span", { class: "cut who", title: program }, program)),
      el("p", { class: "hint" }, ...this.next(one)),
      ...(act ? actNow(one, act) : []));
  }

  next({ kind, due, failed }) {
    if (kind === "cancels") return ["next attempt ", el("span", { "data-due": due }, this.due(due)), failed ? `; last result: ${failed}` : ""];
    if (kind === "unclaimed") return ["goes to the next matching request, or is cancelled for a refund"];
    return ["kept for a request of its program that names it, or is cancelled for a refund"];
  }

  due(at) { return at > this.now() ? `in ${span(at - this.now())}` : "now"; }

  tick() {
    for (const place of document.querySelectorAll("[data-due]")) say(place, this.due(Number(place.dataset.due)));
  }
}

function actNow({ id, kind, phone }, act) {
  const button = el("button", { type: "button", "data-focus": id, "aria-label": `${act}: +${phone}` }, act);
  const result = el("span", { class: "hint", role: "status" });
  button.addEventListener("click", async () => {
    button.disabled = true;
    say(result, await ask(`${API}/${kind}/${id}`, {}).then(({ done }) => done, (error) => error.message));
    button.disabled = false;
  });
  return [button, result];
}
