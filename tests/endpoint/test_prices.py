"""getPrices: with a service, with a country, with both, with neither."""

import asyncio

import pytest

from tests.support.world import PATH, a_world

pytestmark = pytest.mark.anyio


@pytest.fixture
async def world(clock):
    async with a_world(clock) as world:
        yield world


@pytest.fixture
async def prices(world):
    async def ask(query=""):
        answer = await world.client.get(f"{PATH}?api_key=k&action=getPrices&{query}")
        assert answer.headers["content-type"] == "application/json"
        return answer.json()

    return ask


async def test_of_one_service_in_one_country(prices):
    row = {"cost": 0.9, "count": 6, "physicalCount": 6, "name": "WhatsApp", "repeatable": True}
    assert await prices("service=wa&country=16") == {"16": {"wa": row}}


async def test_of_one_service_everywhere_with_187_always_there(prices, world):
    everywhere = await prices("service=wa")
    assert len(everywhere) == 60
    assert everywhere["187"]["wa"]["cost"] > 0
    assert {service for row in everywhere.values() for service in row} == {"wa"}
    assert await world.requests("stock") == 1


async def test_under_the_id_that_was_asked_for(prices):
    assert (await prices("service=wa&country=12"))["12"] == (
        await prices("service=wa&country=187")
    )["187"]


async def test_of_what_is_not_sold_there_is_nothing(prices):
    assert await prices("service=wa&country=182") == {}


async def test_of_what_is_sold_out_there_are_none(prices, world):
    await world.steer("offer", {"service": "wa", "country": "GB", "stock": 0})
    assert (await prices("service=wa&country=16"))["16"]["wa"]["count"] == 0


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("service=whatsapp", {"status": "false", "msg": "service is incorrect"}),
        ("country=999", {"status": "false", "msg": "country is incorrect"}),
        ("service=wa&country=GB", {"status": "false", "msg": "country is incorrect"}),
    ],
)
async def test_of_what_is_unknown(prices, query, says):
    assert await prices(query) == says


async def test_of_everything_is_what_the_sweep_has_read_so_far(prices, world):
    first = await prices()
    assert "187" in first
    assert max(len(services) for services in first.values()) == 1
    await asyncio.sleep(60)
    later = await prices()
    assert 100 < len(later["16"]) < 130, "two services a second"
    assert set(await prices("country=16")) == {"16"}
    assert set((await prices("country=16"))["16"]) == set(later["16"])


async def test_the_sweep_takes_first_what_was_asked_for(prices):
    await prices("service=wa")
    assert "wa" in (await prices())["187"]


async def test_the_sweep_ends_when_nobody_asks(prices, world):
    await prices()
    await asyncio.sleep(2000)
    seen = await world.requests("stock")
    await asyncio.sleep(2000)
    assert await world.requests("stock") == seen


async def test_the_sweep_survives_trouble(prices, world):
    await prices()
    await world.steer("faults", {"kind": "cdn", "call": "stock", "times": 5})
    await asyncio.sleep(300)
    assert len((await prices())["187"]) > 100


async def test_what_is_known_is_served_while_the_upstream_is_away(prices, world):
    known = await prices("service=wa")
    await world.steer("faults", {"kind": "cdn", "call": "stock", "times": None})
    await asyncio.sleep(61)
    assert await prices("service=wa") == known
