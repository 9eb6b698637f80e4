"""Orders behind the end of a capped list: found by `?status=`, and what an unknown id is told."""

import asyncio
import random
from contextlib import asynccontextmanager

import httpx
import pytest

from proxy.config.settings import Config, StoreConfig, UpstreamConfig
from proxy.model import Order, OrderState
from proxy.orders.freshness import FIRST_RETRY, HIGHER_LIMIT, LIMIT, ListFreshness
from proxy.orders.tracked import TrackedActivation
from proxy.sandbox import create_sandbox
from proxy.upstream.fields import Rows
from tests.support.world import BUY, NEVER, SERVICES, Wire, a_life

pytestmark = pytest.mark.anyio

CAP = 50
WAITING = "STATUS_WAIT_CODE"


class Asked(Wire):
    """Remembers what lists are asked for, and may change the question."""

    def __init__(self, sandbox, change=None):
        super().__init__(sandbox)
        self.lists = []
        self._change = change

    async def handle_async_request(self, request):
        if request.url.path.endswith("/customer/orders"):
            params = dict(request.url.params)
            self.lists.append(params)
            if self._change:
                request = httpx.Request(
                    request.method,
                    request.url.copy_with(params=self._change(params)),
                    headers=request.headers,
                )
        return await super().handle_async_request(request)


def unfiltered(params):
    """As an upstream that does not know the filter."""
    return {name: value for name, value in params.items() if name != "status"}


@asynccontextmanager
async def capped(clock, change=None, cap=CAP):
    """The proxy without push, on an upstream that lists so few; and what lists were asked for."""
    sandbox = create_sandbox(clock=clock, sms_after=NEVER, services=SERVICES)
    asked = Asked(sandbox, change)
    upstream = UpstreamConfig(push=False, requests_per_minute=60)
    config = Config(store=StoreConfig(url="sqlite://"), upstream=upstream)
    async with (
        sandbox.router.lifespan_context(sandbox),
        a_life(clock, sandbox, config, transport=asked) as world,
    ):
        await world.steer("switches", {"orders_cap": cap})
        await world.steer("balance", {"key": "key", "balance": 1000})
        await world.steer("offer", {"service": "wa", "country": "GB", "stock": 1000})
        yield world, asked


async def bought(world, many):
    """The ids of so many numbers and their orders, the oldest first."""
    found = []
    for _ in range(many):
        answer = await world.ask(BUY)
        assert answer.startswith("ACCESS_NUMBER:"), answer
        found.append((answer.split(":")[1], await world.newest_order()))
        await asyncio.sleep(2)
    return found


async def seconds_to_the_code(world, numbers, which):
    """All are polled every three seconds; one of them has got its SMS."""
    ids = [id for id, _ in numbers]
    await poll(world, ids, 10)
    await world.steer("sms", {"order_id": numbers[which][1], "text": "Your code is 1111"})
    begun = now()
    while await status(world, ids[which]) != "STATUS_OK:1111":
        await poll(world, ids, 1)
        assert now() - begun < 300
    return now() - begun


async def poll(world, ids, rounds):
    for _ in range(rounds):
        await asyncio.gather(*(status(world, id) for id in ids))
        await asyncio.sleep(3)


async def status(world, id):
    return await world.ask(f"action=getStatus&id={id}")


def now():
    return asyncio.get_running_loop().time()


@pytest.mark.parametrize("which", [0, 7, 59])
async def test_a_code_behind_the_end_is_found_among_the_completed_orders(clock, which):
    async with capped(clock) as (world, asked):
        numbers = await bought(world, 60)
        assert await seconds_to_the_code(world, numbers, which) <= 9
        assert {"limit": "200", "status": "completed"} in asked.lists
        assert {"limit": "200"} in asked.lists[-15:], "the whole list is read, too"
        assert (await world.steer("requests"))["busiest_minute"] <= 60


async def test_a_list_that_is_not_cut_off_is_not_filtered(clock):
    async with capped(clock, cap=200) as (world, asked):
        numbers = await bought(world, 55)
        await poll(world, [id for id, _ in numbers], 20)
        assert all("status" not in params for params in asked.lists)


async def test_a_filter_that_is_not_honoured_is_not_used_again(clock):
    async with capped(clock, unfiltered) as (world, asked):
        numbers = await bought(world, 60)
        await poll(world, [id for id, _ in numbers], 30)
        assert sum("status" in params for params in asked.lists) == 1
        # Those behind the end are read in their turn, as before.
        assert await world.requests("order") > 0


async def test_a_filter_that_hides_a_completed_order_is_not_believed(clock):
    def other_word(params):
        return params | {"status": "nobody_knows"} if "status" in params else params

    async with capped(clock, other_word) as (world, asked):
        numbers = await bought(world, 60)
        await world.steer("sms", {"order_id": numbers[-1][1], "text": "Your code is 2222"})
        await poll(world, [id for id, _ in numbers], 30)
        assert sum("status" in params for params in asked.lists) <= 2


async def test_a_code_that_the_filter_hides_behind_the_end_is_read_in_its_turn(clock, monkeypatch):
    """As of an order that is `sms_received`, and no more is listed as `completed`."""
    async with capped(clock) as (world, _):
        numbers = await bought(world, 60)
        upstream = world.app.state.services.upstream
        read, hidden = upstream.orders, numbers[3][1]

        async def orders(key, limit=200, status=""):
            rows = await read(key, limit, status)
            seen = Rows(row for row in rows if row.id != hidden)
            seen.listed = len(seen)
            return seen if status else rows

        monkeypatch.setattr(upstream, "orders", orders)
        await world.steer("sms", {"order_id": numbers[-1][1], "text": "Your code is 2222"})
        await poll(world, [id for id, _ in numbers], 10)
        await poll(world, [id for id, _ in numbers], 20)
        assert await seconds_to_the_code(world, numbers, 3) < 300


