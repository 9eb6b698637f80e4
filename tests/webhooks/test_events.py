"""The upstream's events: who is believed, and what is learned of them."""

import asyncio

import pytest

from proxy.config.settings import ProgramConfig, UpstreamConfig, WebhooksConfig
from proxy.model import ClientKey
from proxy.orders.freshness import EVENTS_SECONDS, PUSHED
from tests.support.events import (
    GOT,
    OTHER,
    SECRET,
    TEXT,
    WAITING,
    an_event,
    bought,
    counted,
    listening,
    send,
    status,
    tell,
)
from tests.support.world import a_proxy, a_world

pytestmark = pytest.mark.anyio


# What is learned.


async def test_a_text_is_the_code_at_once_and_the_time_is_that_of_the_event(world):
    id = await bought(world)
    await tell(world, received_at="2026-03-01T11:59:59Z", phone_number="")
    said = await world.ask(f"action=getStatusV2&id={id}")
    assert '"dateTime":"2026-03-01 11:59:59","code":"1111"' in said


async def test_the_code_survives_a_restart(clock, tmp_path):
    store = f"sqlite:///{tmp_path}/store.db"
    async with listening(clock, store=store) as world:
        id = await bought(world)
        await tell(world)
        sandbox = world.sandbox
    async with a_proxy(clock, sandbox, store=store) as world:
        assert await status(world, id) == GOT


async def test_an_event_finds_the_order_of_a_client_that_has_not_asked_since_the_start(
    clock, tmp_path
):
    store = f"sqlite:///{tmp_path}/store.db"
    async with listening(clock, store=store) as world:
        id = await bought(world)
        sandbox = world.sandbox
    secrets = WebhooksConfig(secrets=(SECRET,))
    async with a_proxy(clock, sandbox, store=store, webhooks=secrets) as world:
        await tell(world)
        assert await counted(world) == {"sms": 1}
        await world.steer("switches", {"requests_per_minute": 1})
        assert await status(world, id) == GOT
        assert await world.requests("orders") == 0


async def test_the_order_itself_has_the_last_word_on_an_sms(world):
    id = await bought(world)
    await tell(world)
    assert await status(world, id) == GOT
    await world.sms("Your code is 2222")
    await asyncio.sleep(PUSHED + 1)
    await status(world, id)
    await asyncio.sleep(1)
    assert await status(world, id) == "STATUS_OK:2222"


@pytest.mark.parametrize("data", [{"full_text": ""}, {"full_text": None}, {"full_text": 5}])
async def test_an_sms_without_its_text_is_read(world, data):
    id = await bought(world)
    await world.sms(TEXT)
    assert await status(world, id) == WAITING, "just bought"
    await tell(world, **data)
    await asyncio.sleep(2)
    assert await status(world, id) == GOT
    assert await counted(world) == {"hint": 1}


async def test_after_one_more_was_asked_for_an_event_tells_only_that_something_came(world):
    id = await bought(world)
    await tell(world, id="evt_1")
    assert await world.ask(f"action=setStatus&status=3&id={id}") == "ACCESS_RETRY_GET"
    await tell(world, id="evt_2", full_text="Your code is 1111")
    assert await status(world, id) == "STATUS_WAIT_RETRY:1111"


async def test_an_sms_to_the_number_before_a_swap_is_no_code(world):
    await world.steer("switches", {"hold": 0})
    id = await bought(world)
    before = (await world.steer("orders"))["orders"][-1]["phone_number"]
    assert "ACCESS" in await world.ask(f"action=swapNumber&id={id}")
    await tell(world, phone_number=f"+{before}")
    assert await status(world, id) == WAITING
    now = (await world.steer("orders"))["orders"][-1]["phone_number"]
    await tell(world, id="evt_2", phone_number=f"+{now}")
    assert await status(world, id) == GOT


@pytest.mark.parametrize("end", ["order.cancelled", "order.expired"])
async def test_an_end_is_believed_once_the_order_itself_says_it(world, end):
    id = await bought(world)
    await asyncio.sleep(4)
    assert await status(world, id) == WAITING
    await tell(world, end)
    assert await status(world, id) == WAITING
    assert await world.requests("order") == 1
    order = {"order_id": await world.newest_order()}
    await world.steer("cancel" if end == "order.cancelled" else "expire", order)
    await asyncio.sleep(4)
    assert await status(world, id) == "STATUS_CANCEL"
    assert await counted(world) == {"end": 1}


async def test_an_end_does_not_hide_an_sms(world):
    id = await bought(world)
    await world.sms(TEXT)
    await tell(world, "order.expired")
    assert await status(world, id) == GOT


async def test_a_number_that_was_swapped_elsewhere_is_the_new_one(world):
    id = await bought(world)
    before = (await world.steer("orders"))["orders"][-1]["phone_number"]
    await tell(world, "order.swapped", previous_number=f"+{before}", phone_number="+447700900999")
    assert the_order(world, id).phone == "447700900999"
    late = {"previous_number": f"+{before}", "phone_number": "+447700900111"}
    await tell(world, "order.swapped", id="evt_late", **late)
    assert the_order(world, id).phone == "447700900999"
    assert await counted(world) == {"swap": 1, "hint": 1}


