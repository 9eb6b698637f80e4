"""What a client of the sandbox sees of one switch: a function for each, for a bench."""

from typing import Any

from tests.support.sandbox import Bench

STATUSES = ("waiting", "pending", "completed")


async def bought(bench: Bench, field: str) -> Any:
    return (await bench.buy()).get(field, "absent")


async def detail(bench: Bench, field: str, *texts: str) -> Any:
    """A field of an order that has received these SMS, one a second."""
    order = await bench.buy()
    for text in texts:
        await bench.steer("sms", order_id=order["order_id"], text=text)
        await bench.wait(1)
    return (await bench.order(order)).get(field, "absent")


async def contents(bench: Bench) -> Any:
    return [message["content"] for message in await detail(bench, "messages", "one", "two")]


async def row(bench: Bench) -> Any:
    await bench.buy()
    answer = await bench.get("/customer/orders")
    assert set(answer) == {"count", "orders"}
    return {name for name in answer["orders"][0] if "id" in name or name in ("service", "price")}


async def list_type(bench: Bench) -> Any:
    await bench.buy()
    return type(await bench.get("/customer/orders"))


async def longest_list(bench: Bench) -> Any:
    await bench.steer("offer", service="tg", price=0.05)
    for _ in range(60):
        await bench.buy()
    return (await bench.get("/customer/orders", limit=200))["count"]


async def balance_at_expiry(bench: Bench) -> Any:
    await bench.buy("wa", "GB")
    await bench.wait(1200)
    at_once = await bench.balance()
    await bench.wait(30)
    return at_once, await bench.balance()


async def keys_of_services(bench: Bench) -> Any:
    services = (await bench.get("/customer/services"))["services"][0]
    return set(services), set((await bench.get("/customer/countries"))["countries"][0])


async def keyless_catalogue(bench: Bench) -> Any:
    paths = ("/customer/services", "/customer/countries")
    return [(await bench.call("GET", path, "")).status_code for path in paths]


async def unavailable(bench: Bench) -> Any:
    query = {"service": "wa", "country": "JP"}
    response = await bench.call("GET", "/price", params=query)
    assert response.json()["success"] is False
    return response.status_code


async def available(bench: Bench) -> Any:
    services = ("wa", "ok")
    prices = [await bench.get("/price", service=name, country="GB") for name in services]
    return [price.get("available") for price in prices]


async def stock_of_wa(bench: Bench) -> Any:
    await bench.steer("offer", service="wa", country="GB", stock=3)
    rows = (await bench.get("/catalog/countries", service="wa"))["countries"]
    british = next(row for row in rows if row["id"] == "GB")
    return {name: british[name] for name in set(british) - {"id", "name", "price"}}


async def sold_out(bench: Bench) -> Any:
    wish = {"service": "ok", "country": "GB"}
    response = await bench.call("POST", "/customer/purchase", json=wish)
    return response.status_code, response.json()["error"], response.json()["message"]


async def sold_out_status(bench: Bench) -> Any:
    return (await sold_out(bench))[0]


async def sold_out_text(bench: Bench) -> Any:
    return (await sold_out(bench))[1:]


async def penniless(bench: Bench) -> Any:
    await bench.steer("balance", key="alice", balance=0)
    return set(await bench.buy())


async def early(bench: Bench) -> Any:
    order = await bench.buy()
    response = await bench.call("POST", f"/customer/cancel/{order['order_id']}")
    assert response.status_code == 425
    assert "Please wait 120 seconds." in response.text
    kind = response.headers["content-type"]
    return set(response.json()) if kind == "application/json" else kind


async def admitted(bench: Bench) -> Any:
    """How many of 70 requests of one second are served."""
    codes = [(await bench.call("GET", "/customer/balance")).status_code for _ in range(70)]
    return codes.count(200)


async def sold(bench: Bench) -> Any:
    """How many of 12 purchases of one second are served."""
    return ["success" in await bench.buy() for _ in range(12)].count(True)


async def throttled(bench: Bench) -> Any:
    await bench.steer("switches", requests_per_minute=2)
    for _ in range(3):
        response = await bench.call("GET", "/customer/balance")
        await bench.wait(10)
    assert response.status_code == 429
    return {k: v for k, v in response.headers.items() if k.startswith(("retry", "x-rate"))}


async def wrong_id(bench: Bench) -> Any:
    return (await bench.call("GET", "/customer/order/12345")).status_code


