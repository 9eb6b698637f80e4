"""Catalogue actions and the key: proven once, refused alike cold and warm, or not needed."""

import asyncio

import msgspec
import pytest

from proxy.config.settings import Config
from proxy.endpoint.actions.parameters import STOCK
from tests.support.world import a_world

pytestmark = pytest.mark.anyio

PAIR = "service=wa&country=187"
CATALOGUE = (*STOCK.split(), "getServices", "getServicesList", "getCountries", "getOperators")
OPEN = (
    "getCountries",
    "getServicesList",
    "getServices",
    "getOperators",
    "getTopCountriesByService",
    "getTopCountriesByServiceRank",
    "getListOfTopCountriesByService",
)
DIALECTS = ("sms-activate", "daisysms", "herosms")
SLOW = {"kind": "slow", "call": "balance", "seconds": 8, "times": None}


@pytest.fixture(params=DIALECTS)
async def world(clock, request):
    async with a_world(clock) as world:
        world.dialect = f"/{request.param}"
        yield world


@pytest.fixture
async def herosms(clock):
    async with a_world(clock) as world:
        world.dialect = "/herosms"
        yield world


async def sent(world) -> list[str]:
    """The upstream calls so far, by name."""
    return [line["call"] for line in (await world.steer("requests"))["requests"]]


async def warm(world) -> None:
    """Without a request for all prices, which would start the sweep."""
    for action in ("getServices", "getCountries", f"getPrices&{PAIR}"):
        await world.answer(f"action={action}")


@pytest.mark.parametrize("is_warm", [False, True], ids=["cold", "warm"])
async def test_a_refused_key_is_refused_in_every_catalogue_action(world, is_warm):
    if is_warm:
        await warm(world)
    before = len(await sent(world))
    for number, action in enumerate(CATALOGUE):
        for query in ("", f"&{PAIR}"):
            answer = await world.answer(f"api_key=bad-{number}&action={action}{query}")
            assert "BAD_KEY" in answer.text
            assert answer.status_code == (401 if world.dialect == "/herosms" else 200)
    # One read for each key, though each key asked twice, and none of the catalogue.
    assert (await sent(world))[before:] == ["balance"] * len(CATALOGUE)


async def test_a_refused_key_is_asked_for_again_after_ten_seconds(world):
    for _ in range(3):
        for _ in range(3):
            answer = await world.answer(f"api_key=bad-one&action=getPrices&{PAIR}")
            assert "BAD_KEY" in answer.text
        await asyncio.sleep(11)
    assert await sent(world) == ["balance"] * 3


async def test_a_proven_key_is_not_asked_for_again_for_ten_minutes(world):
    for _ in range(9):
        assert "wa" in (await world.answer(f"action=getPrices&{PAIR}")).text
        await asyncio.sleep(65)
    assert await world.requests("balance") == 1
    await asyncio.sleep(65)
    await world.answer(f"action=getPrices&{PAIR}")
    assert await world.requests("balance") == 2


async def test_all_who_wait_share_the_proof_also_with_get_balance(world):
    asked = [world.answer(f"action={action}&{PAIR}") for action in CATALOGUE]
    answers = await asyncio.gather(*asked, world.answer("action=getBalance"))
    assert {answer.status_code for answer in answers} == {200}
    assert await world.requests("balance") == 1


async def test_without_proof_the_cache_stands_after_two_seconds(world):
    await warm(world)
    count = len(await sent(world))
    await world.steer("faults", SLOW)
    loop = asyncio.get_running_loop()
    for number, action in enumerate(CATALOGUE):
        begun = loop.time()
        answer = await world.answer(f"api_key=slow-{number}&action={action}&{PAIR}")
        assert answer.status_code == 200
        assert "ERROR_SQL" not in answer.text
        assert 1.9 <= loop.time() - begun <= 2.5
    assert set((await sent(world))[count:]) == {"balance"}


async def test_a_slow_proof_is_waited_for_where_nothing_is_cached(world):
    await world.steer("faults", SLOW)
    answer = await world.answer(f"action=getPrices&{PAIR}")
    assert answer.json()["187"]["wa"]["cost"] > 0
    assert await sent(world) == ["balance", "stock"]


