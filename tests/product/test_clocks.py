"""Two clocks: the upstream's for what it stamps, this machine's for money, limits and retention."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from proxy.config.settings import Config, LimitsConfig, StoreConfig
from proxy.model import Order
from proxy.sandbox import create_sandbox
from proxy.upstream.clock import UpstreamClock
from tests.conftest import START
from tests.support.world import BUY, NEVER, SERVICES, Wire, a_life, an_orphan

pytestmark = pytest.mark.anyio

DAY, YEARS = 86_400.0, 10 * 365 * 86_400.0
LIES = [
    "Thu, 31 Dec 2099 23:59:59 GMT",
    "Fri, 31 Dec 9999 23:59:59 GMT",
    "Thu, 01 Jan 1970 00:00:00 GMT",
    "Fri, 01 Jan 2021 00:00:00 GMT",
    "soon",
    "",
]
AHEAD = [3600.0, -3600.0, YEARS, -5 * 365 * DAY]


class Misdated(Wire):
    """Every answer has the Date that is set."""

    date = None

    async def handle_async_request(self, request):
        answer = await super().handle_async_request(request)
        if self.date is not None:
            answer.headers["Date"] = self.date
        return answer


@pytest.fixture
def run(clock, tmp_path):
    """Runs a proxy on an upstream whose clock, and every stamp, is `ahead` of this machine's."""

    @asynccontextmanager
    async def run(ahead=0.0, date=None, sandbox=None, **limits):
        upstream = sandbox or create_sandbox(
            clock=lambda: clock() + ahead, sms_after=NEVER, services=SERVICES
        )
        store = StoreConfig(url=f"sqlite:///{tmp_path}/store.db")
        config = Config(store=store, limits=LimitsConfig(**limits))
        wire = Misdated(upstream)
        wire.date = date
        async with a_life(clock, upstream, config, transport=wire) as world:
            yield world

    return run


def id_of(answer):
    assert answer.startswith("ACCESS_NUMBER:"), answer
    return answer.split(":")[1]


@pytest.mark.parametrize("date", LIES)
@pytest.mark.parametrize(
    ("limits", "word"), [({"active": 1}, "CHANNELS_LIMIT"), ({"spend_per_day": 1}, "NO_BALANCE")]
)
async def test_a_date_that_lies_opens_no_limit(run, date, limits, word):
    async with run(date=date, **limits) as world:
        id = id_of(await world.ask(BUY))
        for _ in range(3):
            assert await world.ask(BUY) == word
            await world.ask("action=getBalance")
            await asyncio.sleep(10)
        assert await world.ask(f"action=getStatus&id={id}") == "STATUS_WAIT_CODE"


@pytest.mark.parametrize("date", LIES)
async def test_a_date_that_lies_deletes_nothing(run, date):
    async with run(date=date) as world:
        id = id_of(await world.ask(BUY))
        await world.ask("action=getBalance")
        await world.sms("code 123456")
        await asyncio.sleep(10)
        assert await world.ask(f"action=getStatus&id={id}") == "STATUS_OK:123456"
        await asyncio.sleep(7 * 3600)
        services = world.app.state.services
        assert [entry.kind for entry in await services.store.ledger()] == ["charge"]
        assert [row.id async for row in services.store.all_orders()] == [int(id)]
        assert await world.ask(f"action=getStatus&id={id}") == "STATUS_OK:123456"


@pytest.mark.parametrize("ahead", AHEAD)
async def test_an_upstream_whose_clock_is_off_is_served_as_any_other(run, ahead):
    async with run(ahead) as world:
        id = id_of(await world.ask(BUY))
        assert await world.ask(f"action=setStatus&status=8&id={id}") == "EARLY_CANCEL_DENIED"
        await asyncio.sleep(60)
        assert await world.ask(f"action=setStatus&status=8&id={id}") == "EARLY_CANCEL_DENIED"
        await asyncio.sleep(61)
        assert await world.ask(f"action=setStatus&status=8&id={id}") == "ACCESS_CANCEL"
        other = id_of(await world.ask(BUY))
        assert other in await world.ask("action=getActiveActivations")
        listed = (await world.answer(f"action=getHistory&start={START:.0f}")).json()
        assert {str(row["id"]) for row in listed} == {id, other}
        entries = await world.app.state.services.store.ledger()
        assert all(START <= entry.at < START + 1000 for entry in entries)


