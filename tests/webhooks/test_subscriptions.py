"""The proxy's own subscription: made, kept right, and its secret never lost for good."""

import asyncio

import pytest

from proxy.config.settings import ProgramConfig, UpstreamConfig, WebhooksConfig
from proxy.model import ClientKey
from proxy.upstream.webhooks import EVENTS
from proxy.webhooks.subscriptions import EVERY_SECONDS
from tests.support.world import a_proxy, a_world

pytestmark = pytest.mark.anyio

PUBLIC = "https://proxy.example.com"
URL = f"{PUBLIC}/webhooks/virtualsms"
KEY = ClientKey.of("planted-key")
TEXT = "Your code is 1111"


def a_subscribed(clock, public_url=PUBLIC, **config):
    return a_world(clock, **wishing(public_url), **config)


def wishing(public_url=PUBLIC):
    upstream = UpstreamConfig(api_key=KEY.upstream.secret, push=False)
    return {"webhooks": WebhooksConfig(public_url=public_url), "upstream": upstream}


async def webhooks(world):
    return (await world.steer("webhooks"))["webhooks"]


async def change(world, **fields):
    (row,) = await webhooks(world)
    await world.app.state.services.upstream.change_webhook(KEY, row["id"], **fields)


async def heard(world):
    """An SMS is known without a read of orders."""
    before = await world.requests("orders")
    number = await world.ask(
        f"api_key={KEY.upstream.secret}&action=getNumber&service=wa&country=16"
    )
    await world.sms(TEXT)
    await asyncio.sleep(0.01)
    query = f"api_key={KEY.upstream.secret}&action=getStatus&id={number.split(':')[1]}"
    said = await world.ask(query) == "STATUS_OK:1111"
    return said and await world.requests("orders") == before


async def a_moment():
    await asyncio.sleep(0.1)


async def test_it_is_made_at_the_start_and_what_it_sends_is_believed(clock):
    async with a_subscribed(clock) as world:
        await a_moment()
        (row,) = await webhooks(world)
        assert (row["url"], row["events"]) == (URL, list(EVENTS[0]))
        assert await heard(world)


async def test_without_a_public_address_there_is_none(clock):
    async with a_subscribed(clock, public_url=None) as world:
        await asyncio.sleep(EVERY_SECONDS)
        assert await world.requests("webhooks") == 0


async def test_each_upstream_key_has_one(clock):
    names = {"a": "up-1", "b": "up-1", "c": "up-2"}
    keys = {name: ProgramConfig(name=name, upstream_key=key) for name, key in names.items()}
    async with a_subscribed(clock, keys=keys) as world:
        await a_moment()
        assert len({row["account"] for row in await webhooks(world)}) == 3
        assert len(await webhooks(world)) == 3


async def test_a_restart_makes_no_other_and_believes_the_first(clock, tmp_path):
    store = f"sqlite:///{tmp_path}/store.db"
    async with a_subscribed(clock, store=store) as world:
        await a_moment()
        (first,) = await webhooks(world)
        sandbox = world.sandbox
    async with a_proxy(clock, sandbox, store=store, **wishing()) as world:
        await a_moment()
        (row,) = await webhooks(world)
        assert (row["id"], row["secret"]) == (first["id"], first["secret"])
        subscriptions = await world.app.state.services.store.subscriptions()
        assert [one.secret for one in subscriptions] == [row["secret"]]


async def test_one_whose_secret_is_lost_is_made_anew_and_others_are_left_alone(clock):
    async with a_world(clock) as world:
        upstream = world.app.state.services.upstream
        lost = await upstream.create_webhook(KEY, url=URL, events=["sms.received"])
        foreign = await upstream.create_webhook(KEY, url=f"{URL}2", events=["sms.received"])
        async with a_proxy(clock, world.sandbox, **wishing()):
            await a_moment()
            ids = {row["id"]: row["url"] for row in await webhooks(world)}
    assert lost.id not in ids
    assert ids.pop(foreign.id) == f"{URL}2"
    assert list(ids.values()) == [URL]


@pytest.mark.parametrize(
    "wrong",
    [{"paused": True}, {"active": False}, {"events": ["order.expired"]}, {"url": f"{URL}/old"}],
)
async def test_within_an_hour_it_is_put_right(clock, wrong):
    async with a_subscribed(clock) as world:
        await a_moment()
        (first,) = await webhooks(world)
        await change(world, **wrong)
        await asyncio.sleep(EVERY_SECONDS)
        (row,) = await webhooks(world)
        assert (row["id"], row["url"]) == (first["id"], URL)
        assert set(EVENTS[0]) <= set(row["events"])
        assert row["active"]
        assert not row["paused"]


