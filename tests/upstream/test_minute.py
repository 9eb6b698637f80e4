"""The whole proxy within its minute, on a sandbox that counts."""

import asyncio
from collections import Counter

import pytest

from proxy.config.settings import Config, StoreConfig, UpstreamConfig
from proxy.endpoint.actions import ACTIONS
from tests.conftest import START
from tests.support.judge import judge
from tests.support.turns import (
    now,
)
from tests.support.world import PATH, a_life, a_world

pytestmark = pytest.mark.anyio
NUMBER = "action=getNumber&service=wa&country=16"


@pytest.fixture
async def world(clock):
    async with a_world(clock) as world:
        yield world


async def statuses(world, call=""):
    """How often the upstream answered how."""
    lines = (await world.steer("requests"))["requests"]
    return Counter(line["status"] for line in lines if call in line["call"])


async def bought(world, query=NUMBER):
    answer = await world.ask(query)
    assert answer.startswith("ACCESS_NUMBER"), answer
    return answer.split(":")[1]


async def spend_all(world):
    """The minute of the key, by requests that count as money; one purchase among them."""
    number = await bought(world)
    await spend(world, number, 59)
    return number


async def spend(world, number, requests):
    begun = now()
    for _ in range(requests):
        assert await world.ask(f"action=swapNumber&id={number}") == "EARLY_CANCEL_DENIED"
    assert now() == begun


async def hung_up(world, query, seconds):
    """Asks, and hangs up after that time."""
    sent = []

    async def receive():
        await asyncio.sleep(seconds)
        return {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": PATH, "root_path": "", "headers": [],
             "query_string": f"api_key=key&{query}".encode()}  # fmt: skip
    await world.app(scope, receive, send)
    return sent[1]["body"].decode()


async def test_status_polls_that_used_their_share_leave_purchases_and_cancels_alone(clock):
    upstream = UpstreamConfig(push=False)
    async with a_world(clock, upstream=upstream) as world:
        numbers = [await bought(world) for _ in range(15)]
        for order in (await world.steer("orders"))["orders"]:
            await world.steer("sms", {"order_id": order["order_id"], "text": "Your code is 1111"})
        await asyncio.sleep(10)
        for number in numbers:
            assert await world.ask(f"action=getStatus&id={number}") == "STATUS_OK:1111"
        await asyncio.sleep(120)
        for number in numbers[:-1]:
            assert await world.ask(f"action=setStatus&status=3&id={number}") == "ACCESS_RETRY_GET"
        polls = [asyncio.create_task(polling(world, number, 100)) for number in numbers]
        await asyncio.sleep(95)
        since = START + now() - 60
        spent = (await world.steer(f"requests?key=key&since={since}"))["count"]
        assert 10 <= spent <= 45
        begun = now()
        last = [await bought(world, NUMBER.replace("wa", "tg")) for _ in range(5)][-1]
        assert await world.ask(f"action=swapNumber&id={last}") == "EARLY_CANCEL_DENIED"
        assert now() == begun
        await asyncio.gather(*polls)
        assert 429 not in await statuses(world)