async def orders_by_one_idempotency_key(bench: Bench) -> Any:
    wish, headers = {"service": "wa", "country": "GB"}, {"X-Idempotency-Key": "once"}
    answers = [
        (await bench.call("POST", "/customer/purchase", json=wish, headers=headers)).json()
        for _ in range(2)
    ]
    money = (await bench.look("ledger"))["totals"]["charged"]
    return len({answer["order_id"] for answer in answers}), money


async def swapped(bench: Bench) -> Any:
    order = await bench.buy()
    await bench.wait(120)
    answer = await bench.post(f"/customer/swap/{order['order_id']}")
    return order, answer, await bench.order(answer)


async def swapped_id(bench: Bench) -> Any:
    before, answer, after = await swapped(bench)
    assert after["order_id"] == answer["order_id"]
    assert (await bench.order(before)) == after
    return answer["order_id"] == before["order_id"]


async def swapped_status(bench: Bench) -> Any:
    _, answer, after = await swapped(bench)
    await bench.steer("cancel", order_id=answer["order_id"])  # either way it can be cancelled
    return answer["status"], after["status"]


async def swapped_phone(bench: Bench) -> Any:
    _, answer, _ = await swapped(bench)
    return answer["phone_number"][0] == answer["previous_number"][0] == "+"


async def retried(bench: Bench) -> Any:
    order = await bench.buy()
    await bench.steer("sms", order_id=order["order_id"], text="1234")
    response = await bench.call("POST", f"/orders/{order['order_id']}/retry")
    return response.status_code, (await bench.order(order))["status"]


async def webhooks(bench: Bench) -> Any:
    return (await bench.call("GET", "/customer/webhooks")).status_code


async def order_names(bench: Bench) -> Any:
    order = await bench.buy()
    return set(await bench.order(order)) & {"order_id", "phone_number", "status", "messages"}


async def life(bench: Bench) -> Any:
    """The status of an order: bought, seen, seen after 2 s, with an SMS, and at its end."""
    bought = await bench.buy()
    seen = [bought["status"], (await bench.order(bought))["status"]]
    await bench.wait(2)
    seen.append((await bench.order(bought))["status"])
    await bench.steer("sms", order_id=bought["order_id"], text="1234")
    seen.append((await bench.order(bought))["status"])
    await bench.wait(1200)
    return [*seen, (await bench.order(bought))["status"]]


async def lists(bench: Bench) -> Any:
    """The order list before and after a purchase."""
    before = await bench.call("GET", "/customer/orders")
    await bench.buy()
    after = await bench.call("GET", "/customer/orders")
    return before.json(), after.status_code, len(after.json().get("orders") or ())


async def rows_without_id(bench: Bench) -> Any:
    none = (await bench.get("/customer/orders"))["orders"]
    for _ in range(2):
        await bench.buy()
    return none, ["id" in row for row in (await bench.get("/customer/orders"))["orders"]]


async def filtered(bench: Bench) -> Any:
    """How many of a waiting and a completed order are listed, by status."""
    await bench.buy()
    done = await bench.buy()
    await bench.steer("sms", order_id=done["order_id"], text="1234")
    found = [await bench.get("/customer/orders", status=it) for it in STATUSES]
    return [it.get("count", it.get("error")) for it in found]


async def texts(bench: Bench) -> Any:
    order = await bench.buy()
    before = await bench.order(order)
    for text in ("one", "code 1234"):
        await bench.steer("sms", order_id=order["order_id"], text=text, sender="A")
    after = await bench.order(order)
    return len(after.get("messages", ())), {n: after[n] for n in set(after) - set(before)}


async def sender(bench: Bench) -> Any:
    order = await bench.buy("mm")
    await bench.wait(30)
    return (await bench.order(order))["messages"][0]["sender"]


async def balance(bench: Bench) -> Any:
    return await bench.get("/customer/balance")


async def amounts(bench: Bench) -> Any:
    order = await bench.buy("wa")
    listed = (await bench.get("/customer/orders"))["orders"][0]["price_charged"]
    moved = (await bench.get("/customer/transactions"))["transactions"][0]["amount"]
    return order["price"], listed, moved, (await balance(bench))["balance"]


async def transactions(bench: Bench) -> Any:
    await bench.buy()
    return (await bench.get("/customer/transactions", limit=1))["count"]


async def error(bench: Bench) -> Any:
    response = await bench.call("GET", "/customer/balance", "bad")
    assert response.status_code == 401
    is_json = response.headers["content-type"] == "application/json"
    return response.json() if is_json else response.text
