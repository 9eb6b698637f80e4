"""Keys that nobody uses are let go; a purchase may be under way for one of them."""

import asyncio

import pytest

from proxy.model import ClientKey
from proxy.orders import index, open_keys
from tests.support.world import BUY, id_of

pytestmark = pytest.mark.anyio


@pytest.fixture
def few_keys(monkeypatch):
    """Accounts are let go as soon as they are idle for a second."""
    monkeypatch.setattr(open_keys, "MAX_KEYS", 1)
    monkeypatch.setattr(index, "EMPTY_SECONDS", 1.0)
    monkeypatch.setattr(open_keys, "SWEEP_SECONDS", 0.0)


async def bought_while_other_keys_come(world):
    slow = {"call": "purchase", "kind": "slow", "when": "after", "seconds": 6}
    await world.steer("faults", slow)
    buying = asyncio.create_task(world.ask(BUY))
    await asyncio.sleep(3)
    await world.ask("api_key=another&action=getActiveActivations")
    return await buying


async def test_the_account_of_a_purchase_under_way_is_not_let_go(run, few_keys, monkeypatch):
    async with run() as world:
        store, loaded = world.app.state.services.store, []
        rows = store.orders

        def noted(key, since=0.0):
            loaded.append(key)
            return rows(key, since)

        monkeypatch.setattr(store, "orders", noted)
        assert id_of(await bought_while_other_keys_come(world))
        assert loaded == [ClientKey.of("key").hash, ClientKey.of("another").hash]


async def test_the_account_of_a_promised_cancel_is_not_let_go(run, few_keys, monkeypatch):
    monkeypatch.setattr(index, "IDLE_SECONDS", 1.0)
    async with run(early_cancel="defer") as world:
        id = id_of(await world.ask(BUY))
        assert await world.ask(f"action=setStatus&status=8&id={id}") == "ACCESS_CANCEL"
        before = list(world.app.state.services.orders.activations(ClientKey.of("key")))
        await asyncio.sleep(30)
        await world.ask("api_key=another&action=getActiveActivations")
        assert list(world.app.state.services.orders.activations(ClientKey.of("key"))) == before


async def test_a_paid_order_is_kept_though_its_account_was_let_go(run, few_keys, monkeypatch):
    monkeypatch.setattr(open_keys.OpenKeys, "pin", lambda self, keys: None)
    async with run() as world:
        assert id_of(await bought_while_other_keys_come(world))
        await asyncio.sleep(1)
        assert await world.app.state.services.store.owed() == []
