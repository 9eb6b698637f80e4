"""Every way to a code suffices: an order read alone, or led by the list, a socket, an event."""

import asyncio
import hashlib
import hmac
import json
from contextlib import asynccontextmanager
from itertools import combinations

import pytest

from proxy.config.settings import UpstreamConfig, WebhooksConfig
from tests.support.world import BUY, a_world

pytestmark = pytest.mark.anyio

ALL = ("list", "order", "socket", "event")
WAYS = [
    ways
    for many in range(1, len(ALL) + 1)
    for ways in combinations(ALL, many)
    # The list has no texts.
    if ways != ("list",)
]
SECRET = "whsec_of_this_test"
FIRST, SECOND = "Your code is {}11", "Your code is {}22"

MISSING = {"kind": "status", "status": 404, "body": {"error": "not found"}}
PAGE = {"kind": "cdn", "status": 403}
NULL = {"kind": "status", "status": 200, "body": None}
HALF = {"kind": "status", "status": 200, "body": {"orders": [{"status": "waiting"}, 7]}}
HALF_ORDER = {"kind": "status", "status": 200, "body": {"success": True}}
SILENCE = {"kind": "silence"}
DOWN = {"kind": "status", "status": 503, "body": {"error": "internal_error"}}

ORDERS_ARE_NULL = {"kind": "status", "status": 200, "body": {"count": 0, "orders": None}}


@asynccontextmanager
async def reachable(clock, ways, list_fault=MISSING, order_fault=PAGE):
    """A proxy whose upstream has these ways only; the others answer with a fault, or not."""
    webhooks = WebhooksConfig(secrets=(SECRET,)) if "event" in ways else WebhooksConfig()
    upstream = UpstreamConfig(push="socket" in ways)
    async with a_world(clock, upstream=upstream, webhooks=webhooks) as world:
        await world.steer("balance", {"key": "key", "balance": 1000})
        await world.steer("offer", {"service": "wa", "country": "GB", "stock": 1000})
        for call, way, fault in (("orders", "list", list_fault), ("order", "order", order_fault)):
            if way not in ways:
                await world.steer("faults", {"call": call, "times": None, **fault})
        yield world


class Number:
    """One number, and a client that asks for its status."""

    def __init__(self, world, ways, place, every):
        self.world, self.ways, self.place, self.every = world, ways, place, every
        self.said = ""
        self._changed = asyncio.Event()

    async def buy(self):
        answer = await self.world.ask(BUY)
        assert answer.startswith("ACCESS_NUMBER:"), answer
        self.id = answer.split(":")[1]
        self.order = await self.world.newest_order()

    async def poll(self):
        while True:
            said = await self.world.ask(f"action=getStatus&id={self.id}")
            if said != self.said:
                self.said = said
                self._changed.set()
                self._changed = asyncio.Event()
            await asyncio.sleep(self.every)

    async def until(self, answer):
        """The seconds until its client is told so."""
        begun = now()
        async with asyncio.timeout(300):
            while self.said != answer:
                await self._changed.wait()
        return now() - begun

    async def text(self, form):
        """An SMS comes, and what the upstream tells of it; the seconds until its client sees it."""
        code = 1000 + self.place
        wish = {"order_id": self.order, "text": form.format(code)}
        order = (await self.world.steer("sms", wish))["order"]
        if "event" in self.ways:
            await self.tell(order["messages"][-1])
        return await self.until(f"STATUS_OK:{form.format(code).split()[-1]}")

    async def tell(self, sms):
        data = {"order_id": self.order, "full_text": sms["content"]}
        data |= {"received_at": sms["received_at"]}
        id = f"evt_{self.order}_{sms['content'][-6:]}"
        event = {"id": id, "type": "sms.received", "data": data}
        body = json.dumps(event).encode()
        signed = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        headers = {"X-VirtualSMS-Signature": signed}
        answer = await self.world.client.post("/webhooks/virtualsms", content=body, headers=headers)
        assert answer.status_code == 200

    async def ask_again(self):
        said = await self.world.ask(f"action=setStatus&status=3&id={self.id}")
        assert said == "ACCESS_RETRY_GET"
        await self.until(f"STATUS_WAIT_RETRY:{1000 + self.place}11")


def now():
    return asyncio.get_running_loop().time()


