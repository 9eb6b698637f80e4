"""A proxy that is started again on what it has kept."""

import pytest

from proxy.config.settings import Config, StoreConfig
from tests.support.world import a_life


@pytest.fixture
def run(clock, sandbox, tmp_path):
    """Runs a proxy on the one sandbox and the one store."""

    def run(path=tmp_path / "store.db", **config):
        config = Config(store=StoreConfig(url=f"sqlite:///{path}"), **config)
        return a_life(clock, sandbox, config)

    return run
