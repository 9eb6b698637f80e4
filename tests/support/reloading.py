"""A proxy on the sandbox whose configuration is a file, which a reload reads anew."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import httpx

from proxy.config.settings import load_config
from proxy.sandbox import create_sandbox
from tests.support.sockets import sockets_to
from tests.support.world import NEVER, SERVICES, Targets, World, a_life

STORE = "store: {url: 'sqlite://'}\nupstream: {push: false}\n"
ONE = "keys: {client-a: {name: a, upstream_key: account}}\n"
TWO = """keys:
  client-a: {name: a, upstream_key: account}
  client-b: {name: b, upstream_key: account}
"""
OTHER = "keys: {client-b: {name: b, upstream_key: account}}\n"
GONE = "keys: {client-z: {name: z, upstream_key: other}}\n"


class Reloading(World):
    """`by` speaks as the client with that key."""

    file: Path

    def become(self, text: str) -> None:
        self.file.write_text(f"{STORE}{text}")

    async def reload(self, text: str) -> None:
        self.become(text)
        await self.app.state.reload.run_once()

    async def by(self, client: str, query: str) -> str:
        return await self.ask(f"api_key={client}&{query}")


WorldOf = Callable[[str], AbstractAsyncContextManager[Reloading]]


def world_in(folder: Path, clock: Callable[[], float]) -> WorldOf:
    """Makes a proxy of the text of its configuration."""

    @asynccontextmanager
    async def world_of(text: str) -> AsyncIterator[Reloading]:
        sandbox = create_sandbox(clock=clock, sms_after=NEVER, services=SERVICES)
        file, targets = folder / "proxy.yaml", Targets(clock)
        file.write_text(f"{STORE}{text}")
        network = {"connect": sockets_to(sandbox), "outward": httpx.MockTransport(targets)}
        config = load_config(file, {})
        network["reread"] = lambda: load_config(file, {})
        async with a_life(clock, sandbox, config, **network) as plain:
            world = Reloading(plain.app, sandbox)
            world.file, world.targets = file, targets
            yield world

    return world_of
