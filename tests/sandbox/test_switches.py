"""Every switch of the sandbox, in every position, as a client sees it."""

import re
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from proxy.sandbox import Switches, create_sandbox
from proxy.sandbox.state.switches import known_switches
from tests.support.sandbox import NEVER, NO_LIMIT, Bench, bench_with

pytestmark = pytest.mark.anyio

bench = bench_with(switches=NO_LIMIT, sms_after=NEVER)

START = "2026-03-01T12:00:00Z"


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


PLUS = re.compile(r"\+44\d+").fullmatch
DIGITS = re.compile(r"44\d+").fullmatch

# Switch, position, what to look at, what is seen: a value, or a test of it.
CASES: list[tuple[str, Any, Callable[..., Any], Any]] = [
    ("phone", "digits", lambda b: bought(b, "phone_number"), DIGITS),
    ("phone", "plus", lambda b: bought(b, "phone_number"), PLUS),
    ("timestamps", "z", lambda b: bought(b, "created_at"), START),
    ("timestamps", "offset", lambda b: bought(b, "created_at"), "2026-03-01T20:00:00+08:00"),
    ("timestamps", "fraction", lambda b: bought(b, "created_at"), "2026-03-01T12:00:00.000Z"),
    ("orders_row", "id", row, {"id", "service_id", "country_id"}),
    ("orders_row", "order_id", row, {"order_id", "service", "price"}),
    ("orders_list", "wrapped", list_type, dict),
    ("orders_list", "bare", list_type, list),
    ("orders_cap", 200, longest_list, 60),
    ("orders_cap", 50, longest_list, 50),
    ("messages_waiting", "empty", lambda b: detail(b, "messages"), []),
    ("messages_waiting", "absent", lambda b: detail(b, "messages"), "absent"),
    ("messages_waiting", "null", lambda b: detail(b, "messages"), None),
    ("messages_order", "oldest", contents, ["one", "two"]),
    ("messages_order", "newest", contents, ["two", "one"]),
    ("sms_received", "true", lambda b: detail(b, "sms_received", "1234"), True),
    ("sms_received", "false", lambda b: detail(b, "sms_received", "1234"), False),
    ("lifetime", 1200, lambda b: bought(b, "expires_at"), "2026-03-01T12:20:00Z"),
    ("lifetime", 3600, lambda b: bought(b, "expires_at"), "2026-03-01T13:00:00Z"),
    ("hold", 120, lambda b: bought(b, "cancel_available_at"), "2026-03-01T12:02:00Z"),
    ("hold", 30, lambda b: bought(b, "cancel_available_at"), "2026-03-01T12:00:30Z"),
    ("refund_delay", 0, balance_at_expiry, (100, 100)),
    ("refund_delay", 30, balance_at_expiry, (99.10, 100)),
    ("further_sms", "appended", contents, ["one", "two"]),
    ("further_sms", "refused", contents, ["one"]),
    (
        "catalogue_keys",
        "id",
        keys_of_services,
        (
            {"service_id", "service_name", "base_price"},
            {"country_id", "country_name", "min_price", "services"},
        ),
    ),
    (
        "catalogue_keys",
        "code",
        keys_of_services,
        (
            {"service_code", "name", "price", "available"},
            {"country_code", "name", "min_price", "services"},
        ),
    ),
    ("catalogue_auth", "key", keyless_catalogue, [401, 401]),
    ("catalogue_auth", "public", keyless_catalogue, [200, 200]),
    ("price_unavailable", 404, unavailable, 404),
    ("price_unavailable", 200, unavailable, 200),
    ("price_available", "absent", available, [None, None]),
    ("price_available", "present", available, [True, False]),
    ("stock_field", "availability", stock_of_wa, {"availability": "low_stock"}),
    ("stock_field", "count", stock_of_wa, {"count": 3}),
    ("stock_field", "neither", stock_of_wa, {}),
    ("no_stock", 503, sold_out_status, 503),
    ("no_stock", 404, sold_out_status, 404),
    ("no_stock", 400, sold_out_status, 400),
    ("no_stock", 409, sold_out_status, 409),
    ("no_stock_text", "no_numbers", sold_out_text, ("no_numbers", "No numbers available")),
    (
        "no_stock_text",
        "out_of_stock",
        sold_out_text,
        ("out_of_stock", "This country is out of stock"),
    ),
    ("no_funds", "merged", penniless, {"error", "message", "required", "current"}),
    ("no_funds", "numbers", penniless, {"error", "required", "current"}),
    ("no_funds", "message", penniless, {"error", "message"}),
    ("too_early", "text", early, {"error"}),
    ("too_early", "seconds", early, {"error", "seconds_remaining"}),
    ("too_early", "plain", early, "text/plain; charset=utf-8"),
    ("requests_per_minute", 60, admitted, 60),
    ("requests_per_minute", 0, admitted, 70),
    ("requests_per_minute", 7, admitted, 7),
    ("narrow", "none", sold, 12),
    ("narrow", "purchase", sold, 10),
    ("rate_limit", "bare", throttled, {}),
    ("rate_limit", "retry_after", throttled, {"retry-after": "40"}),
    (
        "rate_limit",
        "x_ratelimit",
        throttled,
        {"x-ratelimit-limit": "2", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "40"},
    ),
    ("malformed_id", 404, wrong_id, 404),
    ("malformed_id", 400, wrong_id, 400),
    ("idempotency", "ignored", orders_by_one_idempotency_key, (2, 180)),
    ("idempotency", "honoured", orders_by_one_idempotency_key, (1, 90)),
    ("swap_id", "same", swapped_id, True),
    ("swap_id", "new", swapped_id, False),
    ("swap_status", "pending", swapped_status, ("pending", "waiting")),
    ("swap_status", "pending_order", swapped_status, ("pending", "pending")),
    ("swap_status", "waiting", swapped_status, ("waiting", "waiting")),
    ("swap_phone", "plus", swapped_phone, True),
    ("swap_phone", "digits", swapped_phone, False),
    ("retry", "kept", retried, (200, "completed")),
    ("retry", "waiting", retried, (200, "waiting")),
    ("retry", "unsupported", retried, (400, "completed")),
    ("webhooks", "present", webhooks, 200),
    ("webhooks", "absent", webhooks, 404),
]


