"""Webhooks that fail come again, rest after too many failures, and end with the sandbox."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from proxy.sandbox.mount import beside
from tests.support import letters
from tests.support.letters import Recipient, a_moment, fire, rows, sms, subscribe
from tests.support.sandbox import NEVER, Bench

pytestmark = pytest.mark.anyio

HOUR = 3600

door, bench = letters.door, letters.bench


@pytest.mark.parametrize(
    ("answer", "code", "status", "error"),
    [
        (500, "500", 500, None),
        (302, "302", 302, None),
        (410, "410", 410, None),
        (ConnectionRefusedError("nobody there"), "connection", None, "nobody there"),
        (RuntimeError(), "connection", None, "RuntimeError"),
        (6.0, "timeout", None, "TimeoutError"),
    ],
)
async def test_all_but_a_2xx_within_5_seconds_is_a_failure(
    bench: Bench, door: Recipient, answer: Any, code: str, status: Any, error: Any
) -> None:
    door.always = answer
    webhook = await subscribe(bench)
    await fire(bench, webhook)
    await asyncio.sleep(5.1)
    (row,) = await rows(bench, webhook)
    assert (row["status"], row["attempt"], row["response_status"]) == ("pending", 1, status)
    assert row["error_message"] == error
    assert row["scheduled_for"] == "2026-03-01T12:01:00Z"
    shown = (await bench.get(f"/customer/webhooks/{webhook['id']}"))["webhook"]
    assert (shown["failure_count_consecutive"], shown["last_error_code"]) == (1, code)
    assert shown["last_error_at"].startswith("2026-03-01T12:00:0")


async def test_five_attempts_at_growing_distances(
    bench: Bench, door: Recipient, clock: Callable[[], float]
) -> None:
    door.always = 500
    webhook, start = await subscribe(bench), clock()
    await fire(bench, webhook)
    await asyncio.sleep(100 * HOUR)
    after = [round(letter.at - start) for letter in door.letters]
    assert after == [0, 60, 60 + 300, 60 + 300 + 1800, 60 + 300 + 1800 + 7200]
    (row,) = await rows(bench, webhook)
    assert (row["status"], row["attempt"]) == ("failed", 5)
    assert len({(letter.id, letter.body) for letter in door.letters}) == 1
    stamps = [int(letter.headers["X-VirtualSMS-Timestamp"]) for letter in door.letters]
    assert [at - stamps[0] for at in stamps] == after


async def test_a_pushed_clock_sends_what_has_become_due_at_once(
    bench: Bench, door: Recipient
) -> None:
    door.answers += [500, 500]
    webhook = await subscribe(bench)
    await fire(bench, webhook)
    await a_moment()
    for seconds, attempts in ((59, 1), (1, 2), (299, 2), (1, 3)):
        await bench.wait(seconds)
        await a_moment()
        assert len(door.letters) == attempts
    assert (await rows(bench, webhook))[0]["status"] == "delivered"


async def test_one_long_push_sends_all_that_is_left(bench: Bench, door: Recipient) -> None:
    door.always = 500
    webhook = await subscribe(bench)
    await fire(bench, webhook)
    await a_moment()
    await bench.wait(24 * HOUR)
    await a_moment()
    assert len(door.letters) == 5
    assert (await rows(bench, webhook))[0]["status"] == "failed"


async def test_a_retry_holds_back_nothing_that_comes_after(bench: Bench, door: Recipient) -> None:
    door.answers.append(500)
    await subscribe(bench)
    for text in ("1111", "2222"):
        await sms(bench, await bench.buy(), text)
    await asyncio.sleep(61)
    assert [event["data"]["code"] for event in door.events] == ["1111", "2222", "1111"]


async def test_twenty_failures_in_a_row_pause_the_subscription(
    bench: Bench, door: Recipient
) -> None:
    door.always = 500
    webhook = await subscribe(bench)
    path = f"/customer/webhooks/{webhook['id']}"
    for _ in range(21):
        await fire(bench, webhook)
    await a_moment()
    shown = (await bench.get(path))["webhook"]
    assert (shown["paused"], shown["failure_count_consecutive"]) == (True, 20)
    assert (await bench.call("POST", f"{path}/test")).status_code == 400
    await sms(bench, await bench.buy())
    await asyncio.sleep(100 * HOUR)
    assert len(door.letters) == 20

    door.always = 200
    shown = (await bench.call("PATCH", path, json={"paused": False})).json()["webhook"]
    assert (shown["paused"], shown["failure_count_consecutive"]) == (False, 0)
    await a_moment()
    # Those that waited; not the SMS, which came while it was paused.
    assert len(door.letters) == 41 and set(door.types) == {"sms.received"}
    assert all(event["data"]["test"] for event in door.events)


async def test_a_success_breaks_the_row_of_failures(bench: Bench, door: Recipient) -> None:
    webhook = await subscribe(bench)
    door.answers += [500] * 19 + [200] + [500] * 19
    for _ in range(39):
        await fire(bench, webhook)
    await a_moment()
    shown = (await bench.get(f"/customer/webhooks/{webhook['id']}"))["webhook"]
    assert (shown["paused"], shown["failure_count_consecutive"]) == (False, 19)


@pytest.mark.parametrize("change", [{"paused": True}, {"active": False}])
async def test_a_subscription_that_is_off_gets_nothing(
    bench: Bench, door: Recipient, change: Any
) -> None:
    webhook = await subscribe(bench)
    await bench.call("PATCH", f"/customer/webhooks/{webhook['id']}", json=change)
    await sms(bench, await bench.buy())
    await a_moment()
    assert door.letters == []


async def test_a_changed_subscription_is_served_as_it_is_now(bench: Bench, door: Recipient) -> None:
    webhook = await subscribe(bench)
    change = {"url": "https://example.org/", "events": ["order.cancelled"]}
    await bench.call("PATCH", f"/customer/webhooks/{webhook['id']}", json=change)
    order = await bench.buy()
    await bench.steer("cancel", order_id=order["order_id"])
    await sms(bench, await bench.buy())
    await a_moment()
    assert [(letter.url, letter.event["type"]) for letter in door.letters] == [
        ("https://example.org/", "order.cancelled")
    ]


# When it ends.


async def deleted(bench: Bench, webhook: Any) -> None:
    await bench.call("DELETE", f"/customer/webhooks/{webhook['id']}")


async def reset(bench: Bench, webhook: Any) -> None:
    await bench.steer("reset")


@pytest.mark.parametrize("end", [deleted, reset])
async def test_nothing_is_sent_after_the_end(bench: Bench, door: Recipient, end: Any) -> None:
    door.always = 500
    webhook = await subscribe(bench)
    await fire(bench, webhook)
    await a_moment()
    workers = len(asyncio.all_tasks())
    await end(bench, webhook)
    await asyncio.sleep(24 * HOUR)
    assert len(door.letters) == 1
    assert len(asyncio.all_tasks()) == workers - 1


@pytest.mark.parametrize("at_work", [True, False])
async def test_the_end_of_the_lifespan_ends_the_workers(
    clock: Callable[[], float], door: Recipient, at_work: bool
) -> None:
    bench = Bench(clock, post=door)
    door.always = NEVER
    before = asyncio.all_tasks()
    async with bench.app.router.lifespan_context(bench.app):
        webhook = await subscribe(bench)
        if at_work:
            await fire(bench, webhook)
        await a_moment()
        assert len(asyncio.all_tasks()) == len(before) + 1
    assert asyncio.all_tasks() == before
    assert len(door.letters) == at_work


async def test_beside_a_proxy_both_have_their_lifespan(
    clock: Callable[[], float], door: Recipient
) -> None:
    bench, ends = Bench(clock, post=door), []

    async def proxy(scope: Any, receive: Any, send: Any) -> None:
        await subscribe(bench)
        await a_moment()
        ends.append(len(asyncio.all_tasks()))

    await beside(proxy, bench.app)({"type": "lifespan"}, None, None)  # type: ignore[arg-type]
    assert ends == [len(asyncio.all_tasks()) + 1]
