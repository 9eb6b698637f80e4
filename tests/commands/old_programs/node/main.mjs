// Buys a number, waits for its code and prints it.
const HOST = process.env.SMS_HOST ?? "daisysms.com";
const KEY = process.env.SMS_KEY ?? "a-key-of-2023";

async function call(parameters) {
  const url = new URL(`https://${HOST}/stubs/handler_api.php`);
  url.search = new URLSearchParams({ api_key: KEY, ...parameters });
  return (await fetch(url)).text();
}

const [, id] = (await call({ action: "getNumber", service: "wa", max_price: "5.50" })).split(":");
let status;
while ((status = await call({ action: "getStatus", id })) === "STATUS_WAIT_CODE") {
  await new Promise((done) => setTimeout(done, 100));
}
console.log("code:", status.split(":")[1]);
await call({ action: "setStatus", id, status: "6" });
// Rented numbers were kept: action: "keep"
