"""What is for sale: how long it is remembered, served when old, swept, and known to be sold out."""

import asyncio
from itertools import pairwise

import pytest
from msgspec.json import encode

from proxy.config.settings import Catalog, Config, Prices, StoreConfig
from proxy.model import CatalogueAnswer
from proxy.store import open_store
from tests.conftest import START
from tests.support.world import a_life, a_world

pytestmark = pytest.mark.anyio

OF_ONE = "action=getPrices&service=wa"
SERVICES = "action=getServicesList"
COUNTRIES = "action=getCountries"
EVERYTHING = "action=getPrices"
# What is asked, which call of the upstream answers it, and for how many seconds.
REMEMBERED = [(OF_ONE, "stock", 60), (SERVICES, "services", 3600), (COUNTRIES, "countries", 3600)]
NUMBER = "action=getNumber&service=wa&country=16"


@pytest.fixture
async def world(clock):
    async with a_world(clock) as world:
        yield world


@pytest.fixture
def kept(tmp_path):
    return f"sqlite:///{tmp_path}/store.db"


def restarted(world, clock, url):
    """Another run on the same upstream and store; the run before has ended."""
    return a_life(clock, world.sandbox, Config(store=StoreConfig(url=url)))


async def how(world, query):
    return (await world.answer(query)).headers["x-cache"]


async def log(world, call):
    return (await world.steer(f"requests?call={call}"))["requests"]


def now():
    return asyncio.get_running_loop().time()


# Remembering.


@pytest.mark.parametrize(("query", "call", "ttl"), REMEMBERED)
async def test_an_answer_is_remembered_for_its_time(world, query, call, ttl):
    said = []
    for pause in (0, ttl - 1, 2, 0):
        await asyncio.sleep(pause)
        said.append(await how(world, query))
    assert said == ["MISS", "HIT", "MISS", "HIT"]
    assert await world.requests(call) == 2


@pytest.mark.parametrize(("query", "call", "ttl"), REMEMBERED)
async def test_that_time_can_be_configured(clock, query, call, ttl):
    times = {"prices": Prices(ttl=7.0), "catalog": Catalog(ttl=7.0)}
    async with a_world(clock, **times) as world:
        said = []
        for pause in (0, 6, 2):
            await asyncio.sleep(pause)
            said.append(await how(world, query))
    assert said == ["MISS", "HIT", "MISS"]


@pytest.mark.parametrize(("query", "call", "ttl"), REMEMBERED)
async def test_all_keys_share_one_read(world, query, call, ttl):
    await world.steer("faults", {"kind": "slow", "call": call, "seconds": 1})
    keys = [f"api_key=k{number}&{query}" for number in range(30)]
    assert len(set(await asyncio.gather(*map(world.ask, keys)))) == 1
    assert await world.requests(call) == 1


# Old answers.


TOO_MANY = {"kind": "status", "status": 429, "body": {"error": "rate_limited"}}
TROUBLES = [
    *({"kind": kind} for kind in ("cdn", "status", "truncated", "wrong_type", "broken")),
    TOO_MANY,
]


@pytest.mark.parametrize(("query", "call", "ttl"), REMEMBERED)
async def test_where_the_upstream_fails_the_old_answer_is_served(world, query, call, ttl):
    known = await world.ask(query)
    for trouble in TROUBLES:
        await world.steer("faults", {"call": call, **trouble})
        await asyncio.sleep(ttl + 1)
        answer = await world.answer(query)
        assert (answer.text, answer.headers["x-cache"]) == (known, "STALE"), trouble


@pytest.mark.parametrize(("query", "call", "ttl"), REMEMBERED)
async def test_where_the_upstream_is_slow_the_old_one_is_served_while_the_read_goes_on(
    world, query, call, ttl
):
    await world.ask(query)
    await asyncio.sleep(ttl + 1)
    await world.steer("faults", {"kind": "slow", "call": call, "seconds": 6})
    begun = now()
    assert await how(world, query) == "STALE"
    assert now() - begun == 2
    await asyncio.sleep(5)
    assert await how(world, query) == "HIT"
    assert await world.requests(call) == 2


@pytest.mark.parametrize(("query", "call", "ttl"), REMEMBERED)
async def test_where_nothing_is_known_a_failure_is_said(world, query, call, ttl):
    await world.steer("faults", {"kind": "cdn", "call": call})
    assert await world.ask(query) == "ERROR_SQL"
    assert await how(world, query) == "MISS"


