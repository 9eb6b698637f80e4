// The page: what the stream says, put where it belongs.

import { Activations } from "./activations.js";
import { Box } from "./box.js";
import { draw } from "./chart.js";
import { $, API, ask, el, money, noun, say, span, time } from "./dom.js";
import { Sandbox } from "./sandbox.js";

let ahead = 0;
let summary = null;
const now = () => Date.now() / 1000 + ahead;
const act = {};

// The token of the printed address is in a cookie now, and need not stand in the history.
if (location.search) history.replaceState(null, "", location.pathname);

const activations = new Activations(now, act);
const ready = ask(`${API}/lists`).then((lists) => {
  const box = new Box(lists);
  act.use = (row) => { box.use(row); $("box").scrollIntoView({ block: "nearest" }); };
  let sandbox = null;
  activations.onRender = (rows) => { box.ids(rows); sandbox?.phones(rows); counts(rows); };
  return () => {
    if (sandbox) return;
    sandbox = new Sandbox(lists.samples);
    act.sms = (row) => { sandbox.to(row); $("sandbox").scrollIntoView({ block: "nearest" }); };
    $("box").elements.api_key.placeholder = "any word: sandbox";
    activations.plan();
  };
});

function listen() {
  const stream = new EventSource(`${API}/stream`);
  stream.addEventListener("open", () => { linked("live", "live"); activations.restart(); $("banner").hidden = true; });
  stream.addEventListener("activations", (event) => {
    const told = JSON.parse(event.data);
    ahead = told.now - Date.now() / 1000;
    activations.take(told);
  });
  stream.addEventListener("summary", (event) => {
    summary = JSON.parse(event.data);
    ahead = summary.now - Date.now() / 1000;
    show(summary);
  });
  stream.addEventListener("error", () => {
    const isOver = stream.readyState === EventSource.CLOSED;
    linked("lost", isOver ? "disconnected" : "reconnecting");
    if (isOver) {
      say($("banner"), "The proxy does not answer. If it was restarted, open the address that it printed then.");
      $("banner").hidden = false;
      setTimeout(listen, 5000);
    }
  });
}

function linked(state, text) {
  $("link").dataset.state = state;
  say($("link"), text);
}

function show(told) {
  say($("version"), told.version);
  if (told.sandbox) ready.then((open) => open());
  const { charged, refunded, saved } = told.money;
  say($("charged"), money(charged));
  say($("refunded"), money(refunded));
  say($("net"), `${money(charged - refunded)} spent`);
  say($("saved"), money(saved.handed_over + saved.refunded_orphan + saved.refunded_promise));
  say($("saved-note"), `${money(saved.handed_over + saved.refunded_orphan)} by orphans, ${money(saved.refunded_promise)} by cancels`);
  balances(told.balances);
  const sockets = told.push.open + told.push.closed;
  say($("push"), String(told.push.open));
  const open = noun(told.push.open, "open socket");
  say($("push-note"), sockets > told.push.open ? `${open}, ${told.push.closed} to be opened` : open);
  say($("budget"), String(Math.floor(told.budget.left)));
  say($("budget-note"), told.budget.paused ? `keys paused by the upstream: ${told.budget.paused}` : `of ${told.budget.limit} ${noun(told.budget.limit, "request")} left`);
  owed(told);
  complaints(told.complaints);
  draw(told.minutes, told.budget.limit, now());
}

function balances(found) {
  const known = found.filter(({ cents }) => cents !== null);
  say($("balance"), known.length ? money(known.reduce((sum, { cents }) => sum + cents, 0)) : "–");
  const names = known.map(({ programs, cents }) => (known.length > 1 ? `${programs.join(", ")} ${money(cents)}` : programs.join(", ")));
  say($("balance-note"), found.length ? names.join(" · ") || "not asked yet" : "no program has bought yet");
  $("balance-read").hidden = !found.length;
}

function counts(rows) {
  const of = (...states) => rows.filter((row) => states.includes(row.state)).length;
  const waiting = of("waiting", "retrying"), codes = of("received", "unread");
  say($("waiting"), String(waiting));
  say($("waiting-note"), `${noun(waiting, "number")}; ${codes} with a code`);
  document.title = `${waiting ? `(${waiting}) ` : ""}console · virtualsms-proxy`;
}

/** Replaces the list only when it is another, so that a focused button stays. */
function list(place, empty, rows, make) {
  const key = JSON.stringify(rows);
  if (place.dataset.key === key) return;
  place.dataset.key = key;
  const focused = document.activeElement?.dataset?.focus;
  place.replaceChildren(...rows.map(make));
  if (focused) place.querySelector(`[data-focus="${CSS.escape(focused)}"]`)?.focus();
  empty.hidden = rows.length > 0;
}

function owed({ promises, orphans }) {
  const rows = [...promises.map((one) => ({ ...one, kind: "promises" })), ...orphans.map((one) => ({ ...one, kind: "orphans" }))];
  list($("owed"), $("owed-empty"), rows, (one) => {
    const isPromise = one.kind === "promises";
    const button = el("button", { type: "button", "data-focus": one.id, "aria-label": `${isPromise ? "Cancel now" : "Give back now"}: +${one.phone}` }, isPromise ? "Cancel now" : "Give back now");
    const said = el("span", { class: "hint", role: "status" });
    button.addEventListener("click", async () => {
      button.disabled = true;
      say(said, await ask(`${API}/${one.kind}/${one.id}`, {}).then(({ done }) => done, (error) => error.message));
      button.disabled = false;
    });
    return el("li", {},
      el("p", {}, el("b", {}, isPromise ? "Cancel promised" : "Nobody was told"), ` +${one.phone}`),
      el("p", { class: "hint" }, `${one.service_name}, ${one.country_name}, ${money(one.cents)} · ${one.program}`),
      isPromise
        ? el("p", { class: "hint" }, "to be tried ", el("span", { "data-due": one.due }, due(one.due)), one.failed ? `; last: ${one.failed}` : "")
        : el("p", { class: "hint" }, "waits for who asks for the same, then goes back"),
      button, said);
  });
}

const due = (at) => (at > now() ? `in ${span(at - now())}` : "now");

function complaints(rows) {
  list($("errors"), $("errors-empty"), rows.slice(0, 12), (one) => el("li", {},
    el("p", {}, el("b", {}, one.what.replaceAll("_", " ").toLowerCase()), one.count > 1 ? ` ×${one.count}` : "", el("time", {}, time(one.at))),
    one.text ? el("p", { class: "hint" }, one.text) : "",
    el("p", { class: "fix" }, one.advice)));
}

$("balance-read").addEventListener("click", () => ask(`${API}/balances`, {}).then(show, () => {}));
setInterval(() => {
  if (!summary) return;
  const at = new Date(now() * 1000).toISOString();
  say($("clock"), `${at.slice(0, 10)} ${at.slice(11, 19)} UTC`);
  for (const place of document.querySelectorAll("[data-due]")) say(place, due(Number(place.dataset.due)));
}, 1000);
listen();
