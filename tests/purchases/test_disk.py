"""A disk that hangs or cannot be written: money waits for it, and reads do not."""

import asyncio
import threading
from contextlib import contextmanager

import pytest

from tests.support.world import BUY, id_of

pytestmark = pytest.mark.anyio


@contextmanager
def hanging(world):
    """The disk of the store hangs inside the block, or until the event is set."""
    store, free = world.app.state.services.store, threading.Event()
    committed = store._committed

    def wait(batch):
        free.wait()
        return committed(batch)

    with pytest.MonkeyPatch.context() as patch:
        # No call of a store makes its disk slow.
        patch.setattr(store, "_committed", wait)
        try:
            yield free
        finally:
            free.set()


async def test_no_read_waits_for_a_disk_that_hangs(run):
    async with run() as world:
        id = id_of(await world.ask(BUY))
        await asyncio.sleep(1)
        with hanging(world) as free:
            buying = asyncio.create_task(world.ask(BUY))
            await world.ask("action=getBalance")
            assert await world.ask(f"action=getStatus&id={id}") == "STATUS_WAIT_CODE"
            # A key that is used for the first time is read from the store.
            listed = await world.answer("api_key=another&action=getActiveActivations")
            assert listed.status_code == 200
            assert not buying.done()
            free.set()
            id_of(await buying)


async def test_nothing_is_bought_before_its_intent_is_on_a_disk_that_hangs(run):
    async with run() as world:
        with hanging(world) as free:
            buying = asyncio.create_task(world.ask(BUY))
            await world.ask("action=getBalance")
            assert await world.requests("purchase") == 0
            free.set()
            id_of(await buying)
            assert await world.requests("purchase") == 1


async def test_a_disk_that_is_read_only_buys_nothing_and_reads_go_on(run):
    async with run() as world:
        id = id_of(await world.ask(BUY))
        await asyncio.sleep(1)
        # No call of a store makes its disk read-only.
        world.app.state.services.store._db.execute("pragma query_only = on")
        assert await world.ask(BUY) == "ERROR_SQL"
        assert await world.requests("purchase") == 1
        await world.sms("Your code is 1111")
        await asyncio.sleep(5)
        assert await world.ask(f"action=getStatus&id={id}") == "STATUS_OK:1111"
        assert "readonly" in (await world.client.get("/readyz")).text
        world.app.state.services.store._db.execute("pragma query_only = off")
        id_of(await world.ask(BUY))


async def test_a_delivery_that_a_full_disk_does_not_take_is_written_when_there_is_room(run):
    async with run() as world:
        store = world.app.state.services.store
        id = id_of(await world.ask(BUY))
        store._db.execute("pragma query_only = on")
        await asyncio.sleep(1)
        assert await world.ask(f"action=getStatus&id={id}") == "STATUS_WAIT_CODE"
        store._db.execute("pragma query_only = off")
        id_of(await world.ask(BUY))
        await asyncio.sleep(1)
        assert await store.owed() == []
