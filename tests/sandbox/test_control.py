"""The sandbox's control API: what people and tests do to the world, and what they can read."""

from typing import Any

import pytest

from proxy.sandbox.control.calls import CONTROLS
from tests.support.sandbox import NEVER, Bench, bench_with

pytestmark = pytest.mark.anyio

bench = bench_with(sms_after=NEVER)

START = 1_772_366_400


async def test_an_sms_is_sent_to_an_order(bench: Bench) -> None:
    order = await bench.buy()
    answer = await bench.steer("sms", order_id=order["order_id"], text="Code 4711", sender="Shop")
    assert answer["arrived"] is True
    assert (await bench.order(order))["messages"] == [
        {"sender": "Shop", "content": "Code 4711", "received_at": "2026-03-01T12:00:00Z"}
    ]


@pytest.mark.parametrize("plus", ["", "+"])
async def test_an_sms_is_sent_to_a_phone(bench: Bench, plus: str) -> None:
    order = await bench.buy()
    await bench.steer("sms", phone=plus + order["phone_number"], text="Code 4711")
    (message,) = (await bench.order(order))["messages"]
    assert (message["sender"], message["content"]) == ("", "Code 4711")


async def test_an_sms_can_be_sent_for_later(bench: Bench) -> None:
    order = await bench.buy()
    answer = await bench.steer("sms", order_id=order["order_id"], text="Code 4711", after=10)
    assert answer["arrived"] is False
    await bench.wait(60)
    (message,) = (await bench.order(order))["messages"]
    assert message["received_at"] == "2026-03-01T12:00:10Z"


@pytest.mark.parametrize("end", ["cancel", "expire"])
async def test_an_sms_to_an_order_that_has_ended_does_not_arrive(bench: Bench, end: str) -> None:
    order = await bench.buy()
    await bench.steer(end, order_id=order["order_id"])
    assert not (await bench.steer("sms", order_id=order["order_id"], text="4711"))["arrived"]
    assert (await bench.order(order))["messages"] == []


async def test_happenings_between_two_looks_have_their_own_times_and_order(bench: Bench) -> None:
    early, late = await bench.buy("wa", "GB"), await bench.buy("wa", "AR")
    await bench.steer("sms", order_id=late["order_id"], text="one", after=1199)
    await bench.steer("sms", order_id=late["order_id"], text="two", after=1200)
    await bench.wait(100_000)
    assert (await bench.order(early))["status"] == "expired"
    assert [m["content"] for m in (await bench.order(late))["messages"]] == ["one"]
    (refund,) = (e for e in (await bench.look("ledger"))["entries"] if e["kind"] == "refund")
    assert (refund["at"], refund["order"]) == (START + 1200, early["order_id"])


async def test_the_clock_tells_its_time_and_is_pushed(bench: Bench) -> None:
    assert await bench.look("clock") == {"now": START, "time": "2026-03-01T12:00:00Z"}
    answer = await bench.steer("clock", seconds=90.5)
    assert "switch hold" in answer.pop("hint")
    assert answer == {"now": START + 90.5, "time": "2026-03-01T12:01:30Z"}


async def test_an_order_can_be_let_expire(bench: Bench) -> None:
    order = await bench.buy()
    answer = await bench.steer("expire", phone=order["phone_number"])
    assert (answer["order"]["status"], answer["order"]["refunded"]) == ("expired", True)
    assert await bench.balance() == 100


async def test_an_order_expires_once(bench: Bench) -> None:
    order = await bench.buy()
    for _ in range(2):
        await bench.steer("expire", order_id=order["order_id"])
    assert (await bench.order(order))["status"] == "expired"
    assert await bench.balance() == 100


async def test_an_order_can_be_cancelled_from_elsewhere_inside_the_hold(bench: Bench) -> None:
    order = await bench.buy()
    answer = await bench.steer("cancel", order_id=order["order_id"])
    assert (answer["order"]["status"], answer["order"]["refunded"]) == ("cancelled", True)
    assert await bench.balance() == 100
    response = await bench.http.post("/sandbox/cancel", json={"order_id": order["order_id"]})
    assert response.status_code == 400


async def test_stock_counts_down_and_comes_back_with_a_refund(bench: Bench) -> None:
    await bench.steer("offer", service="tg", country="GB", stock=1)
    order = await bench.buy()
    assert (await bench.buy())["error"] == "no_numbers"
    await bench.steer("cancel", order_id=order["order_id"])
    assert (await bench.buy())["success"] is True


async def test_a_price_is_told_and_charged(bench: Bench) -> None:
    await bench.steer("offer", service="tg", country="GB", price=1.25)
    assert (await bench.get("/price", service="tg", country="GB"))["price"] == 1.25
    assert (await bench.buy())["price"] == 1.25
    assert await bench.balance() == 98.75


async def test_a_charge_can_differ_from_the_price_that_was_told(bench: Bench) -> None:
    await bench.steer("offer", service="tg", country="GB", price=1.25, charge=2)
    assert (await bench.get("/price", service="tg", country="GB"))["price"] == 1.25
    assert (await bench.buy())["price"] == 2
    assert await bench.balance() == 98


