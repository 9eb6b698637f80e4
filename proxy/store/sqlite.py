"""The store in a SQLite file: one writer thread, writes in flight share a commit.

Orders that are paid and promises are written with synchronous=FULL: they survive a power cut.
Everything else is NORMAL. A key stands only in the table `owed`; when its row goes, its bytes go
from the file (secure_delete) and from the write-ahead log (a checkpoint that truncates it).
"""

import asyncio
import fcntl
import logging
import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from proxy.errors import Problem
from proxy.model import Key
from proxy.store import schema
from proxy.store.outbox import Outbox
from proxy.store.rows import Answer, Ceiling, Entry, Kept, Owed

T = TypeVar("T")
Write = Callable[[sqlite3.Connection], Any]

log = logging.getLogger(__name__)

BUSY_SECONDS = 2.0
SPENT_SECONDS = 120.0
"""How long a request of a key is kept: longer than the upstream counts it."""


class StoreError(Exception):
    """The store cannot be opened, read or written. The text is one line."""


@dataclass(slots=True)
class _Wish:
    write: Write
    durable: bool
    erase: bool
    done: "asyncio.Future[Any]"


def open_store(url: str) -> "SqliteStore":
    """`sqlite:///relative.db`, `sqlite:////absolute.db`, or `sqlite://` in memory. StoreError."""
    path = url.removeprefix("sqlite:///") if url != "sqlite://" else ":memory:"
    try:
        return SqliteStore(path)
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"{path}: {_why(error)}") from error


def _why(error: Exception) -> str:
    if isinstance(error, BlockingIOError):
        return "another process has it open: end that, or set store.url to another file"
    if isinstance(error, OSError):
        return f"{error.strerror}: make it writable, or set store.url to another file"
    return f"{error}: move it away, or set store.url to another file"


