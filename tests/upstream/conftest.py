"""A budget of sixty requests a minute, and its store."""

import pytest

from proxy.store import open_store
from proxy.upstream.budget import Budget


@pytest.fixture
async def store():
    store = open_store("sqlite://")
    yield store
    await store.close()


@pytest.fixture
async def budget(store, clock):
    budget = Budget(60, store, clock)
    yield budget
    await budget.close()
