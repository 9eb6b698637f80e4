"""The store in a SQLite file: one thread writes, and another reads, so that no read waits for the
disk.

Paid orders and pending operations are written with synchronous=FULL: they survive a power cut. All
else is NORMAL. Only the table `owed` holds keys. The bytes of deleted rows are erased from the file
(secure_delete) and, ERASE_SECONDS later, from the write-ahead log (a checkpoint that truncates it).
Each start and each end does so, too.
"""

import asyncio
import errno
import fcntl
import logging
import os
import sqlite3
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from functools import partial
from typing import Any, TypeVar

from proxy.model import UpstreamKey
from proxy.model.errors import InvalidRowError, StoreError, StoreUnavailableError
from proxy.runtime import log_events
from proxy.runtime.tasks import BackgroundTasks
from proxy.store import schema
from proxy.store.files import open_file
from proxy.store.group_commit import Write
from proxy.store.rows import Change, PendingOperation
from proxy.store.schema import Database
from proxy.store.sql import SqlStore

T = TypeVar("T")

log = logging.getLogger(__name__)

BUSY_SECONDS = 2.0
ERASE_SECONDS = 2.0
"""From a commit that deletes keys to the checkpoint that erases them, and those deleted since."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds before a checkpoint that failed is tried again: 0.5, 1, 2 … 30."""

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
    except StoreError as error:
        raise StoreError(f"{path}: {error}") from error
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
        self._unerased = True
        """Keys of deleted rows may be in the write-ahead log; a run that was killed leaves some."""
        self._erasing: asyncio.Task[None] | None = None
        self._tasks = BackgroundTasks()
        self._reader: sqlite3.Connection | None = None
        """None in memory: another connection would have another database."""
        self._read_thread = ThreadPoolExecutor(1, "store reads")
        self._level = ""
        """What `synchronous` is set to; at first, the default."""
        self.trouble = ""
        """Why the last write failed, if it did."""
        self._lock = _lock_file(path) if path != ":memory:" else None
        try:
            self._db = self._threads.submit(_connect, path).result()
            self._threads.submit(self._erase).result()
            if self._lock is not None:
                self._reader = self._read_thread.submit(_connect_reader, path).result()
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
            closes.push_async_callback(self._run, partial(self._erase, BUSY_SECONDS))
            if self._reader:
                loop = asyncio.get_running_loop()
                closes.push_async_callback(
                    loop.run_in_executor, self._read_thread, self._reader.close
                )
            closes.push_async_callback(self._tasks.aclose)
            await self._group_commit.close()

    def _release_file(self) -> None:
        self._threads.shutdown()
        self._read_thread.shutdown()
        if self._lock is not None:
            os.close(self._lock)

    async def _run_read(self, read: Callable[[Database], T]) -> T:
        if self._reader is None:
            return await super()._run_read(read)
        work = partial(_read, self._reader, read)
        return await asyncio.get_running_loop().run_in_executor(self._read_thread, work)

    def _read_now(self, read: Callable[[Database], T]) -> T:
        return _read(self._db, read)

    async def _run_commit(self, batch: Sequence[Write]) -> list[Any]:
        results = await super()._run_commit(batch)
        self._unerased |= any(write.erase for write in batch)
        if self._unerased and (self._erasing is None or self._erasing.done()):
            self._erasing = self._tasks.loop(self._erase_later, "erasing of keys")
        return results

    async def _erase_later(self) -> None:
        pause = FIRST_PAUSE
        await asyncio.sleep(ERASE_SECONDS)
        while not await self._run(self._erase):
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

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
        self._set_level("full" if any(write.durable for write in batch) else "normal")
        self._db.execute("begin immediate")
        try:
            results = [write.run(self._db) for write in batch]
            self._db.execute("commit")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("rollback")
            raise
        return results

    def _set_level(self, level: str) -> None:
        if level != self._level:
            self._db.execute(f"pragma synchronous = {level}")
            self._level = level

    def _erase(self, patience: float = 0.0) -> bool:
        """Copies the write-ahead log to the file and truncates it; returns whether that was done.
        Readers can prevent it: it waits for them for `patience` seconds, and writes wait with it.
        """
        # Before the checkpoint: a commit after it may delete other keys.
        self._unerased = False
        try:
            self._db.execute(f"pragma busy_timeout = {patience * 1000:.0f}")
            is_busy = self._db.execute("pragma wal_checkpoint(truncate)").fetchone()[0]
            self._db.execute(f"pragma busy_timeout = {BUSY_SECONDS * 1000:.0f}")
            why = "it is being read" if is_busy else ""
        except sqlite3.Error as error:
            why = str(error)
        if why:
            self._unerased = True
            log.warning(log_events.LOG_NOT_EMPTIED, why)
        return not why


def _read(db: sqlite3.Connection, read: Callable[[Database], T]) -> T:
    try:
        return read(db)
    except sqlite3.Error as error:
        raise StoreError(str(error)) from error


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


def _connect_reader(path: str) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    db.execute("pragma query_only = on")
    return db


def _set_up(db: sqlite3.Connection) -> None:
    db.execute("pragma journal_mode = wal").fetchall()
    db.execute("pragma secure_delete = on").fetchall()
    found, version = db.execute("pragma user_version").fetchone()[0], len(schema.STEPS)
    if found > version:
        # Another file would forget which numbers are paid.
        raise StoreError(f"it is of a newer version ({found}; this is {version}): "
                         "run that version of the proxy")  # fmt: skip
    if found < version:
        db.create_function("sha256", 1, lambda text: UpstreamKey(text).hash, deterministic=True)
        steps = "".join(schema.STEPS[found:])
        db.executescript(f"begin; {steps} pragma user_version = {version}; commit;")
