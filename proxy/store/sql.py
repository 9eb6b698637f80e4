"""The part that both SQL stores share: reads and writes of all rows."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from proxy.model import CatalogueAnswer
from proxy.model.errors import (
    CommitUncertainError,
    OrderTakenError,
    OwnershipLostError,
    Problem,
)
from proxy.runtime.histogram import Histogram
from proxy.store import schema
from proxy.store.group_commit import GroupCommit, Write
from proxy.store.rows import (
    ActivationRow,
    Delivery,
    Entry,
    PendingOperation,
    SpendingLimit,
)
from proxy.store.schema import Database
from proxy.store.webhook_rows import WebhookRows

T = TypeVar("T")

COMMITS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
"""Upper bounds of the histogram, in seconds."""
REQUEST_SECONDS = 120.0
"""How long a recorded request is kept: longer than the upstream counts it."""

RECORD_REQUEST = """
insert into spent values (?, ?, 1) on conflict (key, at) do update set requests = spent.requests + 1
"""
SAVE_ANSWER = """
insert into answers values (?, ?, ?)
on conflict (name) do update set at = excluded.at, body = excluded.body
"""


class SqlStore(WebhookRows):
    """Works in threads of its own. `replica` is the id of this process in the rows that it owns."""

    is_shared = False
    lock = ""
    """The SQL clause that locks a row until the end of the transaction."""

    def __init__(self, threads: int, replica: str = "") -> None:
        self._threads = ThreadPoolExecutor(threads, "store")
        self._replica = replica
        self._group_commit = GroupCommit(self._run_commit)
        self.commit_seconds = Histogram(COMMITS)

    async def _run_commit(self, batch: Sequence[Write]) -> list[Any]:
        begun = time.perf_counter()
        try:
            return await self._run(partial(self._commit, batch))
        finally:
            self.commit_seconds.add(time.perf_counter() - begun)

    def _commit(self, batch: Sequence[Write]) -> list[Any]:
        raise NotImplementedError

    def _read_now(self, read: Callable[[Database], T]) -> T:
        raise NotImplementedError

    def _seal(self, secret: str, id: str) -> str:
        """Encrypts a key for the row of that id. Not encrypted in a SQLite file."""
        return secret

    def _unseal(self, sealed: str, id: str) -> str:
        return sealed

    def _lock_key(self, db: Database, key: str) -> None:
        """Until the end of the transaction no other replica checks the limits of the key."""

    async def orders(self, key: str, since: float = 0.0) -> AsyncIterator[ActivationRow]:
        sql = f"""
            {schema.ORDERS} where key = ? and order_id > ? and created_at >= ?
            order by order_id limit 1000
        """
        last = ""
        while rows := await self._read(sql, key, last, since):
            for row in map(schema.activation_row, rows):
                yield row
            last = row.order.id

    async def all_orders(self) -> AsyncIterator[ActivationRow]:
        for (key,) in await self._read("select distinct key from orders order by key"):
            async for row in self.orders(key):
                yield row

    async def newest_orders(
        self, since: float, limit: int, until: float = math.inf
    ) -> list[ActivationRow]:
        sql = f"""
            {schema.ORDERS} where created_at >= ? and created_at < ?
            order by created_at desc limit ?
        """

        def read(db: Database) -> list[ActivationRow]:
            # Decoded in the store's thread: thousands of orders would hold up the loop.
            found = db.execute(sql, (since, until, limit)).fetchall()
            return [schema.activation_row(row) for row in found]

        return await self._run_read(read)

    async def found_by(self, fingerprint: str, id: int) -> list[ActivationRow]:
        # Hashes are hexadecimal: g is behind every digit.
        sql = f"{schema.ORDERS} where key >= ? and key < ? and id = ? order by created_at desc"
        rows = await self._read(sql, fingerprint, f"{fingerprint}g", id)
        return [schema.activation_row(row) for row in rows]

    async def order(
        self, key: str, *, id: int = 0, order: str = "", reference: str = ""
    ) -> ActivationRow | None:
        sql = f"""
            {schema.ORDERS}
            where key = ? and (id = ? or order_id = ? or (wish = ? and wish <> ''))
            order by created_at desc limit 1
        """
        rows = await self._read(sql, key, id, order, reference)
        return schema.activation_row(rows[0]) if rows else None

    async def owners(self, orders: Sequence[str]) -> dict[str, str]:
        marks = ", ".join("?" * len(orders))
        sql = f"select order_id, key from orders where order_id in ({marks})"
        return dict(await self._read(sql, *orders))

    async def owed(self) -> list[PendingOperation]:
        return self._operations(await self._read(f"{schema.OPERATIONS} order by at"))

    def _operations(self, rows: Sequence[Any]) -> list[PendingOperation]:
        return [schema.pending_operation(row, self._unseal(row[2], row[0])) for row in rows]

    async def ledger(self, since: float = 0.0) -> list[Entry]:
        rows = await self._read("select * from ledger where at >= ? order by at", since)
        return [Entry(*row) for row in rows]

    async def entries(self, order: str) -> list[Entry]:
        rows = await self._read("select * from ledger where order_id = ? order by at", order)
        return [Entry(*row) for row in rows]

    async def owe(
        self, operation: PendingOperation, limit: SpendingLimit | None = None
    ) -> Problem | None:
        def write(db: Database) -> Problem | None:
            if limit or operation.reference:
                self._lock_key(db, operation.key.hash)
            problem = schema.reference_problem(db, operation)
            if limit and not problem:
                problem = schema.refusal(db, operation.key.hash, operation.cents, limit)
            if problem is None:
                self._add_operation(db, operation)
            return problem

        try:
            problem: Problem | None = await self._write(write, durable=True)
        except CommitUncertainError:
            # For the caller the write has failed, so the operation must not be pending.
            row = (operation.id, self._replica, operation.at)
            sql = "delete from owed where id = ? and owner = ? and at = ?"
            self._group_commit.note(lambda db: db.execute(sql, row), surely=True)
            raise
        return problem

    def _add_operation(self, db: Database, operation: PendingOperation) -> None:
        secret = self._seal(operation.key.upstream.secret, operation.id)
        if not schema.save_operation(db, operation, secret, self._replica):
            raise OwnershipLostError(f"{operation.id} has another owner")

    def _update_operation(self, db: Database, operation: PendingOperation, order: str) -> None:
        """Raises OwnershipLostError as `_check_owner` does."""
        secret = self._seal(operation.key.upstream.secret, operation.id)
        # No other replica can have given the operation another order.
        order = order if self.is_shared else ""
        if not schema.update_operation(db, operation, secret, self._replica, order):
            raise OwnershipLostError(f"{operation.id} has another owner, or was done by one")

    async def refusal(self, key: str, cents: int, limit: SpendingLimit) -> Problem | None:
        return await self._run_read(lambda db: schema.refusal(db, key, cents, limit))

    async def spent(self, key: str, since: float) -> int:
        return await self._run_read(lambda db: schema.spent(db, key, since))

    async def doubt(self, operation: PendingOperation) -> None:
        def write(db: Database) -> None:
            self._check_owner(db, operation.id)
            db.execute("update owed set unclear = 1 where id = ?", (operation.id,))

        await self._write(write, surely=True)

    def _check_owner(self, db: Database, id: str, order: str = "") -> None:
        """Locks the operation until the end of the transaction. Raises OwnershipLostError if this
        replica does not own it, or if it is of another order than the one given.
        """
        sql = (
            "update owed set owner = owner where id = ? and owner = ? and (? = '' or order_id = ?)"
        )
        if not self.is_shared:
            # No other replica can have given the operation another order.
            order = ""
        if db.execute(sql, (id, self._replica, order, order)).rowcount == 0:
            raise OwnershipLostError(f"{id} has another owner, or was done by one")

    async def settle(self, id: str, *rows: ActivationRow, surely: bool = False) -> None:
        def write(db: Database) -> None:
            self._check_owner(db, id, rows[0].order.id if rows else "")
            db.execute("delete from owed where id = ?", (id,))
            schema.save_orders(db, rows, self.lock)

        await self._write(write, durable=True, erase=True, surely=surely)

    async def mark_delivered(
        self, *rows: ActivationRow, unclaimed: bool = False, later: bool = False
    ) -> list[Delivery]:
        def write(db: Database) -> list[Delivery]:
            # All replicas lock rows in the same order: no deadlock.
            found = {
                row.order.id: schema.mark_delivered(db, row, unclaimed, self.lock)
                for row in sorted(rows, key=lambda row: row.order.id)
            }
            return [found[row.order.id] for row in rows]

        marked: list[Delivery] = await self._write(
            write, durable=True, erase=True, surely=later, later=later
        )
        return marked

    async def commit(
        self,
        operation: PendingOperation,
        row: ActivationRow,
        *entries: Entry,
        is_new: bool = False,
        surely: bool = False,
    ) -> None:
        def write(db: Database) -> None:
            if is_new:
                self._add_operation(db, operation)
            else:
                # The row of a purchase has no order id before it is bought, with ledger entries.
                self._update_operation(db, operation, "" if entries else operation.order)
            schema.save_orders(db, (row,), self.lock)
            if not schema.book(db, entries):
                raise OrderTakenError(f"order {row.order.id} is another purchase's")

        # If the commit is uncertain, a scheduled cancel that was written after all is carried out.
        await self._write(write, durable=True, surely=surely)

    async def keep(self, *rows: ActivationRow) -> None:
        await self._write(lambda db: schema.save_orders(db, rows, self.lock), surely=True)

    async def rename(self, before: str, row: ActivationRow) -> None:
        def write(db: Database) -> None:
            if before != row.order.id:
                db.execute(schema.DELETE_ORDER, (row.key, before))
                for table in ("ledger", "owed"):
                    sql = f"update {table} set order_id = ? where key = ? and order_id = ?"
                    db.execute(sql, (row.order.id, row.key, before))
            schema.save_orders(db, (row,), self.lock)

        await self._write(write, surely=True)

    async def book(self, *entries: Entry) -> None:
        await self._write(lambda db: schema.book(db, entries), surely=True)

    def record_request(self, key: str, at: float) -> None:
        def write(db: Database) -> None:
            db.execute("delete from spent where key = ? and at < ?", (key, at - REQUEST_SECONDS))
            db.execute(RECORD_REQUEST, (key, at))

        self._group_commit.note(write)

    async def requests(self, key: str, since: float) -> list[float]:
        sql = "select at, requests from spent where key = ? and at > ? order by at"
        rows = await self._read(sql, key, since)
        return [at for at, requests in rows for _ in range(requests)]

    def save_answer(self, answer: CatalogueAnswer) -> None:
        row = (answer.name, answer.at, answer.body)
        self._group_commit.note(lambda db: db.execute(SAVE_ANSWER, row))

    async def answers(self) -> list[CatalogueAnswer]:
        return [CatalogueAnswer(*row) for row in await self._read("select * from answers")]

    async def forget(
        self, before: float, money_before: float | None = None, orders_before: float | None = None
    ) -> None:
        money = before if money_before is None else money_before
        orders = before if orders_before is None else orders_before
        await self._write(lambda db: schema.delete_old(db, before, money, orders))

    async def _read(self, sql: str, *values: Any) -> list[Any]:
        return await self._run_read(lambda db: db.execute(sql, values).fetchall())

    async def _run_read(self, read: Callable[[Database], T]) -> T:
        return await self._run(lambda: self._read_now(read))

    async def _write(self, write: Callable[[Database], Any], **how: bool) -> Any:
        """Returns the result of `write`; `how` is for GroupCommit.ask."""
        return await self._group_commit.ask(write, **how)

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)