async def test_money_is_not_spent_on_an_old_price(world):
    assert (await world.ask(f"{NUMBER}&maxPrice=5")).startswith("ACCESS_NUMBER")
    await asyncio.sleep(61)
    await world.steer("faults", {"kind": "cdn", "call": "price"})
    assert await world.ask(f"{NUMBER}&maxPrice=5") == "ERROR_SQL"
    assert await world.requests("purchase") == 1


async def test_a_read_that_the_end_of_the_process_meets_leaves_no_task_and_no_trouble(
    clock, caplog
):
    async with a_world(clock) as world:
        await world.ask(OF_ONE)
        await asyncio.sleep(61)
        await world.steer("faults", {"kind": "slow", "call": "stock", "seconds": 6})
        assert await how(world, OF_ONE) == "STALE"
    left = asyncio.all_tasks() - {asyncio.current_task()}
    names = {task.get_coro().__qualname__ for task in left}
    assert not {name for name in names if name.startswith("Cache")}
    await asyncio.sleep(30)
    assert caplog.text == ""


# A warm restart.


@pytest.mark.parametrize(("query", "call", "ttl"), REMEMBERED)
async def test_what_is_fresh_is_not_asked_again_after_a_restart(clock, kept, query, call, ttl):
    async with a_world(clock, store=kept) as world:
        known = await world.ask(query)
    await asyncio.sleep(ttl - 10)
    async with restarted(world, clock, kept) as world:
        answer = await world.answer(query)
        assert (answer.text, answer.headers["x-cache"]) == (known, "HIT")
        assert await world.requests(call) == 1
        await asyncio.sleep(11)
        assert await how(world, query) == "MISS"


@pytest.mark.parametrize(("query", "call", "ttl"), REMEMBERED)
async def test_what_is_old_is_served_after_a_restart_while_the_upstream_is_down(
    clock, kept, query, call, ttl
):
    async with a_world(clock, store=kept) as world:
        known = await world.ask(query)
        await world.steer("faults", {"kind": "cdn", "times": None})
    await asyncio.sleep(86_400)
    async with restarted(world, clock, kept) as world:
        answer = await world.answer(query)
        assert (answer.text, answer.headers["x-cache"]) == (known, "STALE")


async def test_the_matrix_is_there_at_once_after_a_restart(clock, kept):
    async with a_world(clock, store=kept) as world:
        await world.ask(EVERYTHING)
        await asyncio.sleep(100)
        known = await world.ask(EVERYTHING)
        await world.steer("faults", {"kind": "cdn", "times": None})
    async with restarted(world, clock, kept) as world:
        begun = now()
        assert await world.ask(EVERYTHING) == known
        assert now() == begun


async def test_a_clock_set_back_makes_no_answer_fresh_for_ever(kept, clock):
    async with a_world(lambda: clock() + 86_400, store=kept) as world:
        await world.ask(OF_ONE)
    async with restarted(world, clock, kept) as world:
        assert await how(world, OF_ONE) == "HIT"
        await asyncio.sleep(61)
        assert await how(world, OF_ONE) == "MISS"


GOOD = encode([{"country": "GB", "cents": 77, "count": 3}])


@pytest.mark.parametrize(
    "answer",
    [
        CatalogueAnswer("prices/wa", START, b""),
        CatalogueAnswer("prices/wa", START, b"\x00\xff\xfe"),
        CatalogueAnswer("prices/wa", START, b'[{"country": "GB"'),
        CatalogueAnswer("prices/wa", START, b'{"GB": 77}'),
        CatalogueAnswer("prices/wa", START, b'[{"iso": "GB"}]'),
        CatalogueAnswer("prices/wa", START, b"[[[[]]]]"),
        CatalogueAnswer("prices/wa", START, "text, no bytes"),
        CatalogueAnswer("prices/wa", "some day", GOOD),
        CatalogueAnswer("services", START, b"null"),
        CatalogueAnswer("markets", START, b'["GB"]'),
        CatalogueAnswer("", START, b"{}"),
        CatalogueAnswer("a name of another version", START, b'{"a": 1}'),
    ],
    ids=lambda answer: f"{answer.name}: {answer.body!r}"[:40],
)
async def test_answers_that_cannot_be_read_are_forgotten_and_the_others_are_kept(
    clock, kept, answer, caplog
):
    store = open_store(kept)
    store.save_answer(answer)
    store.save_answer(CatalogueAnswer("prices/tg", START, GOOD))
    await store.close()
    async with a_world(clock, store=kept) as world:
        assert await how(world, OF_ONE) == "MISS"
        assert await how(world, "action=getPrices&service=tg") == "HIT"
        assert await how(world, SERVICES) == "MISS"
        assert await how(world, COUNTRIES) == "MISS"


