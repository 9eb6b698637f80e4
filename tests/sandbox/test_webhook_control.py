"""Webhooks at will, test events, and every switch that is about webhooks."""

import asyncio
import re
from typing import Any

import pytest

from proxy.sandbox import Switches
from proxy.sandbox.state.switches import known_switches
from tests.support import letters
from tests.support.letters import (
    DOCUMENTED,
    HOOK,
    Letter,
    Recipient,
    a_moment,
    fire,
    rows,
    signed,
    sms,
    subscribe,
)
from tests.support.sandbox import Bench

pytestmark = pytest.mark.anyio

HOUR = 3600
NAMES = ("webhook_", "expiry_event", "balance_low")

door, bench = letters.door, letters.bench


# Test events and control.


@pytest.mark.parametrize("type", [*DOCUMENTED, "balance.low"])
async def test_a_test_event_has_the_shape_of_a_real_one(
    bench: Bench, door: Recipient, type: str
) -> None:
    webhook = await subscribe(bench, type, threshold=99.5)
    fired = await fire(bench, webhook)
    real = {"sms.received": 0, "order.cancelled": 1, "order.expired": 2, "order.swapped": 3}
    first, second, third, fourth = [await bench.buy("wa", "GB") for _ in range(4)]
    await sms(bench, first)
    await bench.steer("cancel", order_id=second["order_id"])
    await bench.steer("expire", order_id=third["order_id"])
    await bench.wait(120)
    await bench.post(f"/customer/swap/{fourth['order_id']}")
    await a_moment()
    test, told = (event["data"] for event in door.events)
    assert door.types == [type, type] and (type in real or type == "balance.low")
    assert test.pop("test") is True and "test" not in told
    assert set(test) == set(told)
    assert (fired["event_id"], fired["event_type"]) == (door.events[0]["id"], type)


async def test_the_control_shows_subscriptions_and_deliveries(
    bench: Bench, door: Recipient
) -> None:
    webhook = await subscribe(bench)
    await fire(bench, webhook)
    await a_moment()
    (shown,) = (await bench.look("webhooks"))["webhooks"]
    assert shown["deliveries"] == await rows(bench, webhook)
    assert shown["secret"] == webhook["secret"]
    assert shown["account"].startswith("account-")
    assert "secret" not in (await bench.get("/customer/webhooks"))["webhooks"][0]


async def test_any_event_can_be_sent_rightly_signed(bench: Bench, door: Recipient) -> None:
    webhook = await subscribe(bench, "order.cancelled")
    event = {"id": "evt_1", "type": "sms.received", "data": {"order_id": "no such"}}
    assert await bench.steer("webhooks", do="send", event=event) == {"queued": 1}
    await a_moment()
    (letter,) = door.letters
    assert letter.event == event
    assert letter.signature == signed(letter, webhook["secret"])
    (row,) = await rows(bench, webhook)
    assert (row["event_id"], row["event_type"]) == ("evt_1", "sms.received")


async def test_a_body_can_be_sent_that_is_no_json(bench: Bench, door: Recipient) -> None:
    webhook = await subscribe(bench)
    await bench.steer("webhooks", do="send", event='{"id":')
    await a_moment()
    assert door.letters[0].body == b'{"id":'
    assert door.letters[0].signature == signed(door.letters[0], webhook["secret"])
    assert (await rows(bench, webhook))[0]["payload"] == '{"id":'


@pytest.mark.parametrize("event", [{}, {"event": {"type": "sms.received"}}])
async def test_an_event_can_be_forged(bench: Bench, door: Recipient, event: Any) -> None:
    webhook = await subscribe(bench)
    await bench.steer("webhooks", do="forge", **event)
    await a_moment()
    (letter,) = door.letters
    assert letter.event["type"] == "sms.received"
    assert re.fullmatch(r"sha256=[0-9a-f]{64}", letter.signature)
    assert letter.signature != signed(letter, webhook["secret"])


async def test_the_last_delivery_can_be_repeated(bench: Bench, door: Recipient) -> None:
    await subscribe(bench)
    assert await bench.steer("webhooks", do="repeat") == {"queued": 0}
    await sms(bench, await bench.buy())
    await a_moment()
    await bench.wait(10)
    assert await bench.steer("webhooks", do="repeat") == {"queued": 1}
    await a_moment()
    first, again = door.letters
    assert (first.id, first.body, first.signature) == (again.id, again.body, again.signature)
    assert again.headers["X-VirtualSMS-Timestamp"] == "1772366410"


