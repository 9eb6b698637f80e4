"""Ceilings of programs: none is passed, and what is given back may be spent again."""

import asyncio
import random

import pytest

from tests.support import programs as stage
from tests.support.programs import (
    BALANCE,
    BROKEN,
    DAY,
    NOON_TO_MIDNIGHT,
    UNLISTED,
    an_orphan,
    asks,
    hang_up,
    held,
    programs,
    refunded,
    spent,
)
from tests.support.world import BUY, id_of

pytestmark = pytest.mark.anyio

run = stage.run

# Ceilings that are run against.


@pytest.mark.parametrize(
    ("caps", "word"),
    [
        ({"active": 3}, "CHANNELS_LIMIT"),
        ({"spend_per_day": 2.7}, "NO_BALANCE"),
        ({"spend_per_month": 3.59}, "NO_BALANCE"),
    ],
)
async def test_of_fifty_at_once_a_ceiling_for_three_lets_three_through(run, caps, word):
    async with run(programs("a", **caps)) as world:
        answers = await asyncio.gather(*(asks(world, "a")(BUY) for _ in range(50)))
        told = [answer for answer in answers if answer != word]
        assert len({id_of(answer) for answer in told}) == len(told) == 3
        assert await world.requests("purchase") == 3


TROUBLES = (
    BROKEN,
    {**BROKEN, "when": "before"},
    {"call": "purchase", "kind": "status", "status": 500, "when": "after"},
    {"call": "purchase", "kind": "status", "status": 503, "body": {"error": "no_numbers"}},
    {"call": "purchase", "kind": "slow", "when": "after", "seconds": 15},
    {"call": "purchase", "kind": "truncated", "when": "after"},
    UNLISTED,
)


@pytest.mark.parametrize("seed", range(4))
async def test_no_ceiling_is_passed_whatever_goes_wrong_with_purchases(run, seed):
    chance = random.Random(seed)
    caps = {"active": 3} if seed % 2 else {"spend_per_day": 2.7}
    async with run(programs("a", **caps)) as world:
        bought = set()
        for _ in range(12):
            for _ in range(chance.randrange(3)):
                await world.steer("faults", chance.choice(TROUBLES))
            clients = [asks(world, "a")(BUY) for _ in range(4)] + [hang_up(world, "a")]
            await asyncio.gather(*clients)
            orders = await held(world)
            assert len(orders) <= 3
            bought |= {order["order_id"] for order in orders}
            await asyncio.sleep(chance.choice([1, 15, 60, 400]))
        assert len(bought) >= 3


async def test_what_another_program_spends_and_holds_does_not_count(run):
    async with run(programs("a", "b", active=1, spend_per_day=1)) as world:
        for name in ("a", "b"):
            id_of(await asks(world, name)(BUY))
            assert await asks(world, name)(BALANCE) == "ACCESS_BALANCE:0.10"


async def test_a_ceiling_holds_over_a_restart(run):
    keys = programs("a", active=2, spend_per_day=2)
    async with run(keys) as world:
        id_of(await asks(world, "a")(BUY))
        await an_orphan(world, "a")
    async with run(keys) as world:
        assert await asks(world, "a")(BALANCE) == "ACCESS_BALANCE:0.20"
        assert await asks(world, "a")(BUY.replace("wa", "tg")) == "CHANNELS_LIMIT"


async def test_an_unclear_purchase_counts_until_it_is_known_to_have_bought_nothing(run):
    async with run(programs("a", active=1)) as world:
        await world.steer("faults", BROKEN | {"when": "before"})
        assert await asks(world, "a")(BUY) == "ERROR_SQL"
        assert await asks(world, "a")(BUY.replace("wa", "tg")) == "CHANNELS_LIMIT"
        await asyncio.sleep(320)
        id_of(await asks(world, "a")(BUY.replace("wa", "tg")))


async def test_a_purchase_that_a_bug_ended_does_not_count_for_ever(run):
    async with run(programs("a", active=1)) as world:
        upstream = world.app.state.services.upstream
        purchase, upstream.purchase = upstream.purchase, None
        assert await asks(world, "a")(BUY) == "ERROR_SQL"
        upstream.purchase = purchase
        await asyncio.sleep(320)
        id_of(await asks(world, "a")(BUY))


