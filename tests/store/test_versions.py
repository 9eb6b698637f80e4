"""Store files of earlier versions: brought up to date, and nothing of them is lost."""

import sqlite3
from contextlib import closing

import pytest

from proxy.model import CatalogueAnswer
from proxy.model.errors import StoreError
from proxy.store import (
    Entry,
    open_store,
)
from proxy.store.rows import encode_order
from proxy.store.schema import STEPS
from tests.support.stored import KEPT, ORDER, OWED, SECRET

pytestmark = pytest.mark.anyio


@pytest.fixture
def first_version(path):
    """A file as the first version left it."""
    order = ("hash", 7, "o-1", "wa", encode_order(ORDER), True, True, False, False, 1, "", 100.0)
    owed = ("p-1", "purchase", SECRET, "wa", "GB", 99.0, "", "")
    entry = (100.0, "hash", "o-1", "charge", -90, "wa/GB")
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.executescript(STEPS[0])
        for table, row in (("orders", order), ("owed", owed), ("ledger", entry)):
            db.execute(f"insert into {table} values ({', '.join('?' * len(row))})", row)
        db.execute("pragma user_version = 1")


def version(path):
    with closing(sqlite3.connect(path)) as db:
        return db.execute("pragma user_version").fetchone()[0]


async def test_a_file_of_the_first_version_is_brought_up_to_date_and_loses_nothing(
    first_version, path
):
    for _ in range(2):
        store = open_store(f"sqlite:///{path}")
        assert [row async for row in store.orders("hash")] == [KEPT]
        assert await store.owed() == [OWED]
        assert await store.ledger() == [Entry(100.0, "hash", "o-1", "charge", -90, "wa/GB")]
        store.record_request("hash", 1.0)
        store.save_answer(CatalogueAnswer("services", 1.0, b"[]"))
        await store.close()
        assert version(path) == len(STEPS)


async def test_a_step_that_fails_leaves_the_file_as_it_was(first_version, path):
    with closing(sqlite3.connect(path)) as db:
        db.execute("create table answers (somebody_elses)")
    for _ in range(2):
        with pytest.raises(StoreError, match="table answers already exists: move it away"):
            open_store(f"sqlite:///{path}")
    assert version(path) == 1
    with closing(sqlite3.connect(path)) as db:
        db.execute("drop table answers")
    store = open_store(f"sqlite:///{path}")
    assert [row async for row in store.orders("hash")] == [KEPT]
    await store.close()
