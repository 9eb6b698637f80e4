"""Every switch of the sandbox, in every position, as a client sees it."""

import re
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from proxy.sandbox import Switches, create_sandbox
from proxy.sandbox.state.switches import drawn, known_switches
from tests.support import looks
from tests.support.sandbox import NEVER, NO_LIMIT, Bench, bench_with

pytestmark = pytest.mark.anyio

bench = bench_with(switches=NO_LIMIT, sms_after=NEVER)

START = "2026-03-01T12:00:00Z"


CODE, SENTENCE = "invalid_api_key", "Missing or invalid API key"
EMPTY, NULL = {"count": 0, "orders": []}, {"count": 0, "orders": None}
FOUR = {"order_id", "phone_number", "status", "messages"}
TEXTS = {
    "sms_text": "code 1234", "sms_code": "1234", "sms_sender": "A", "sms_received_at": START,
}  # fmt: skip
PLUS = re.compile(r"\+44\d+").fullmatch
DIGITS = re.compile(r"44\d+").fullmatch

# Switch, position, what to look at, what is seen: a value, or a test of it.
CASES: list[tuple[str, Any, Callable[..., Any], Any]] = [
    ("phone", "digits", lambda b: looks.bought(b, "phone_number"), DIGITS),
    ("phone", "plus", lambda b: looks.bought(b, "phone_number"), PLUS),
    (
        "phone",
        "spaces",
        lambda b: looks.bought(b, "phone_number"),
        re.compile(r"\+44 \d{4} \d+").fullmatch,
    ),
    ("order_id", "present", looks.order_names, FOUR),
    ("order_id", "absent", looks.order_names, FOUR - {"order_id"}),
    ("order_fields", "all", looks.order_names, FOUR),
    ("order_fields", "sample", looks.order_names, {"status", "messages"}),
    ("order_status", "waiting", looks.life, ["waiting"] * 3 + ["completed"] * 2),
    ("order_status", "created", looks.life, ["created"] * 3 + ["completed"] * 2),
    ("order_status", "pending", looks.life, ["pending"] * 3 + ["completed"] * 2),
    (
        "order_status",
        "life_cycle",
        looks.life,
        ["created", "created", "waiting", "sms_received", "completed"],
    ),
    ("orders_list", "missing", looks.lists, ({"error": "Not Found"}, 404, 0)),
    ("orders_list", "hidden", looks.lists, (EMPTY, 200, 0)),
    ("orders_list", "null", looks.lists, (NULL, 200, 1)),
    ("orders_bad_row", "absent", looks.rows_without_id, ([], [True, True])),
    ("orders_bad_row", "present", looks.rows_without_id, ([], [True, False, True])),
    ("orders_filter", "waiting", looks.filtered, [1, 0, 1]),
    ("orders_filter", "pending", looks.filtered, [0, 1, 1]),
    ("orders_filter", "ignored", looks.filtered, [2, 2, 2]),
    ("orders_filter", "refused", looks.filtered, ["invalid_status"] * 3),
    ("messages", "list", looks.texts, (2, {})),
    ("messages", "sms_text", looks.texts, (0, TEXTS)),
    ("sms_sender", "name", looks.sender, "Microsoft"),
    ("sms_sender", "empty", looks.sender, ""),
    ("balance_field", "balance", looks.balance, {"success": True, "balance": 100}),
    ("balance_field", "balance_usd", looks.balance, {"success": True, "balance_usd": 100}),
    ("balance_field", "both", looks.balance, {"success": True, "balance": 100, "balance_usd": 100}),
    ("money", "number", looks.amounts, (0.9, 0.9, -0.9, 99.1)),
    ("money", "text", looks.amounts, ("0.90", "0.90", "-0.90", "99.10")),
    ("transactions_count", "total", looks.transactions, 2),
    ("transactions_count", "page", looks.transactions, 1),
    ("errors", "object", looks.error, {"error": CODE, "message": SENTENCE}),
    ("errors", "text", looks.error, SENTENCE),
    ("errors", "nested", looks.error, {"error": {"code": CODE, "message": SENTENCE}}),
    ("errors", "sentence", looks.error, {"error": SENTENCE}),
    ("timestamps", "z", lambda b: looks.bought(b, "created_at"), START),
    ("timestamps", "offset", lambda b: looks.bought(b, "created_at"), "2026-03-01T20:00:00+08:00"),
    ("timestamps", "fraction", lambda b: looks.bought(b, "created_at"), "2026-03-01T12:00:00.000Z"),
    ("orders_row", "id", looks.row, {"id", "service_id", "country_id"}),
    ("orders_row", "order_id", looks.row, {"order_id", "service", "price"}),
    ("orders_list", "wrapped", looks.list_type, dict),
    ("orders_list", "bare", looks.list_type, list),
    ("orders_cap", 200, looks.longest_list, 60),
    ("orders_cap", 500, looks.longest_list, 60),
    ("orders_cap", 50, looks.longest_list, 50),
    ("messages_waiting", "empty", lambda b: looks.detail(b, "messages"), []),
    ("messages_waiting", "absent", lambda b: looks.detail(b, "messages"), "absent"),
    ("messages_waiting", "null", lambda b: looks.detail(b, "messages"), None),
    ("messages_order", "oldest", looks.contents, ["one", "two"]),
    ("messages_order", "newest", looks.contents, ["two", "one"]),
    ("sms_received", "true", lambda b: looks.detail(b, "sms_received", "1234"), True),
    ("sms_received", "false", lambda b: looks.detail(b, "sms_received", "1234"), False),
    ("lifetime", 1200, lambda b: looks.bought(b, "expires_at"), "2026-03-01T12:20:00Z"),
    ("lifetime", 3600, lambda b: looks.bought(b, "expires_at"), "2026-03-01T13:00:00Z"),
    ("hold", 120, lambda b: looks.bought(b, "cancel_available_at"), "2026-03-01T12:02:00Z"),
    ("hold", 30, lambda b: looks.bought(b, "cancel_available_at"), "2026-03-01T12:00:30Z"),
    ("refund_delay", 0, looks.balance_at_expiry, (100, 100)),
    ("refund_delay", 30, looks.balance_at_expiry, (99.10, 100)),
    ("further_sms", "appended", looks.contents, ["one", "two"]),
    ("further_sms", "refused", looks.contents, ["one"]),
    (
        "catalogue_keys",
        "id",
        looks.keys_of_services,
        (
            {"service_id", "service_name", "base_price"},
            {"country_id", "country_name", "min_price", "services"},
        ),
    ),
    (
        "catalogue_keys",
        "code",
        looks.keys_of_services,
        (
            {"service_code", "name", "price", "available"},
            {"country_code", "name", "min_price", "services"},
        ),
    ),
    (
        "catalogue_keys",
        "both",
        looks.keys_of_services,
        (
            {"service_id", "service_code", "name", "price", "available"},
            {"country_id", "country_code", "name", "min_price", "services"},
        ),
    ),
    ("catalogue_auth", "key", looks.keyless_catalogue, [401, 401]),
    ("catalogue_auth", "public", looks.keyless_catalogue, [200, 200]),
    ("price_unavailable", 404, looks.unavailable, 404),
    ("price_unavailable", 200, looks.unavailable, 200),
    ("price_available", "absent", looks.available, [None, None]),
    ("price_available", "present", looks.available, [True, False]),
    ("stock_field", "availability", looks.stock_of_wa, {"availability": "low_stock"}),
    ("stock_field", "count", looks.stock_of_wa, {"count": 3}),
    ("stock_field", "neither", looks.stock_of_wa, {}),
    ("stock_field", "both", looks.stock_of_wa, {"availability": "low_stock", "count": 3}),
    ("no_stock", 503, looks.sold_out_status, 503),
    ("no_stock", 404, looks.sold_out_status, 404),
    ("no_stock", 400, looks.sold_out_status, 400),
    ("no_stock", 409, looks.sold_out_status, 409),
    ("no_stock_text", "no_numbers", looks.sold_out_text, ("no_numbers", "No numbers available")),
    (
        "no_stock_text",
        "out_of_stock",
        looks.sold_out_text,
        ("out_of_stock", "This country is out of stock"),
    ),
    ("no_funds", "merged", looks.penniless, {"error", "message", "required", "current"}),
    ("no_funds", "numbers", looks.penniless, {"error", "required", "current"}),
    ("no_funds", "message", looks.penniless, {"error", "message"}),
    ("too_early", "text", looks.early, {"error"}),
    ("too_early", "seconds", looks.early, {"error", "seconds_remaining"}),
    ("too_early", "plain", looks.early, "text/plain; charset=utf-8"),
    ("requests_per_minute", 60, looks.admitted, 60),
    ("requests_per_minute", 0, looks.admitted, 70),
    ("requests_per_minute", 7, looks.admitted, 7),
    ("narrow", "none", looks.sold, 12),
    ("narrow", "purchase", looks.sold, 10),
    ("rate_limit", "bare", looks.throttled, {}),
    ("rate_limit", "retry_after", looks.throttled, {"retry-after": "40"}),
    (
        "rate_limit",
        "x_ratelimit",
        looks.throttled,
        {"x-ratelimit-limit": "2", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "40"},
    ),
    ("malformed_id", 404, looks.wrong_id, 404),
    ("malformed_id", 400, looks.wrong_id, 400),
    ("idempotency", "ignored", looks.orders_by_one_idempotency_key, (2, 180)),
    ("idempotency", "honoured", looks.orders_by_one_idempotency_key, (1, 90)),
    ("swap_id", "same", looks.swapped_id, True),
    ("swap_id", "new", looks.swapped_id, False),
    ("swap_status", "pending", looks.swapped_status, ("pending", "waiting")),
    ("swap_status", "pending_order", looks.swapped_status, ("pending", "pending")),
    ("swap_status", "waiting", looks.swapped_status, ("waiting", "waiting")),
    ("swap_phone", "plus", looks.swapped_phone, True),
    ("swap_phone", "digits", looks.swapped_phone, False),
    ("retry", "kept", looks.retried, (200, "completed")),
    ("retry", "waiting", looks.retried, (200, "waiting")),
    ("retry", "unsupported", looks.retried, (400, "completed")),
    ("retry", "refused", looks.retried, (400, "completed")),
    ("webhooks", "present", looks.webhooks, 200),
    ("webhooks", "absent", looks.webhooks, 404),
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
        elsewhere = name.startswith(("ws", "webhook_", "expiry_event", "balance_low"))
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
    assert _sorted(response.json()["known"]) == _sorted(before["known"])
    assert await bench.look("switches") == before


@pytest.mark.parametrize(
    ("wish", "name", "readings"),
    [
        ({"fone": "plus"}, "phone", ["digits", "plus", "spaces"]),
        ({"errror": "text"}, "errors", ["object", "text", "nested", "sentence"]),
        ({"phone": "pluss"}, "phone", ["plus", "spaces", "digits"]),
        ({"no_stock": 408}, "no_stock", [404, 400, 409, 503]),
        ({"errors": "txt", "phone": "plus"}, "errors", ["text", "object", "nested", "sentence"]),
    ],
)
async def test_the_nearest_switch_and_reading_stand_first(
    bench: Bench, wish: Any, name: str, readings: list[Any]
) -> None:
    answer = (await bench.http.post("/sandbox/switches", json=wish)).json()
    first = next(iter(answer["known"]))
    assert (first, answer["known"][first]) == (name, readings)
    assert set(answer["known"]) == set(known_switches())


def _sorted(known: dict[str, Any]) -> Any:
    return {name: sorted(map(str, readings)) for name, readings in known.items()}


def test_a_seed_draws_one_reading_of_each_switch_that_lists_them_always_the_same() -> None:
    draws = [drawn(str(seed)) for seed in range(100)]
    assert draws == [drawn(str(seed)) for seed in range(100)]
    listed = {name: it for name, it in known_switches().items() if isinstance(it, list)}
    for name, readings in listed.items():
        assert {draw[name] for draw in draws} == set(readings)
    assert all(draw.keys() == listed.keys() for draw in draws)


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