async def test_a_charge_above_the_quote_passes_a_ceiling_by_one_number_at_most(run):
    async with run(programs("a", spend_per_day=1.5)) as world:
        offer = {"service": "wa", "country": "GB", "price": 0.5, "charge": 1.4}
        await world.steer("offer", offer)
        await asyncio.gather(*(asks(world, "a")(BUY) for _ in range(5)))
        await asyncio.sleep(130)
        assert await spent(world) <= 150 + 140


async def test_who_runs_against_a_ceiling_uses_up_nobodys_requests(run):
    async with run(programs("a", active=0) | programs("b")) as world:
        for _ in range(100):
            assert await asks(world, "a")(BUY) == "CHANNELS_LIMIT"
        begun = asyncio.get_running_loop().time()
        for _ in range(50):
            id_of(await asks(world, "b")(BUY))
        assert asyncio.get_running_loop().time() == begun, "none had to wait for its turn"


# What is given back.


async def cancelled(world, ask):
    id = id_of(await ask(BUY))
    await asyncio.sleep(121)
    assert await ask(f"action=setStatus&status=8&id={id}") == "ACCESS_CANCEL"


async def expired(world, ask):
    id = id_of(await ask(BUY))
    await asyncio.sleep(1210)
    assert await ask(f"action=getStatus&id={id}") == "STATUS_CANCEL"


async def cancelled_elsewhere(world, ask):
    id = id_of(await ask(BUY))
    await world.steer("cancel", {"order_id": await world.newest_order()})
    await asyncio.sleep(10)
    assert await ask(f"action=getStatus&id={id}") == "STATUS_CANCEL"


async def forgotten(world, ask):
    id_of(await ask(BUY))
    await asyncio.sleep(1300)


async def orphaned(world, ask):
    await an_orphan(world, "a")
    await asyncio.sleep(320)


async def of_another_country(world, ask):
    await world.steer("phone", {"phone": "33612345678"})
    assert await ask(BUY) == "NO_NUMBERS"
    await asyncio.sleep(700)


@pytest.mark.parametrize(
    "ends", [cancelled, expired, cancelled_elsewhere, forgotten, orphaned, of_another_country]
)
async def test_what_is_refunded_may_be_spent_again(run, ends):
    async with run(programs("a", active=1, spend_per_day=1)) as world:
        ask = asks(world, "a")
        for _ in range(2):
            await ends(world, ask)
            assert await refunded(world) > 0
            assert await spent(world) == 0
        id_of(await ask(BUY))


async def test_what_has_had_its_sms_is_not_refunded(run):
    async with run(programs("a", spend_per_day=1)) as world:
        ask = asks(world, "a")
        id = id_of(await ask(BUY))
        await world.sms("Your code is 1111")
        await asyncio.sleep(4)
        assert await ask(f"action=getStatus&id={id}") == "STATUS_OK:1111"
        await asyncio.sleep(1300)
        await ask(f"action=getAllSms&id={id}")
        assert await ask(BALANCE) == "ACCESS_BALANCE:0.10"


@pytest.mark.parametrize(
    ("cap", "wait"),
    [("spend_per_day", NOON_TO_MIDNIGHT), ("spend_per_month", 30 * DAY + NOON_TO_MIDNIGHT)],
)
async def test_a_charge_of_yesterday_that_is_refunded_today_frees_nothing_today(run, cap, wait):
    """The fake clock begins at noon of 1 March."""
    async with run(programs("a", **{cap: 2})) as world:
        ask = asks(world, "a")
        await asyncio.sleep(wait - 60)
        id = id_of(await ask(BUY))
        assert await ask(BALANCE) == "ACCESS_BALANCE:1.10"
        await asyncio.sleep(121)
        assert await ask(BALANCE) == "ACCESS_BALANCE:2.00"
        id_of(await ask(BUY))
        assert await ask(f"action=setStatus&status=8&id={id}") == "ACCESS_CANCEL"
        assert await ask(BALANCE) == "ACCESS_BALANCE:1.10"


@pytest.mark.parametrize("kept", [30 * DAY, DAY])
async def test_the_first_of_a_month_counts_until_its_last_whatever_is_kept(run, kept):
    async with run(programs("a", spend_per_month=1), kept=kept) as world:
        id_of(await asks(world, "a")(BUY))
        await world.sms("Your code is 1111")
        await asyncio.sleep(30 * DAY + 8 * 3600)
        assert await asks(world, "a")(BALANCE) == "ACCESS_BALANCE:0.10"