async def test_what_is_repeated_is_as_forged_as_before(bench: Bench, door: Recipient) -> None:
    await subscribe(bench)
    for do in ("forge", "repeat"):
        await bench.steer("webhooks", do=do)
        await a_moment()
    first, again = door.letters
    assert first.signature == again.signature


async def test_what_has_not_been_sent_is_not_repeated(bench: Bench, door: Recipient) -> None:
    webhook = await subscribe(bench)
    door.always = 1.0
    await fire(bench, webhook)
    await a_moment()
    await fire(bench, webhook)  # waits for the first
    await bench.steer("webhooks", do="repeat")
    await asyncio.sleep(10)
    first, second, third = door.letters
    assert first.id == third.id != second.id


@pytest.mark.parametrize("do", ["send", "forge", "repeat"])
async def test_a_timestamp_can_be_old(bench: Bench, door: Recipient, do: str) -> None:
    webhook = await subscribe(bench)
    await fire(bench, webhook)
    await a_moment()
    await bench.steer("webhooks", do=do, age=301)
    await a_moment()
    assert door.letters[1].headers["X-VirtualSMS-Timestamp"] == "1772366099"


async def test_one_subscription_of_several_is_meant(bench: Bench, door: Recipient) -> None:
    await subscribe(bench, key="bob")
    meant = await subscribe(bench, url=HOOK + "/meant")
    assert await bench.steer("webhooks", do="send", webhook_id=meant["id"]) == {"queued": 1}
    assert await bench.steer("webhooks", do="send") == {"queued": 2}
    await a_moment()
    assert sorted(letter.url for letter in door.letters) == [HOOK, HOOK + "/meant", HOOK + "/meant"]


@pytest.mark.parametrize(
    ("wish", "known"),
    [
        ({"do": "shout"}, "do"),
        ({"do": "send", "webhook_id": "0"}, None),
        ({"do": "repeat", "event": {}}, "event"),
        ({"do": "send", "age": -1}, "age"),
    ],
)
async def test_a_wrong_wish_is_told_what_is_known(bench: Bench, wish: Any, known: Any) -> None:
    webhook = await subscribe(bench)
    response = await bench.http.post("/sandbox/webhooks", json=wish)
    assert response.status_code == 400
    assert (known or webhook["id"]) in response.json()["known"]


# Where the sources disagree.


async def first(bench: Bench, door: Recipient, *events: str) -> Letter:
    await subscribe(bench, *events)
    await sms(bench, await bench.buy())
    await a_moment()
    return door.letters[0]


async def timestamp(bench: Bench, door: Recipient) -> Any:
    return (await first(bench, door)).headers.get("X-VirtualSMS-Timestamp")


async def signature_length(bench: Bench, door: Recipient) -> Any:
    return len((await first(bench, door)).signature)


async def service(bench: Bench, door: Recipient) -> Any:
    return (await first(bench, door)).event["data"]["service"]


async def accepted(bench: Bench, door: Recipient) -> Any:
    """Which names can be subscribed to."""
    names = ["sms.received", "order.sms_received", "order.created", "order.swapped"]
    wishes = [{"url": HOOK, "events": [name]} for name in names]
    answers = [await bench.call("POST", "/customer/webhooks", json=wish) for wish in wishes]
    await sms(bench, await bench.buy())
    await a_moment()
    return [answer.status_code for answer in answers], sorted(door.types)


async def attempts(bench: Bench, door: Recipient) -> Any:
    door.always = 500
    await fire(bench, await subscribe(bench))
    await asyncio.sleep(100 * HOUR)
    return len(door.letters)


URLS = (
    HOOK,
    "http://example.com/",
    "https://localhost:1/",
    "http://127.0.0.1:80/a",
    "http://[::1]/",
)
NO_URLS = ("", "example.com", "ftp://example.com/", "https://", "http://[", "https:///hook")


async def urls(bench: Bench, door: Recipient) -> Any:
    wishes = [{"url": url, "events": ["sms.received"]} for url in (*URLS, *NO_URLS)]
    answers = [await bench.call("POST", "/customer/webhooks", json=wish) for wish in wishes]
    return [answer.status_code for answer in answers]


async def ended(bench: Bench, door: Recipient) -> Any:
    """The event of an order that expires, and its reason."""
    await subscribe(bench)
    await bench.buy("vk")
    await bench.wait(1200)
    await a_moment()
    return [(event["type"], event["data"].get("reason")) for event in door.events]