@pytest.mark.parametrize("ahead", AHEAD)
async def test_a_promised_cancel_is_kept_at_the_end_of_the_hold_by_any_clock(run, ahead):
    async with run(ahead) as world:
        world.dialect = "/daisysms"
        id = id_of(await world.ask("action=getNumber&service=wa"))
        assert await world.ask(f"action=setStatus&status=8&id={id}") == "ACCESS_CANCEL"
        await asyncio.sleep(130)
        (order,) = (await world.steer("orders"))["orders"]
        assert order["status"] == "cancelled"


@pytest.mark.parametrize("date", LIES)
async def test_a_date_that_lies_keeps_no_promise_waiting(run, date):
    async with run(date=date) as world:
        world.dialect = "/daisysms"
        id = id_of(await world.ask("action=getNumber&service=wa"))
        assert await world.ask(f"action=setStatus&status=8&id={id}") == "ACCESS_CANCEL"
        await asyncio.sleep(200)
        (order,) = (await world.steer("orders"))["orders"]
        assert order["status"] == "cancelled"


@pytest.mark.parametrize("ahead", [0.0, *AHEAD])
async def test_what_the_first_call_of_all_has_bought_is_found_by_any_clock(run, ahead):
    async with run(ahead) as world:
        await an_orphan(world)
        id_of(await world.ask(BUY))
        assert await world.requests("purchase") == 1


@pytest.mark.parametrize("ahead", AHEAD)
async def test_a_number_that_has_expired_holds_no_place_by_any_clock(run, ahead):
    async with run(ahead, active=1) as world:
        id_of(await world.ask(BUY))
        assert await world.ask(BUY) == "CHANNELS_LIMIT"
        await asyncio.sleep(1300)
        id_of(await world.ask(BUY))


@pytest.mark.parametrize("ahead", AHEAD)
async def test_a_restart_forgets_nothing_before_the_upstreams_clock_is_known(run, clock, ahead):
    sandbox = create_sandbox(clock=lambda: clock() + ahead, sms_after=NEVER, services=SERVICES)
    async with run(sandbox=sandbox) as world:
        id = id_of(await world.ask(BUY))
    async with run(sandbox=sandbox) as world:
        await asyncio.sleep(1)
        assert [row.id async for row in world.app.state.services.store.all_orders()] == [int(id)]
        assert await world.ask(f"action=getStatus&id={id}") == "STATUS_WAIT_CODE"


# The clock itself.


def at(year):
    return f"Sun, 01 Mar {year} 12:00:00 GMT"


@pytest.mark.parametrize(
    ("dates", "ahead"),
    [
        ([at(2026)], 0.0),
        (["Sun, 01 Mar 2026 12:04:00 GMT"], 240.0),
        ([at(2026), at(2099)], 0.0),
        ([at(2099), at(2026), at(2099), at(2026), at(2099)], 0.0),
        ([at(2027), at(2027)], 365 * DAY),
        ([at(2027), at(2027), at(2026)], 365 * DAY),
        ([at(2027), at(2027), at(2026), at(2026)], 0.0),
        ([at(2027), at(2028)], 0.0),
        ([at(9999)] * 3, 0.0),
        ([at(2100)] * 3, 0.0),
        ([at(2019)] * 3, 0.0),
        (["", "soon", "9" * 400, at(99999), at(2026)[:-3] + "-9999"], 0.0),
    ],
)
def test_a_step_of_the_clock_is_taken_when_a_second_answer_says_so(dates, ahead):
    clock = UpstreamClock(lambda: START)
    for date in dates:
        clock.take_in(date)
    assert clock.ahead == ahead
    assert clock.now() == START + ahead
    assert clock.to_wall(START + ahead) == START


@pytest.mark.parametrize(
    ("upstream_now", "left"),
    [(1000.0, 120.0), (1100.0, 20.0), (1120.0, 0.0), (9e9, 0.0), (0.0, 120.0), (-9e9, 120.0)],
)
def test_a_hold_is_never_longer_than_the_upstream_made_it(upstream_now, left):
    order = Order("o", "447700900001", "wa", "GB", created_at=1000.0, cancel_at=1120.0)
    assert order.hold_left(upstream_now) == left
    assert replace(order, cancel_at=None).hold_left(upstream_now) == 0
    assert replace(order, created_at=None).hold_left(upstream_now) <= 3600
