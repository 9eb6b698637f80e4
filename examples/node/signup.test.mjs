// Run it with `node --test`. SANDBOX_URL is a sandbox that runs already; without it, one is started.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { after, before, beforeEach, test } from "node:test";

let url = process.env.SANDBOX_URL;
let sandbox;

before(async () => {
  if (url) return;
  const options = ["sandbox", "--port", "0", "--sms-after", "1e9", "--end-with-stdin"];
  sandbox = spawn("virtualsms-proxy", options, { stdio: ["pipe", "pipe", "inherit"] });
  for await (const line of createInterface({ input: sandbox.stdout })) {
    url = line.match(/http:\/\/[\d.]+:\d+/)?.[0];
    if (url) break;
  }
  assert(url, "the sandbox did not start");
  sandbox.stdout.resume();
});

// It ends with its standard input, also when this process is killed.
after(() => sandbox?.stdin.end());

let seed = 0;
beforeEach(() => control("reset", { seed: ++seed, report: true }));

async function control(path, body) {
  const answer = await fetch(`${url}/sandbox/${path}`, body && { method: "POST", body: JSON.stringify(body) });
  assert.equal(answer.status, 200, await answer.clone().text());
  return answer.json();
}

// The program under test.
async function ask(parameters) {
  const query = new URLSearchParams({ api_key: "sandbox", ...parameters });
  return (await fetch(`${url}/stubs/handler_api.php?${query}`)).text();
}

async function buy() {
  const [word, id, phone] = (await ask({ action: "getNumber", service: "tg", country: 16 })).split(":");
  assert.equal(word, "ACCESS_NUMBER");
  return { id, phone };
}

test("the code is read from the SMS", async () => {
  const { id, phone } = await buy();
  await control("sms", { phone, text: "Your code is 4711" });
  assert.equal(await ask({ action: "getStatus", id }), "STATUS_OK:4711");
});

test("a number without an SMS is refunded", async () => {
  const { id } = await buy();
  await control("clock", { seconds: 20 * 60 });
  assert.equal(await ask({ action: "getStatus", id }), "STATUS_CANCEL");
  assert.equal((await control("ledger")).totals.spent, 0);
});