@pytest.mark.parametrize(
    ("name", "position", "look", "seen"), CASES, ids=[f"{case[0]}={case[1]}" for case in CASES]
)
async def test_a_switch_set_while_running_is_seen(
    clock: Callable[[], float], name: str, position: Any, look: Any, seen: Any
) -> None:
    start = Switches() if name == "requests_per_minute" else NO_LIMIT
    bench = Bench(clock, switches=start, sms_after=NEVER)
    if position != getattr(Switches(), name):
        await bench.steer("switches", **{name: position})
    found = await look(bench)
    assert seen(found) if callable(seen) and not isinstance(seen, type) else found == seen


def test_every_position_of_every_switch_has_a_case() -> None:
    """Those of the socket and the webhooks have theirs in test_socket and test_webhooks."""
    tested = {(name, position) for name, position, *_ in CASES}
    for name, positions in known_switches().items():
        elsewhere = name.startswith(("ws", "webhook_"))
        if not elsewhere and isinstance(positions, list):
            assert {(name, position) for position in positions} <= tested
        assert elsewhere or name in {case[0] for case in CASES}


def test_the_first_position_is_the_default() -> None:
    for name, positions in known_switches().items():
        assert not isinstance(positions, list) or positions[0] == getattr(Switches(), name)


async def test_switches_can_be_set_at_the_start(clock: Callable[[], float]) -> None:
    bench = Bench(clock, switches=Switches(phone="plus", lifetime=60))
    order = await bench.buy()
    assert PLUS(order["phone_number"])
    assert order["expires_at"] == "2026-03-01T12:01:00Z"


async def test_a_reset_sets_the_switches_of_the_start(clock: Callable[[], float]) -> None:
    bench = Bench(clock, switches=Switches(phone="plus"))
    await bench.steer("switches", phone="digits", retry="waiting")
    await bench.steer("reset")
    assert (await bench.look("switches"))["switches"] == msgspec.structs.asdict(
        Switches(phone="plus")
    )


@pytest.mark.parametrize(
    "wish",
    [
        {"telephone": "plus"},
        {"phone": "minus"},
        {"hold": -1},
        {"no_stock": 500},
        ["phone"],
        {"requests_per_minute": -1},
        {"requests_per_minute": 1.5},
        {"requests_per_minute": None},
    ],
)
async def test_an_unknown_switch_or_position_is_told_what_is_known(bench: Bench, wish: Any) -> None:
    before = await bench.look("switches")
    response = await bench.http.post("/sandbox/switches", json=wish)
    assert response.status_code == 400
    assert response.json()["error"]
    assert response.json()["known"] == before["known"]
    assert await bench.look("switches") == before


def test_a_wrong_switch_at_the_start_is_an_error() -> None:
    wrong: Any = "minus"
    with pytest.raises(
        msgspec.ValidationError, match=r"Invalid enum value 'minus' - at `\$.phone`"
    ):
        create_sandbox(Switches(phone=wrong), services={})


async def test_a_fraction_is_that_of_the_second(bench: Bench) -> None:
    await bench.steer("switches", timestamps="fraction")
    await bench.wait(1.25)
    assert (await bench.buy())["created_at"] == "2026-03-01T12:00:01.250Z"


async def test_a_position_may_come_as_text(bench: Bench) -> None:
    given = {"no_stock": "404", "hold": "60", "requests_per_minute": "5"}
    now = (await bench.steer("switches", **given))["switches"]
    assert {name: str(int(now[name])) for name in given} == given


async def test_an_order_put_back_to_waiting_takes_an_sms_and_ends_completed(bench: Bench) -> None:
    await bench.steer("switches", retry="waiting", further_sms="refused")
    order = await bench.buy()
    id = order["order_id"]
    await bench.steer("sms", order_id=id, text="1111")
    await bench.post(f"/orders/{id}/retry")
    await bench.steer("sms", order_id=id, text="2222")
    assert (await bench.order(order))["status"] == "completed"
    await bench.post(f"/orders/{id}/retry")
    await bench.wait(1200)
    seen = await bench.order(order)
    assert (seen["status"], len(seen["messages"])) == ("completed", 2)
    assert (await bench.look("ledger"))["totals"]["refunded"] == 0