@pytest.mark.parametrize("cap", [50, 200])
async def test_an_id_that_is_unknown_among_exactly_as_many_orders_is_denied(clock, cap):
    async with capped(clock, cap=cap) as (world, _):
        await world.steer("switches", {"requests_per_minute": 0})
        for number in range(cap):
            await bought(world, 1)
            if number in (cap - 5, cap - 3):
                assert await status(world, 5) == "NO_ACTIVATION"
                await asyncio.sleep(61)
        assert await status(world, 5) == "NO_ACTIVATION"
        await bought(world, 1)
        await asyncio.sleep(5)
        if cap == 50:
            assert await status(world, 5) == "ERROR_SQL", "one order is behind the end"


async def polled_number(world, draw, id, seen):
    """A client that asks every three seconds, until its number has its code."""
    await asyncio.sleep(draw.uniform(0, 3))
    while True:
        said = await status(world, id)
        if said.startswith("STATUS_OK"):
            seen[id] = now()
            return
        assert said == WAITING, said
        await asyncio.sleep(3)


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_crowd_of_two_hundred_hears_of_its_codes_in_nine_seconds(clock, seed):
    """As the bench's: 48 SMS, nine purchases and five cancels in two minutes, a list of 50 rows."""
    draw, seen, sent = random.Random(seed), {}, {}
    async with capped(clock) as (world, _), asyncio.TaskGroup() as group:
        numbers = await bought(world, 191)
        await asyncio.sleep(61)
        since = (await world.steer("clock"))["now"]
        polls = [group.create_task(polled_number(world, draw, id, seen)) for id, _ in numbers]
        await asyncio.sleep(10)

        async def text(number):
            await asyncio.sleep(draw.uniform(0, 105))
            sent[number[0]] = now()
            await world.steer("sms", {"order_id": number[1], "text": "Your code is 1111"})

        async def buy():
            await asyncio.sleep(draw.uniform(0, 105))
            (number,) = await bought(world, 1)
            polls.append(group.create_task(polled_number(world, draw, number[0], seen)))

        texts = [text(number) for number in draw.sample(numbers, 48)]
        await asyncio.gather(*texts, *(buy() for _ in range(9)))
        await asyncio.sleep(30)
        for poll in polls:
            poll.cancel()
        delays = sorted(seen[id] - at for id, at in sent.items())
        assert len(delays) == 48
        assert delays[45] <= 9, delays
        log = await world.steer(f"requests?since={since}")
        assert log["busiest_minute"] <= 60


# The list, by itself.


@pytest.fixture
async def listing():
    return ListFreshness()


def orders(count, *, first=0, state=OrderState.WAITING, created_at=1000.0):
    return [
        Order(f"o{number}", "447", "wa", "GB", state, created_at=created_at + number)
        for number in range(first, first + count)
    ]


def read(listing, rows, unread=0, young=0.0):
    listing.read_all(rows, len(rows) + unread, unread, now(), young)


async def test_a_full_list_is_whole_where_all_of_the_whole_one_before_is_in_it(listing):
    read(listing, orders(48))
    assert not listing.is_cut_off
    read(listing, orders(50))
    assert not listing.is_cut_off, "it has grown by two"
    read(listing, orders(50, first=1))
    assert listing.is_cut_off, "the oldest is gone"
    read(listing, orders(50, first=1))
    assert listing.is_cut_off, "the one before was not whole"


async def test_a_full_list_with_old_orders_hides_nothing_that_lives(listing):
    read(listing, orders(50), young=5000.0)
    assert not listing.is_cut_off


async def test_a_row_that_cannot_be_read_proves_nothing_of_the_next_list(listing):
    read(listing, orders(47), unread=1)
    read(listing, orders(50))
    assert listing.is_cut_off


async def test_a_higher_limit_is_tried_once_where_the_first_is_reached(listing):
    read(listing, orders(LIMIT))
    assert listing.is_cut_off and listing.limit == HIGHER_LIMIT
    read(listing, orders(230))
    assert not listing.is_cut_off and listing.limit == HIGHER_LIMIT
    read(listing, orders(HIGHER_LIMIT, first=1000))
    assert listing.is_cut_off


@pytest.mark.parametrize("is_refused", [True, False])
async def test_a_higher_limit_that_changes_nothing_is_not_asked_for_again(listing, is_refused):
    read(listing, orders(LIMIT))
    if is_refused:
        listing.failed()
        assert not listing.is_broken, "perhaps for the limit alone"
    else:
        read(listing, orders(LIMIT, first=1))
    for first in range(2, 5):
        read(listing, orders(LIMIT, first=first))
        assert listing.is_cut_off and listing.limit == LIMIT


async def test_an_order_is_seen_waiting_where_the_completed_ones_are_without_it(listing):
    read(listing, orders(50))
    activation = TrackedActivation(1, orders(1)[0], "wa")
    completed = orders(3, first=100, state=OrderState.COMPLETED)
    listing.read_completed(completed, 3, 7.0)
    assert listing.seen_at(activation) == 7.0
    listing.read_completed(orders(50, first=100, state=OrderState.COMPLETED), 50, 9.0)
    assert listing.seen_at(activation) == 7.0, "that list may be cut off, too"


async def test_a_list_that_fails_is_tried_again_after_longer_and_longer(listing):
    pauses = []
    for _ in range(9):
        listing.failed()
        assert not listing.is_due
        pauses.append(listing.retry_at - now())
        await asyncio.sleep(pauses[-1])
        assert listing.is_due
    assert pauses[0] == FIRST_RETRY and pauses[-1] == 300
    assert pauses == sorted(pauses)
