"""The store in PostgreSQL, shared by replicas.

Each replica has an id and a lease that it renews. What is owed has an owner, and only that one may
write it: when its lease is over, another takes it. A replica judges others only after it has held
its own lease without a break for as long as one lasts, so that nobody is taken for dead because
the database was away.
"""

import logging
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from functools import partial
from typing import Any, TypeVar
from uuid import uuid4

import psycopg
from psycopg_pool import ConnectionPool

from proxy.model import WINDOW
from proxy.model.errors import (
    CommitUncertainError,
    InvalidRowError,
    StoreError,
    StoreUnavailableError,
)
from proxy.runtime.urls import shown_url
from proxy.store import schema
from proxy.store.group_commit import Write
from proxy.store.postgres import listener
from proxy.store.postgres.connection import PATIENT, QmarkConnection, limited, line
from proxy.store.postgres.encryption import Encryption
from proxy.store.postgres.schema import CHANNEL, set_up
from proxy.store.rows import Change, PendingOperation
from proxy.store.schema import Database
from proxy.store.sql import SqlStore

T = TypeVar("T")

log = logging.getLogger(__name__)

THREADS = 4
"""Connections for work, beside one that listens."""
PATIENCE = 2.0
"""Seconds to wait for a connection."""
DOWN_SECONDS = 1.0
"""So long nobody tries after one had no luck."""

LEASE = 10.0
"""Seconds that a replica counts as alive after it has last said so."""
REMEMBERED = 600.0
"""Seconds that a dead one still counts where requests are shared out."""
SHARE_LEASE = 20.0
"""Seconds that a share of a key's requests is held; what was made of it counts a WINDOW longer."""

# What the server says of itself, not of the statement: no connection, no room, no writes.
ABOUT_ITSELF = ("08", "53", "57", "25", "28", "3D")
TRY_ANEW = "40"
"""Deadlocks and the like."""
LOCKED = "55P03"
"""Somebody holds what was wanted: it is free soon, and nothing may overtake until then."""
IN_THE_ROW = ("22", "23", "54")
"""Values that no column or index takes."""

LIVING = "select id from replicas where until > now()"
BEAT = """
insert into replicas values (?, now() + make_interval(secs => ?))
on conflict (id) do update set until = excluded.until
"""
# One that is cut off goes on with a safe share; so many of a row of short lives do not.
REPLICAS = """
select living + least(count - living, 2 * living + 1) from (
    select count(*), count(*) filter (where until > now()) as living from replicas
) as known
"""
BURY = (
    f"delete from replicas where until <= now() - interval '{REMEMBERED} seconds'",
    f"delete from shares where until <= now() - interval '{REMEMBERED} seconds'",
    "delete from claims where owner not in (select id from replicas)",
)
TAKE_OVER = f"""
update owed set owner = ? where id in (
    select id from owed
    where owner <> ? and (owner = '' or (? and owner not in ({LIVING})))
    order by at for update skip locked
) returning id, kind, secret, service, country, at, order_id, wish, key, cents, unclear
"""
TAKE_ORPHAN = """
update owed set owner = ? where id in (
    select id from owed
    where owner <> ? and kind = 'orphan' and key = ? and service = ? and country = ? and wish = ?
    order by at limit 1 for update skip locked
) returning id, kind, secret, service, country, at, order_id, wish, key, cents, unclear
"""
CLAIM = f"""
insert into claims values (?, ?, now() + make_interval(secs => ?))
on conflict (name) do update set owner = excluded.owner, until = excluded.until
    where claims.owner = excluded.owner or claims.until < now()
       or (? and claims.owner not in ({LIVING}))
"""
OTHER_SHARES = f"""
select coalesce(sum(greatest(requests, ?)), 0), count(*) from shares
where key = ? and replica <> ? and until > now() - interval '{WINDOW} seconds'
"""
SHARE = """
insert into shares values (?, ?, ?, now() + make_interval(secs => ?))
on conflict (key, replica) do update set requests = excluded.requests, until = excluded.until
"""


