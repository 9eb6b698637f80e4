"""Reads a store that another process may have open. It writes nothing and takes no lock."""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

from proxy.model.errors import Problem, StoreError
from proxy.store import schema
from proxy.store.files import file_of, open_file, refuse_links
from proxy.store.interface import NO_EXTRA
from proxy.store.rows import Entry, OperationKind, PendingOperation, SpendingLimit
from proxy.store.schema import Database
from proxy.store.sqlite import BUSY_SECONDS

# The version of the tables; the requests of a key since a time.
OF_A_FILE = (
    "pragma user_version",
    "select coalesce(sum(requests), 0) from spent where key = ? and at > ?",
)
OF_A_SERVER = (
    "select version from proxy_version",
    "select coalesce(sum(requests), 0) from shares where key = ? and until > to_timestamp(?)",
)
IN_DOUBT = """
select order_id from orders where doubted = 1 and told = 0
    and order_id not in (select order_id from ledger where kind = 'refund')
"""

DOUBT_VERSION = 6


def is_postgres(url: str) -> bool:
    return not url.startswith("sqlite:")


@contextmanager
def open_read_only(url: str) -> "Iterator[ReadOnlyStore]":
    """Opens the store to read. Raises StoreError, also if a read inside the block fails."""
    if is_postgres(url):
        try:
            from proxy.store.postgres.connection import connect_read_only
        except ImportError as error:
            raise StoreError(NO_EXTRA) from error
        with connect_read_only(url) as db:
            yield ReadOnlyStore(db, *OF_A_SERVER)
        return
    path = file_of(url)
    if path is None:
        raise StoreError("it is in memory: no other process can look into it")
    refuse_links(path)
    try:
        address = f"{path.as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, timeout=BUSY_SECONDS, uri=True)) as db:
            yield ReadOnlyStore(db, *OF_A_FILE)
    except sqlite3.Error as error:
        raise StoreError(f"{path}: {error}: set store.url to the file of the proxy") from error


def read_ledger(url: str, since: float = 0.0) -> list[Entry]:
    """The ledger entries since then, oldest first. Charges of numbers in doubt say so. Raises
    StoreError.
    """
    with open_read_only(url) as seen:
        entries = seen.ledger(since)
        # A store of an older version has no numbers in doubt, and no column for them.
        in_doubt = seen.in_doubt() if seen.version >= DOUBT_VERSION else set()
    return [
        replace(entry, what=f"{entry.what}, in doubt")
        if entry.kind == "charge" and entry.order in in_doubt
        else entry
        for entry in entries
    ]


def is_held(path: Path) -> bool:
    """Whether a process has the SQLite file open to write. Raises OSError."""
    descriptor = open_file(str(path), os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def is_in_use(url: str) -> bool:
    """Whether a proxy has the store open; never for a store in memory, which no other process can
    look into. Raises StoreError or OSError.
    """
    if is_postgres(url):
        with open_read_only(url) as seen:
            return seen.has_replicas()
    path = file_of(url)
    return path is not None and path.exists() and is_held(path)


class ReadOnlyStore:
    """Every method may raise the driver's error: an older store lacks tables and columns."""

    def __init__(self, db: Database, version: str, requests: str) -> None:
        self._db = db
        self._version = version
        self._requests = requests

    @property
    def version(self) -> int:
        return int(self._db.execute(self._version).fetchone()[0])

    def has_replicas(self) -> bool:
        """Whether a replica on this PostgreSQL is alive."""
        if not self._db.execute("select to_regclass('replicas') is not null").fetchone()[0]:
            return False
        sql = "select exists (select 1 from replicas where until > now())"
        return bool(self._db.execute(sql).fetchone()[0])

    def ledger(self, since: float) -> list[Entry]:
        sql = "select * from ledger where at >= ? order by at"
        return [Entry(*row) for row in self._db.execute(sql, (since,)).fetchall()]

    def in_doubt(self) -> set[str]:
        """Order ids of charged numbers of which nobody knows whether their clients have them."""
        return {order for (order,) in self._db.execute(IN_DOUBT).fetchall()}

    def owed(self) -> dict[OperationKind, int]:
        """The number of pending operations of each kind."""
        sql = "select kind, count(*) from owed group by kind order by kind"
        return {OperationKind(kind): count for kind, count in self._db.execute(sql).fetchall()}

    def forwards(self) -> tuple[int, int]:
        """How many SMS wait for their targets, and how many are dead."""
        sql = "select coalesce(sum(1 - dead), 0), coalesce(sum(dead), 0) from forwards"
        waiting, dead = self._db.execute(sql).fetchone()
        return int(waiting), int(dead)

    def requests(self, key: str, since: float) -> int:
        """The number of requests of an upstream key after `since`."""
        return int(self._db.execute(self._requests, (key, since)).fetchone()[0])

    def bought(self, order: str) -> bool:
        """Whether an order was bought through this store. An order in `orders` alone is no proof:
        another program may have bought it, and a client has only asked for it here.
        """
        sql = """
            select exists (select 1 from ledger where order_id = ? and kind = 'charge')
                or exists (select 1 from owed where order_id = ?)
                or exists (select 1 from orders where order_id = ? and told = 1)
        """
        return bool(self._db.execute(sql, (order, order, order)).fetchone()[0])

    def held(self, key: str, now: float) -> int:
        """How many numbers a key holds, with purchases under way."""
        return int(self._db.execute(schema.HELD, (key, now, key)).fetchone()[0])

    def spent(self, key: str, since: float) -> int:
        """Cents that a key has spent since then, with the expected price of purchases under way."""
        return schema.spent(self._db, key, since)

    def refusal(self, operation: PendingOperation, limit: SpendingLimit) -> Problem | None:
        """The Problem of a purchase that would exceed the limit; None if it fits."""
        return schema.refusal(self._db, operation.key.hash, operation.cents, limit)
