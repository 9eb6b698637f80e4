"""When the upstream is read: on demand, once for all who ask, within the budget; without push."""

import asyncio
from dataclasses import replace
from itertools import pairwise

import httpx
import pytest

from proxy.config.settings import UpstreamConfig
from proxy.model import Order, OrderState
from proxy.model.errors import Problem, ProblemError
from proxy.orders.freshness import FASTEST, SLOWEST, ListFreshness
from proxy.orders.tracked import TrackedActivation
from tests.support.polling import (
    WAITING,
    at_once,
    bought,
    fail,
    id_of,
    mend,
    plenty,
    reads,
    seconds_until,
    status,
    statuses,
    text,
    times,
)
from tests.support.world import BUY, Wire, a_world

pytestmark = pytest.mark.anyio


def without_push(requests_per_minute=60):
    return UpstreamConfig(push=False, requests_per_minute=requests_per_minute)


@pytest.fixture
async def world(clock):
    async with a_world(clock, upstream=without_push()) as world:
        await plenty(world)
        yield world


async def many(world, count):
    """The ids of so many orders that another program has bought, oldest first; a minute is over."""
    await world.steer("switches", {"requests_per_minute": 0})
    async with httpx.AsyncClient(
        transport=Wire(world.sandbox), base_url="http://s/api/v1"
    ) as other:
        for _ in range(count):
            wish = {"service": "wa", "country": "GB"}
            await other.post("/customer/purchase", json=wish, headers={"X-API-Key": "key"})
    orders = (await world.steer("orders"))["orders"][-count:]
    await world.ask(f"action=getStatus&id={id_of(orders[0])}")
    await asyncio.sleep(61)
    await world.steer("switches", {"requests_per_minute": 60})
    return [id_of(order) for order in orders]


async def test_one_read_answers_for_a_hundred_activations(world):
    ids = await many(world, 100)
    lists, orders = await reads(world)
    assert await statuses(world, ids) == [WAITING] * 100
    assert await reads(world) == (lists + 1, orders)


async def test_nothing_is_read_when_nobody_asks(world):
    id = await bought(world)
    await status(world, id)
    before = await world.steer("requests")
    await text(world, id, "Your code is 1111")
    await asyncio.sleep(900)
    assert await world.steer("requests") == before


async def test_an_order_is_read_once_after_it_completed_and_then_nothing_any_more(world):
    id = await bought(world)
    await text(world, id, "Your code is 1111")
    assert await seconds_until(world, id, "STATUS_OK:1111") <= FASTEST + 1
    before = await reads(world)
    assert before[1] == 1
    for _ in range(30):
        assert await at_once(world, f"action=getStatus&id={id}") == "STATUS_OK:1111"
        await asyncio.sleep(1)
    assert await reads(world) == before


async def test_all_who_ask_while_a_read_is_under_way_share_it(world):
    ids = [await bought(world) for _ in range(3)]
    await asyncio.sleep(10)
    await fail(world, kind="slow", call="orders", seconds=5)
    polls = []
    for i in range(40):
        polls.append(asyncio.create_task(status(world, ids[i % 3])))
        await asyncio.sleep(0.1)
    assert await asyncio.gather(*polls) == [WAITING] * 40
    assert await reads(world) == (1, 0)


@pytest.mark.parametrize(
    ("limit", "pace"),
    [(1000, FASTEST), (60, FASTEST), (40, FASTEST), (20, 60 / 14.3), (12, SLOWEST), (8, SLOWEST)],
)
async def test_the_pace_of_the_reads_follows_the_limit(clock, limit, pace):
    async with a_world(clock, upstream=without_push(limit)) as world:
        id = await bought(world)
        for _ in range(250):
            await status(world, id)
            await asyncio.sleep(0.1)
        gaps = [later - earlier for earlier, later in pairwise(await times(world, "orders"))]
        assert len(gaps) >= 3
        assert all(pace - 0.01 <= gap <= pace + 0.11 for gap in gaps), gaps


@pytest.mark.parametrize(("purchases", "pace"), [(9, FASTEST), (30, 60 / 15.9), (36, SLOWEST)])
async def test_the_pace_of_the_reads_follows_what_else_is_spent(world, purchases, pace):
    ids = [await bought(world) for _ in range(purchases)]
    for _ in range(160):
        await status(world, ids[0])
        await asyncio.sleep(0.1)
    gaps = [later - earlier for earlier, later in pairwise(await times(world, "orders"))]
    assert len(gaps) >= 2
    assert all(pace - 0.01 <= gap <= pace + 0.11 for gap in gaps), gaps


