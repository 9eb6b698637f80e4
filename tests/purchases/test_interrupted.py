"""What was begun is not ended by a cancel, however often it comes."""

import asyncio

import pytest

from proxy.model import ClientKey
from tests.support.world import BUY, id_of

pytestmark = pytest.mark.anyio


async def test_a_cancel_that_is_being_written_is_written_though_its_client_is_cancelled_three_times(
    run, monkeypatch
):
    async with run(early_cancel="defer") as world:
        services = world.app.state.services
        id = id_of(await world.ask(BUY))
        write, begun, go = services.store.commit, asyncio.Event(), asyncio.Event()

        async def slow(*rows, **kinds):
            begun.set()
            await go.wait()
            await write(*rows, **kinds)

        monkeypatch.setattr(services.store, "commit", slow)
        asking = asyncio.create_task(world.ask(f"action=setStatus&status=8&id={id}"))
        await begun.wait()
        for _ in range(3):
            asking.cancel()
            await asyncio.sleep(0)
        go.set()
        assert await asking == "ACCESS_CANCEL"
        await asyncio.sleep(1)
        assert [row.kind.value for row in await services.store.owed()] == ["cancel"]
        assert len(services.cancels) == 1


async def test_a_number_whose_request_is_cancelled_while_it_is_written_is_unclaimed(
    run, monkeypatch
):
    async with run() as world:
        services = world.app.state.services
        write, begun, go = services.store.commit, asyncio.Event(), asyncio.Event()

        async def slow(*rows, **kinds):
            begun.set()
            await go.wait()
            await write(*rows, **kinds)

        monkeypatch.setattr(services.store, "commit", slow)
        asking = asyncio.create_task(world.ask(BUY))
        await begun.wait()
        asking.cancel()
        assert await asking == "ERROR_SQL"
        go.set()
        await asyncio.sleep(1)
        assert [row.kind.value for row in await services.store.owed()] == ["orphan"]
        id_of(await world.ask(BUY))
        assert await world.requests("purchase") == 1
        await asyncio.sleep(1)
        assert await services.store.owed() == []


async def test_a_swap_that_the_end_of_the_process_meets_keeps_its_new_order(run):
    async with run() as world:
        await world.steer("switches", {"swap_id": "new"})
        id = id_of(await world.ask(BUY))
        await asyncio.sleep(150)
        slow = {"call": "swap", "kind": "slow", "when": "after", "seconds": 3}
        await world.steer("faults", slow)
        swap = asyncio.create_task(world.ask(f"action=swapNumber&id={id}"))
        await asyncio.sleep(1)
        # As the server does with what still runs when it stops.
        swap.cancel()
        assert await swap == "ERROR_SQL"
    async with run() as world:
        newest = await world.newest_order()
        assert await world.ask(f"action=getStatus&id={id}") == "STATUS_WAIT_CODE"
        owners = await world.app.state.services.store.owners([newest])
        assert owners == {newest: ClientKey.of("key").hash}
