// The page: shows what the stream sends.

import { Activations } from "./activations.js";
import { draw } from "./chart.js";
import { Connection } from "./connection.js";
import { $, API, ask, el, money, noun, say, span, time } from "./dom.js";
import { RequestForm } from "./request_form.js";
import { Sandbox } from "./sandbox.js";
import { Stream } from "./stream.js";

let ahead = 0;
let summary = null;
const now = () => Date.now() / 1000 + ahead;
const actions = {};

// The cookie now holds the token of the printed address: keep it out of the history.
if (location.search) history.replaceState(null, "", location.pathname);

const activations = new Activations(now, actions);
activations.onRender = counts;
const connection = new Connection(now);
let ready = null;

/** Loads the form and the sandbox's controls, once; the next summary tries again. */
function load() {
  ready ??= ask(`${API}/lists`).then(setUp).catch((error) => {
    ready = null;
    say($("copied"), `The form is not ready: ${error.message}.`);
    return () => {};
  });
  return ready;
}

function setUp(lists) {
  say($("copied"), "");
  const form = new RequestForm(lists);
  actions.use = (row) => { form.use(row); $("request").scrollIntoView({ block: "nearest" }); };
  let sandbox = null;
  activations.onRender = (rows) => { form.offerIds(rows); sandbox?.offerPhones(rows); counts(rows); };
  return () => {
    if (sandbox) return;
    sandbox = new Sandbox(lists.samples);
    actions.sms = (row) => { sandbox.selectPhone(row); $("sandbox").scrollIntoView({ block: "nearest" }); };
    $("request").elements.api_key.placeholder = "any word: sandbox";
    activations.scheduleRender();
    actions.asked = () => sandbox.showCompatibility();
  };
}

function hear(kind, data) {
  ahead = data.now - Date.now() / 1000;
  connection.sign();
  if (kind === "activations") activations.update(data);
  if (kind === "summary") { summary = data; show(data); }
}

function show(data) {
  say($("version"), data.version);
  connection.show(data);
  activations.setTrouble(data.store.reads);
  load().then((open) => { if (data.sandbox) { open(); actions.asked?.(); } });
  const { charged, refunded, saved, trouble } = data.money;
  say($("charged"), money(charged));
  say($("refunded"), money(refunded));
  say($("net"), trouble ? `the ledger cannot be read: ${trouble}` : charged === null ? "not read yet" : `${money(charged - refunded)} spent`);
  say($("saved"), money(saved.handed_over + saved.refunded_orphan + saved.refunded_promise));
  say($("saved-note"), `${money(saved.handed_over + saved.refunded_orphan)} from unclaimed numbers, ${money(saved.refunded_promise)} by scheduled cancels`);
  balances(data.balances);
  const sockets = data.push.open + data.push.closed;
  say($("push"), String(data.push.open));
  const open = noun(data.push.open, "open socket");
  say($("push-note"), sockets > data.push.open ? `${open}, ${data.push.closed} to be opened` : open);
  say($("budget"), String(Math.floor(data.budget.left)));
  say($("budget-note"), data.budget.paused ? `keys paused by the upstream: ${data.budget.paused}` : `of ${data.budget.limit} ${noun(data.budget.limit, "request")} left`);
  pending(data);
  problems(data.problems);
  draw(data.minutes, data.budget.limit, now());
  tick();
}

function balances(found) {
  const known = found.filter(({ cents }) => cents !== null);
  say($("balance"), known.length ? money(known.reduce((sum, { cents }) => sum + cents, 0)) : "–");
  const names = found.filter(({ cents, failed }) => cents !== null || failed).map(({ programs, cents, failed }) =>
    [programs.join(", "), known.length > 1 && money(cents), failed && `not read: ${failed.replaceAll("_", " ").toLowerCase()}`].filter(Boolean).join(" "));
  say($("balance-note"), found.length ? names.join(" · ") || "not read yet" : "no program has asked since the start");
  $("balance-read").hidden = !found.length;
}