@pytest.mark.parametrize("fault", [{"kind": "cdn"}, {"kind": "status", "status": 401, "body": ""}])
async def test_a_doubt_about_the_key_is_no_final_word(world, fault):
    await world.steer("faults", {"call": "balance", "times": None, **fault})
    for _ in range(2):
        for action in CATALOGUE:
            answer = await world.answer(f"action={action}&{PAIR}")
            assert answer.status_code == 200
            assert "BAD_KEY" not in answer.text


async def test_a_key_that_is_refused_later_is_refused_by_the_catalogue_too(world):
    assert "wa" in (await world.answer(f"action=getPrices&{PAIR}")).text
    refusal = {"kind": "status", "status": 401, "body": {"error": "invalid api key"}}
    await world.steer("faults", {**refusal, "call": "balance"})
    await asyncio.sleep(6)
    assert "BAD_KEY" in (await world.answer("action=getBalance")).text
    assert "BAD_KEY" in (await world.answer(f"action=getCountries&{PAIR}")).text


async def test_keys_of_the_table_need_no_proof(clock):
    table = {"client": {"name": "ci", "upstream_key": "up"}}
    async with a_world(clock, keys=msgspec.convert({"keys": table}, Config).keys) as world:
        for action in CATALOGUE:
            await world.ask(f"api_key=client&action={action}&{PAIR}")
        before = await sent(world)
        assert "balance" not in before
        assert await world.ask(f"api_key=other&action=getPrices&{PAIR}") == "BAD_KEY"
        assert await sent(world) == before


async def test_an_address_that_tries_many_keys_is_slowed_down(world):
    loop = asyncio.get_running_loop()
    delays = []
    for number in range(8):
        begun = loop.time()
        await world.answer(f"api_key=bad-{number}&action=getCountries")
        delays.append(round(loop.time() - begun))
    assert delays == [0] * 5 + [2] * 3
    # A key that is known as wrong makes no traffic, and is refused at once.
    begun = loop.time()
    await world.answer("api_key=bad-7&action=getCountries")
    assert loop.time() - begun < 1


# Without a key.


@pytest.mark.parametrize("is_warm", [False, True], ids=["cold", "warm"])
async def test_herosms_answers_its_open_actions_without_a_key(herosms, is_warm):
    if is_warm:
        await warm(herosms)
        await asyncio.sleep(7200)
    before = len(await sent(herosms))
    await herosms.steer("faults", {"kind": "silence", "times": None})
    for action in OPEN:
        for query in ("&service=wa", f"&{PAIR}", "&service=tg"):
            for key in ("", "api_key=&"):
                answer = await herosms.client.get(
                    f"/herosms/stubs/handler_api.php?{key}action={action}{query}"
                )
                assert answer.status_code == 200
                assert answer.headers["content-type"] == "application/json"
    assert len(await sent(herosms)) == before


async def keyless(world, query: str):
    answer = await world.client.get(f"{world.dialect}/stubs/handler_api.php?{query}")
    return answer.json()


async def test_without_cache_the_names_of_our_tables_are_the_answer(herosms):
    countries = await keyless(herosms, "action=getCountries")
    assert countries["16"]["eng"] == "United Kingdom"
    assert all(row["visible"] == 1 for row in countries.values())
    services = await keyless(herosms, "action=getServicesList")
    assert {"code": "wa", "name": "WhatsApp"} in services["services"]
    operators = await keyless(herosms, "action=getOperators")
    assert operators["countryOperators"]["16"] == ["any"]
    assert await keyless(herosms, "action=getTopCountriesByService&service=wa") == {}
    assert await keyless(herosms, "action=getListOfTopCountriesByService&service=wa") == []


async def test_with_a_cache_it_is_the_answer(herosms):
    await warm(herosms)
    tops = ("getTopCountriesByService&service=wa", "getTopCountriesByServiceRank&service=wa")
    for query in ("getCountries", "getServicesList", "getServicesList&country=16", *tops):
        answer = await herosms.answer(f"action={query}")
        assert await keyless(herosms, f"action={query}") == answer.json()


async def test_all_else_needs_a_key(world):
    no_key = {"sms-activate": "NO_KEY", "daisysms": "BAD_KEY", "herosms": '"field":"api_key"'}
    closed = {*CATALOGUE, "getBalance", "getNumber", "getStatus", "getHistory", "nope"}
    if world.dialect == "/herosms":
        closed -= set(OPEN)
    for action in sorted(closed):
        url = f"{world.dialect}/stubs/handler_api.php?action={action}&{PAIR}"
        assert no_key[world.dialect[1:]] in (await world.client.get(url)).text
    assert await sent(world) == []
