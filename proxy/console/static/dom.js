// Helpers for the page. Data from outside becomes text, never markup.

export const $ = (id) => document.getElementById(id);

/** Creates an element with attributes and children; a child that is not a node becomes text. */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.map((child) => (child instanceof Node ? child : String(child))));
  return node;
}

export function svg(tag, attributes) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

/** Sets the text of a node if it differs. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export const money = (cents) => (cents === null || cents === undefined ? "–" : (cents / 100).toFixed(2));

/** The noun after a count: 1 "number", 2 "numbers". */
export const noun = (count, one) => (count === 1 ? one : `${one}s`);

/** 0:45, 12:07, 1:02:03 */
export function span(seconds) {
  const whole = Math.max(Math.floor(seconds), 0);
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (n) => String(n).padStart(2, "0");
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

export const time = (at) => new Date(at * 1000).toISOString().slice(11, 19);

/** Replaces a list only if it has changed, so that a button keeps its focus. */
export function list(place, empty, rows, make) {
  const key = JSON.stringify(rows);
  if (place.dataset.key === key) return;
  place.dataset.key = key;
  const focused = place.contains(document.activeElement) && document.activeElement.dataset.focus;
  place.replaceChildren(...rows.map(make));
  if (focused) place.querySelector(`[data-focus="${CSS.escape(focused)}"]`)?.focus();
  if (empty) empty.hidden = rows.length > 0;
}

export function options(select, pairs) {
  const chosen = select.value;
  select.replaceChildren(...pairs.map(([value, text]) => el("option", { value }, text)));
  if (pairs.some(([value]) => String(value) === chosen)) select.value = chosen;
}

const READ_MS = 10_000;
const CHANGE_MS = 90_000;

/** Returns the JSON of the answer. Throws an Error with a message to show; a 401 also raises the
    event "signed-out" of the window. */
export async function ask(path, body, method) {
  const init = {
    method: method ?? (body === undefined ? "GET" : "POST"),
    headers: { "X-Console": "1" },
    // A frozen proxy takes the request and never answers.
    signal: AbortSignal.timeout(body === undefined ? READ_MS : CHANGE_MS),
  };
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers["Content-Type"] = "application/json";
  }
  const response = await fetch(path, init).catch(() => { throw new Error("the proxy does not answer"); });
  if (response.status === 401) {
    window.dispatchEvent(new Event("signed-out"));
    throw new Error("sign in again");
  }
  const found = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(found.error ?? `HTTP ${response.status}`);
  return found;
}

export const API = "console/api/v1";