async def test_an_offer_can_be_changed_in_every_country_at_once(bench: Bench) -> None:
    answer = await bench.steer("offer", service="tg", stock=0)
    assert len(answer["offers"]) == 60
    rows = (await bench.get("/catalog/countries", service="tg"))["countries"]
    assert {row["availability"] for row in rows} == {"out_of_stock"}


async def test_a_balance_is_set_and_stands_in_the_ledger(bench: Bench) -> None:
    answer = await bench.steer("balance", key="alice", balance=3.10)
    assert answer["balance_cents"] == 310
    assert await bench.balance() == 3.10
    kinds = [(e["kind"], e["cents"]) for e in (await bench.look("ledger"))["entries"]]
    assert kinds == [("deposit", 10000), ("credit", -9690)]


async def test_the_next_number_can_be_chosen(bench: Bench) -> None:
    await bench.steer("phone", phone="+79001234567")
    assert (await bench.buy())["phone_number"] == "79001234567"
    assert (await bench.buy())["phone_number"].startswith("44")


async def test_the_ledger_says_who_was_charged_and_refunded_for_what(bench: Bench) -> None:
    first = await bench.buy("wa", "GB", key="alice")
    second = await bench.buy("wa", "AR", key="bob")
    await bench.steer("expire", order_id=first["order_id"])
    ledger = await bench.look("ledger")
    assert ledger["totals"] == {"charged": 170, "refunded": 90, "spent": 80}
    moved = [(e["kind"], e["cents"], e["order"]) for e in ledger["entries"] if e["order"]]
    assert moved == [
        ("charge", -90, first["order_id"]),
        ("charge", -80, second["order_id"]),
        ("refund", 90, first["order_id"]),
    ]
    bobs = await bench.look("ledger", key="bob")
    assert bobs["totals"] == {"charged": 80, "refunded": 0, "spent": 80}
    assert [e["cents"] for e in bobs["entries"]] == [10000, -80]
    assert [sums["balance"] for sums in bobs["accounts"].values()] == [9920]


async def test_no_control_shows_a_key(bench: Bench) -> None:
    await bench.buy(key="vsms_secret")
    for what in ("orders", "ledger", "requests", "sockets", "faults", "switches"):
        assert "vsms_secret" not in str(await bench.look(what))


async def test_orders_are_shown_with_their_account(bench: Bench) -> None:
    order = await bench.buy(key="alice")
    await bench.buy(key="bob")
    assert (await bench.look("orders"))["count"] == 2
    (row,) = (await bench.look("orders", key="alice"))["orders"]
    assert row["account"].startswith("account-")
    assert (row["order_id"], row["first_id"]) == (order["order_id"], order["order_id"])


async def test_the_order_of_a_swap_with_a_new_id_is_shown_once(bench: Bench) -> None:
    await bench.steer("switches", swap_id="new")
    order = await bench.buy()
    await bench.wait(120)
    swapped = await bench.post(f"/customer/swap/{order['order_id']}")
    (row,) = (await bench.look("orders"))["orders"]
    assert (row["order_id"], row["first_id"]) == (swapped["order_id"], order["order_id"])


async def test_requests_are_logged_with_time_and_answer(bench: Bench) -> None:
    await bench.get("/price", "", service="wa", country="GB")
    await bench.wait(2)
    await bench.buy("ok", "GB")
    await bench.get("/customer/balance", "bad")
    log = (await bench.look("requests"))["requests"]
    shown = [(line["at"] - START, line["call"], line["method"], line["status"]) for line in log]
    assert shown == [
        (0, "price", "GET", 200),
        (2, "purchase", "POST", 503),
        (2, "balance", "GET", 401),
    ]
    assert log[0]["path"] == "/api/v1/price?service=wa&country=GB"
    assert [line["account"] is None for line in log] == [True, False, True]


async def test_requests_can_be_asked_for_by_key_and_call(bench: Bench) -> None:
    await bench.buy(key="alice")
    await bench.balance("alice")
    await bench.balance("bob")
    for query, count in (({}, 3), ({"key": "alice"}, 2), ({"call": "balance"}, 2)):
        assert (await bench.look("requests", **query))["count"] == count
    assert (await bench.look("requests", key="bob", call="purchase"))["count"] == 0


async def test_requests_can_be_asked_for_from_an_instant_on(bench: Bench) -> None:
    for _ in range(3):
        await bench.balance()
        await bench.wait(10)
    for since, count in ((0, 3), (START, 3), (START + 0.001, 2), (START + 20, 1), (START + 21, 0)):
        assert (await bench.look("requests", since=since))["count"] == count


async def test_a_wrong_instant_is_told_what_is_known(bench: Bench) -> None:
    response = await bench.http.get("/sandbox/requests?since=yesterday")
    assert response.status_code == 400
    assert list(response.json()["known"]) == ["since"]


