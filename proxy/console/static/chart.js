// Two charts of the last hour: answers by their first word, and the lowest request budget.

import { $, el, noun, say, svg } from "./dom.js";

const MINUTES = 60, WIDTH = 360, HIGH = 96, LOW = 48, NAMED = 5;

export function draw(minutes, limit, now) {
  const totals = new Map();
  for (const { words } of minutes) {
    for (const [word, count] of Object.entries(words)) totals.set(word, (totals.get(word) ?? 0) + count);
  }
  const ranked = [...totals].sort((a, b) => b[1] - a[1]);
  const named = ranked.slice(0, NAMED).map(([word]) => word);
  const rest = ranked.slice(NAMED).reduce((sum, [, count]) => sum + count, 0);
  drawAnswers(minutes, named, now);
  const legend = [...ranked.slice(0, NAMED), ...(rest ? [["others", rest]] : [])];
  $("legend").replaceChildren(...legend.map(([word, count], slot) =>
    el("li", {}, swatch(word === "others" ? NAMED : slot), el("span", {}, word), " ", el("b", {}, count.toLocaleString("en")))));
  say($("answers-text"), legend.length
    ? `Answers of the last hour: ${legend.map(([word, count]) => `${word} ${count}`).join(", ")}.`
    : "No answers yet.");
  drawLeft(minutes, limit, now);
}

function swatch(slot) {
  const box = svg("svg", { viewBox: "0 0 10 10", class: "swatch", "aria-hidden": "true" });
  box.append(svg("rect", { width: 10, height: 10, rx: 2, class: `w${slot}` }));
  return box;
}

const column = (at, now) => MINUTES - 1 - Math.round((Math.floor(now / 60) * 60 - at) / 60);

function drawAnswers(minutes, named, now) {
  const sum = ({ words }) => Object.values(words).reduce((all, count) => all + count, 0);
  const top = Math.max(4, ...minutes.map(sum));
  const bars = [];
  for (const minute of minutes) {
    let y = HIGH;
    const x = column(minute.at, now) * (WIDTH / MINUTES);
    if (x < 0) continue;
    const other = Object.entries(minute.words).filter(([word]) => !named.includes(word)).reduce((all, [, count]) => all + count, 0);
    [...named.map((word) => minute.words[word] ?? 0), other].forEach((count, slot) => {
      if (!count) return;
      const height = (count / top) * HIGH;
      y -= height;
      bars.push(svg("rect", { x: x + 0.6, y, width: WIDTH / MINUTES - 1.2, height, class: `w${slot}` }));
    });
  }
  $("answers").replaceChildren(svg("line", { x1: 0, x2: WIDTH, y1: HIGH - 0.5, y2: HIGH - 0.5, class: "base" }), ...bars);
  say($("answers-top"), minutes.some(sum) ? `highest ${top}` : "no answers yet");
}

function drawLeft(minutes, limit, now) {
  const points = minutes
    .map(({ at, left }) => [(column(at, now) + 0.5) * (WIDTH / MINUTES), LOW - (Math.min(left, limit) / limit) * (LOW - 2) - 1])
    .filter(([x]) => x >= 0);
  // A single minute is drawn as a short line, not a point.
  if (points.length === 1) points.unshift([points[0][0] - WIDTH / MINUTES, points[0][1]]);
  const path = points.map(([x, y], place) => `${place ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
  const shapes = [svg("line", { x1: 0, x2: WIDTH, y1: LOW - 0.5, y2: LOW - 0.5, class: "base" })];
  if (points.length) {
    const [first, last] = [points[0][0], points.at(-1)[0]];
    shapes.push(svg("path", { d: `${path}L${last} ${LOW}L${first} ${LOW}Z`, class: "area" }), svg("path", { d: path, class: "curve" }));
  }
  $("left").replaceChildren(...shapes);
  const lowest = Math.min(limit, ...minutes.map(({ left }) => left));
  say($("left-text"), `lowest ${lowest} of ${limit} ${noun(limit, "request")} a minute`);
}