async def test_without_its_answers_the_store_still_lets_the_process_start(clock, kept, caplog):
    store = open_store(kept)
    # No call of a store breaks it.
    store._db.execute("drop table answers")
    await store.close()
    async with a_world(clock, store=kept) as world:
        assert await how(world, OF_ONE) == "MISS"
    assert "nothing is known of the catalogue" in caplog.text


# The sweep.


async def swept(world, since=START):
    """(seconds since then, service) of each read of prices."""
    return [
        (round(line["at"] - since, 3), line["path"].partition("service=")[2])
        for line in await log(world, "stock")
        if line["at"] >= since
    ]


async def test_the_matrix_says_how_much_of_it_is_known(world):
    headers = [(await world.answer(EVERYTHING)).headers]
    await asyncio.sleep(50)
    headers.append((await world.answer(EVERYTHING)).headers)
    assert {said["x-cache"] for said in headers} == {"MATRIX"}
    first, later = (said["x-matrix"].split("/") for said in headers)
    assert (first[1], later[1]) == ("719", "719")
    assert int(first[0]) == 1
    assert 95 <= int(later[0]) <= 105


async def test_the_log_says_once_a_minute_how_far_the_sweep_is(world, caplog):
    caplog.set_level("INFO", "proxy.upstream.catalogue")
    await world.ask(EVERYTHING)
    await asyncio.sleep(130)
    said = [line for line in caplog.messages if "prices the sweep knows" in line]
    assert len(said) == 2
    assert all(line.endswith(" of 719") for line in said)


async def test_the_sweep_reads_first_what_was_asked_for(world):
    for service in ("vk", "ma", "ub"):
        await world.ask(f"action=getPrices&service={service}")
    await asyncio.sleep(61)
    await world.ask(EVERYTHING)
    await asyncio.sleep(10)
    reads = await swept(world, START + 61)
    assert {service for _, service in reads[:3]} == {"vk", "ma", "ub"}
    assert "vk" not in {service for _, service in reads[3:]}


async def test_the_sweep_reads_before_all_else_what_nobody_has_read_yet(clock, kept):
    async with a_world(clock, store=kept) as world:
        await world.ask(EVERYTHING)
        await asyncio.sleep(0.1)
        [(_, first)] = await swept(world)
    await asyncio.sleep(61)
    async with restarted(world, clock, kept) as world:
        await world.ask(EVERYTHING)
        await asyncio.sleep(10)
        reads = await swept(world, START + 60)
    assert len(reads) == 20
    assert first not in {service for _, service in reads}


@pytest.mark.parametrize(("config", "seconds"), [({}, 0.5), ({"sweep_per_second": 0.5}, 2)])
async def test_the_sweep_is_as_slow_as_configured_however_many_ask(clock, config, seconds):
    async with a_world(clock, catalog=Catalog(**config)) as world:
        for _ in range(20):
            await asyncio.gather(*(world.ask(f"api_key={n}&{EVERYTHING}") for n in range(5)))
            await asyncio.sleep(1)
        times = [at for at, _ in await swept(world)]
    assert len(times) >= 10
    assert min(b - a for a, b in pairwise(times)) >= seconds


async def test_the_sweep_shows_the_upstream_no_key(world):
    await world.ask(EVERYTHING)
    await asyncio.sleep(10)
    assert {line["account"] for line in await log(world, "stock")} == {None}


async def test_the_sweep_ends_ten_minutes_after_the_last_who_asked(clock):
    async with a_world(clock, catalog=Catalog(sweep_per_second=0.5)) as world:
        await world.ask(EVERYTHING)
        await asyncio.sleep(300)
        await world.ask(EVERYTHING)
        await asyncio.sleep(2000)
        assert 840 < max(at for at, _ in await swept(world)) <= 901
        await world.ask(EVERYTHING)
        await asyncio.sleep(20)
        assert max(at for at, _ in await swept(world)) > 2300


async def test_the_sweep_backs_off_when_the_upstream_says_that_it_is_too_much(world):
    await world.ask(EVERYTHING)
    await asyncio.sleep(10)
    await world.steer("faults", {"call": "stock", "times": 3, **TOO_MANY})
    await asyncio.sleep(200)
    lines = await log(world, "stock")
    after = [b["at"] - a["at"] for a, b in pairwise(lines) if a["status"] == 429]
    assert len(after) == 3
    assert min(after) >= 30


async def test_the_sweep_goes_on_without_a_service_that_cannot_be_read(world):
    for trouble in TROUBLES[:-1]:
        await world.steer("faults", {"call": "stock", **trouble})
    await world.ask(EVERYTHING)
    await asyncio.sleep(20)
    assert len(await swept(world)) >= 38


