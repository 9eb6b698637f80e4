// What clients got instead of what they wanted, in groups, and the warnings of the log.

import { $, API, ask, el, list, noun, say } from "./dom.js";
import { moment } from "./times.js";

const SHOWN = 12;
const inWords = (name) => name.replaceAll("_", " ").toLowerCase();

/** The names of programs, by which `explain` finds their limits. */
export const programs = new Set();

export function show({ problems, warnings = [] }) {
  const groups = problems.slice(0, SHOWN), logged = warnings.slice(0, SHOWN);
  list($("problems"), $("problems-empty"), groups, group);
  list($("errors"), $("errors-empty"), logged, warning);
  say($("problem-count"), problems.length ? String(problems.length) : "");
}

/** "`ci` sent `service=telegram` 14 times: use `tg`" */
function group(one) {
  const times = one.count === 1 ? "once" : `${one.count} times`;
  const sentence = el("p", {},
    el("b", { class: "cut who", title: one.program }, one.program || "a program without a key"), " sent ", el("code", {}, one.sent || `action=${one.action}`), ` ${times}`,
    ...(one.use ? [": use ", el("code", { class: "use" }, one.use)] : []));
  const words = el("p", { class: "hint" }, inWords(one.problem), one.detail ? ` (${one.detail})` : "", "; clients read ", el("code", {}, one.word), ` in ${one.dialect}`);
  const since = el("p", { class: "hint" }, one.count === 1 ? "at " : "since ", moment(one.first_at), ...(one.count === 1 ? [] : [", last ", moment(one.last_at)]),
    ...(one.request_id ? [", request ", el("code", { class: "id" }, one.request_id)] : []));
  const item = el("li", {}, sentence, words, el("p", { class: "fix" }, one.advice), since);
  if (one.explain) item.append(explainer(one));
  return item;
}

/** A button that shows in its place what the request would buy now. */
function explainer(one) {
  const key = `${one.program} ${one.sent} ${one.problem}`;
  const button = el("button", { type: "button", "data-focus": key }, "Explain");
  const place = el("div", { role: "status" });
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      const program = programs.has(one.program) ? one.program : null;
      const wish = Object.entries({ ...one.explain, dialect: one.dialect, program }).filter(([, value]) => value !== null);
      const found = await ask(`${API}/explain?${new URLSearchParams(wish)}`);
      place.replaceChildren(facts(found.facts));
    } catch (error) {
      place.replaceChildren(el("p", { class: "failed" }, `Not explained: ${error.message}.`));
    }
    button.disabled = false;
    button.focus();
  });
  return el("div", { class: "explained" }, button, place);
}

/** Names and texts. */
export function facts(rows) {
  return el("dl", { class: "facts" }, ...rows.map(([name, text]) => el("div", {}, el("dt", {}, name), el("dd", {}, text))));
}

function warning(one) {
  return el("li", {},
    el("p", {}, moment(one.at), el("b", {}, inWords(one.what)), one.count > 1 ? ` ${one.count} ${noun(one.count, "time")}` : ""),
    one.text ? el("p", { class: "hint" }, one.text) : "",
    el("p", { class: "fix" }, one.advice));
}