def the_order(world, id):
    return world.app.state.services.orders.known(ClientKey.of("key"), int(id)).order


async def test_a_low_balance_is_asked_for_anew(world):
    async def cached():
        answer = await world.answer("action=getBalance")
        return answer.headers["x-cache"]

    assert [await cached(), await cached()] == ["MISS", "HIT"]
    await tell_balance(world)
    assert await cached() == "MISS"
    assert await counted(world) == {"balance": 1}


async def tell_balance(world):
    event = {"id": "evt_b", "type": "balance.low", "data": {"balance": 4, "threshold": 5}}
    assert await send(world, event) == 200


@pytest.mark.parametrize(
    ("kind", "data", "counts"),
    [
        ("sms.received", {"test": True}, "test"),
        ("sms.received", {"order_id": "00000000-0000-4000-8000-000000000000"}, "unknown"),
        ("order.expired", {"order_id": None}, "unknown"),
        ("rental.created", {}, "other"),
        ("order.created", {}, "other"),
    ],
)
async def test_what_says_nothing_is_acknowledged_and_counted(world, kind, data, counts):
    id = await bought(world)
    await tell(world, kind, **data)
    assert await counted(world) == {counts: 1}
    assert await status(world, id) == WAITING


@pytest.mark.parametrize("key", ["one", "two"])
async def test_of_programs_that_share_a_key_the_one_that_bought_it_learns(clock, key):
    keys = {name: ProgramConfig(name=name, upstream_key="shared") for name in ("one", "two")}
    async with listening(clock, keys=keys) as world:
        id = await bought(world, key)
        await tell(world)
        assert await status(world, id, key) == GOT
        other = {"one": "two", "two": "one"}[key]
        assert await status(world, id, other) == "NO_ACTIVATION"


# What an event makes of the reads.


async def reads_in(world, seconds, id):
    before = await world.requests("orders")
    for _ in range(seconds):
        await status(world, id)
        await asyncio.sleep(1)
    return await world.requests("orders") - before


async def test_an_event_makes_the_reads_of_the_accounts_list_rarer_and_never_ends_them(world):
    await world.steer("balance", {"key": "key", "balance": 1000})
    first = await bought(world)
    order = await world.newest_order()
    second = await bought(world)
    await asyncio.sleep(4)
    assert await reads_in(world, 60, first) > 15
    await tell(world)
    rare = await reads_in(world, 60, first)
    assert 4 <= rare <= 7
    assert await status(world, second) == GOT
    await world.steer("sms", {"order_id": order, "text": "Your code is 2222"})
    seconds = 0
    while await status(world, first) == WAITING and seconds < 60:
        await asyncio.sleep(1)
        seconds += 1
    assert 2 < seconds <= PUSHED + 1
    assert await status(world, first) == "STATUS_OK:2222"


async def test_ten_minutes_after_the_last_event_the_list_is_read_as_before(world):
    await bought(world)
    await tell(world)
    await asyncio.sleep(EVENTS_SECONDS + 1)
    id = await bought(world)
    await asyncio.sleep(4)
    assert await reads_in(world, 60, id) > 15


async def test_events_of_one_account_change_nothing_for_another(world):
    id = await bought(world, "other")
    await bought(world)
    await tell(world)
    await asyncio.sleep(4)
    assert await reads_in(world, 60, id) > 15


# From the sandbox.


@pytest.mark.parametrize(
    "switches",
    [
        {},
        {"webhook_signature": "hex"},
        {"webhook_timestamp": "absent"},
        {"webhook_service": "slug", "phone": "plus"},
        {"webhook_events": "order.sms_received"},
    ],
)
async def test_what_the_sandbox_sends_is_learned(clock, switches):
    webhooks = WebhooksConfig(public_url="https://proxy.example.com")
    upstream = UpstreamConfig(push=False, api_key="key")
    async with a_world(clock, webhooks=webhooks, upstream=upstream) as world:
        await world.steer("switches", switches)
        await asyncio.sleep(120)
        id = await bought(world)
        await world.sms(TEXT)
        await asyncio.sleep(0.01)
        assert await status(world, id) == GOT
        assert await world.requests("orders") == 0
        await world.steer("webhooks", {"do": "repeat"})
        await asyncio.sleep(0.01)
        await world.steer("webhooks", {"do": "forge"})
        await world.steer("webhooks", {"do": "send"})
        await asyncio.sleep(0.01)
        counts = {"sms": 1, "repeated": 1, "unsigned": 1, "test": 1}
        assert await counted(world) == counts


async def test_neither_secret_nor_text_is_logged(world, caplog):
    caplog.set_level("DEBUG")
    await bought(world)
    await tell(world)
    await send(world, await an_event(world, id="evt_2"), Signature="0" * 64)
    assert caplog.text
    for planted in (SECRET, OTHER, "1111"):
        assert planted not in caplog.text
