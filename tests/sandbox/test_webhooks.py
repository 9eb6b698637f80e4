"""Webhooks of the simulated upstream: what they tell, how it is signed, how it is sent."""

import asyncio
import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.support import letters
from tests.support.letters import (
    HOOK,
    Recipient,
    a_moment,
    fire,
    rows,
    signed,
    sms,
    subscribe,
)
from tests.support.sandbox import NEVER, UUID4, Bench

pytestmark = pytest.mark.anyio

door, bench = letters.door, letters.bench


# What is told.


async def test_an_sms_is_told_in_an_envelope(bench: Bench, door: Recipient) -> None:
    await subscribe(bench)
    order = await bench.buy()
    await bench.wait(1.5)
    await sms(bench, order, "Your code is 847-291")
    await a_moment()
    (event,) = door.events
    assert re.fullmatch(r"evt_[0-9A-HJKMNP-TV-Z]{26}", event.pop("id"))
    assert event.pop("account_id") == (await bench.get("/customer/profile"))["id"]
    assert event == {
        "type": "sms.received",
        "created_at": "2026-03-01T12:00:01.500Z",
        "data": {
            "order_id": order["order_id"],
            "phone_number": order["phone_number"],
            "service": "tg",
            "country": "GB",
            "code": "847291",
            "full_text": "Your code is 847-291",
            "received_at": "2026-03-01T12:00:01Z",
        },
    }


async def test_an_sms_without_a_code_has_none(bench: Bench, door: Recipient) -> None:
    await subscribe(bench)
    await sms(bench, await bench.buy(), "Welcome")
    await a_moment()
    assert door.events[0]["data"]["code"] is None


async def cancelled(bench: Bench) -> Any:
    order = await bench.buy("wa", "GB")
    await bench.wait(120)
    await bench.post(f"/customer/cancel/{order['order_id']}")
    return order


async def cancelled_from_elsewhere(bench: Bench) -> Any:
    order = await bench.buy("wa", "GB")
    await bench.steer("cancel", order_id=order["order_id"])
    return order


async def rejected(bench: Bench) -> Any:
    await bench.steer("offer", service="ma", country="GB", price=0.9)
    order = await bench.buy("ma", "GB")
    await bench.wait(10)
    return order


async def expired(bench: Bench) -> Any:
    order = await bench.buy("vk", "GB")
    await bench.wait(1200)
    return order


async def swapped(bench: Bench) -> Any:
    order = await bench.buy("vk", "GB")
    await bench.wait(120)
    await bench.post(f"/customer/swap/{order['order_id']}")
    return await bench.order(order)


REFUND = {"refunded_amount": 0.90, "refund_currency": "USD"}


@pytest.mark.parametrize(
    ("happen", "type", "more"),
    [
        (cancelled, "order.cancelled", REFUND | {"reason": "user_cancelled"}),
        (cancelled_from_elsewhere, "order.cancelled", REFUND | {"reason": "user_cancelled"}),
        (rejected, "order.cancelled", REFUND | {"reason": "operator_rejected"}),
        (expired, "order.expired", {"expired_at": "2026-03-01T12:20:00Z"}),
        (swapped, "order.swapped", {"expires_at": "2026-03-01T12:22:00Z"}),
    ],
)
async def test_the_other_events_of_an_order(
    bench: Bench, door: Recipient, happen: Any, type: str, more: Any
) -> None:
    await subscribe(bench)
    order = await happen(bench)
    await a_moment()
    assert door.types == [type]
    data = door.events[0]["data"]
    before = data.pop("previous_number", None)
    assert (before is not None and before != data["phone_number"]) == (happen is swapped)
    same = {name: order[name] for name in ("order_id", "phone_number", "service", "country")}
    assert data == same | more


async def test_an_order_that_expires_is_told_though_nobody_looks(
    bench: Bench, door: Recipient
) -> None:
    await subscribe(bench)
    await a_moment()
    await bench.buy("vk", "GB")
    await asyncio.sleep(1201)
    assert [(e["type"], e["created_at"]) for e in door.events] == [
        ("order.expired", "2026-03-01T12:20:00.001Z")
    ]


async def test_an_sms_of_later_is_told_though_nobody_looks(bench: Bench, door: Recipient) -> None:
    await subscribe(bench)
    order = await bench.buy()
    await a_moment()
    await bench.steer("sms", order_id=order["order_id"], text="4711", after=10)
    await asyncio.sleep(9.9)
    assert door.types == []
    await asyncio.sleep(0.2)
    assert door.types == ["sms.received"]


async def test_a_low_balance_is_told_once_each_time_it_falls(bench: Bench, door: Recipient) -> None:
    await subscribe(bench, "balance.low", threshold=5)
    for dollars in (5, 4.99, 1, 5, 6, 2.5):
        await bench.steer("balance", key="alice", balance=dollars)
    await a_moment()
    assert [event["data"] for event in door.events] == [
        {"balance": 4.99, "threshold": 5, "currency": "USD"},
        {"balance": 2.5, "threshold": 5, "currency": "USD"},
    ]


