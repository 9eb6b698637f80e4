"""Whether a proxy has a store open: then a command must not buy beside it."""

import pytest

from proxy.model.errors import StoreError
from proxy.store import is_in_use, open_store
from tests.support.postgres import rows

pytestmark = pytest.mark.anyio

SECRET = "a-long-random-text"


async def test_a_sqlite_store_is_in_use_while_it_is_open(tmp_path):
    url = f"sqlite:///{tmp_path}/store.db"
    assert not is_in_use(url)
    store = open_store(url)
    assert is_in_use(url)
    await store.close()
    assert not is_in_use(url)


def test_a_store_in_memory_is_never_seen_by_others():
    assert not is_in_use("sqlite://")


async def test_a_postgresql_is_in_use_while_a_replica_is_alive(database):
    assert not is_in_use(database), "an empty database"
    store = open_store(database, SECRET)
    try:
        assert not is_in_use(database), "it has not begun"
        await store.take_over()
        assert is_in_use(database)
        rows(database, "update replicas set until = now() - interval '1 second'")
        assert not is_in_use(database), "it is dead"
    finally:
        await store.close()


def test_a_server_that_is_not_there_is_an_error():
    with pytest.raises(StoreError):
        is_in_use("postgresql://proxy@127.0.0.1:9/proxy")