async def warned(bench: Bench, door: Recipient) -> Any:
    """The balances of which it is told, with a threshold of 5."""
    await subscribe(bench, "balance.low", threshold=5)
    for dollars in (5, 4.99, 5, 6, 5, 2):
        await bench.steer("balance", key="alice", balance=dollars)
    await a_moment()
    return [event["data"]["balance"] for event in door.events]


async def answered(bench: Bench, door: Recipient) -> Any:
    """The names in the answer to a new subscription, of those that tell its form."""
    wish = {"url": HOOK, "events": ["balance.low"], "threshold": 5}
    made = await bench.post("/customer/webhooks", **wish)
    return made.keys() & {"success", "webhook", "id", "secret", "threshold", "threshold_usd"}


CASES = [
    ("expiry_event", "order.expired", ended, [("order.expired", None)]),
    ("expiry_event", "order.cancelled", ended, [("order.cancelled", "timeout_no_sms")]),
    ("balance_low", "below", warned, [4.99, 2]),
    ("balance_low", "at", warned, [5, 5]),
    ("webhook_answer", "wrapped", answered, {"success", "webhook"}),
    ("webhook_answer", "flat", answered, {"success", "id", "secret", "threshold_usd"}),
    ("webhook_urls", "https", urls, [200] + [400] * 10),
    ("webhook_urls", "any", urls, [200] * 5 + [400] * 6),
    ("webhook_events", "sms.received", accepted, ([200, 400, 400, 200], ["sms.received"])),
    (
        "webhook_events",
        "order.sms_received",
        accepted,
        ([400, 200, 200, 400], ["order.created", "order.sms_received"]),
    ),
    ("webhook_service", "code", service, "tg"),
    ("webhook_service", "slug", service, "telegram"),
    ("webhook_signature", "prefixed", signature_length, 71),
    ("webhook_signature", "hex", signature_length, 64),
    ("webhook_timestamp", "seconds", timestamp, "1772366400"),
    ("webhook_timestamp", "iso", timestamp, "2026-03-01T12:00:00Z"),
    ("webhook_timestamp", "absent", timestamp, None),
    ("webhook_attempts", 5, attempts, 5),
    ("webhook_attempts", 6, attempts, 6),
]


@pytest.mark.parametrize(
    ("name", "position", "look", "seen"), CASES, ids=[f"{case[0]}={case[1]}" for case in CASES]
)
async def test_a_switch_set_while_running_is_seen(
    bench: Bench, door: Recipient, name: str, position: Any, look: Any, seen: Any
) -> None:
    if position != getattr(Switches(), name):
        await bench.steer("switches", **{name: position})
    assert await look(bench, door) == seen


def test_every_position_of_every_switch_has_a_case() -> None:
    tested = {(name, position) for name, position, *_ in CASES}
    known = {n: p for n, p in known_switches().items() if n.startswith(NAMES)}
    assert tested == {
        (name, position) for name, positions in known.items() for position in positions
    }


async def test_the_phone_is_written_as_elsewhere(bench: Bench, door: Recipient) -> None:
    await bench.steer("switches", phone="plus")
    assert (await first(bench, door)).event["data"]["phone_number"].startswith("+44")


@pytest.mark.parametrize(
    ("position", "stamp"),
    [("offset", "2026-03-01T20:00:00+08:00"), ("fraction", "2026-03-01T12:00:00.000Z")],
)
async def test_times_are_written_as_elsewhere(
    bench: Bench, door: Recipient, position: str, stamp: str
) -> None:
    await bench.steer("switches", timestamps=position)
    event = (await first(bench, door)).event
    assert event["created_at"] == event["data"]["received_at"] == stamp


async def test_absent_webhooks_tell_nothing(bench: Bench, door: Recipient) -> None:
    await subscribe(bench)
    await bench.steer("switches", webhooks="absent")
    await sms(bench, await bench.buy())
    await a_moment()
    assert door.letters == []


@pytest.mark.parametrize(
    "change",
    [
        {"url": None},
        {"events": 5},
        {"events": None},
        {"events": [["sms.received"]]},
        {"threshold": 0},
        {"threshold": True},
        {"paused": "no"},
        {"active": None},
    ],
)
async def test_a_wrong_change_is_refused_and_changes_nothing(bench: Bench, change: Any) -> None:
    webhook = await subscribe(bench)
    path = f"/customer/webhooks/{webhook['id']}"
    before = await bench.get(path)
    response = await bench.call("PATCH", path, json=change)
    error = f"invalid_{next(iter(change))}"
    assert (response.status_code, response.json()["error"]) == (400, error)
    assert await bench.get(path) == before
