"""What stores that speak SQL have in common: the rows of the contract, read and written."""

import asyncio
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
    StoreError,
)
from proxy.store import schema
from proxy.store.group_commit import GroupCommit, Write
from proxy.store.rows import ActivationRow, Entry, OperationKind, PendingOperation, SpendingLimit
from proxy.store.schema import Database
from proxy.store.webhook_rows import WebhookRows

T = TypeVar("T")

SPENT_SECONDS = 120.0
"""How long a request of a key is kept: longer than the upstream counts it."""

SPEND = """
insert into spent values (?, ?, 1) on conflict (key, at) do update set requests = spent.requests + 1
"""
REMEMBER = """
insert into answers values (?, ?, ?)
on conflict (name) do update set at = excluded.at, body = excluded.body
"""


class SqlStore(WebhookRows):
    """Works in threads of its own. `replica` is what stands for this process in the rows that it
    owns.
    """

    is_shared = False
    lock = ""
    """What keeps a row that is read from other writers."""

    def __init__(self, threads: int, replica: str = "") -> None:
        self._threads = ThreadPoolExecutor(threads, "store")
        self._replica = replica
        self._group_commit = GroupCommit(lambda batch: self._run(partial(self._commit, batch)))

    def _commit(self, batch: Sequence[Write]) -> list[Any]:
        raise NotImplementedError

    def _look(self, read: Callable[[Database], T]) -> T:
        raise NotImplementedError

    def _seal(self, secret: str, id: str) -> str:
        """A key as it stands in the row of that id."""
        return secret

    def _unseal(self, sealed: str, id: str) -> str:
        return sealed

    def _alone(self, db: Database, key: str) -> None:
        """Until the end of the transaction no other replica checks the ceilings of a key."""

    async def orders(self, key: str, since: float = 0.0) -> AsyncIterator[ActivationRow]:
        sql = f"""
            {schema.ORDERS} where key = ? and order_id > ? and created_at >= ?
            order by order_id limit 1000
        """
        last = ""
        while rows := await self._read(sql, key, last, since):
            for row in map(schema.kept, rows):
                yield row
            last = row.order.id

    async def all_orders(self) -> AsyncIterator[ActivationRow]:
        for (key,) in await self._read("select distinct key from orders order by key"):
            async for row in self.orders(key):
                yield row

    async def order(
        self, key: str, *, id: int = 0, order: str = "", reference: str = ""
    ) -> ActivationRow | None:
        sql = f"""
            {schema.ORDERS}
            where key = ? and (id = ? or order_id = ? or (wish = ? and wish <> ''))
            order by created_at desc limit 1
        """
        rows = await self._read(sql, key, id, order, reference)
        return schema.kept(rows[0]) if rows else None

    async def owners(self, orders: Sequence[str]) -> dict[str, str]:
        gaps = ", ".join("?" * len(orders))
        sql = f"select order_id, key from orders where order_id in ({gaps})"
        return dict(await self._read(sql, *orders))

    async def owed(self) -> list[PendingOperation]:
        return self._owed(await self._read(f"{schema.OWED} order by at"))

    def _owed(self, rows: Sequence[Any]) -> list[PendingOperation]:
        return [schema.owed(row, self._unseal(row[2], row[0])) for row in rows]

    async def ledger(self, since: float = 0.0) -> list[Entry]:
        rows = await self._read("select * from ledger where at >= ? order by at", since)
        return [Entry(*row) for row in rows]

    async def owe(
        self, owed: PendingOperation, ceiling: SpendingLimit | None = None
    ) -> Problem | None:
        def write(db: Database) -> Problem | None:
            if ceiling or owed.reference:
                self._alone(db, owed.key.hash)
            problem = schema.repeated(db, owed)
            if ceiling and not problem:
                problem = schema.refusal(db, owed.key.hash, owed.cents, ceiling)
            if problem is None:
                self._owe(db, owed)
            return problem

        try:
            problem: Problem | None = await self._write(write, durable=True)
        except CommitUncertainError:
            self._disown(owed)
            raise
        return problem

    def _disown(self, owed: PendingOperation) -> None:
        """What its client was told has failed is not owed, even if it was written."""
        row = (owed.id, self._replica, owed.at)
        sql = "delete from owed where id = ? and owner = ? and at = ?"
        self._group_commit.note(lambda db: db.execute(sql, row), surely=True)

    def _owe(self, db: Database, owed: PendingOperation) -> None:
        if not schema.owe(db, owed, self._seal(owed.key.upstream.secret, owed.id), self._replica):
            raise OwnershipLostError(f"{owed.id} has another owner")

    async def refusal(self, key: str, cents: int, ceiling: SpendingLimit) -> Problem | None:
        def read(db: Database) -> Problem | None:
            return schema.refusal(db, key, cents, ceiling)

        return await self._run(lambda: self._look(read))

    async def spent(self, key: str, since: float) -> int:
        return await self._run(lambda: self._look(lambda db: schema.spent(db, key, since)))

    async def doubt(self, owed: PendingOperation) -> None:
        def write(db: Database) -> None:
            self._check_ours(db, owed.id)
            db.execute("update owed set unclear = 1 where id = ?", (owed.id,))

        await self._write(write, surely=True)

    def _check_ours(self, db: Database, id: str, order: str = "") -> None:
        """It is owed, for that order if one is given; until the end of the transaction nobody takes
        it.
        """
        sql = """
            update owed set owner = owner
            where id = ? and owner = ? and (? = '' or order_id = ?)
        """
        if not self.is_shared:
            # Nobody else can have found the order to be its own.
            order = ""
        if db.execute(sql, (id, self._replica, order, order)).rowcount == 0:
            raise OwnershipLostError(f"{id} has another owner, or was done by one")

    async def settle(self, id: str, *kept: ActivationRow, surely: bool = False) -> None:
        def write(db: Database) -> None:
            self._check_ours(db, id, kept[0].order.id if kept else "")
            db.execute("delete from owed where id = ?", (id,))
            schema.keep(db, kept, self.lock)

        await self._write(write, durable=True, erase=True, surely=surely)

    def unsettle(self, owed: PendingOperation, error: StoreError) -> None:
        def write(db: Database) -> None:
            if isinstance(error, CommitUncertainError) and self._was_committed(db, error.xid):
                self._owe(db, owed)

        self._group_commit.note(write, surely=True)

    def _was_committed(self, db: Database, xid: str) -> bool:
        return False

    async def commit(
        self,
        owed: PendingOperation,
        kept: ActivationRow,
        *entries: Entry,
        is_new: bool = False,
        surely: bool = False,
    ) -> None:
        def write(db: Database) -> None:
            if not is_new:
                # An orphan was kept before as what its purchase has bought.
                self._check_ours(
                    db, owed.id, owed.order if owed.kind is OperationKind.CANCEL else ""
                )
            self._owe(db, owed)
            schema.keep(db, (kept,), self.lock)
            if not schema.book(db, entries):
                raise OrderTakenError(f"order {kept.order.id} is another purchase's")

        # In doubt, too, it is whole: a promise that was written after all is kept.
        await self._write(write, durable=True, surely=surely)

    async def keep(self, *kept: ActivationRow) -> None:
        await self._write(lambda db: schema.keep(db, kept, self.lock), surely=True)

    async def rename(self, before: str, kept: ActivationRow) -> None:
        def write(db: Database) -> None:
            if before != kept.order.id:
                db.execute(schema.FORGET, (kept.key, before))
                for table in ("ledger", "owed"):
                    sql = f"update {table} set order_id = ? where key = ? and order_id = ?"
                    db.execute(sql, (kept.order.id, kept.key, before))
            schema.keep(db, (kept,), self.lock)

        await self._write(write, surely=True)

    async def book(self, *entries: Entry) -> None:
        await self._write(lambda db: schema.book(db, entries), surely=True)

    def spend(self, key: str, at: float) -> None:
        def write(db: Database) -> None:
            db.execute("delete from spent where key = ? and at < ?", (key, at - SPENT_SECONDS))
            db.execute(SPEND, (key, at))

        self._group_commit.note(write)

    async def requests(self, key: str, since: float) -> list[float]:
        sql = "select at, requests from spent where key = ? and at > ? order by at"
        rows = await self._read(sql, key, since)
        return [at for at, requests in rows for _ in range(requests)]

    def remember(self, answer: CatalogueAnswer) -> None:
        row = (answer.name, answer.at, answer.body)
        self._group_commit.note(lambda db: db.execute(REMEMBER, row))

    async def answers(self) -> list[CatalogueAnswer]:
        return [CatalogueAnswer(*row) for row in await self._read("select * from answers")]

    async def forget(
        self,
        before: float,
        money_before: float | None = None,
        orders_before: float | None = None,
    ) -> None:
        money = before if money_before is None else money_before
        orders = before if orders_before is None else orders_before
        await self._write(lambda db: schema.forget(db, before, money, orders))

    async def _read(self, sql: str, *values: Any) -> list[Any]:
        return await self._run(lambda: self._look(lambda db: db.execute(sql, values).fetchall()))

    async def _write(
        self,
        write: Callable[[Database], Any],
        *,
        durable: bool = False,
        erase: bool = False,
        surely: bool = False,
    ) -> Any:
        return await self._group_commit.ask(write, durable=durable, erase=erase, surely=surely)

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)