async def beyond_the_list(world, cap):
    """Thirty orders that the list has no room for, known by their own ids; and the newest one."""
    ids = await many(world, cap + 30)
    if cap == 200:
        old = (await world.steer("orders"))["orders"][:30]
        assert set(await statuses(world, [order["order_id"] for order in old])) == {WAITING}
        await asyncio.sleep(61)
    await world.steer("switches", {"orders_cap": cap})
    return ids[:30], ids[-1]


async def polled(world, ids, rounds):
    """The requests that it causes when all are asked for every two seconds."""
    since = (await world.steer("clock"))["now"]
    for _ in range(rounds):
        assert set(await statuses(world, ids)) == {WAITING}
        await asyncio.sleep(2)
    return await world.steer(f"requests?since={since}")


@pytest.mark.parametrize("cap", [50, 200])
async def test_what_the_list_has_no_room_for_is_read_singly_within_its_share(world, cap):
    beyond, newest = await beyond_the_list(world, cap)
    log = await polled(world, [*beyond, newest], 65)
    singly = [line for line in log["requests"] if line["call"] == "order"]
    assert len({line["path"] for line in singly}) >= 20
    assert busiest(singly) <= 42, "seven tenths of the minute"
    assert log["busiest_minute"] <= 51
    assert {line["status"] for line in log["requests"]} == {200}


def busiest(lines):
    starts = [line["at"] for line in lines]
    return max(sum(start <= at < start + 60 for at in starts) for start in starts)


async def test_the_list_is_read_on_and_on_beside_single_reads(world):
    beyond, newest = await beyond_the_list(world, 50)
    log = await polled(world, [*beyond, newest], 65)
    lists = [line["at"] for line in log["requests"] if line["call"] == "orders"]
    assert max(later - earlier for earlier, later in pairwise(lists)) <= 12


async def test_the_longest_unread_is_read_first(world):
    beyond, _ = await beyond_the_list(world, 50)
    log = await polled(world, beyond, 100)
    read_at = {}
    for line in log["requests"]:
        if line["call"] == "order":
            before = read_at.get(line["path"], line["at"])
            ahead = before - min(read_at.values(), default=before)
            assert len(read_at) < 30 or ahead < 10, "another waits for longer"
            read_at[line["path"]] = line["at"]


async def test_a_code_behind_the_end_of_the_list_comes_in_its_turn(world):
    beyond, newest = await beyond_the_list(world, 50)
    await polled(world, [*beyond, newest], 20)
    await text(world, beyond[9], "Your code is 1111")
    others = asyncio.create_task(polled(world, [*beyond[:9], newest], 35))
    assert await seconds_until(world, beyond[9], "STATUS_OK:1111", 2) <= 130, "its turn"
    await others


async def test_who_asks_again_after_long_comes_before_those_who_are_read_in_turn(world):
    beyond, newest = await beyond_the_list(world, 50)
    await polled(world, [*beyond[:12], newest], 35)
    await text(world, beyond[20], "Your code is 1111")
    others = asyncio.create_task(polled(world, [*beyond[:12], newest], 10))
    assert await seconds_until(world, beyond[20], "STATUS_OK:1111", 2) <= 10
    await others


async def test_an_id_unknown_here_is_not_denied_while_the_list_is_cut_off(world):
    ids = await many(world, 51)
    await world.steer("switches", {"orders_cap": 50})
    await asyncio.sleep(10)
    assert await status(world, int(ids[0]) - 1) == "ERROR_SQL"
    await asyncio.sleep(3600)
    assert await status(world, int(ids[0]) - 1) == "NO_ACTIVATION", "no listed order lives any more"


async def test_a_list_that_was_empty_before_does_not_make_a_full_one_whole(world):
    assert await status(world, 5) == "NO_ACTIVATION"
    await world.steer("switches", {"orders_cap": 50})
    await many(world, 51)
    await asyncio.sleep(10)
    assert await status(world, 5) == "ERROR_SQL", "one order is behind the end"


ROW = {"id": "7e44ebb5-9a55-4bd8-a4e9-7f226f9d5ebd", "status": "waiting"}
HALF = {"kind": "status", "status": 200, "body": {"orders": [ROW, {"status": "waiting"}]}}


