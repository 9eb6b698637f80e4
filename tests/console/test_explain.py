"""What the page says a getNumber would get, before anybody sends one."""

import asyncio

import pytest

from proxy.config.settings import ProgramConfig
from tests.support.console import API, a_console
from tests.support.world import BUY

pytestmark = pytest.mark.anyio

CI = {"ci-key": ProgramConfig(name="ci", upstream_key="upstream-key", max_price=0.5, active=1)}


async def explained(console, **asked):
    return await console.get(f"{API}/explain", params=asked)


async def test_it_says_service_country_price_stock_and_cap_and_buys_nothing(world, console):
    answer = await explained(console, service="wa", country="16", maxPrice="1.2")
    told = answer.json()
    facts = dict(map(tuple, told.pop("facts")))
    assert told == {
        "dialect": "sms-activate",
        "service": "wa",
        "country": "GB",
        "price": 0.9,
        "count": told["count"],
        "refused": None,
        "why": None,
    }
    assert told["count"] > 0
    assert facts["maxPrice=1.2"] == "at most 1.20 dollars"
    assert facts["price"] == "0.90 dollars now"
    assert facts["limits"] == "none"
    assert await world.requests("purchase") == 0


@pytest.mark.parametrize(
    ("asked", "refused", "why"),
    [
        ({"service": "telegram", "country": "16"}, "BAD_SERVICE",
         "no service of this dialect: write tg (Telegram)"),
        ({"service": "wa", "country": "16", "maxPrice": "0.5"}, "WRONG_MAX_PRICE:0.90",
         "the price is 0.90, the maximum 0.50"),
        ({}, "BAD_SERVICE", "no service of this dialect: none was sent"),
        ({"service": "wa", "dialect": "daisysms", "maxPrice": "0.01"}, "MAX_PRICE_EXCEEDED",
         "the price is 0.20, the maximum 0.01"),
    ],
)  # fmt: skip
async def test_it_says_what_the_program_would_read_instead_and_why(console, asked, refused, why):
    told = (await explained(console, **asked)).json()
    assert (told["refused"], told["why"]) == (refused, why)


async def test_the_limits_of_a_program_count(clock):
    async with a_console(clock, keys=CI) as (world, console):
        told = (await explained(console, service="wa", country="16", program="ci")).json()
        assert told["refused"] == "WRONG_MAX_PRICE:0.90"
        facts = dict(map(tuple, told["facts"]))
        assert facts["limits"] == "at most 0.50 for one number; at most 1 active number"
        cheap = {"service": "tg", "country": "6", "program": "ci"}
        assert (await explained(console, **cheap)).json()["refused"] is None
        await world.ask("action=getNumber&service=tg&country=6&api_key=ci-key")
        told = (await explained(console, **cheap)).json()
        assert told["why"] == "the limit of 1 active number is reached"
        answer = await explained(console, service="wa", program="c1")
        assert answer.status_code == 400
        assert answer.json() == {"error": "key: c1 is no program: write one of ci"}


@pytest.mark.parametrize(
    "asked",
    [{"dialect": "x"}, {"service": "x" * 101}, {"api_key": "key"}, {"action": "getBalance"}],
)
async def test_what_it_does_not_take_is_refused(console, asked):
    answer = await explained(console, **asked)
    assert answer.status_code == 400
    assert answer.json()["error"]


async def test_prices_that_do_not_come_are_said_so_in_time(world, console):
    await world.steer("faults", {"kind": "silence", "call": "price"})
    await world.steer("faults", {"kind": "silence", "call": "stock"})
    answer = await explained(console, service="wa", country="16")
    assert answer.status_code in (200, 503)
    if answer.status_code == 200:
        assert answer.json()["refused"] == "ERROR_SQL"


async def test_questions_while_somebody_types_cost_one_read_of_each_price(world, console):
    asked = {"service": "wa", "country": "16"}
    await asyncio.gather(*(explained(console, **asked) for _ in range(10)))
    await explained(console, **asked)
    assert await world.requests("price") == 1
    assert await world.requests("purchase") == 0
    assert (await world.ask(BUY)).startswith("ACCESS_NUMBER")
