"""A proxy that hears of its orders by events alone."""

import pytest

from tests.support.events import listening


@pytest.fixture
async def world(clock):
    async with listening(clock) as world:
        yield world