async def test_other_replicas_hear_only_of_a_list_that_was_read_to_its_last_row(world, monkeypatch):
    (id,) = await many(world, 1)
    told, before = [], await world.requests("orders")
    monkeypatch.setattr(world.app.state.services.store, "publish_change", told.append)
    await world.steer("faults", {"call": "orders", **HALF})
    await asyncio.sleep(11)
    await status(world, id)
    assert (await world.requests("orders") - before, told) == (1, [])
    await asyncio.sleep(11)
    await status(world, id)
    assert [change.kind for change in told] == ["list"]


async def test_a_list_that_refuses_the_filter_is_read_on_without_it(world, monkeypatch):
    beyond, newest = await beyond_the_list(world, 50)
    upstream, asked = world.app.state.services.upstream, []
    read = upstream.orders

    async def orders(key, limit=200, status=""):
        asked.append(status)
        if status:
            raise ProblemError(Problem.UNCLEAR, "orders: HTTP 400 unknown parameter")
        return await read(key, limit, status)

    monkeypatch.setattr(upstream, "orders", orders)
    await polled(world, [*beyond, newest], 65)
    assert asked.count("completed") <= 2
    assert asked.count("") >= 20
    assert "order lists" not in (await world.client.get("/readyz")).text


async def test_a_completed_row_that_cannot_be_read_may_be_any_order_behind_the_end():
    listing, waiting = ListFreshness(is_cut_off=True), Order("w", "447", "wa", "GB")
    rows = [replace(waiting, id="c", state=OrderState.COMPLETED)]
    listing.read_completed(rows, 2, 7.0)
    assert listing.seen_at(TrackedActivation(1, waiting, "wa")) < 7.0
    listing.read_completed(rows, 1, 8.0)
    assert listing.seen_at(TrackedActivation(1, waiting, "wa")) == 8.0


NULL = {"kind": "status", "status": 200, "body": {"count": 0, "orders": None}}


async def test_a_list_without_a_number_that_lives_does_not_deny_others_either(world):
    (other,) = await many(world, 1)
    await world.steer("faults", {"call": "orders", "times": None, **NULL})
    unknown = int(other) - 1
    await asyncio.sleep(3)
    assert await status(world, unknown) == "NO_ACTIVATION"
    own = await bought(world)
    await asyncio.sleep(15)
    assert await status(world, unknown) == "ERROR_SQL"
    assert await world.ask(f"action=setStatus&status=6&id={own}") == "ACCESS_ACTIVATION"
    await asyncio.sleep(1200)
    assert await status(world, unknown) == "NO_ACTIVATION", "it is over"


async def test_out_of_budget_the_last_known_state_is_told_at_once(world):
    ids = [await bought(world) for _ in range(2)]
    await text(world, ids[1], "Your code is 1111")
    assert await seconds_until(world, ids[1], "STATUS_OK:1111") < 4
    for _ in range(50):
        await bought(world)
    before = await reads(world)
    for _ in range(20):
        assert await at_once(world, f"action=getStatus&id={ids[0]}") == WAITING
        assert await at_once(world, f"action=getStatus&id={ids[1]}") == "STATUS_OK:1111"
        await asyncio.sleep(1)
    assert await reads(world) == before
    assert (await world.steer("requests"))["busiest_minute"] <= 60


async def test_out_of_budget_an_unknown_id_waits_for_its_turn(world):
    ids = [await bought(world) for _ in range(56)]
    await asyncio.sleep(56)
    loop = asyncio.get_running_loop()
    begun = loop.time()
    assert await at_once(world, f"action=getStatus&id={ids[0]}") == WAITING
    assert await status(world, 5) == "NO_ACTIVATION"
    assert 4 <= loop.time() - begun <= 6


async def test_a_further_code_comes_after_set_status_3(world):
    id = await bought(world)
    await text(world, id, "Your code is 1111")
    assert await seconds_until(world, id, "STATUS_OK:1111") < 4
    assert await world.ask(f"action=setStatus&status=3&id={id}") == "ACCESS_RETRY_GET"
    before = await reads(world)
    for _ in range(60):
        assert await status(world, id) == "STATUS_WAIT_RETRY:1111"
        await asyncio.sleep(1)
    lists, orders = await reads(world)
    assert lists == before[0], "the list cannot tell of it"
    assert 13 <= orders - before[1] <= 21
    await text(world, id, "Your code is 2222")
    assert await seconds_until(world, id, "STATUS_OK:2222") <= 6


