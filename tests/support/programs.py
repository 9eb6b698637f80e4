"""Programs with keys of their own, and what they say to the proxy."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from proxy.config.settings import Config, ProgramConfig, StoreConfig, UpstreamConfig
from tests.support.world import BUY, PATH, Wire, a_life

BALANCE = "action=getBalance"
NOON_TO_MIDNIGHT, DAY = 12 * 3600, 86_400
BROKEN = {"call": "purchase", "kind": "broken", "when": "after"}
UNLISTED = {"call": "orders", "kind": "cdn"}


class Listening(Wire):
    """Notes which upstream keys are used."""

    def __init__(self, sandbox, used):
        super().__init__(sandbox)
        self._used = used

    async def handle_async_request(self, request):
        if key := request.headers.get("X-API-Key"):
            self._used.append(key)
        return await super().handle_async_request(request)


@pytest.fixture
def run(clock, sandbox, tmp_path):
    """Runs a proxy on the one sandbox and, where no other is named, the one store."""

    @asynccontextmanager
    async def run(keys=None, path=tmp_path / "store.db", deadline=12, kept=30 * DAY, **config):
        upstream = UpstreamConfig(push=False, timeout=deadline)
        store = StoreConfig(url=f"sqlite:///{path}", retention=kept)
        config = Config(keys=keys or {}, upstream=upstream, store=store, **config)
        used = []
        listening = Listening(sandbox, used)
        async with a_life(clock, sandbox, config, transport=listening) as world:
            world.used = used
            yield world

    return run


def programs(*names, upstream="up", **caps):
    """Their names are their client keys."""
    return {name: ProgramConfig(name=name, upstream_key=upstream, **caps) for name in names}


def asks(world, name, dialect=""):
    """What a program says to the proxy."""

    async def ask(query):
        answer = await world.client.get(f"{dialect}{PATH}?api_key={name}&{query}")
        assert answer.status_code == 200
        return answer.text

    return ask


async def hang_up(world, name, query=BUY):
    """A client that is gone a second after it has asked."""

    async def gone():
        await asyncio.sleep(1)
        return {"type": "http.disconnect"}

    async def send(message):
        pass

    text = f"api_key={name}&{query}".encode()
    scope = {"type": "http", "method": "GET", "path": PATH, "query_string": text, "headers": []}
    await world.app(scope, gone, send)


async def an_orphan(world, name):
    """Bought for a client that hung up before it could be told."""
    slow = {"call": "purchase", "kind": "slow", "when": "after", "seconds": 3}
    await world.steer("faults", slow)
    await hang_up(world, name)
    await asyncio.sleep(5)


async def held(world):
    """The orders that are paid and not given back."""
    return [row for row in (await world.steer("orders"))["orders"] if not row["refunded"]]


async def spent(world):
    return (await world.steer("ledger"))["totals"]["spent"]


async def refunded(world):
    return (await world.steer("ledger"))["totals"]["refunded"]


def same_account(sandbox, *keys):
    """An account of the upstream may have several keys."""
    accounts = sandbox.user_middleware[0].kwargs["simulation"].world.accounts
    for key in keys[1:]:
        accounts[key] = accounts[keys[0]]