def open_postgres(url: str, secret: str) -> "PostgresStore":
    """StoreError, without the password."""
    try:
        return PostgresStore(url, secret)
    except (StoreError, psycopg.Error) as error:
        raise StoreError(f"{shown_url(url)}: {line(error)}") from error


class PostgresStore(SqlStore):
    is_shared = True
    lock = "for update"

    def __init__(self, url: str, secret: str) -> None:
        super().__init__(THREADS, uuid4().hex[:12])
        self.trouble = ""
        self._cipher = Encryption(secret)
        self._down_until = self._beat_at = self._steady_since = float("-inf")
        self._replicas = 1
        settings: dict[str, Any] = {"application_name": self._replica, **PATIENT}
        try:
            with psycopg.connect(url, **settings, autocommit=True) as db:
                set_up(db, self._cipher)
        except BaseException:
            self._threads.shutdown()
            raise
        self._url, self._settings = url, settings
        self._pool: ConnectionPool[psycopg.Connection[Any]] = ConnectionPool(
            url,
            kwargs=settings,
            min_size=1,
            max_size=THREADS,
            check=ConnectionPool.check_connection,
            configure=limited,
            reconnect_timeout=PATIENCE,
            open=True,
        )
        # It says with each try that it had no luck; that is said here, once.
        logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)

    async def take_over(self) -> list[PendingOperation]:
        def write(db: Database) -> list[Any]:
            db.execute(BEAT, (self._replica, LEASE))
            for sql in BURY:
                db.execute(sql)
            self._replicas = int(db.execute(REPLICAS).fetchone()[0])
            is_steady = began - self._steady_since >= LEASE
            values = (self._replica, self._replica, is_steady)
            return db.execute(TAKE_OVER, values).fetchall()

        began = time.monotonic()
        if began - self._beat_at > LEASE:
            self._steady_since = began
        rows = await self._write(write, durable=True)
        self._beat_at = began
        return self._owed(rows)

    async def mine(self) -> list[PendingOperation]:
        rows = await self._read(f"{schema.OWED} where owner = ? order by at", self._replica)
        return self._owed(rows)

    async def others(self) -> int:
        rows = await self._read(f"{LIVING} and id <> ?", self._replica)
        return len(rows)

    async def take_orphan(self, owed: PendingOperation) -> PendingOperation | None:
        values = (owed.key.hash, owed.service, owed.country, owed.reference)
        rows = await self._write(
            lambda db: db.execute(TAKE_ORPHAN, (self._replica, self._replica, *values)).fetchall(),
            durable=True,
        )
        return self._owed(rows)[0] if rows else None

    async def intents(self, key: str) -> list[PendingOperation]:
        sql = f"{schema.OWED} where owner <> ? and kind = 'purchase' order by at"
        return [o for o in self._owed(await self._read(sql, self._replica))
                if o.key.upstream.hash == key]  # fmt: skip

    async def holds(self, id: str) -> bool:
        sql = "select 1 from owed where id = ? and owner = ?"
        return bool(await self._read(sql, id, self._replica))

    async def claim(self, name: str, seconds: float | None = None) -> bool:
        is_steady = self._beat_at - self._steady_since >= LEASE
        values = (name, self._replica, seconds, is_steady)
        return bool(await self._write(lambda db: db.execute(CLAIM, values).rowcount))

    async def release(self, name: str) -> None:
        sql = "delete from claims where name = ? and owner = ?"
        await self._write(lambda db: db.execute(sql, (name, self._replica)))

    async def share(self, key: str, most: int, spent: int, wanted: int) -> int:
        def write(db: Database) -> int:
            db.execute("select pg_advisory_xact_lock(hashtext(?))", (f"share {key}",))
            self._replicas = max(int(db.execute(REPLICAS).fetchone()[0]), 1)
            safe, values = self.safe_share(most), (key, self._replica)
            others, asked = db.execute(OTHER_SHARES, (safe, *values)).fetchone()
            # Who has not asked yet may do with a safe share unasked.
            left = most - int(others)
            free = max(left - safe * max(self._replicas - 1 - asked, 0), min(safe, left))
            # What was spent is spent: less than that cannot be held.
            share = max(min(wanted, free), spent)
            db.execute(SHARE, (key, self._replica, share, SHARE_LEASE))
            return int(share)

        return int(await self._write(write))

    def safe_share(self, most: int) -> int:
        """Half of an equal part is kept for each replica: it can be had without asking."""
        return max(most // (2 * self._replicas), 1)

    def publish_change(self, change: Change) -> None:
        told = f"{self._replica} {change.kind} {change.key} {change.order}"
        self._group_commit.note(lambda db: db.execute("select pg_notify(?, ?)", (CHANNEL, told)))

    def changes(self) -> AsyncGenerator[Change, None]:
        return listener.changes(self._url, self._settings, self._replica)

    async def close(self) -> None:
        """What was asked for before is written first; the others need not wait for the lease."""
        async with AsyncExitStack() as closes:
            closes.callback(self._threads.shutdown)
            closes.push_async_callback(self._run, partial(self._pool.close, PATIENCE))
            await self._group_commit.close()
            with suppress(StoreError):
                await self._write(self._leave)

    def _leave(self, db: Database) -> None:
        db.execute("update owed set owner = '' where owner = ?", (self._replica,))
        db.execute("delete from claims where owner = ?", (self._replica,))
        # What it has requested counts a little longer.
        sql = "update replicas set until = now() - make_interval(secs => ?) where id = ?"
        db.execute(sql, (REMEMBERED - WINDOW - SHARE_LEASE, self._replica))

    def _seal(self, secret: str, id: str) -> str:
        return self._cipher.seal(secret, id)

    def _unseal(self, sealed: str, id: str) -> str:
        return self._cipher.open(sealed, id)

    def _alone(self, db: Database, key: str) -> None:
        db.execute("select pg_advisory_xact_lock(hashtext(?))", (f"ceiling {key}",))

    def _look(self, read: Callable[[Database], T]) -> T:
        with self._connection() as db:
            return read(db)

    def _commit(self, batch: Sequence[Write]) -> list[Any]:
        try:
            return self._committed(batch)
        except _TryAnew:
            return self._committed(batch)

    def _committed(self, batch: Sequence[Write]) -> list[Any]:
        xid, is_durable = "", any(write.durable for write in batch)
        try:
            with self._connection() as db:
                if not is_durable:
                    db.execute("set local synchronous_commit = off")
                results = [write.run(db) for write in batch]
                if is_durable:
                    xid = db.execute("select pg_current_xact_id()::text").fetchone()[0]
        except _TryAnew:
            raise
        except StoreError as error:
            if xid:
                raise CommitUncertainError(str(error), xid) from error
            raise
        return results

    def _was_committed(self, db: Database, xid: str) -> bool:
        said = db.execute("select pg_xact_status(?::xid8)", (xid,)).fetchone()[0]
        if said == "in progress":
            raise StoreError(f"PostgreSQL: the end of {xid} is not known yet")
        return bool(said == "committed")

    @contextmanager
    def _connection(self) -> Iterator[Database]:
        """One transaction."""
        if time.monotonic() < self._down_until:
            raise StoreUnavailableError(self.trouble)
        try:
            with self._pool.connection(PATIENCE) as db:
                yield QmarkConnection(db)
        except psycopg.Error as error:
            raise self._failure(error) from error
        self.trouble, self._down_until = "", float("-inf")

    def _failure(self, error: psycopg.Error) -> StoreError:
        text, state = f"PostgreSQL: {line(error)}", error.sqlstate or ""
        if isinstance(error, psycopg.DataError) or state.startswith(IN_THE_ROW):
            return InvalidRowError(text)
        if state.startswith(TRY_ANEW):
            return _TryAnew(text)
        if state == LOCKED:
            return StoreUnavailableError(text)
        if not state or state.startswith(ABOUT_ITSELF):
            self.trouble, self._down_until = text, time.monotonic() + DOWN_SECONDS
            return StoreUnavailableError(text)
        return StoreError(text)


class _TryAnew(StoreError):
    """The same may work at the next try."""
