"""A proxy that is started again on what it has kept."""

import pytest

from proxy.config.settings import Config, StoreConfig, UpstreamConfig
from tests.support.polling import (
    plenty,
)
from tests.support.sockets import sockets_to
from tests.support.world import a_life, a_world


@pytest.fixture
def run(clock, sandbox, tmp_path):
    """Runs a proxy on the one sandbox and the one store."""

    def run(**upstream):
        store = StoreConfig(url=f"sqlite:///{tmp_path / 'store.db'}")
        config = Config(store=store, upstream=UpstreamConfig(**upstream))
        return a_life(clock, sandbox, config, connect=sockets_to(sandbox))

    return run


@pytest.fixture
async def world(clock):
    async with a_world(clock) as world:
        await plenty(world)
        yield world
