"""SMS on their way to targets: queued with the order, delivered at least once, bounded."""

import asyncio
import hashlib
import hmac
from itertools import accumulate, pairwise

import httpx
import pytest

from proxy.config.settings import ForwardConfig, ProgramConfig, UpstreamConfig, WebhooksConfig
from proxy.forwarding.delivery import LONGEST_ANSWER, PAUSES, TIMEOUT
from tests.conftest import START
from tests.support.world import BUY, a_proxy, a_world

pytestmark = pytest.mark.anyio

URL, OTHER = "http://one.example/sms", "http://two.example/sms"
TEXT, GOT = "Your code is 1111", "STATUS_OK:1111"


def to(*urls, **more):
    return tuple(ForwardConfig(url=url, **more) for url in urls)


def a_forwarding(clock, *urls, **config):
    return a_world(clock, **({"forward": to(*(urls or (URL,)))} | config))


@pytest.fixture
async def world(clock):
    async with a_forwarding(clock) as world:
        yield world


async def bought(world):
    answer = await world.ask(BUY)
    assert answer.startswith("ACCESS_NUMBER:"), answer
    return answer.split(":")[1]


async def status(world, id):
    return await world.ask(f"action=getStatus&id={id}")


async def a_moment():
    await asyncio.sleep(0.05)


async def told(world, text=TEXT):
    """A number whose socket stands, and an SMS to it."""
    id = await bought(world)
    await a_moment()
    await world.sms(text)
    await a_moment()
    return id


NO_POST = {"delivered": 0, "failed": 0, "dead": 0, "dropped": 0}


async def metric(world, name):
    page = (await world.client.get("/metrics")).text
    lines = [line for line in page.splitlines() if line.startswith(f"virtualsms_proxy_{name}{{")]
    return {line.split('"')[1]: float(line.split()[-1]) for line in lines}


async def test_what_a_target_gets_and_what_get_status_says_agree(world):
    id = await told(world)
    (body,) = world.targets.to(URL)
    assert body | {"receivedAt": ""} == {
        "activationId": int(id), "service": "wa", "text": TEXT, "code": "1111", "country": 16,
        "receivedAt": "",
    }  # fmt: skip
    assert await status(world, id) == f"STATUS_OK:{body['code']}"
    assert f'"dateTime":"{body["receivedAt"]}"' in await world.ask(f"action=getStatusV2&id={id}")
    assert await metric(world, "forward_attempts_total") == NO_POST | {"delivered": 1}
    assert await metric(world, "forwards") == {"waiting": 0, "dead": 0}


async def test_each_sms_is_told_once_whatever_reads_it(world):
    id = await told(world)
    for _ in range(60):
        await world.ask(f"action=getAllSms&id={id}")
        await world.ask("action=getActiveActivations")
        await asyncio.sleep(1)
    assert len(world.targets.to(URL)) == 1
    assert await world.ask(f"action=setStatus&status=3&id={id}") == "ACCESS_RETRY_GET"
    await world.sms("Your code is 2222")
    await asyncio.sleep(30)
    assert [body["code"] for body in world.targets.to(URL)] == ["1111", "2222"]


async def test_a_second_sms_that_only_a_socket_can_tell_is_told_once(world):
    await world.steer("faults", {"kind": "cdn", "call": "order", "times": None})
    id = await told(world)
    assert await world.ask(f"action=setStatus&status=3&id={id}") == "ACCESS_RETRY_GET"
    for _ in range(20):
        await status(world, id)
        await asyncio.sleep(1)
    await world.sms("Your code is 2222")
    for _ in range(40):
        said = await status(world, id)
        await asyncio.sleep(1)
    assert said == "STATUS_OK:2222"
    assert [body["code"] for body in world.targets.to(URL)] == ["1111", "2222"]