async def test_a_purchase_can_make_the_balance_low(bench: Bench, door: Recipient) -> None:
    await subscribe(bench, "balance.low", threshold=99.5)
    await bench.buy("wa", "GB")
    await a_moment()
    assert door.events[0]["data"]["balance"] == 99.10


async def test_only_what_was_subscribed_to_is_told_and_only_to_the_account(
    bench: Bench, door: Recipient
) -> None:
    await subscribe(bench, "order.cancelled", threshold=99.99)
    await subscribe(bench, "sms.received", key="bob")
    await sms(bench, await bench.buy())
    await a_moment()
    assert door.letters == []


async def test_an_sms_that_does_not_arrive_is_not_told(bench: Bench, door: Recipient) -> None:
    await subscribe(bench)
    order = await bench.buy()
    await bench.steer("cancel", order_id=order["order_id"])
    await sms(bench, order)
    await a_moment()
    assert door.types == ["order.cancelled"]


async def test_webhooks_do_not_change_what_is_drawn(clock: Callable[[], float]) -> None:
    ids = []
    for events in ([], ["sms.received"]):
        bench = Bench(clock, sms_after=NEVER)
        for event in events:
            webhook = await subscribe(bench, event)
            await fire(bench, webhook)
        ids.append((await bench.buy())["order_id"])
    assert ids[0] == ids[1]
    assert ids[0] not in (webhook["id"], webhook["secret"].removeprefix("whsec_"))


# How it is sent.


async def test_a_letter_is_signed_and_dated(bench: Bench, door: Recipient) -> None:
    webhook = await subscribe(bench)
    await bench.wait(90)
    await sms(bench, await bench.buy())
    await a_moment()
    (letter,) = door.letters
    (row,) = await rows(bench, webhook)
    assert letter.url == HOOK
    assert letter.headers == {
        "Content-Type": "application/json",
        "User-Agent": "virtualsms-sandbox",
        "X-VirtualSMS-Signature": signed(letter, webhook["secret"]),
        "X-VirtualSMS-Timestamp": "1772366490",
        "X-VirtualSMS-Delivery": row["id"],
    }
    assert UUID4.fullmatch(row["id"])


async def test_a_delivery_is_recorded(bench: Bench, door: Recipient) -> None:
    webhook = await subscribe(bench)
    await sms(bench, await bench.buy())
    await a_moment()
    (row,) = await rows(bench, webhook)
    assert row == {
        "id": door.letters[0].id,
        "event_id": door.events[0]["id"],
        "event_type": "sms.received",
        "attempt": 1,
        "status": "delivered",
        "response_status": 200,
        "response_body": None,
        "scheduled_for": "2026-03-01T12:00:00Z",
        "delivered_at": "2026-03-01T12:00:00Z",
        "error_message": None,
        "created_at": "2026-03-01T12:00:00Z",
        "payload": door.events[0],
    }
    shown = (await bench.get(f"/customer/webhooks/{webhook['id']}"))["webhook"]
    assert shown["last_delivered_at"] == "2026-03-01T12:00:00Z"


async def test_the_newest_delivery_is_listed_first_and_pages_are_cut(
    bench: Bench, door: Recipient
) -> None:
    webhook = await subscribe(bench)
    fired = [(await fire(bench, webhook))["delivery_id"] for _ in range(3)]
    path = f"/customer/webhooks/{webhook['id']}/deliveries"
    page = await bench.get(path, limit=2, offset=1)
    assert [row["id"] for row in page["deliveries"]] == [fired[1], fired[0]]
    assert (page["count"], page["limit"], page["offset"]) == (2, 2, 1)


async def test_no_answer_of_the_api_waits_for_a_webhook(
    bench: Bench, door: Recipient, clock: Callable[[], float]
) -> None:
    await subscribe(bench)
    door.always = NEVER
    start = clock()
    for _ in range(3):
        await sms(bench, await bench.buy())
    assert clock() == start


async def test_a_subscription_gets_one_letter_at_a_time_in_order(
    bench: Bench, door: Recipient
) -> None:
    slow = await subscribe(bench)
    door.answers.append(3.0)
    for text in ("1111", "2222", "3333"):
        await sms(bench, await bench.buy(), text)
    await asyncio.sleep(2.9)
    assert len(door.letters) == 1
    await asyncio.sleep(0.2)
    assert [event["data"]["code"] for event in door.events] == ["1111", "2222", "3333"]
    assert {row["status"] for row in await rows(bench, slow)} == {"delivered"}


async def test_a_slow_subscription_holds_no_other(bench: Bench, door: Recipient) -> None:
    door.answers += [4.0, 200]
    await subscribe(bench)
    await subscribe(bench, url=HOOK + "/other")
    await sms(bench, await bench.buy())
    await a_moment()
    assert {letter.url for letter in door.letters} == {HOOK, HOOK + "/other"}