async def test_what_a_person_added_to_it_stays(clock):
    async with a_subscribed(clock) as world:
        await a_moment()
        await change(world, events=["sms.received", "balance.low"], threshold=5)
        await asyncio.sleep(EVERY_SECONDS)
        (row,) = await webhooks(world)
        assert set(row["events"]) == {*EVENTS[0], "balance.low"}
        changes = await world.requests("webhook_change")
        await asyncio.sleep(3 * EVERY_SECONDS)
        assert await world.requests("webhook_change") == changes


async def test_one_that_was_deleted_is_made_again(clock):
    async with a_subscribed(clock) as world:
        await a_moment()
        (first,) = await webhooks(world)
        await world.app.state.services.upstream.delete_webhook(KEY, first["id"])
        await asyncio.sleep(EVERY_SECONDS)
        (row,) = await webhooks(world)
        assert row["id"] != first["id"]
        assert await heard(world)


async def test_where_webhooks_are_not_offered_that_is_said_once_and_all_goes_on(clock, caplog):
    async with a_world(clock) as world:
        await world.steer("switches", {"webhooks": "absent"})
        async with a_proxy(clock, world.sandbox, **wishing()) as proxy:
            await asyncio.sleep(3 * EVERY_SECONDS + 1)
            assert await world.requests("webhooks") == 4
            assert caplog.text.count("no events for") == 1
            await world.steer("switches", {"webhooks": "present"})
            await asyncio.sleep(EVERY_SECONDS)
            assert len(await webhooks(proxy)) == 1


async def test_where_the_upstream_fails_it_is_tried_again_in_a_minute(clock):
    async with a_world(clock) as world:
        await world.steer("faults", {"kind": "cdn", "call": "webhooks", "times": 2})
        async with a_proxy(clock, world.sandbox, **wishing()):
            await asyncio.sleep(59)
            assert await webhooks(world) == []
            await asyncio.sleep(122)
            assert len(await webhooks(world)) == 1


async def test_the_start_does_not_wait_for_the_upstream(clock):
    async with a_world(clock) as world:
        await world.steer("faults", {"kind": "silence", "call": "webhooks", "times": None})
        before = clock()
        async with a_proxy(clock, world.sandbox, **wishing()) as proxy:
            assert await proxy.ask("action=getBalance") == "ACCESS_BALANCE:100.00"
            assert clock() == before


async def test_names_of_events_are_those_that_the_upstream_knows(clock):
    async with a_world(clock) as world:
        await world.steer("switches", {"webhook_events": "order.sms_received"})
        async with a_proxy(clock, world.sandbox, **wishing()):
            await asyncio.sleep(EVERY_SECONDS + 1)
            (row,) = await webhooks(world)
            assert row["events"] == list(EVENTS[1])
            assert await world.requests("webhook_change") == 0


async def test_a_secret_that_was_told_and_not_kept_is_no_secret(clock):
    async with a_subscribed(clock) as world:
        # No call of a store breaks it.
        db = world.app.state.services.store._db
        db.execute(
            "create trigger no before insert on subscriptions begin select raise(fail, 'x'); end"
        )
        await a_moment()
        assert len(await webhooks(world)) == 1
        assert await heard(world), "this process knows it"
        assert await world.app.state.services.store.subscriptions() == []


async def test_neither_key_nor_secret_is_logged(clock, caplog):
    caplog.set_level("DEBUG")
    async with a_subscribed(clock) as world:
        await a_moment()
        (row,) = await webhooks(world)
        assert "is made" in caplog.text
        assert row["secret"] not in caplog.text
        assert KEY.upstream.secret not in caplog.text


async def test_a_bug_does_not_end_its_keeping(clock, monkeypatch, caplog):
    async with a_subscribed(clock) as world:
        await a_moment()
        upstream, bugs = world.app.state.services.upstream, [KeyError("planted")]
        listed = upstream.webhooks

        async def bug(key):
            if bugs:
                raise bugs.pop()
            return await listed(key)

        monkeypatch.setattr(upstream, "webhooks", bug)
        await change(world, paused=True)
        await asyncio.sleep(EVERY_SECONDS + 10)
        assert [row["paused"] for row in await webhooks(world)] == [False]
    assert "task failed, it starts again in 1 s: subscription of" in caplog.text