async def test_every_target_is_told_in_its_own_words(clock):
    forward = to(URL) + to(OTHER, dialect="herosms")
    async with a_world(clock, forward=forward) as world:
        await told(world)
        assert "phoneFrom" not in world.targets.to(URL)[0]
        assert world.targets.to(OTHER)[0]["phoneFrom"] == ""


async def test_the_signature_is_of_the_body_and_the_delivery_keeps_its_name(clock):
    async with a_world(clock, forward=to(URL, secret="planted-secret") + to(OTHER)) as world:
        world.targets.answers[URL] = [500]
        await told(world)
        await asyncio.sleep(6)
        first, second = [request for _, request in world.targets.posted if request.url == URL]
        digest = hmac.new(b"planted-secret", first.content, hashlib.sha256).hexdigest()
        assert first.headers["X-Signature"] == f"sha256={digest}"
        assert first.headers["Content-Type"] == "application/json"
        assert first.headers["X-Delivery"] == second.headers["X-Delivery"]
        assert first.content == second.content
        (unsigned,) = [request for _, request in world.targets.posted if request.url == OTHER]
        assert "X-Signature" not in unsigned.headers


# Without a client that polls.


@pytest.mark.parametrize("push", [True, False])
async def test_a_number_is_watched_though_nobody_polls(clock, push):
    async with a_forwarding(clock, upstream=UpstreamConfig(push=push)) as world:
        await bought(world)
        await asyncio.sleep(300)
        await world.sms(TEXT)
        await asyncio.sleep(0.01 if push else 21)
        assert [body["code"] for body in world.targets.to(URL)] == ["1111"]


async def test_numbers_that_nobody_polls_keep_their_sockets_and_cost_few_reads(clock):
    async with a_forwarding(clock, upstream=UpstreamConfig(push_sockets=10)) as world:
        for _ in range(2):
            await bought(world)
        await asyncio.sleep(600)
        assert (await world.steer("sockets"))["count"] == 2
        assert await world.requests("orders") <= 61
        assert await world.requests("order") == 0


async def test_nobody_is_watched_where_there_is_no_target(clock):
    async with a_world(clock) as world:
        await bought(world)
        await asyncio.sleep(300)
        assert await world.requests("orders") == 0


async def test_a_number_whose_time_is_over_is_watched_no_more(world):
    await bought(world)
    await asyncio.sleep(1300)
    before = len((await world.steer("requests"))["requests"])
    await asyncio.sleep(600)
    assert len((await world.steer("requests"))["requests"]) == before


async def test_a_second_sms_that_was_not_asked_for_is_told_when_an_event_hints_at_it(clock):
    webhooks = WebhooksConfig(public_url="https://proxy.example.com")
    upstream = UpstreamConfig(api_key="key")
    async with a_forwarding(clock, webhooks=webhooks, upstream=upstream) as world:
        await told(world)
        await asyncio.sleep(60)
        await world.sms("Your other code is 2222")
        await asyncio.sleep(15)
        assert [body["code"] for body in world.targets.to(URL)] == ["1111", "2222"]


async def test_programs_numbers_are_watched_from_the_start(clock, tmp_path):
    keys = {"client": ProgramConfig(name="shop", upstream_key="up")}
    config = {"store": f"sqlite:///{tmp_path}/store.db", "keys": keys}
    async with a_forwarding(clock, **config) as world:
        assert "ACCESS" in await world.ask(f"{BUY}&api_key=client")
        sandbox = world.sandbox
    async with a_proxy(clock, sandbox, forward=to(URL), **config) as world:
        await asyncio.sleep(20)
        await world.sms(TEXT)
        await a_moment()
        assert len(world.targets.to(URL)) == 1