async def delays_of(world, ways, many, every=1.5, second=True):
    """How long each first SMS took to its client, and each second one."""
    numbers = [Number(world, ways, place, every) for place in range(many)]
    async with asyncio.TaskGroup() as group:
        polls = []
        for number in numbers:
            await number.buy()
            polls.append(group.create_task(number.poll()))
            await asyncio.sleep(5)
        await asyncio.sleep(30)
        delays = [await spread(numbers, lambda number: number.text(FIRST), 1.7)]
        if second:
            await spread(numbers, Number.ask_again, 5.0)
            await asyncio.sleep(30)
            delays.append(await spread(numbers, lambda number: number.text(SECOND), 1.7))
        for poll in polls:
            poll.cancel()
    return delays


async def spread(numbers, act, every):
    """All of them, one after the other begun."""
    tasks = []
    for number in numbers:
        tasks.append(asyncio.create_task(act(number)))
        await asyncio.sleep(every)
    return await asyncio.gather(*tasks)


async def within_the_limit(world):
    log = await world.steer("requests")
    assert log["busiest_minute"] <= 60
    assert 429 not in {line["status"] for line in log["requests"]}


def longest(ways, many):
    """Seconds that a first code may take, and a second one."""
    is_told = "socket" in ways or "event" in ways
    alone = 10 if many <= 6 else 30
    first = 10 if is_told or {"list", "order"} <= set(ways) else alone
    return first, 10 if is_told else alone


@pytest.mark.parametrize("ways", WAYS, ids="+".join)
async def test_any_way_brings_the_codes_of_twenty_numbers(clock, ways):
    async with reachable(clock, ways) as world:
        first, second = await delays_of(world, ways, 20)
        most_first, most_second = longest(ways, 20)
        assert max(first) <= most_first
        assert max(second) <= most_second
        await within_the_limit(world)


async def test_order_reads_alone_bring_the_codes_of_six_numbers_in_ten_seconds(clock):
    async with reachable(clock, ("order",)) as world:
        first, second = await delays_of(world, ("order",), 6)
        assert max(*first, *second) <= 10
        await within_the_limit(world)


@pytest.mark.parametrize("fault", [MISSING, PAGE, ORDERS_ARE_NULL, NULL, HALF, SILENCE, DOWN])
async def test_however_the_list_fails_the_orders_themselves_are_read(clock, fault):
    async with reachable(clock, ("order",), list_fault=fault) as world:
        first, second = await delays_of(world, ("order",), 3)
        assert max(*first, *second) <= 12


@pytest.mark.parametrize("way", ["socket", "event"])
@pytest.mark.parametrize("fault", [MISSING, PAGE, NULL, HALF_ORDER, SILENCE, DOWN])
async def test_however_reads_fail_a_socket_or_an_event_suffices(clock, way, fault):
    """A list that shows its rows, and an order that nobody can read."""
    async with reachable(clock, ("list", way), order_fault=fault) as world:
        first, second = await delays_of(world, ("list", way), 2)
        assert max(*first, *second) <= 10


async def test_where_no_read_is_left_it_is_said_once_and_in_readyz(clock, caplog):
    async with reachable(clock, ("list",)) as world:
        number = Number(world, (), 0, 1.5)
        await number.buy()
        polling = asyncio.create_task(number.poll())
        await world.steer("sms", {"order_id": number.order, "text": FIRST.format(1000)})
        await asyncio.sleep(30)
        await world.steer("faults", {"call": "orders", "times": None, **MISSING})
        await world.steer("sms", {"order_id": number.order, "text": FIRST.format(1000)})
        for _ in range(60):
            await world.ask("action=getActiveActivations")
            await asyncio.sleep(2)
        polling.cancel()
        assert number.said == "STATUS_WAIT_CODE"
        assert "single orders: 1 of these" in (await world.client.get("/readyz")).text
    said = [line for line in caplog.messages if "neither its list nor its orders" in line]
    assert len(said) == 1


async def test_an_event_counts_though_its_client_asked_once_more_before_it_came(clock):
    async with reachable(clock, ("event",)) as world:
        number = Number(world, ("event",), 0, 1.5)
        await number.buy()
        polling = asyncio.create_task(number.poll())
        await number.text(FIRST)
        await number.ask_again()
        await asyncio.sleep(10)
        wish = {"order_id": number.order, "text": SECOND.format(1000)}
        order = (await world.steer("sms", wish))["order"]
        await asyncio.sleep(3)
        await number.ask_again()
        await number.tell(order["messages"][-1])
        assert await number.until("STATUS_OK:100022") <= 10
        polling.cancel()
