"""When sockets are opened, tried again and shared out among the keys."""

import asyncio
from collections import Counter
from itertools import pairwise

import pytest

from proxy.config.settings import UpstreamConfig
from proxy.orders.freshness import FASTEST
from tests.support.polling import (
    CODE,
    GOT,
    WAITING,
    a_moment,
    bought,
    listened,
    polled,
    seconds_until,
    sockets,
    statuses,
    text,
    times,
)
from tests.support.world import BUY, a_world

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("off", [{"push": False}, {"push_sockets": 0}])
async def test_without_push_no_socket_is_tried(clock, off):
    async with a_world(clock, upstream=UpstreamConfig(**off)) as world:
        id = await listened(world)
        await text(world, id, CODE)
        assert await seconds_until(world, id, GOT) <= FASTEST + 1
        assert await world.requests("socket") == 0


async def test_where_sockets_are_refused_they_are_tried_ever_more_seldom(world):
    await world.steer("switches", {"ws": "refused"})
    id = await bought(world)
    await polled(world, id, 1190, every=5)
    gaps = [later - earlier for earlier, later in pairwise(await times(world, "socket"))]
    assert all(least <= gap <= most for gap, (least, most) in zip(
        gaps, [(0.5, 1), (1, 2), (2, 4), (4, 8)], strict=False))  # fmt: skip
    assert min(gaps[4:9]) >= 60
    assert min(gaps[9:]) >= 120
    assert len(gaps) <= 15


async def test_where_sockets_are_refused_many_orders_cause_few_tries(world):
    await world.steer("switches", {"ws": "refused"})
    ids = [await bought(world) for _ in range(40)]
    for _ in range(60):
        assert set(await statuses(world, ids)) == {WAITING}
        await asyncio.sleep(5)
    assert await world.requests("socket") <= 40, "eight at a time at the most, then silence"


async def test_sockets_that_were_refused_are_opened_when_they_can_be(world):
    await world.steer("switches", {"ws": "refused"})
    id = await bought(world)
    await polled(world, id, 30)
    await world.steer("switches", {"ws": "talks"})
    await polled(world, id, 60)
    assert await sockets(world) == 1


async def test_refusals_before_a_socket_opened_do_not_count_any_more(world):
    await world.steer("switches", {"ws": "refused"})
    id = await bought(world)
    while await world.requests("socket") < 4:  # noqa: ASYNC110
        await asyncio.sleep(0.1)
    await world.steer("switches", {"ws": "talks"})
    await polled(world, id, 50)
    await world.steer("switches", {"ws": "refused"})
    await world.steer("sockets", {"do": "drop"})
    await polled(world, id, 12)
    assert await world.requests("socket") >= 5 + 3, "no silence after one more refusal"


async def test_a_socket_that_breaks_at_once_is_opened_after_growing_uneven_pauses(world):
    await world.steer("switches", {"ws": "drops"})
    id = await bought(world)
    await polled(world, id, 500)
    gaps = [later - earlier for earlier, later in pairwise(await times(world, "socket"))]
    for i, gap in enumerate(gaps):
        longest = min(2**i, 60)
        assert longest / 2 <= gap <= longest + 0.01
    assert 11 <= len(gaps) <= 21
    assert len({gap / min(2**i, 60) for i, gap in enumerate(gaps)}) > 8
    await text(world, id, CODE)
    assert await seconds_until(world, id, GOT) <= FASTEST + 1


async def test_a_socket_that_has_stood_is_opened_again_soon(world):
    id = await bought(world)
    for _ in range(8):
        await polled(world, id, 35)
        assert await sockets(world) == 1
        await world.steer("sockets", {"do": "drop"})
    await polled(world, id, 2)
    assert await sockets(world) == 1


async def sockets_of_keys(world):
    rows = (await world.steer("sockets"))["sockets"]
    return sorted(Counter(row["account"] for row in rows).values())


async def bought_by(world, key, count):
    for _ in range(count):
        assert "ACCESS" in await world.ask(f"{BUY}&api_key={key}")
        await a_moment()


async def test_one_key_has_the_sockets_that_the_others_leave(clock):
    async with a_world(clock, upstream=UpstreamConfig(push_sockets=10)) as world:
        await bought_by(world, "a", 12)
        assert await sockets_of_keys(world) == [10]


async def test_sockets_are_shared_out_among_the_keys(clock):
    async with a_world(clock, upstream=UpstreamConfig(push_sockets=10)) as world:
        await bought_by(world, "a", 12)
        for key in "bcd":
            await bought_by(world, key, 3)
            await asyncio.sleep(1)
        assert await sockets_of_keys(world) == [2, 2, 3, 3]


async def test_no_order_has_two_sockets_where_many_are_opened_at_a_start(clock):
    async with a_world(clock, upstream=UpstreamConfig(push_sockets=30)) as world:
        ids = [await bought(world) for _ in range(30)]
        await world.steer("sockets", {"do": "drop"})
        for _ in range(3):
            await statuses(world, ids)
            await asyncio.sleep(1)
        rows = (await world.steer("sockets"))["sockets"]
        assert len({row["order_id"] for row in rows}) == len(rows) == 30


async def test_a_socket_that_nobody_asks_about_gives_its_place(clock):
    async with a_world(clock, upstream=UpstreamConfig(push_sockets=2)) as world:
        first, second, third = [await bought(world) for _ in range(3)]
        known = [row["order_id"] for row in (await world.steer("orders"))["orders"]]

        async def polled_for(seconds, *ids):
            for _ in range(seconds):
                await statuses(world, ids)
                await asyncio.sleep(1)
            rows = (await world.steer("sockets"))["sockets"]
            return [known.index(row["order_id"]) for row in rows]

        assert sorted(await polled_for(58, second, third)) == [0, 1], "not idle for a minute"
        assert sorted(await polled_for(4, second, third)) == [1, 2], "nobody asks about the first"
        assert sorted(await polled_for(70, first, second, third)) == [1, 2], "who has one keeps it"