async def test_numbers_are_watched_after_a_restart_however_many_older_ones_there_are(
    clock, tmp_path
):
    keys = {"client": ProgramConfig(name="shop", upstream_key="up")}
    config = {"store": f"sqlite:///{tmp_path}/store.db", "keys": keys}
    async with a_forwarding(clock, **config) as world:
        sandbox = world.sandbox
        for _ in range(2):
            for _ in range(5):
                assert "ACCESS" in await world.ask(f"{BUY}&api_key=client")
            await asyncio.sleep(3700)
        assert "ACCESS" in await world.ask(f"{BUY}&api_key=client")
    async with a_proxy(clock, sandbox, forward=to(URL), **config) as world:
        await asyncio.sleep(20)
        await world.sms(TEXT)
        await asyncio.sleep(20)
        assert [body["code"] for body in world.targets.to(URL)] == ["1111"]


# Targets that fail.

FAILURES = {
    "refuses": httpx.ConnectError("refused"),
    "hangs": 1e6,
    "breaks": httpx.RemoteProtocolError("gone"),
    "redirects": httpx.Response(302, headers={"Location": OTHER}),
    "moves for good": httpx.Response(308, headers={"Location": OTHER}),
    "500": 500,
    "404": 404,
    "304": 304,
    "too long": httpx.Response(200, content=b"7" * (LONGEST_ANSWER + 1)),
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=list(FAILURES))
async def test_a_target_that_fails_is_asked_again_for_two_hours_and_then_given_up(
    world, failure, caplog
):
    world.targets.always[URL] = failure
    id = await told(world)
    await asyncio.sleep(3 * 3600)
    times = [at - START for at in world.targets.times(URL)]
    hung = TIMEOUT if failure == 1e6 else 0.0
    pauses = [later - earlier - hung for earlier, later in pairwise(times)]
    assert pauses == pytest.approx(PAUSES[1:], abs=0.1)
    assert sum(PAUSES) <= 7200
    assert world.targets.times(OTHER) == [], "a redirect was followed"
    assert await metric(world, "forwards") == {"waiting": 0, "dead": 1}
    assert await metric(world, "forward_attempts_total") == NO_POST | {"failed": 7, "dead": 1}
    assert "attempt 8" in caplog.text
    assert "it is given up" in caplog.text
    assert TEXT not in caplog.text
    assert "/sms" not in caplog.text, "an address may have a secret in it"
    assert id


@pytest.mark.parametrize("failure", FAILURES.values(), ids=list(FAILURES))
async def test_a_target_that_comes_back_gets_what_it_missed(world, failure):
    world.targets.answers[URL] = [failure] * 3
    await told(world)
    await asyncio.sleep(3600)
    assert len(world.targets.to(URL)) == 4
    assert await metric(world, "forwards") == {"waiting": 0, "dead": 0}


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_any_2xx_ends_it(world, status):
    world.targets.always[URL] = status
    await told(world)
    await asyncio.sleep(3600)
    assert len(world.targets.to(URL)) == 1


async def test_an_answer_that_drips_for_ever_holds_nothing(world):
    async def dripping():
        while True:
            await asyncio.sleep(1)
            yield b"."

    world.targets.answers[URL] = [httpx.Response(200, content=dripping())]
    await told(world)
    await asyncio.sleep(TIMEOUT + PAUSES[1] + 1)
    assert len(world.targets.to(URL)) == 2
    assert await metric(world, "forwards") == {"waiting": 0, "dead": 0}


async def test_one_dead_target_slows_no_other(clock):
    async with a_forwarding(clock, URL, OTHER) as world:
        await world.steer("balance", {"key": "key", "balance": 1000})
        world.targets.always[URL] = 1e6
        for _ in range(20):
            await told(world)
        assert len(world.targets.to(OTHER)) == 20
        assert len(world.targets.to(URL)) <= 8
        await asyncio.sleep(60)
        assert len(world.targets.to(OTHER)) == 20


async def test_what_fails_for_one_message_holds_up_no_other_of_its_target(world):
    world.targets.answers[URL] = [500]
    await told(world)
    await told(world, "Your code is 2222")
    assert [body["code"] for body in world.targets.to(URL)] == ["1111", "2222"]
    await asyncio.sleep(6)
    assert [body["code"] for body in world.targets.to(URL)][2:] == ["1111"]


# What must not be lost.


