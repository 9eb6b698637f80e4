"""Looks at the upstream's list after a lost purchase: what they find is kept once, by one alone."""

import asyncio
from dataclasses import replace

import pytest

from proxy.model import ClientKey
from proxy.model.errors import OrderTakenError, OwnershipLostError
from tests.support.world import BUY, id_of

pytestmark = pytest.mark.anyio


async def test_a_wish_is_not_taken_for_fulfilled_by_the_order_of_another_replica(run, monkeypatch):
    async with run() as world:
        services, wish = world.app.state.services, f"{BUY}&orderId=mine"

        async def taken(owed, kept, *entries, **kinds):
            theirs = replace(kept, delivered=True, reference="")
            services.orders.apply_remote(theirs)
            raise OrderTakenError("both had looked at the same list")

        monkeypatch.setattr(services.store, "commit", taken)
        assert await world.ask(wish) == "ERROR_SQL"
        monkeypatch.undo()
        assert await world.ask(wish) == "ERROR_SQL"
        await asyncio.sleep(400)
        assert id_of(await world.ask(wish))


async def test_an_order_lost_to_another_replica_is_not_written_as_ones_own(run, monkeypatch):
    async with run() as world:
        store = world.app.state.services.store

        async def lost(owed, kept, *entries, **kinds):
            raise OwnershipLostError("another's")

        monkeypatch.setattr(store, "commit", lost)
        assert await world.ask(BUY) == "ERROR_SQL"
        monkeypatch.undo()
        await world.sms("Your code is 1111")
        await world.ask("action=getActiveActivations")
        assert await store.owners([await world.newest_order()]) == {}


async def test_what_one_look_has_found_another_that_began_with_it_does_not_drop(run, monkeypatch):
    async with run() as world:
        services = world.app.state.services
        owners, pauses = services.store.owners, [2.0]

        async def slow(orders):
            found = await owners(orders)
            await asyncio.sleep(pauses.pop() if pauses else 0.0)
            return found

        fault = {"kind": "status", "status": 500, "body": {"error": "no numbers available"}}
        await world.steer("faults", {**fault, "call": "purchase", "when": "after"})
        assert await world.ask(BUY) == "NO_NUMBERS"
        monkeypatch.setattr(services.store, "owners", slow)
        await asyncio.gather(*(services.journal.reconcile(ClientKey.of("key")) for _ in range(2)))
        await asyncio.sleep(320)
        assert [row["refunded"] for row in (await world.steer("orders"))["orders"]] == [True]


async def test_two_looks_that_end_together_keep_what_they_have_found_once(run, monkeypatch, caplog):
    caplog.set_level("INFO")
    async with run() as world:
        services = world.app.state.services
        owners, both = services.store.owners, asyncio.Barrier(2)

        async def together(orders):
            found = await owners(orders)
            await both.wait()
            return found

        await world.steer("faults", {"kind": "cdn", "call": "purchase", "when": "after"})
        await world.steer("faults", {"kind": "cdn", "call": "orders"})
        assert await world.ask(BUY) == "ERROR_SQL"
        monkeypatch.setattr(services.store, "owners", together)
        await asyncio.gather(*(services.journal.reconcile(ClientKey.of("key")) for _ in range(2)))
        monkeypatch.undo()
        assert [purchase.state for purchase in services.journal.pending] == ["orphan"]
        assert len([line for line in caplog.messages if line.startswith("bought")]) == 1
        await asyncio.sleep(320)
        assert [row["refunded"] for row in (await world.steer("orders"))["orders"]] == [True]


async def test_a_bug_does_not_end_the_look_for_lost_purchases(run, monkeypatch):
    async with run() as world:
        services = world.app.state.services
        drop, bugs = services.journal.drop, [KeyError("planted")]

        async def bug(purchase):
            if bugs:
                raise bugs.pop()
            await drop(purchase)

        monkeypatch.setattr(services.journal, "drop", bug)
        await world.steer("faults", {"kind": "cdn", "call": "purchase"})
        assert await world.ask(BUY) == "ERROR_SQL"
        await asyncio.sleep(400)
        assert (bugs, list(services.journal.pending)) == ([], [])


MISSING = {"kind": "status", "status": 404, "body": {"error": "not found"}}
HALF = {"kind": "status", "status": 200, "body": {"orders": [{"id": "a"}, {"status": "waiting"}]}}


@pytest.mark.parametrize(
    ("fault", "outcome"), [(MISSING, "unknown"), (HALF, "unknown"), (None, "none")]
)
async def test_what_a_lost_purchase_made_is_unknown_where_no_whole_list_was_read(
    run, fault, outcome
):
    async with run() as world:
        await world.steer("faults", {"kind": "cdn", "call": "purchase"})
        if fault:
            await world.steer("faults", {"call": "orders", "times": None, **fault})
        assert await world.ask(BUY) == "ERROR_SQL"
        await asyncio.sleep(320)
        page = (await world.client.get("/metrics")).text
        assert f'virtualsms_proxy_purchases_total{{outcome="{outcome}"}} 1.0' in page