async def test_a_sweep_begun_with_a_refused_key_does_not_stop_that_of_a_good_one(world):
    assert await world.ask(f"api_key=bad&{EVERYTHING}") == "BAD_KEY"
    assert await world.ask(EVERYTHING) != "BAD_KEY"
    await asyncio.sleep(20)
    assert len(await swept(world)) >= 38


# Sold out.


async def looped(world, query, seconds):
    """What a program hears that asks twice a second."""
    said = []
    for _ in range(seconds * 2):
        said.append(await world.ask(query))
        if said[-1].startswith("ACCESS_NUMBER"):
            break
        await asyncio.sleep(0.5)
    return said


async def sold_out(world, stock=0, country=None):
    await world.steer("offer", {"service": "wa", "stock": stock, "country": country})


def distances(lines):
    times = [line["at"] for line in lines]
    return [b - a for a, b in pairwise(times)]


@pytest.mark.parametrize(
    ("status", "text", "cap"),
    [
        (503, "no_numbers", ""),
        (503, "out_of_stock", "&maxPrice=5"),
        (404, "no_numbers", "&maxPrice=5"),
        (400, "out_of_stock", ""),
        (409, "no_numbers", ""),
    ],
)
async def test_a_loop_on_what_is_sold_out_sends_one_purchase_in_five_seconds(
    world, status, text, cap
):
    await world.steer("switches", {"no_stock": status, "no_stock_text": text})
    await sold_out(world)
    assert set(await looped(world, NUMBER + cap, 30)) == {"NO_NUMBERS"}
    lines = await log(world, "purchase")
    assert len(lines) == 6
    assert min(distances(lines)) >= 5


async def test_new_stock_is_found_by_a_loop_within_five_seconds(world):
    await sold_out(world)
    await looped(world, NUMBER, 8)
    await sold_out(world, stock=3)
    begun = now()
    assert (await looped(world, NUMBER, 20))[-1].startswith("ACCESS_NUMBER")
    assert now() - begun <= 5


@pytest.mark.parametrize(
    "other",
    [
        f"{NUMBER}&maxPrice=5",
        f"{NUMBER}&maxPrice=6",
        f"{NUMBER}&api_key=other",
        "action=getNumber&service=wa&country=43",
        "action=getNumber&service=tg&country=16",
    ],
)
async def test_another_wish_is_asked_for_all_the_same(world, other):
    await sold_out(world, country="GB")
    assert await world.ask(f"{NUMBER}&maxPrice=4") == "NO_NUMBERS"
    posts = await world.requests("purchase")
    await world.ask(other)
    assert await world.requests("purchase") == posts + 1


async def test_what_was_bought_meanwhile_for_nobody_is_found_all_the_same(world):
    slow = {"kind": "slow", "call": "purchase", "when": "after", "seconds": 20}
    await world.steer("faults", slow)
    mine = f"{NUMBER}&orderId=mine".replace("getNumber&", "getNumberV2&")
    assert await world.ask(mine) == "ERROR_SQL"
    await asyncio.sleep(7)
    await sold_out(world)
    assert await world.ask(NUMBER) == "NO_NUMBERS"
    await asyncio.sleep(2)
    assert "phoneNumber" in await world.ask(mine)
    assert await world.ask(NUMBER) == "NO_NUMBERS"
    assert await world.requests("purchase") == 2


async def test_a_pair_that_has_no_price_is_asked_for_once_in_five_seconds(world):
    query = "action=getNumber&service=wa&country=182&maxPrice=5"
    assert set(await looped(world, query, 30)) == {"NO_NUMBERS"}
    lines = await log(world, "price")
    assert len(lines) == 6
    assert min(distances(lines)) >= 5
    assert await world.requests("purchase") == 0


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "cdn"},
        {"kind": "broken"},
        {"kind": "status", "status": 422, "body": {"error": "something else"}},
        {"kind": "status", "status": 402, "body": {"error": "insufficient_balance"}},
        TOO_MANY,
    ],
)
async def test_another_refusal_is_not_sold_out(world, fault):
    await world.steer("faults", {"call": "purchase", **fault})
    assert await world.ask(NUMBER) in ("ERROR_SQL", "NO_BALANCE")
    assert (await world.ask(NUMBER)).startswith("ACCESS_NUMBER")


async def test_a_price_too_high_is_not_sold_out(world):
    assert (await world.ask(f"{NUMBER}&maxPrice=0.01")).startswith("WRONG_MAX_PRICE")
    assert (await world.ask(f"{NUMBER}&maxPrice=5")).startswith("ACCESS_NUMBER")