async def polling(world, number, seconds):
    for _ in range(seconds // 2):
        assert (await world.ask(f"action=getStatus&id={number}")).startswith("STATUS_")
        await asyncio.sleep(2)


async def test_a_purchase_whose_turn_does_not_come_says_so_and_is_never_sent(world):
    await spend_all(world)
    await asyncio.sleep(30)
    assert await world.ask(NUMBER) == "ERROR_SQL"
    assert now() == 36
    await asyncio.sleep(200)
    assert await world.requests("purchase") == 1


async def test_a_purchase_waits_for_its_turn(world):
    await spend_all(world)
    await asyncio.sleep(56)
    await bought(world)
    assert now() == 61


async def test_a_purchase_that_waits_is_not_sent_when_its_client_hangs_up(world):
    number = await spend_all(world)
    await asyncio.sleep(57)
    assert await hung_up(world, NUMBER, seconds=2) == "ERROR_SQL"
    assert now() == 59
    await asyncio.sleep(3)
    # Nor is its turn used up.
    await spend(world, number, 60)
    await asyncio.sleep(200)
    assert await world.requests("purchase") == 1


async def test_nor_when_it_is_the_first_after_a_restart(clock, tmp_path):
    url = f"sqlite:///{tmp_path}/store.db"
    async with a_world(clock, store=url) as world:
        await spend_all(world)
    await asyncio.sleep(57)
    async with a_life(clock, world.sandbox, Config(store=StoreConfig(url=url))) as world:
        assert await hung_up(world, NUMBER, seconds=2) == "ERROR_SQL"
        await asyncio.sleep(200)
        assert await world.requests("purchase") == 1


async def test_nor_when_it_waits_for_the_narrow_window_of_purchases(world):
    await world.steer("switches", {"narrow": "purchase", "rate_limit": "x_ratelimit"})
    for _ in range(11):
        await world.ask(NUMBER)
    await asyncio.sleep(2)
    while (await world.ask(NUMBER)).startswith("ACCESS_NUMBER"):
        pass
    posts = await world.requests("purchase")
    await asyncio.sleep(59 - now())
    assert await hung_up(world, NUMBER, seconds=1) == "ERROR_SQL"
    await asyncio.sleep(200)
    assert await world.requests("purchase") == posts


async def test_two_keys_do_not_share_a_minute_end_to_end(world):
    await spend_all(world)
    assert await world.ask("action=getBalance") == "ERROR_SQL"
    assert (await world.ask("api_key=other&action=getBalance")).startswith("ACCESS_BALANCE")


async def test_a_restart_does_not_refill_the_minute_end_to_end(clock, tmp_path):
    url = f"sqlite:///{tmp_path}/store.db"
    async with a_world(clock, store=url) as world:
        await spend_all(world)
    await asyncio.sleep(20)
    async with a_life(clock, world.sandbox, Config(store=StoreConfig(url=url))) as restarted:
        assert await restarted.ask(NUMBER) == "ERROR_SQL"
        await asyncio.sleep(61 - now())
        await bought(restarted)
    assert 429 not in await statuses(world)


async def client(world, number, until):
    """A program that buys, polls, asks this and that, and gives up; and knows only legal words."""
    asks = [
        "getBalance",
        "getActiveActivations",
        "getPrices&service=wa",
        "getPrices",
        "getCountries",
    ]
    service = ("wa", "tg", "go", "vk")[number % 4]
    await asyncio.sleep(number % 7)
    while now() < until:
        answer = await asked(world, f"getNumber&service={service}&country=16")
        id = answer.split(":")[1] if answer.startswith("ACCESS_NUMBER") else ""
        for _ in range(10 if id else 1):
            await asyncio.sleep(3)
            await asked(world, f"getStatus&id={id}")
        await asked(world, asks[number % 5])
        await asked(world, f"setStatus&status={8 if number % 3 else 3}&id={id}")


async def asked(world, query):
    answer = await world.answer(f"action={query}")
    assert answer.status_code == 200
    assert "<html" not in answer.text
    judge(query.partition("&")[0], answer)
    return answer.text


@pytest.mark.parametrize("push", [True, False])
async def test_fifty_clients_of_one_key_never_meet_a_429(clock, push):
    async with a_world(clock, upstream=UpstreamConfig(push=push)) as world:
        await world.steer("balance", {"key": "key", "balance": 1000})
        clients = [client(world, number, 180) for number in range(50)]
        await asyncio.gather(*clients)
        assert now() >= 180
        said = await statuses(world)
        busiest = (await world.steer("requests?key=key"))["busiest_minute"]
    assert 429 not in said
    assert 45 <= busiest <= 60
    assert (await statuses(world, "purchase"))[200] > 50


@pytest.mark.parametrize("rate_limit", ["bare", "retry_after", "x_ratelimit"])
async def test_a_limit_below_the_configured_one_is_found_out_politely(clock, rate_limit):
    async with a_world(clock) as world:
        await world.steer("switches", {"requests_per_minute": 30, "rate_limit": rate_limit})
        await asyncio.gather(*(client(world, number, 90) for number in range(6)))
        lines = (await world.steer("requests?key=key"))["requests"]
    said = Counter(line["status"] for line in lines)
    assert len(lines) - said[429] >= 40
    assert said[429] <= 30


async def test_a_narrow_limit_of_purchases_is_met_a_couple_of_times_and_then_kept(world):
    await world.steer("switches", {"narrow": "purchase", "rate_limit": "x_ratelimit"})

    async def buying():
        while now() < 180:
            await world.ask(NUMBER)
            await asyncio.sleep(1)

    await asyncio.gather(*(buying() for _ in range(5)))
    said = await statuses(world, "purchase")
    assert 25 <= said[200] <= 30
    assert 1 <= said[429] <= 5 + 2


@pytest.mark.parametrize("body", ["<html>429 Too Many Requests</html>", {"error": "rate_limited"}])
async def test_no_client_ever_sees_a_429(world, body):
    number = await bought(world)
    await world.steer("faults", {"kind": "status", "status": 429, "body": body, "times": None})
    for action in ACTIONS:
        await asked(world, f"{action}&service=wa&country=16&id={number}&status=8")
        await asked(world, f"{action}&service=wa&country=16&id=4&status=3&maxPrice=5")