@pytest.mark.parametrize("kind", ["broken", "cdn", "truncated"])
async def test_what_is_known_outlasts_an_upstream_that_is_down_for_minutes(world, kind):
    done, waiting, retried = [await bought(world) for _ in range(3)]
    for id in (done, retried):
        await text(world, id, "Your code is 1111")
        assert await seconds_until(world, id, "STATUS_OK:1111") < 4
    assert await world.ask(f"action=setStatus&status=3&id={retried}") == "ACCESS_RETRY_GET"
    await asyncio.sleep(61)
    await fail(world, kind=kind)
    since = (await world.steer("clock"))["now"]
    known = ["STATUS_OK:1111", WAITING, "STATUS_WAIT_RETRY:1111"]
    for i in range(300):
        assert await statuses(world, [done, waiting, retried]) == known
        await asyncio.sleep(1)
        if i == 100:
            await text(world, waiting, "Your code is 3333")
            await text(world, retried, "Your code is 2222")
    assert (await world.steer(f"requests?since={since}"))["busiest_minute"] <= 51, "no storm"
    await mend(world)
    begun = asyncio.get_running_loop().time()
    assert await seconds_until(world, waiting, "STATUS_OK:3333") <= SLOWEST + 1
    assert await seconds_until(world, retried, "STATUS_OK:2222") <= SLOWEST + 1
    assert asyncio.get_running_loop().time() - begun <= SLOWEST + 1


async def test_a_silent_upstream_delays_an_answer_and_does_not_deny_it(world):
    id = await bought(world)
    await asyncio.sleep(10)
    await fail(world, kind="silence")
    for _ in range(5):
        assert await asyncio.wait_for(status(world, id), 10) == WAITING
    await mend(world)
    await text(world, id, "Your code is 1111")
    assert await seconds_until(world, id, "STATUS_OK:1111") <= SLOWEST + 1


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "10"}, {"X-RateLimit-Limit": "60"}])
async def test_a_storm_of_refusals_for_minutes_is_borne_in_silence(world, headers):
    ids = [await bought(world) for _ in range(5)]
    await asyncio.sleep(61)
    await fail(world, kind="status", status=429, body={"error": "slow down"}, headers=headers)
    since = (await world.steer("clock"))["now"]
    said = []
    for second in range(90):
        for id in ids:
            assert await at_once(world, f"action=getStatus&id={id}") == WAITING
        if second % 10 == 0:
            said += [await world.ask(BUY), await world.ask("action=getBalance")]
        await asyncio.sleep(1)
    assert set(said) == {"ERROR_SQL"}
    assert (await world.steer(f"requests?since={since}"))["busiest_minute"] <= 8, "few are sent"
    await mend(world)
    await buys_within(world, 25)
    assert await at_once(world, f"action=getStatus&id={ids[0]}") == WAITING


async def buys_within(world, most):
    async with asyncio.timeout(most):
        while not (await world.ask(BUY)).startswith("ACCESS_NUMBER"):  # noqa: ASYNC110
            await asyncio.sleep(1)


@pytest.mark.parametrize("push", [True, False])
@pytest.mark.parametrize("control", ["cancel", "expire"])
async def test_an_end_made_elsewhere_is_seen_within_ten_seconds_and_a_poll(clock, push, control):
    async with a_world(clock, upstream=UpstreamConfig(push=push)) as world:
        id = await bought(world)
        for _ in range(30):
            assert await status(world, id) == WAITING
            await asyncio.sleep(1)
        await world.steer(control, {"order_id": await world.newest_order()})
        assert await seconds_until(world, id, "STATUS_CANCEL") <= (11 if push else SLOWEST + 1)
        assert (await world.steer("sockets"))["count"] <= push
        await asyncio.sleep(10)
        assert (await world.steer("sockets"))["count"] == 0


async def test_a_restart_forgets_neither_ids_nor_codes_nor_what_was_spent(run):
    async with run(push=False) as world:
        await plenty(world)
        done, waiting = [await bought(world) for _ in range(2)]
        await text(world, done, "Your code is 1111")
        assert await seconds_until(world, done, "STATUS_OK:1111") < 4
        for _ in range(47):
            await bought(world)
    async with run(push=False) as world:
        assert await at_once(world, f"action=getStatus&id={done}") == "STATUS_OK:1111"
        loop = asyncio.get_running_loop()
        begun = loop.time()
        while loop.time() - begun < 90:
            assert await status(world, waiting) == WAITING
            await asyncio.sleep(0.5)
        await text(world, waiting, "Your code is 2222")
        assert await seconds_until(world, waiting, "STATUS_OK:2222") <= SLOWEST + 1
        log = await world.steer("requests")
        assert log["busiest_minute"] <= 51
        assert {line["status"] for line in log["requests"]} == {200}
