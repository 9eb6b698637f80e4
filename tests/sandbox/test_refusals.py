"""What the simulated upstream refuses: wrong wishes, other people's orders, too many requests."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from proxy.sandbox import Switches
from tests.support.sandbox import NO_LIMIT, Bench, bench_with

pytestmark = pytest.mark.anyio

bench = bench_with(switches=NO_LIMIT)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({}, "missing_params"),
        ({"service": "wa"}, "missing_params"),
        ({"country": "GB"}, "missing_params"),
        ({"service": 7, "country": "GB"}, "missing_params"),
        ({"service": "whatsapp", "country": "GB"}, "invalid_service"),
        ({"service": "WA", "country": "GB"}, "invalid_service"),
        ({"service": "wa", "country": "gb"}, "invalid_country"),
        ({"service": "wa", "country": "UK"}, "invalid_country"),
        ({"service": "wa", "country": "16"}, "invalid_country"),
        ([], "missing_params"),
    ],
)
async def test_a_wrong_purchase_buys_nothing(bench: Bench, body: Any, error: str) -> None:
    response = await bench.call("POST", "/customer/purchase", json=body)
    assert (response.status_code, response.json()["error"]) == (400, error)
    assert response.json()["message"]
    assert await bench.balance() == 100


async def test_a_purchase_that_is_not_json_buys_nothing(bench: Bench) -> None:
    response = await bench.call("POST", "/customer/purchase", content=b"service=wa&country=GB")
    assert (response.status_code, response.json()["error"]) == (400, "missing_params")


async def test_a_purchase_without_stock_is_refused(bench: Bench) -> None:
    response = await bench.call(
        "POST", "/customer/purchase", json={"service": "ok", "country": "GB"}
    )
    assert response.status_code == 503
    assert response.json() == {"error": "no_numbers", "message": "No numbers available"}
    assert await bench.balance() == 100


async def test_a_purchase_without_money_is_refused(bench: Bench) -> None:
    await bench.steer("balance", key="alice", balance=0.89)
    response = await bench.call(
        "POST", "/customer/purchase", json={"service": "wa", "country": "GB"}
    )
    assert response.status_code == 402
    assert response.json() == {
        "error": "insufficient_balance",
        "message": "Balance too low for this order",
        "required": 0.90,
        "current": 0.89,
    }


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/customer/purchase"),
        ("GET", "/customer/order/0"),
        ("GET", "/customer/orders"),
        ("POST", "/customer/cancel/0"),
        ("POST", "/customer/swap/0"),
        ("POST", "/orders/0/retry"),
        ("GET", "/customer/balance"),
        ("GET", "/balance"),
        ("GET", "/customer/profile"),
        ("GET", "/customer/transactions"),
        ("GET", "/customer/services"),
        ("GET", "/customer/countries"),
        ("GET", "/services"),
        ("GET", "/countries"),
        ("GET", "/customer/webhooks"),
    ],
)
@pytest.mark.parametrize("key", ["", "bad", "bad_key"])
async def test_a_missing_or_bad_key_is_401(bench: Bench, method: str, path: str, key: str) -> None:
    response = await bench.call(method, path, key)
    assert (response.status_code, response.json()["error"]) == (401, "invalid_api_key")


async def test_a_key_in_the_query_counts_for_nothing(bench: Bench) -> None:
    response = await bench.call("GET", "/customer/balance", "", params={"api_key": "alice"})
    assert response.status_code == 401


async def test_every_key_is_an_account_of_its_own(bench: Bench) -> None:
    order = await bench.buy(key="alice")
    for method, path in (
        ("GET", "/customer/order/{}"),
        ("POST", "/customer/cancel/{}"),
        ("POST", "/customer/swap/{}"),
        ("POST", "/orders/{}/retry"),
    ):
        response = await bench.call(method, path.format(order["order_id"]), "bob")
        assert (response.status_code, response.json()) == (404, {"error": "Order not found"})
    assert (await bench.get("/customer/orders", "bob"))["count"] == 0
    assert await bench.balance("bob") == 100


@pytest.mark.parametrize("id", ["cd613e30-d8f1-4adf-91b7-584a2265b1f5", "12345"])
async def test_an_unknown_order_is_404(bench: Bench, id: str) -> None:
    assert (await bench.call("GET", f"/customer/order/{id}")).status_code == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/numbers/rent"),
        ("GET", "/numbers/1/status"),
        ("POST", "/numbers/1/done"),
        ("POST", "/webhooks"),
    ],
)
async def test_what_the_upstream_does_not_have_is_404(bench: Bench, method: str, path: str) -> None:
    response = await bench.call(method, path)
    assert (response.status_code, response.json()) == (404, {"error": "Not Found"})


async def test_the_61st_request_of_a_minute_is_429(clock: Callable[[], float]) -> None:
    bench = Bench(clock)
    for _ in range(60):
        assert (await bench.call("GET", "/customer/balance")).status_code == 200
        await bench.wait(0.5)
    for _ in range(5):
        response = await bench.call("GET", "/customer/orders")
        assert (response.status_code, response.json()) == (429, {"error": "rate_limited"})
        assert not [name for name in response.headers if "ratelimit" in name or "retry" in name]
    assert (await bench.call("GET", "/customer/balance", "bob")).status_code == 200
    assert (await bench.call("GET", "/balance")).status_code == 200
    query = {"service": "wa", "country": "GB"}
    assert (await bench.call("GET", "/price", params=query)).status_code == 200


async def test_the_limit_slides(clock: Callable[[], float]) -> None:
    bench = Bench(clock, switches=Switches(requests_per_minute=2))

    async def status() -> int:
        return (await bench.call("GET", "/customer/balance")).status_code

    assert await status() == 200
    await bench.wait(40)
    assert await status() == 200
    await bench.wait(19.999)
    assert await status() == 429
    await bench.wait(0.001)  # the first request has just left the window
    assert [await status(), await status()] == [200, 429]
    await bench.wait(40)
    assert await status() == 200


async def test_a_limit_set_while_running_counts_what_came_before(bench: Bench) -> None:
    for _ in range(70):
        await bench.balance()
    await bench.steer("switches", requests_per_minute=60)
    assert (await bench.call("GET", "/customer/balance")).status_code == 429
    await bench.steer("switches", requests_per_minute=71)
    assert (await bench.call("GET", "/customer/balance")).status_code == 200


async def purchase(bench: Bench, key: str = "alice") -> httpx.Response:
    wish = {"service": "wa", "country": "GB"}
    return await bench.call("POST", "/customer/purchase", key, json=wish)


@pytest.mark.parametrize(
    ("rate_limit", "headers"),
    [
        ("bare", {}),
        ("retry_after", {"retry-after": "51"}),
        (
            "x_ratelimit",
            {"x-ratelimit-limit": "10", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "51"},
        ),
    ],
)
async def test_the_11th_purchase_of_a_minute_is_429_when_purchases_are_narrow(
    clock: Callable[[], float], rate_limit: Any, headers: Any
) -> None:
    bench = Bench(clock, switches=Switches(narrow="purchase", rate_limit=rate_limit))
    for _ in range(10):
        assert (await purchase(bench)).status_code == 200
        await bench.wait(0.9)
    refused = await purchase(bench)
    assert (refused.status_code, refused.json()) == (429, {"error": "rate_limited"})
    named = ("x-ratelimit", "retry-after")
    assert {n: v for n, v in refused.headers.items() if n.startswith(named)} == headers
    assert (await bench.look("ledger"))["totals"]["charged"] == 900
    assert (await purchase(bench, "bob")).status_code == 200
    for _ in range(11):
        assert (await bench.call("GET", "/customer/balance")).status_code == 200
    await bench.wait(50.999)
    assert (await purchase(bench)).status_code == 429
    await bench.wait(0.001)  # the first purchase has just left the window
    assert [(await purchase(bench)).status_code for _ in range(2)] == [200, 429]


async def test_a_purchase_that_one_window_refuses_counts_in_neither(
    clock: Callable[[], float],
) -> None:
    bench = Bench(clock, switches=Switches(narrow="purchase", requests_per_minute=12))
    codes = [(await purchase(bench)).status_code for _ in range(20)]
    assert codes.count(200) == 10
    codes = [(await bench.call("GET", "/customer/balance")).status_code for _ in range(3)]
    assert codes == [200, 200, 429]
    await bench.steer("switches", requests_per_minute=10)
    await bench.wait(30)
    for _ in range(10):  # refused by the wide window alone, once the narrow one is of no account
        await bench.steer("switches", narrow="none")
        assert (await purchase(bench)).status_code == 429
    await bench.steer("switches", narrow="purchase")
    await bench.wait(30)
    codes = [(await purchase(bench)).status_code for _ in range(11)]
    assert codes == [200] * 10 + [429]


async def test_a_refused_purchase_charges_nothing(clock: Callable[[], float]) -> None:
    bench = Bench(clock, switches=Switches(requests_per_minute=1))
    await bench.buy("wa", "GB")
    assert await bench.buy("wa", "GB") == {"error": "rate_limited"}
    assert (await bench.look("ledger"))["totals"]["charged"] == 90


async def test_webhooks_can_be_managed(bench: Bench) -> None:
    wish: dict[str, Any] = {"url": "https://example.com/hook", "events": ["sms.received"]}
    made = (await bench.post("/customer/webhooks", **wish))["webhook"]
    assert made.pop("secret").startswith("whsec_")
    assert made | wish == made
    path = f"/customer/webhooks/{made['id']}"
    assert await bench.get(path) == {"success": True, "webhook": made}
    assert await bench.get("/customer/webhooks") == {
        "success": True,
        "webhooks": [made],
        "count": 1,
    }
    fired = await bench.post(f"{path}/test")
    (row,) = (await bench.get(f"{path}/deliveries"))["deliveries"]
    assert (row["id"], row["event_type"]) == (fired["delivery_id"], "sms.received")
    changed = (await bench.call("PATCH", path, json={"paused": True})).json()["webhook"]
    assert changed == made | {"paused": True}
    assert (await bench.call("POST", f"{path}/test")).status_code == 400
    deleted = await bench.call("DELETE", path)
    assert deleted.json() == {"success": True, "id": made["id"]}
    assert (await bench.call("GET", path)).status_code == 404


@pytest.mark.parametrize(
    ("wish", "error"),
    [
        ({"url": "http://example.com/", "events": ["sms.received"]}, "invalid_url"),
        ({"url": "https://localhost/", "events": ["sms.received"]}, "invalid_url"),
        ({"url": "https://10.0.0.1/", "events": ["sms.received"]}, "invalid_url"),
        ({"url": "https://[::1]/", "events": ["sms.received"]}, "invalid_url"),
        ({"events": ["sms.received"]}, "invalid_url"),
        ({"url": "https://example.com/"}, "invalid_events"),
        ({"url": "https://example.com/", "events": ["sms.sent"]}, "invalid_events"),
        ({"url": "https://example.com/", "events": ["balance.low"]}, "invalid_threshold"),
    ],
)
async def test_a_wrong_webhook_is_refused(bench: Bench, wish: Any, error: str) -> None:
    response = await bench.call("POST", "/customer/webhooks", json=wish)
    assert (response.status_code, response.json()["error"]) == (400, error)
    assert (await bench.get("/customer/webhooks"))["count"] == 0
