"""What becomes of the parameters of a request, in all dialects."""

import asyncio
import re

import pytest

from proxy.endpoint.actions import ACTIONS
from proxy.endpoint.actions.parameters import BALANCES, BUYS, PARAMETERS, STOCK, Use
from tests.support.world import a_world

pytestmark = pytest.mark.anyio

DIALECTS = ("sms-activate", "daisysms", "herosms")
PAIR = "service=wa&country=187"
"""WhatsApp in the US, which all dialects have, for 0.20 dollars in the sandbox."""
BUY = f"action=getNumber&{PAIR}"
INVALID = (
    '{"title":"UNPROCESSABLE_ENTITY","details":"Unprocessable Entity",'
    '"info":{"field":"%s","code":"INVALID","message":"The %s is invalid"}}'
)
BAD_CURRENCY = {
    "sms-activate": (200, "BAD_CURRENCY"),
    "daisysms": (200, "BAD_CURRENCY"),
    "herosms": (422, INVALID % ("currency", "currency")),
}


@pytest.fixture(params=DIALECTS)
async def world(clock, request):
    async with a_world(clock) as world:
        world.dialect = f"/{request.param}"
        await world.steer("offer", {"service": "wa", "country": "US", "price": 1.15})
        yield world


async def bought(world) -> int:
    return len((await world.steer("orders"))["orders"])


async def test_a_computed_cap_that_covers_the_price_buys(world):
    caps = (0.7 * 1.65, 1.15, 1.1 + 0.05, 1.1499999999999999, "1.15000000001", "9" * 40)
    for cap in caps:
        for name in ("maxPrice", "max_price"):
            assert (await world.ask(f"{BUY}&{name}={cap}")).startswith("ACCESS_NUMBER:")
    assert await bought(world) == 2 * len(caps)


async def test_a_computed_cap_under_the_price_buys_nothing(world):
    for cap in (0.7 * 1.64, 1.14, "1.149999999", "1.1499999994"):
        answer = await world.answer(f"{BUY}&maxPrice={cap}")
        assert re.search("WRONG_MAX_PRICE|MAX_PRICE_EXCEEDED", answer.text)
    assert await bought(world) == 0


@pytest.mark.parametrize("query", ["minPrice=1.16", "minPrice=1.1500001", "minPrice=5&maxPrice=9"])
async def test_while_the_price_is_under_min_price_there_are_no_numbers(world, query):
    for action in BUYS.split():
        assert await world.ask(f"action={action}&{PAIR}&{query}") == "NO_NUMBERS"
    assert await bought(world) == 0
    # That was not the upstream's word: a request without minPrice is not sold out.
    assert (await world.ask(BUY)).startswith("ACCESS_NUMBER:")


async def test_a_price_at_min_price_is_bought(world):
    for query in ("minPrice=1.15", "minPrice=1.1500000001", "minPrice=0"):
        assert (await world.ask(f"{BUY}&{query}")).startswith("ACCESS_NUMBER:")


MONEY = (*BUYS.split(), *STOCK.split(), *BALANCES.split())


async def test_dollars_are_no_other_currency(world):
    for action in MONEY:
        for currency in ("", "840", "usd", "USD", "Usd", "%20840%20"):
            said = await world.ask(f"action={action}&{PAIR}&currency={currency}")
            assert "BAD_CURRENCY" not in said


async def test_another_currency_is_refused_before_anything_is_sent(world):
    for action in MONEY:
        for currency in ("643", "978", "156", "rub", "EUR", "0", "8400", "dollars"):
            answer = await world.answer(f"action={action}&{PAIR}&maxPrice=5&currency={currency}")
            assert (answer.status_code, answer.text) == BAD_CURRENCY[world.dialect[1:]]
    assert (await world.steer("requests"))["count"] == 0


@pytest.mark.parametrize("value", ["true", "True", "1"])
async def test_a_fixed_price_is_bought_at_or_below_the_cap_and_named(world, caplog, value):
    caplog.set_level("INFO")
    asked = f"{BUY}&fixedPrice={value}"
    assert (await world.ask(f"{asked}&maxPrice=2")).startswith("ACCESS_NUMBER:")
    assert "ignored in getNumber: fixedPrice" in caplog.text
    for missing in ("", "&maxPrice=", "&maxPrice=maxPrice"):
        answer = await world.answer(asked + missing)
        assert (answer.status_code, answer.text) == {
            "sms-activate": (200, "ERROR_SQL"),
            "daisysms": (200, "MAX_PRICE_EXCEEDED"),
            "herosms": (422, INVALID % ("fixedPrice", "fixedPrice")),
        }[world.dialect[1:]]
    assert await bought(world) == 1


async def test_no_fixed_price_needs_no_cap(world):
    for value in ("false", "False", "0", ""):
        assert (await world.ask(f"{BUY}&fixedPrice={value}")).startswith("ACCESS_NUMBER:")


async def test_every_parameter_of_get_number_is_honoured_refused_or_named(world, caplog):
    caplog.set_level("INFO")
    await world.steer("balance", {"key": "key", "balance": 1000})
    rows = [row for row in PARAMETERS if "getNumber" in row.actions.split()]
    names = [(name, row) for row in rows for name in row.names.split()]
    for name, row in names:
        if row.use is Use.HONOURED:
            continue
        # More purchases than the upstream takes in a minute.
        await asyncio.sleep(5)
        caplog.clear()
        answer = await world.answer(f"{BUY}&maxPrice=5&{name}=7")
        is_bought = answer.text.startswith("ACCESS_NUMBER:")
        assert is_bought is (row.use is Use.IGNORED)
        assert (f"ignored in getNumber: {name}" in caplog.text) is is_bought
        for nothing in ("", *row.nothing, *(value.upper() for value in row.nothing)):
            caplog.clear()
            assert (await world.ask(f"{BUY}&{name}={nothing}")).startswith("ACCESS_NUMBER:")
            assert "ignored in" not in caplog.text


async def test_a_herosms_refusal_names_its_parameter(world):
    if world.dialect != "/herosms":
        return
    for name in ("maxPrice", "max_price", "minPrice"):
        answer = await world.answer(f"{BUY}&{name}=cheap")
        assert (answer.status_code, answer.text) == (422, INVALID % (name, name))
    answer = await world.answer(f"{BUY}&maxPrice=1&minPrice=2")
    assert answer.json()["info"]["field"] == "minPrice"
    for query in ("start=x", "end=x"):
        answer = await world.answer(f"action=getHistory&{query}")
        assert answer.json()["info"]["field"] == query[:-2]


def test_the_table_of_parameters_names_actions_that_exist():
    rows = [
        (action, name)
        for r in PARAMETERS
        for action in r.actions.split()
        for name in r.names.split()
    ]
    assert {action for action, _ in rows} <= set(ACTIONS)
    assert len(rows) == len(set(rows)), "a parameter of an action has one row"
