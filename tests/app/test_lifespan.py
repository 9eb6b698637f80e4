"""The start and the end of the app: whatever fails, nothing is left running or open."""

import asyncio
import re

import pytest

from proxy.app.build import create_app
from proxy.app.readiness import Readiness
from proxy.config.settings import Config, StoreConfig
from proxy.forwarding.delivery import ForwardDelivery
from proxy.model.errors import StoreError
from proxy.orders.reads import Reads
from proxy.orders.sockets import OrderSockets
from proxy.purchases.journal import Journal
from proxy.replicas.listener import Replicas
from proxy.store import open_store
from proxy.store.group_commit import GroupCommit
from proxy.upstream.catalogue import Catalogue
from proxy.upstream.client import Upstream
from proxy.webhooks.subscriptions import Subscriptions
from tests.support.world import BUY, Wire, World, a_world

pytestmark = pytest.mark.anyio


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/store.db"


@pytest.fixture
def app(clock, sandbox, url):
    """Made when it is called: what is patched before counts."""
    return lambda: create_app(
        Config(store=StoreConfig(url=url)), clock=clock, transport=Wire(sandbox)
    )


async def is_closed(url):
    """Another process could open the store."""
    await open_store(url).close()
    return True


@pytest.mark.parametrize(
    "part",
    [Journal, Replicas, Reads, OrderSockets, Catalogue, Upstream, Subscriptions, ForwardDelivery],
)
async def test_one_part_that_fails_to_close_keeps_no_other_open(
    app, sandbox, url, monkeypatch, caplog, part
):
    close, before = part.close, asyncio.all_tasks()

    async def fail(self):
        await close(self)
        raise OSError("planted")

    monkeypatch.setattr(part, "close", fail)
    app = app()
    async with app.router.lifespan_context(app):
        await World(app, sandbox).ask(BUY)
    assert await is_closed(url)
    assert asyncio.all_tasks() == before
    (line,) = caplog.records
    name = re.sub("(?<!^)(?=[A-Z])", " ", part.__name__).lower()
    assert line.getMessage() == f"{name} failed to close"


async def test_each_part_that_fails_to_close_is_named_once(app, url, monkeypatch, caplog):
    async def fail(self):
        raise OSError("planted")

    monkeypatch.setattr(Reads, "close", fail)
    monkeypatch.setattr(Upstream, "close", fail)
    app = app()
    async with app.router.lifespan_context(app):
        pass
    assert await is_closed(url)
    names = ["reads failed to close", "upstream failed to close"]
    assert [line.getMessage() for line in caplog.records] == names


async def test_a_store_that_cannot_write_at_the_end_is_closed_all_the_same(
    app, url, monkeypatch, caplog
):
    async def fail(self):
        raise OSError("planted")

    monkeypatch.setattr(GroupCommit, "close", fail)
    app = app()
    async with app.router.lifespan_context(app):
        pass
    monkeypatch.undo()
    assert await is_closed(url)
    assert [line.getMessage() for line in caplog.records] == ["store failed to close"]


@pytest.mark.parametrize(
    ("part", "name"), [(Replicas, "start"), (Subscriptions, "start"), (Readiness, "begin")]
)
async def test_a_start_that_fails_leaves_no_task_and_the_store_closed(
    app, url, monkeypatch, part, name
):
    before = asyncio.all_tasks()

    def fail(self):
        raise StoreError("planted")

    monkeypatch.setattr(part, name, fail)
    app = app()
    with pytest.raises(StoreError, match="planted"):
        async with app.router.lifespan_context(app):
            pass
    assert asyncio.all_tasks() == before
    assert await is_closed(url)


async def test_forgetting_old_orders_survives_a_bug(clock, monkeypatch, caplog):
    bugs, calls = [KeyError("planted")], []
    async with a_world(clock) as world:
        forget = world.app.state.services.store.forget

        async def bug(*values):
            calls.append(values)
            if bugs:
                raise bugs.pop()
            await forget(*values)

        monkeypatch.setattr(world.app.state.services.store, "forget", bug)
        await asyncio.sleep(13 * 3600)
    assert len(calls) == 4, "at once, a second later, and every six hours from then on"
    assert "task failed, it starts again in 1 s: retention" in caplog.text