function counts(rows) {
  const of = (...states) => rows.filter((row) => states.includes(row.state)).length;
  const waiting = of("waiting", "retrying"), codes = of("received", "unread");
  say($("waiting"), String(waiting));
  say($("waiting-note"), `${noun(waiting, "number")}; ${codes} with a code`);
  document.title = `${waiting ? `(${waiting}) ` : ""}console · virtualsms-proxy`;
}

/** Replaces a list only if it has changed, so that a button keeps its focus. */
function list(place, empty, rows, make) {
  const key = JSON.stringify(rows);
  if (place.dataset.key === key) return;
  place.dataset.key = key;
  const focused = document.activeElement?.dataset?.focus;
  place.replaceChildren(...rows.map(make));
  if (focused) place.querySelector(`[data-focus="${CSS.escape(focused)}"]`)?.focus();
  empty.hidden = rows.length > 0;
}

function pending({ cancels, unclaimed, doubted }) {
  const kinds = { cancels, unclaimed, doubted };
  const rows = Object.entries(kinds).flatMap(([kind, found]) => found.map((one) => ({ ...one, kind })));
  list($("pending"), $("pending-empty"), rows, (one) => {
    if (one.kind === "doubted") return inDoubt(one);
    const isCancel = one.kind === "cancels";
    const button = el("button", { type: "button", "data-focus": one.id, "aria-label": `${isCancel ? "Cancel now" : "Refund now"}: +${one.phone}` }, isCancel ? "Cancel now" : "Refund now");
    const result = el("span", { class: "hint", role: "status" });
    button.addEventListener("click", async () => {
      button.disabled = true;
      say(result, await ask(`${API}/${one.kind}/${one.id}`, {}).then(({ done }) => done, (error) => error.message));
      button.disabled = false;
    });
    return el("li", {},
      el("p", {}, el("b", {}, isCancel ? "Cancel scheduled" : "Unclaimed"), ` +${one.phone}`),
      el("p", { class: "hint" }, `${one.service_name}, ${one.country_name}, ${money(one.cents)} · ${one.program}`),
      isCancel
        ? el("p", { class: "hint" }, "next attempt ", el("span", { "data-due": one.due }, due(one.due)), one.failed ? `; last result: ${one.failed}` : "")
        : el("p", { class: "hint" }, "goes to the next matching request, or is cancelled for a refund"),
      button, result);
  });
}

function inDoubt(one) {
  return el("li", {},
    el("p", {}, el("b", {}, "In doubt"), ` +${one.phone}`),
    el("p", { class: "hint" }, `${one.service_name}, ${one.country_name}, ${money(one.cents)} · ${one.program}`),
    el("p", { class: "hint" }, "kept for a request of its program that names it, or is cancelled for a refund"));
}

const due = (at) => (at > now() ? `in ${span(at - now())}` : "now");

function problems(rows) {
  list($("errors"), $("errors-empty"), rows.slice(0, 12), (one) => el("li", {},
    el("p", {}, el("b", {}, one.what.replaceAll("_", " ").toLowerCase()), one.count > 1 ? ` ×${one.count}` : "", el("time", {}, time(one.at))),
    one.text ? el("p", { class: "hint" }, one.text) : "",
    el("p", { class: "fix" }, one.advice)));
}

$("balance-read").addEventListener("click", () => ask(`${API}/balances`, {}).then(show, (error) => say($("balance-note"), `not read: ${error.message}`)));
function tick() {
  if (!summary) return;
  const at = new Date(now() * 1000).toISOString();
  say($("clock"), `${at.slice(0, 10)} ${at.slice(11, 19)} UTC`);
  for (const place of document.querySelectorAll("[data-due]")) say(place, due(Number(place.dataset.due)));
}

setInterval(tick, 1000);
load();
new Stream(hear, (state) => connection.change(state));
