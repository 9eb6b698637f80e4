// The simulated upstream, steered by its own control API.

import { $, API, ask, el, options, say } from "./dom.js";

const CONTROL = "sandbox";
const ENDED = new Set(["cancelled", "expired", "finished"]);

export class Sandbox {
  constructor(samples) {
    $("sandbox").hidden = $("sandbox-badge").hidden = false;
    this.sms = $("sms").elements;
    options(this.sms.sample, [...samples.map((text) => [text, text]), ["", "own text"]]);
    this.sms.sample.value = this.sms.text.value = samples[0];
    this.sms.sample.addEventListener("change", () => { this.sms.text.value = this.sms.sample.value; });
    this.on("sms", () => this.send());
    this.on("push-clock", () => this.push(Number($("push-clock").elements.seconds.value)));
    for (const button of document.querySelectorAll("[data-seconds]")) {
      button.addEventListener("click", () => this.push(Number(button.dataset.seconds)));
    }
    this.on("fault", () => this.fault());
    $("no-faults").addEventListener("click", () => this.told(ask(`${CONTROL}/faults`, undefined, "DELETE"), (said) => this.faults(said)));
    this.on("reset", () => $("sure").showModal());
    $("sure").addEventListener("close", () => {
      if ($("sure").returnValue === "yes") this.told(ask(`${CONTROL}/reset`, { seed: Math.floor(Math.random() * 1e9) }), () => { this.refresh(); return "The upstream has begun anew."; });
    });
    this.load();
  }

  on(form, act) {
    $(form).addEventListener("submit", (event) => { event.preventDefault(); act(); });
  }

  async load() {
    const { faults } = await ask(CONTROL);
    const { call, kind } = $("fault").elements;
    options(call, faults.calls.map((name) => [name, name === "*" ? "any call" : name]));
    options(kind, Object.entries(faults.kinds).map(([name, about]) => [name, `${name}: ${about.replaceAll("`", "")}`]));
    this.faults(await ask(`${CONTROL}/faults`));
  }

  /** Says what came of it. */
  async told(asked, words) {
    try {
      say($("said"), words(await asked));
    } catch (error) {
      say($("said"), `Not done: ${error.message}`);
    }
  }

  send() {
    const { phone, text, sender } = this.sms;
    this.told(ask(`${CONTROL}/sms`, { phone: phone.value, text: text.value, sender: sender.value }),
      ({ arrived }) => (arrived ? `The SMS has come to +${phone.value}.` : "Its order takes no SMS any more."));
  }

  push(seconds) {
    this.told(ask(`${CONTROL}/clock`, { seconds }), ({ time }) => { this.refresh(); return `It is ${time} in the sandbox.`; });
  }

  fault() {
    const { call, kind, when, times } = $("fault").elements;
    this.told(ask(`${CONTROL}/faults`, { call: call.value, kind: kind.value, when: when.value, times: Number(times.value) }), (said) => this.faults(said));
  }

  faults({ faults }) {
    say($("faults"), faults.length
      ? `Waiting: ${faults.map((one) => `${one.kind} on ${one.call === "*" ? "any call" : one.call} ×${one.times}`).join(", ")}.`
      : "No fault waits.");
    return faults.length ? "The fault waits for its call." : "All faults are forgotten.";
  }

  /** The proxy learns the upstream's time from its next answer. */
  refresh() {
    ask(`${API}/balances`, {}).catch(() => {});
  }

  to(row) {
    this.sms.phone.value = row.phone;
    this.sms.text.focus();
    this.sms.text.select();
  }

  phones(rows) {
    const open = rows.filter((row) => !ENDED.has(row.state)).sort((a, b) => b.created_at - a.created_at || b.place - a.place).slice(0, 200);
    const key = open.map((row) => row.phone).join();
    if (key === this.offered) return;
    this.offered = key;
    options(this.sms.phone, open.length ? open.map((row) => [row.phone, `+${row.phone} ${row.service_name}`]) : [["", "no number is live"]]);
  }
}
