"""The store in a SQLite file, with one writer thread.

Paid orders and pending operations are written with synchronous=FULL: they survive a power cut. All
else is NORMAL. Only the table `owed` holds keys. When a row is deleted, its bytes are deleted from
the file (secure_delete) and from the write-ahead log (a checkpoint that truncates it).
"""

import asyncio
import errno
import fcntl
import logging
import os
import sqlite3
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any, TypeVar

from proxy.model import UpstreamKey
from proxy.model.errors import InvalidRowError, StoreError, StoreUnavailableError
from proxy.runtime import log_events
from proxy.store import schema
from proxy.store.files import open_file
from proxy.store.group_commit import Write
from proxy.store.rows import Change, PendingOperation
from proxy.store.schema import Database
from proxy.store.sql import SqlStore

T = TypeVar("T")

log = logging.getLogger(__name__)

BUSY_SECONDS = 2.0

ROW_ERRORS = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError)
"""Errors about the row, not about the file."""
# Result codes about the file.
FILE_ERRORS = (
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
)


def open_sqlite(url: str) -> "SqliteStore":
    """`sqlite:///relative.db`, `sqlite:////absolute.db`, or `sqlite://` in memory. Raises
    StoreError.
    """
    path = url.removeprefix("sqlite:///") if url != "sqlite://" else ":memory:"
    try:
        return SqliteStore(path)
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"{path}: {_why(error)}") from error


def _why(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno == errno.ELOOP:
        return f"{error.strerror}: set store.url to the file itself"
    if isinstance(error, BlockingIOError):
        return "another process has it open: end that, or set store.url to another file"
    if isinstance(error, OSError):
        return f"{error.strerror}: make it writable, or set store.url to another file"
    return f"{error}: move it away, or set store.url to another file"


class SqliteStore(SqlStore):
    """The store of one process, which owns all pending operations and gets every claim."""

    def __init__(self, path: str) -> None:
        super().__init__(threads=1)
        self._unerased = False
        self.trouble = ""
        """Why the last write failed, if it did."""
        self._lock = _lock_file(path) if path != ":memory:" else None
        try:
            self._db = self._threads.submit(_connect, path).result()
        except BaseException:
            self._release_file()
            raise

    async def mine(self) -> list[PendingOperation]:
        return await self.owed()

    take_over = mine

    async def others(self) -> int:
        return 0

    async def intents(self, key: str) -> list[PendingOperation]:
        return []

    async def holds(self, id: str) -> bool:
        return True

    async def take_orphan(self, operation: PendingOperation) -> PendingOperation | None:
        return None

    async def claim(self, name: str, seconds: float | None = None) -> bool:
        return True

    async def release(self, name: str) -> None:
        pass

    async def lease_requests(self, key: str, limit: int, sent: int, wanted: int) -> int:
        return limit

    def unleased_limit(self, limit: int) -> int:
        return limit

    def publish_change(self, change: Change) -> None:
        pass

    async def changes(self) -> AsyncGenerator[Change, None]:
        await asyncio.Event().wait()
        yield Change("")

    async def close(self) -> None:
        async with AsyncExitStack() as closes:
            closes.callback(self._release_file)
            closes.push_async_callback(self._run, self._db.close)
            await self._group_commit.close()

    def _release_file(self) -> None:
        self._threads.shutdown()
        if self._lock is not None:
            os.close(self._lock)

    def _read_now(self, read: Callable[[Database], T]) -> T:
        try:
            return read(self._db)
        except sqlite3.Error as error:
            raise StoreError(str(error)) from error

    def _commit(self, batch: Sequence[Write]) -> list[Any]:
        try:
            results = self._committed(batch)
        except sqlite3.Error as error:
            if isinstance(error, ROW_ERRORS):
                raise InvalidRowError(str(error)) from error
            self.trouble = str(error)
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in FILE_ERRORS:
                raise StoreUnavailableError(str(error)) from error
            raise StoreError(str(error)) from error
        self.trouble = ""
        return results

    def _committed(self, batch: Sequence[Write]) -> list[Any]:
        level = "full" if any(write.durable for write in batch) else "normal"
        self._db.execute(f"pragma synchronous = {level}")
        self._db.execute("begin immediate")
        try:
            results = [write.run(self._db) for write in batch]
            self._db.execute("commit")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("rollback")
            raise
        self._unerased |= any(write.erase for write in batch)
        if self._unerased:
            self._erase()
        return results

    def _erase(self) -> None:
        """The commit stands even if this fails; the next commit retries it."""
        try:
            self._db.execute("pragma wal_checkpoint(truncate)").fetchall()
            self._unerased = False
        except sqlite3.Error as error:
            log.warning(log_events.LOG_NOT_EMPTIED, error)


def _lock_file(path: str) -> int:
    """Locks the file for this process, and makes it readable for this user only. Returns the
    descriptor that holds the lock.
    """
    descriptor = open_file(path, os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.fchmod(descriptor, 0o600)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _connect(path: str) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        _set_up(db)
    except BaseException:
        db.close()
        raise
    return db


def _set_up(db: sqlite3.Connection) -> None:
    db.execute("pragma journal_mode = wal").fetchall()
    db.execute("pragma secure_delete = on").fetchall()
    found, version = db.execute("pragma user_version").fetchone()[0], len(schema.STEPS)
    if found > version:
        raise sqlite3.DatabaseError(f"it is of a newer version ({found}; this is {version})")
    if found < version:
        db.create_function("sha256", 1, lambda text: UpstreamKey(text).hash, deterministic=True)
        steps = "".join(schema.STEPS[found:])
        db.executescript(f"begin; {steps} pragma user_version = {version}; commit;")
