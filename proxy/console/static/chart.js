// Two charts of the last hour: answers by what they mean, and the lowest request budget.

import { $, el, noun, say, svg } from "./dom.js";
import { clock, moment } from "./times.js";

const MINUTES = 60, WIDTH = 360, HIGH = 96, LOW = 48, BAR = WIDTH / MINUTES;
const NICE = [4, 10, 20, 40, 100, 200, 400, 1000, 2000, 4000, 10_000];

// What the first word of an answer means; the first that fits counts.
const MEANINGS = [
  ["failed", "try again", /^(ERROR_|SERVER_ERROR|SERVICE_NOT_AVAILABLE)/],
  ["waits", "no SMS yet", /^STATUS_WAIT/],
  ["done", "done", /^(ACCESS_|STATUS_|FULL_SMS|JSON|TEXT)/],
  ["refused", "refused", /^/],
];
const ORDER = ["done", "waits", "refused", "failed"];

const meaningOf = (word) => MEANINGS.find(([, , fits]) => fits.test(word))[0];
const nameOf = (meaning) => MEANINGS.find(([name]) => name === meaning)[1];
const listed = (words) => [...words].sort((a, b) => b[1] - a[1]).map(([word, count]) => `${word} ${count}`).join(", ");

/** Counts by meaning: the sum, and the words with theirs. */
function sums(minutes) {
  const found = new Map(ORDER.map((meaning) => [meaning, { count: 0, words: new Map() }]));
  for (const { words } of minutes) {
    for (const [word, count] of Object.entries(words)) {
      const sum = found.get(meaningOf(word));
      sum.count += count;
      sum.words.set(word, (sum.words.get(word) ?? 0) + count);
    }
  }
  return found;
}

export function draw(minutes, limit, now) {
  const placed = minutes.map((minute) => ({ ...minute, x: column(minute.at, now) * BAR, sums: sums([minute]) })).filter(({ x }) => x >= 0);
  const all = [...sums(placed)].filter(([, { count }]) => count);
  $("legend").replaceChildren(...all.map(([meaning, { count, words }]) =>
    el("li", { title: listed(words) }, swatch(meaning), `${nameOf(meaning)} `, el("b", {}, count.toLocaleString("en")), el("span", { class: "soft" }, ` ${listed(words)}`))));
  say($("answers-text"), all.length
    ? `Answers of the last hour: ${all.map(([meaning, { count }]) => `${nameOf(meaning)} ${count}`).join(", ")}.`
    : "No answers yet.");
  drawAnswers(placed);
  drawLeft(placed, limit);
  if ($("values").open) fillTable(placed, limit);
  $("values").ontoggle = () => fillTable(placed, limit);
}

function swatch(meaning) {
  const box = svg("svg", { viewBox: "0 0 10 10", class: "swatch", "aria-hidden": "true" });
  box.append(svg("rect", { width: 10, height: 10, rx: 2, class: meaning }));
  return box;
}

function titled(shape, text) {
  const title = svg("title", {});
  title.textContent = text;
  shape.append(title);
  return shape;
}

const column = (at, now) => MINUTES - 1 - Math.round((Math.floor(now / 60) * 60 - at) / 60);
const total = (minute) => [...minute.sums.values()].reduce((all, { count }) => all + count, 0);
const line = (y, kind) => svg("line", { x1: 0, x2: WIDTH, y1: y, y2: y, class: kind });

/** What one minute's answers were, in words. */
function textOf(minute) {
  const parts = [...minute.sums].filter(([, { count }]) => count).map(([meaning, { words }]) => `${nameOf(meaning)}: ${listed(words)}`);
  return `${clock(minute.at).slice(0, 5)}  ${total(minute)} ${noun(total(minute), "answer")}${parts.length ? `\n${parts.join("\n")}` : ""}`;
}

function ticks(id, top) {
  const key = String(top);
  if ($(id).dataset.key === key) return;
  $(id).dataset.key = key;
  $(id).replaceChildren(...[top, top / 2, 0].map((value) => el("span", {}, value.toLocaleString("en"))));
}

function drawAnswers(minutes) {
  const most = Math.max(0, ...minutes.map(total));
  const top = NICE.find((value) => value >= most) ?? most;
  ticks("answers-ticks", top);
  const bars = minutes.map((minute) => {
    const bar = svg("g", {});
    let y = HIGH;
    // The whole height takes the pointer.
    bar.append(svg("rect", { x: minute.x, y: 0, width: BAR, height: HIGH, class: "touch" }));
    for (const [meaning, { count }] of minute.sums) {
      const height = (count / top) * HIGH;
      y -= height;
      if (count) bar.append(svg("rect", { x: minute.x + 0.6, y, width: BAR - 1.2, height, class: meaning }));
    }
    return titled(bar, textOf(minute));
  });
  $("answers").replaceChildren(line(HIGH / 2, "grid"), line(0.5, "grid"), line(HIGH - 0.5, "base"), ...bars);
}

function drawLeft(minutes, limit) {
  ticks("left-ticks", limit);
  const points = minutes.map(({ x, left }) => [x + BAR / 2, LOW - (Math.min(left, limit) / limit) * (LOW - 2) - 1]);
  // A single minute is drawn as a short line, not a point.
  if (points.length === 1) points.unshift([points[0][0] - BAR, points[0][1]]);
  const path = points.map(([x, y], place) => `${place ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
  const shapes = [line(LOW / 2, "grid"), line(0.5, "grid"), line(LOW - 0.5, "base")];
  if (points.length) {
    const [first, last] = [points[0][0], points.at(-1)[0]];
    shapes.push(svg("path", { d: `${path}L${last} ${LOW}L${first} ${LOW}Z`, class: "area" }), svg("path", { d: path, class: "curve" }));
  }
  const touched = minutes.map(({ x, at, left }) => titled(svg("rect", { x, y: 0, width: BAR, height: LOW, class: "touch" }), `${clock(at).slice(0, 5)}  ${Math.floor(left)} of ${limit} left`));
  $("left").replaceChildren(...shapes, ...touched);
  const lowest = Math.floor(Math.min(limit, ...minutes.map(({ left }) => left)));
  say($("left-text"), `lowest ${lowest} of ${limit} ${noun(limit, "request")} a minute`);
}

/** The same values as a table, newest first. */
function fillTable(minutes, limit) {
  $("values-rows").replaceChildren(...minutes.toReversed().map((minute) => el("tr", {},
    el("td", {}, moment(minute.at, clock(minute.at).slice(0, 5))),
    ...ORDER.map((meaning) => el("td", { class: "n" }, String(minute.sums.get(meaning).count))),
    el("td", { class: "n" }, `${Math.floor(minute.left)} of ${limit}`))));
}
