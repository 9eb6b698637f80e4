// Clients from npm, driven by the tests: each line of input is a call, each line of output its answer.
const readline = require("node:readline");

const MAKE = {
  "hero-sms": (url, key) => new (require("hero-sms").HeroSMSClient)({ apiKey: key, baseUrl: url }),
  "sms-activate": (url, key) => {
    const client = new (require("sms-activate"))(key);
    client.session.defaults.baseURL = url;
    return client;
  },
};
const clients = {};

async function answer({ name, url, key, method, words }) {
  const client = (clients[[name, url, key]] ??= MAKE[name](url, key));
  try {
    return { result: await client[method](...words) };
  } catch (error) {
    return { kind: error.constructor.name, code: error.code, status: error.response?.status };
  }
}

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    console.log(JSON.stringify(await answer(JSON.parse(line))));
  }
}

main();