class SqliteStore(Outbox):
    """Reads and writes run in one thread of their own; every method may raise StoreError."""

    def __init__(self, path: str) -> None:
        self._thread = ThreadPoolExecutor(1, "store")
        self._wishes: list[_Wish] = []
        self._flushing: asyncio.Task[None] | None = None
        self.trouble = ""
        """Why the last write failed, if it did."""
        self._lock = _locked(path) if path != ":memory:" else None
        try:
            self._db = self._thread.submit(_connect, path).result()
        except BaseException:
            self._let_go()
            raise

    async def orders(self, key: str) -> AsyncIterator[Kept]:
        """All orders kept of a key, read by the thousand: there may be very many."""
        sql = "select * from orders where key = ? and order_id > ? order by order_id limit 1000"
        last = ""
        while rows := await self._read(sql, key, last):
            for row in rows:
                yield schema.kept(row)
            last = row[2]

    async def owed(self) -> list[Owed]:
        return [schema.owed(row) for row in await self._read("select * from owed order by at")]

    async def ledger(self, since: float = 0.0) -> list[Entry]:
        rows = await self._read("select * from ledger where at >= ? order by at", since)
        return [Entry(*row) for row in rows]

    async def owe(self, owed: Owed, ceiling: Ceiling | None = None) -> Problem | None:
        """Durable before it returns: nothing that is owed may be forgotten. Where it does not fit
        under the ceiling, why: then nothing is written.
        """

        def write(db: sqlite3.Connection) -> Problem | None:
            problem = schema.refusal(db, owed.key.hash, owed.cents, ceiling) if ceiling else None
            if problem is None:
                schema.owe(db, owed)
            return problem

        problem: Problem | None = await self._write(write, durable=True)
        return problem

    async def refusal(self, key: str, cents: int, ceiling: Ceiling) -> Problem | None:
        """Why a purchase would not fit under a ceiling now."""
        try:
            return await self._run(lambda: schema.refusal(self._db, key, cents, ceiling))
        except sqlite3.Error as error:
            raise StoreError(str(error)) from error

    async def spent(self, key: str, since: float) -> int:
        """Cents that a key has spent since then, refunds taken off."""
        try:
            return await self._run(lambda: schema.spent(self._db, key, since))
        except sqlite3.Error as error:
            raise StoreError(str(error)) from error

    async def owners(self, orders: Sequence[str]) -> dict[str, str]:
        """The hash of the key that has each of these orders; those of nobody are left out."""
        gaps = ", ".join("?" * len(orders))
        sql = f"select order_id, key from orders where order_id in ({gaps})"
        return dict(await self._read(sql, *orders))

    async def settle(self, id: str, *kept: Kept) -> None:
        """What was owed is done: its key goes from the file. Orders are kept in the same commit."""

        def write(db: sqlite3.Connection) -> None:
            schema.keep(db, kept)
            db.execute("delete from owed where id = ?", (id,))

        await self._write(write, durable=True, erase=True)

    async def commit(self, owed: Owed, kept: Kept, *entries: Entry) -> None:
        """An order, what is owed for it from now on, and its money: all or nothing."""

        def write(db: sqlite3.Connection) -> None:
            schema.keep(db, (kept,))
            schema.owe(db, owed)
            schema.book(db, entries)

        await self._write(write, durable=True)

    async def keep(self, *kept: Kept) -> None:
        await self._write(lambda db: schema.keep(db, kept))

    async def rename(self, before: str, kept: Kept) -> None:
        """An order under its new id, and its money with it."""

        def write(db: sqlite3.Connection) -> None:
            if before != kept.order.id:
                db.execute(schema.FORGET, (kept.key, before))
                for table in ("ledger", "owed"):
                    sql = f"update {table} set order_id = ? where key = ? and order_id = ?"
                    db.execute(sql, (kept.order.id, kept.key, before))
            schema.keep(db, (kept,))

        await self._write(write)

    async def book(self, *entries: Entry) -> None:
        await self._write(lambda db: schema.book(db, entries))

    def spend(self, key: str, at: float) -> None:
        """A request of a key. Nobody waits for it to be written."""

        def write(db: sqlite3.Connection) -> None:
            db.execute("delete from spent where key = ? and at < ?", (key, at - SPENT_SECONDS))
            again = "on conflict do update set requests = requests + 1"
            db.execute(f"insert into spent values (?, ?, 1) {again}", (key, at))

        self._ask(write).add_done_callback(_complain)

    async def requests(self, key: str, since: float) -> list[float]:
        """When each request of a key was made, oldest first."""
        sql = "select at, requests from spent where key = ? and at > ? order by at"
        rows = await self._read(sql, key, since)
        return [at for at, requests in rows for _ in range(requests)]

    def remember(self, answer: Answer) -> None:
        """An answer of the catalogue. Nobody waits for it to be written."""
        sql = "insert or replace into answers values (?, ?, ?)"
        row = (answer.name, answer.at, answer.body)
        self._ask(lambda db: db.execute(sql, row)).add_done_callback(_complain)

    async def answers(self) -> list[Answer]:
        return [Answer(*row) for row in await self._read("select * from answers")]

    async def forget(self, before: float, money_before: float | None = None) -> None:
        """Orders and ledger lines older than that, save orders that something is owed for."""
        books = before if money_before is None else money_before
        await self._write(lambda db: schema.forget(db, before, books))

    async def close(self) -> None:
        """What was asked for before is written first."""
        while self._flushing:
            await asyncio.wait([self._flushing])
        await self._run(self._db.close)
        self._let_go()

    def _let_go(self) -> None:
        self._thread.shutdown()
        if self._lock is not None:
            os.close(self._lock)

    async def _read(self, sql: str, *values: Any) -> list[Any]:
        try:
            return await self._run(lambda: self._db.execute(sql, values).fetchall())
        except sqlite3.Error as error:
            raise StoreError(str(error)) from error

    async def _write(self, write: Write, *, durable: bool = False, erase: bool = False) -> Any:
        return await self._ask(write, durable=durable, erase=erase)

    def _ask(
        self, write: Write, *, durable: bool = False, erase: bool = False
    ) -> "asyncio.Future[Any]":
        done = asyncio.get_running_loop().create_future()
        self._wishes.append(_Wish(write, durable, erase, done))
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush())
        return done

    async def _flush(self) -> None:
        """One commit for all that has gathered while the last one ran."""
        try:
            while self._wishes:
                wishes, self._wishes = self._wishes, []
                await self._carry_out(wishes)
        finally:
            self._flushing = None

    async def _carry_out(self, wishes: Sequence[_Wish]) -> None:
        try:
            results = await self._run(partial(self._commit, wishes))
        except sqlite3.Error as error:
            if len(wishes) > 1:
                # What one of them cannot do must not stop the others: there may be money in them.
                for wish in wishes:
                    await self._carry_out([wish])
                return
            self.trouble = str(error)
            if not wishes[0].done.done():
                wishes[0].done.set_exception(StoreError(str(error)))
            return
        self.trouble = ""
        for wish, result in zip(wishes, results, strict=True):
            if not wish.done.done():
                wish.done.set_result(result)

    def _commit(self, batch: Sequence[_Wish]) -> list[Any]:
        level = "full" if any(wish.durable for wish in batch) else "normal"
        self._db.execute(f"pragma synchronous = {level}")
        self._db.execute("begin immediate")
        try:
            results = [wish.write(self._db) for wish in batch]
            self._db.execute("commit")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("rollback")
            raise
        if any(wish.erase for wish in batch):
            self._db.execute("pragma wal_checkpoint(truncate)").fetchall()
        return results

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def _complain(done: "asyncio.Future[Any]") -> None:
    if not done.cancelled() and (error := done.exception()):
        log.warning("not written: %s", error)


def _locked(path: str) -> int:
    """A descriptor that holds the file for this process, made readable for nobody else."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    Path(path).chmod(0o600)
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
        db.create_function("sha256", 1, lambda text: Key(text).hash, deterministic=True)
        steps = "".join(schema.STEPS[found:])
        db.executescript(f"begin; {steps} pragma user_version = {version}; commit;")