async def test_what_was_not_delivered_is_delivered_by_the_next_run(clock, tmp_path):
    store = f"sqlite:///{tmp_path}/store.db"
    async with a_forwarding(clock, store=store) as world:
        world.targets.always[URL] = 500
        id = await told(world)
        sandbox, (_, first) = world.sandbox, world.targets.posted[0]
    async with a_proxy(clock, sandbox, store=store, forward=to(URL)) as world:
        await asyncio.sleep(PAUSES[1] + 1)
        ((_, second),) = world.targets.posted
        assert second.headers["X-Delivery"] == first.headers["X-Delivery"]
        assert second.content == first.content
        assert await status(world, id) == GOT
        await asyncio.sleep(3600)
        assert len(world.targets.posted) == 1


async def test_what_came_before_there_was_a_target_is_old_news(clock, tmp_path):
    store = f"sqlite:///{tmp_path}/store.db"
    async with a_world(clock, store=store) as world:
        id = await told(world)
        sandbox = world.sandbox
    async with a_proxy(clock, sandbox, store=store, forward=to(URL)) as world:
        assert await status(world, id) == GOT
        await asyncio.sleep(600)
        assert world.targets.posted == []


async def test_an_sms_that_could_not_be_kept_is_forwarded_when_the_store_is_back(world):
    id = await bought(world)
    await a_moment()
    # No call of a store breaks it.
    db = world.app.state.services.store._db
    db.execute("create trigger no before insert on forwards begin select raise(fail, 'x'); end")
    await world.sms(TEXT)
    await a_moment()
    assert await status(world, id) == GOT
    await asyncio.sleep(30)
    assert await world.requests("order") == 1, "it is confirmed, and nobody reads it again"
    assert world.targets.posted == []
    db.execute("drop trigger no")
    await asyncio.sleep(20)
    assert len(world.targets.to(URL)) == 1


async def test_a_store_that_fails_stops_no_worker_for_good(world):
    # No call of a store breaks it.
    db = world.app.state.services.store._db
    db.execute("alter table forwards rename to gone")
    await asyncio.sleep(120)
    db.execute("alter table gone rename to forwards")
    await asyncio.sleep(11)
    await told(world)
    assert len(world.targets.to(URL)) == 1


async def test_too_many_drop_the_oldest_dead_first(world, monkeypatch, caplog):
    monkeypatch.setattr("proxy.forwarding.delivery.MAX_QUEUED", 3)
    await world.steer("balance", {"key": "key", "balance": 1000})
    await world.steer("offer", {"service": "wa", "country": "GB", "stock": 100})
    world.targets.always[URL] = 500
    await told(world, "Your code is 1000")
    await asyncio.sleep(2 * 3600)
    assert await metric(world, "forwards") == {"waiting": 0, "dead": 1}
    for code in range(1001, 1005):
        await told(world, f"Your code is {code}")
    await asyncio.sleep(1)
    assert sum((await metric(world, "forwards")).values()) == 3
    assert (await metric(world, "forward_attempts_total"))["dropped"] == 2
    world.targets.always[URL] = 200
    sent = len(world.targets.posted)
    await asyncio.sleep(3600)
    assert {body["code"] for body in world.targets.to(URL)[sent:]} == {"1002", "1003", "1004"}
    assert "too many wait" in caplog.text


async def test_a_target_that_is_no_longer_configured_gets_nothing_and_stops_nobody(clock, tmp_path):
    store = f"sqlite:///{tmp_path}/store.db"
    async with a_forwarding(clock, store=store) as world:
        world.targets.always[URL] = 500
        await told(world)
        sandbox = world.sandbox
    async with a_proxy(clock, sandbox, store=store, forward=to(OTHER)) as world:
        await asyncio.sleep(600)
        assert world.targets.posted == []


def test_eight_attempts_are_made_in_two_hours():
    assert len(PAUSES) == 8
    assert 6000 < list(accumulate(PAUSES))[-1] <= 7200
