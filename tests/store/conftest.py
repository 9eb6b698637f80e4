"""An empty store of each kind."""

import pytest

from tests.support.stored import opened


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store.db"


@pytest.fixture(params=["sqlite", "postgres"])
def kind(request):
    return request.param


@pytest.fixture
def address(kind, path, request):
    """Of an empty store."""
    return f"sqlite:///{path}" if kind == "sqlite" else request.getfixturevalue("database")


@pytest.fixture
async def store(address):
    store = opened(address)
    # It owns what nobody owns yet.
    await store.take_over()
    yield store
    await store.close()