@pytest.mark.parametrize(("last", "busiest"), [(29.999, 3), (30, 2)])
async def test_the_busiest_minute_is_the_most_requests_of_one_key_in_60_seconds(
    bench: Bench, last: float, busiest: int
) -> None:
    for key, seconds in (("alice", 0), ("bob", 0), ("alice", 30), ("alice", last)):
        await bench.wait(seconds)
        await bench.balance(key)
    await bench.wait(1000)
    await bench.balance()
    assert (await bench.look("requests"))["busiest_minute"] == busiest
    assert (await bench.look("requests", key="bob"))["busiest_minute"] == 1
    assert (await bench.look("requests", since=START + 30))["busiest_minute"] == 2
    assert (await bench.look("requests", since=START + 2000))["busiest_minute"] == 0


async def test_the_busiest_minute_has_only_what_counts_against_the_limit(bench: Bench) -> None:
    await bench.steer("switches", requests_per_minute=2)
    await bench.get("/price", "", service="wa", country="GB")
    for path, key in (("/balance", "alice"), *[("/customer/balance", "bad")] * 3):
        await bench.get(path, key)
    codes = [(await bench.call("GET", "/customer/balance")).status_code for _ in range(5)]
    assert codes == [200, 200, 429, 429, 429]
    requests = await bench.look("requests")
    assert requests["busiest_minute"] == 2
    assert [line["status"] for line in requests["requests"] if line["counted"]] == [200, 200]


async def test_a_request_that_a_fault_struck_is_counted(bench: Bench) -> None:
    for status in (500, 429):
        await bench.steer("faults", kind="status", status=status)
        await bench.call("GET", "/customer/balance")
    assert (await bench.look("requests"))["busiest_minute"] == 2


async def test_a_reset_brings_everything_back_to_the_start(bench: Bench) -> None:
    first = await bench.buy()
    await bench.wait(50)
    await bench.steer("offer", service="tg", stock=0)
    await bench.steer("faults", kind="cdn", times=None)
    await bench.steer("phone", phone="79001234567")
    assert (await bench.steer("reset"))["now"] == START
    assert (await bench.look("orders"))["count"] == 0
    assert (await bench.look("requests"))["count"] == 0
    assert (await bench.look("ledger"))["entries"] == []
    assert await bench.buy() == first


async def test_the_overview_names_every_control(bench: Bench) -> None:
    controls = (await bench.look(""))["known"]
    assert controls == [f"{c.method} {c.path}" for c in CONTROLS]
    overview = (await bench.http.get("/sandbox")).json()
    assert set(overview) == {"controls", "switches", "faults", "scenarios"}
    assert list(overview["controls"]) == controls


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/sandbox/nonsense"),
        ("POST", "/sandbox"),
        ("GET", "/sandbox/sms"),
        ("DELETE", "/sandbox/orders"),
        ("PUT", "/sandbox/clock"),
    ],
)
async def test_an_unknown_control_is_told_the_known_ones(
    bench: Bench, method: str, path: str
) -> None:
    response = await bench.http.request(method, path)
    assert response.status_code == 400
    assert response.json()["error"] == f"{method} {path} is no control"
    assert response.json()["known"] == [f"{c.method} {c.path}" for c in CONTROLS]


@pytest.mark.parametrize(
    ("path", "wish", "known"),
    [
        ("sms", {"text": "1"}, []),
        ("sms", {"order_id": "0", "text": "1"}, []),
        ("sms", {"phone": "0", "text": "1"}, []),
        ("sms", {"order_id": "0"}, "text"),
        ("sms", {"order_id": "0", "text": 1}, "text"),
        ("expire", {"id": "0"}, "order_id"),
        ("cancel", {"order_id": 0}, "order_id"),
        ("clock", {"seconds": -1}, "seconds"),
        ("clock", {}, "seconds"),
        ("offer", {"service": "whatsapp", "stock": 1}, "wa"),
        ("offer", {"service": "wa", "country": "UK", "stock": 1}, "GB"),
        ("offer", {"service": "wa", "stock": -1}, "stock"),
        ("offer", {"service": "wa", "price": "dear"}, "price"),
        ("balance", {"key": "alice"}, "balance"),
        ("phone", {"phone": "call me"}, "phone"),
        ("sockets", {"do": "cut"}, "do"),
        ("sockets", {"do": "drop", "order_id": "0"}, []),
        ("sockets", {"do": "say"}, "frame"),
        ("sockets", {"do": "mute", "frame": {}}, "frame"),
        ("faults", {"kind": "earthquake"}, "kind"),
        ("faults", {"kind": "cdn", "call": "buy"}, "purchase"),
        ("faults", {"kind": "cdn", "chance": 2}, "chance"),
        ("faults", {"kind": "cdn", "times": 0}, "times"),
    ],
)
async def test_a_wrong_wish_is_told_what_is_known(
    bench: Bench, path: str, wish: Any, known: Any
) -> None:
    response = await bench.http.post(f"/sandbox/{path}", json=wish)
    assert response.status_code == 400
    assert response.json()["error"]
    assert known == response.json()["known"] or known in response.json()["known"]


async def test_a_wish_that_is_not_json_is_refused(bench: Bench) -> None:
    response = await bench.http.post("/sandbox/clock", content=b"seconds=5")
    assert response.status_code == 400
    assert response.json()["known"] == {"seconds": "float"}
