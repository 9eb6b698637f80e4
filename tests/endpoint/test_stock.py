"""The cached stock after NO_NUMBERS: 0 by the upstream's own word, as it was by any other."""

import asyncio
import json

import pytest

from proxy.config.settings import LimitsConfig
from tests.support.world import a_world

pytestmark = pytest.mark.anyio

BUY = "action=getNumber&service=wa&country=187"
DIALECTS = ("sms-activate", "daisysms", "herosms")


@pytest.fixture(params=DIALECTS)
async def world(clock, request):
    async with a_world(clock) as world:
        world.dialect = f"/{request.param}"
        yield world


async def stock(world) -> tuple[int, ...]:
    """What every action says of WhatsApp in the US."""

    async def body(action: str):
        query = f"action={action}&service=wa&country=187"
        return json.loads((await world.answer(query)).text)

    verification = (await body("getPricesVerification"))["wa"]["187"]
    top = await body("getTopCountriesByService")
    return (
        (await body("getPrices"))["187"]["wa"]["count"],
        verification["count"],
        next(iter((await body("getPricesV2"))["187"]["wa"].values())),
        (await body("getPricesV3"))["187"]["wa"]["1"]["count"],
        int((await body("getNumbersStatus"))["wa_0"]),
        next(row["count"] for row in top.values() if row["country"] == 187),
    )


REFUSALS = (
    {"status": 503, "body": {"error": "no_numbers", "message": "No numbers available"}},
    {"status": 404, "body": {"error": "out of stock"}},
    {"status": 409, "body": "no numbers"},
)


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: str(refusal["status"]))
async def test_the_upstreams_own_no_numbers_takes_the_stock_to_0(world, refusal):
    assert set(await stock(world)) == {6}
    reads = await world.requests("stock")
    await world.steer("faults", {"kind": "status", "call": "purchase", **refusal})
    assert await world.ask(BUY) == "NO_NUMBERS"
    assert set(await stock(world)) == {0}
    assert await world.requests("stock") == reads, "in what is cached"
    other = json.loads((await world.answer("action=getPrices&service=wa")).text)
    if world.dialect != "/daisysms":
        assert other["16"]["wa"]["count"] == 6, "of that country alone"
    await asyncio.sleep(61)
    assert set(await stock(world)) == {6}, "until the prices are read again"


async def test_a_pair_without_a_price_has_no_stock(world):
    assert set(await stock(world)) == {6}
    gone = {"success": False, "error": "Service/country combination not available"}
    fault = {"kind": "status", "call": "price", "status": 404, "body": gone}
    await world.steer("faults", fault)
    assert await world.ask(f"{BUY}&maxPrice=5") == "NO_NUMBERS"
    assert set(await stock(world)) == {0}


async def test_a_swap_without_a_replacement_takes_the_stock_to_0(world):
    id = (await world.ask(BUY)).split(":")[1]
    assert set(await stock(world)) == {6}
    await asyncio.sleep(55)
    await stock(world)
    await asyncio.sleep(66)
    assert set(await stock(world)) == {6}
    none = {"kind": "status", "status": 404, "body": {"error": "No replacement available"}}
    await world.steer("faults", {**none, "call": "swap"})
    assert await world.ask(f"action=swapNumber&id={id}") == "NO_NUMBERS"
    assert set(await stock(world)) == {0}


@pytest.mark.parametrize("query", ["&maxPrice=0.01", "&minPrice=99", "&currency=643"])
async def test_a_cap_takes_nothing_from_the_stock(world, query):
    assert set(await stock(world)) == {6}
    assert "ACCESS_NUMBER" not in (await world.answer(BUY + query)).text
    assert set(await stock(world)) == {6}


async def test_a_closed_pair_takes_nothing_from_the_stock(world):
    assert set(await stock(world)) == {6}
    await world.steer("phone", {"phone": "447700900001"})
    for _ in range(2):
        assert await world.ask(BUY) == "NO_NUMBERS"
    assert set(await stock(world)) == {6}


async def test_a_limit_takes_nothing_from_the_stock(clock):
    async with a_world(clock, limits=LimitsConfig(active=0, max_price=0.01)) as world:
        assert set(await stock(world)) == {6}
        assert "ACCESS_NUMBER" not in await world.ask(BUY)
        assert set(await stock(world)) == {6}


async def test_a_doubt_takes_nothing_from_the_stock(world):
    assert set(await stock(world)) == {6}
    await world.steer("faults", {"kind": "cdn", "call": "purchase"})
    assert "ACCESS_NUMBER" not in (await world.answer(BUY)).text
    assert set(await stock(world)) == {6}


async def test_the_sandbox_sells_any_other_and_in_russia(clock):
    """Old clients buy in country 0 unless told otherwise."""
    async with a_world(clock) as world:
        for service in ("ot", "wa", "tg", "lf", "zk"):
            number = await world.ask(f"action=getNumber&service={service}&country=0")
            assert number.startswith("ACCESS_NUMBER:"), service
            assert number.split(":")[2].startswith("79")
        assert (await world.ask("action=getNumber&service=ot")).startswith("ACCESS_NUMBER:")
        prices = json.loads(await world.ask("action=getPrices&service=ot"))
        assert prices["0"]["ot"]["count"] == 6
