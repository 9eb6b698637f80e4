// The form that sends one request as a program would.

import { $, API, ask, el, say } from "./dom.js";

const ORDER = ["service", "country", "maxPrice", "id", "status"];

export class RequestForm {
  constructor(lists) {
    this.lists = lists;
    this.form = $("request");
    this.names = { service: new Map(lists.services), country: new Map(lists.countries.map(([id, name]) => [String(id), name])) };
    setOptions("actions", Object.keys(lists.actions).map((action) => [action, ""]));
    setOptions("services", lists.services);
    setOptions("countries", lists.countries);
    this.form.elements.dialect.append(...lists.dialects.map((dialect) => el("option", { value: dialect }, dialect)));
    this.form.addEventListener("input", () => this.show());
    this.form.addEventListener("change", (event) => this.resolveName(event.target));
    this.form.addEventListener("submit", (event) => { event.preventDefault(); this.send(); });
    $("copy").addEventListener("click", () => this.copy());
    this.show();
  }

  /** Replaces a name that was typed or picked by its code. */
  resolveName(input) {
    const names = this.names[input.name];
    if (names && !names.has(input.value)) {
      const wanted = input.value.trim().toLowerCase();
      const found = [...names].find(([, name]) => name.toLowerCase() === wanted);
      if (found) input.value = found[0];
    }
    this.show();
  }

  fields() {
    const { elements } = this.form;
    const takes = this.lists.actions[elements.action.value.trim()] ?? [];
    return ORDER.filter((field) => takes.includes(field));
  }

  parameters() {
    const { elements } = this.form;
    const found = { action: elements.action.value.trim() };
    for (const field of this.fields()) {
      const value = elements[field].value.trim();
      if (value) found[field] = value;
    }
    return found;
  }

  show() {
    const shown = this.fields();
    for (const label of this.form.querySelectorAll("[data-field]")) label.hidden = !shown.includes(label.dataset.field);
    for (const field of ["service", "country"]) {
      const value = this.form.elements[field].value.trim();
      say($(`${field}-name`), value ? this.names[field].get(value) ?? "not in the tables" : "");
    }
    say($("line"), `GET ${this.path("[key]")}`);
  }

  path(key) {
    const { dialect } = this.form.elements;
    const query = new URLSearchParams(this.parameters());
    return `${dialect.value ? `/${dialect.value}` : ""}/stubs/handler_api.php?api_key=${key}&${query}`;
  }

  async copy() {
    const text = `${location.origin}${this.path("YOUR_KEY")}`;
    try {
      await navigator.clipboard.writeText(text);
      say($("copied"), "copied; replace YOUR_KEY by your key");
    } catch {
      say($("copied"), text);
    }
  }

  async send() {
    const button = this.form.querySelector("[type=submit]");
    const { dialect, api_key: key } = this.form.elements;
    button.disabled = true;
    say($("copied"), "");
    try {
      this.showAnswer(await ask(`${API}/try`, {
        dialect: dialect.value, parameters: { api_key: key.value.trim(), ...this.parameters() },
      }));
    } catch (error) {
      say($("copied"), `not sent: ${error.message}`);
    } finally {
      button.disabled = false;
    }
  }

  showAnswer(answer) {
    $("answer").hidden = false;
    say($("answer-note"), `HTTP ${answer.status}, ${Math.round(answer.seconds * 1000)} ms${answer.headers["x-cache"] ? `, ${answer.headers["x-cache"]}` : ""}`);
    const isJson = (answer.headers["content-type"] ?? "").includes("json");
    say($("answer-body"), isJson ? pretty(answer.body) : answer.body);
    const calls = answer.calls.map((call) => el("li", {},
      el("code", {}, `${call.method} ${call.path}${call.body ? ` ${call.body}` : ""}`),
      el("span", { class: "hint" }, ` ${call.status || "no answer"}, ${Math.round(call.seconds * 1000)} ms`)));
    $("calls").replaceChildren(...(calls.length ? calls : [el("li", { class: "hint" }, "None: the proxy answered from memory.")]));
    const bought = /^ACCESS_NUMBER:(\d+):/.exec(answer.body) ?? /"activationId":"?(\d+)/.exec(answer.body);
    if (bought) this.form.elements.id.value = bought[1];
  }

  /** Fills in an activation of the table. */
  use(row) {
    const { action, id } = this.form.elements;
    id.value = row.id;
    if (!this.lists.actions[action.value]?.includes("id")) action.value = "getStatus";
    this.show();
    action.focus();
  }

  offerIds(rows) {
    const key = rows.slice(0, 50).map((row) => row.row).join();
    if (key === this.offered) return;
    this.offered = key;
    setOptions("ids", rows.slice(0, 50).map((row) => [row.id, `+${row.phone} ${row.service_name}`]));
  }
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 1);
  } catch {
    return text;
  }
}

function setOptions(id, pairs) {
  $(id).replaceChildren(...pairs.map(([value, label]) => el("option", { value, label: label || null })));
}
