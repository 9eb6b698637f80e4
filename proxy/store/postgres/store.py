"""The store in PostgreSQL, shared by replicas.

Each replica has an id and a lease that it renews. A pending operation has an owner, and only the
owner may write it; when the owner's lease ends, another replica takes it over. A replica takes over
only after it has held its own lease without a break for LEASE seconds: otherwise all replicas would
look dead after the database was down.
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
from proxy.store.postgres.connection import (
    KEEPALIVE,
    PooledConnection,
    QmarkConnection,
    one_line,
    set_limits,
)
from proxy.store.postgres.encryption import Encryption
from proxy.store.postgres.schema import CHANNEL, set_up
from proxy.store.rows import Change, PendingOperation
from proxy.store.schema import Database
from proxy.store.sql import SqlStore

T = TypeVar("T")

log = logging.getLogger(__name__)

THREADS = 4
"""Connections for work, beside one that listens."""
CONNECT_SECONDS = 2.0
"""Seconds to wait for a connection."""
DOWN_SECONDS = 1.0
"""After a failed connection no other is tried for so long."""
UNCHECKED_SECONDS = DOWN_SECONDS
"""A connection that was used so recently is taken unchecked: a check is a round trip."""

LEASE = 10.0
"""Seconds that a replica counts as alive after its last `take_over`."""
REMEMBERED = 600.0
"""Seconds that a dead replica still counts when requests are leased."""
REQUEST_LEASE = 20.0
"""Seconds that a lease of requests lasts. Requests sent with it count for a WINDOW longer."""

# Classes of SQLSTATE about the server, not the statement: no connection, no space, no writes.
SERVER_ERRORS = ("08", "53", "57", "25", "28", "3D")
TRY_AGAIN = "40"
"""The class of deadlocks and serialization failures."""
LOCKED = "55P03"
"""Another transaction holds the lock. It ends soon, and until then no later write may be first."""
ROW_ERRORS = ("22", "23", "54")
"""Classes for values that a column or index does not accept."""

LIVING = "select id from replicas where until > now()"
BEAT = """
insert into replicas values (?, now() + make_interval(secs => ?))
on conflict (id) do update set until = excluded.until
"""
# A replica that lost the database goes on without a lease, so dead ones count. Many that lived only
# for a short time do not: their number is capped.
REPLICAS = """
select living + least(count - living, 2 * living + 1) from (
    select count(*), count(*) filter (where until > now()) as living from replicas
) as known
"""
DELETE_DEAD = (
    f"delete from replicas where until <= now() - interval '{REMEMBERED} seconds'",
    f"delete from shares where until <= now() - interval '{REMEMBERED} seconds'",
    "delete from claims where owner not in (select id from replicas)",
)
TAKE_OVER = f"""
update owed set owner = ? where id in (
    select id from owed
    where owner <> ? and (owner = '' or (? and owner not in ({LIVING})))
    order by at for update skip locked
) returning {schema.OPERATION_COLUMNS}
"""
OTHERS_NUMBER = """
select id from owed
where owner <> ? and kind = 'orphan' and key = ? and service = ? and country = ? and wish = ?
order by at limit 1
"""
TAKE_NUMBER = f"""
update owed set owner = ? where id in ({OTHERS_NUMBER} for update skip locked)
returning {schema.OPERATION_COLUMNS}
"""
CLAIM = f"""
insert into claims values (?, ?, now() + make_interval(secs => ?))
on conflict (name) do update set owner = excluded.owner, until = excluded.until
    where claims.owner = excluded.owner or claims.until < now()
       or (? and claims.owner not in ({LIVING}))
"""
OTHER_LEASES = f"""
select coalesce(sum(greatest(requests, ?)), 0), count(*) from shares
where key = ? and replica <> ? and until > now() - interval '{WINDOW} seconds'
"""
SAVE_LEASE = """
insert into shares values (?, ?, ?, now() + make_interval(secs => ?))
on conflict (key, replica) do update set requests = excluded.requests, until = excluded.until
"""


def open_postgres(url: str, secret: str) -> "PostgresStore":
    """Raises StoreError; its text has no password."""
    try:
        return PostgresStore(url, secret)
    except (StoreError, psycopg.Error) as error:
        raise StoreError(f"{shown_url(url)}: {one_line(error)}") from error


class PostgresStore(SqlStore):
    is_shared = True
    lock = "for update"

    def __init__(self, url: str, secret: str) -> None:
        super().__init__(THREADS, uuid4().hex[:12])
        self.trouble = ""
        self._cipher = Encryption(secret)
        self._down_until = self._beat_at = self._steady_since = float("-inf")
        self._replicas = 1
        # Reads are no transactions: each would take two more round trips.
        settings: dict[str, Any] = {
            "application_name": self._replica,
            "autocommit": True,
            **KEEPALIVE,
        }
        try:
            with psycopg.connect(url, **settings) as db:
                set_up(db, self._cipher)
        except BaseException:
            self._threads.shutdown()
            raise
        self._url, self._settings = url, settings
        self._pool = ConnectionPool(
            url,
            connection_class=PooledConnection,
            kwargs=settings,
            min_size=1,
            max_size=THREADS,
            check=_check,
            configure=set_limits,
            reconnect_timeout=CONNECT_SECONDS,
            open=True,
        )
        # The pool logs each failed attempt; `trouble` has it already.
        logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)

    async def take_over(self) -> list[PendingOperation]:
        def write(db: Database) -> list[Any]:
            db.execute(BEAT, (self._replica, LEASE))
            for sql in DELETE_DEAD:
                db.execute(sql)
            self._replicas = int(db.execute(REPLICAS).fetchone()[0])
            is_steady = began - self._steady_since >= LEASE
            return db.execute(TAKE_OVER, (self._replica, self._replica, is_steady)).fetchall()

        began = time.monotonic()
        if began - self._beat_at > LEASE:
            self._steady_since = began
        rows = await self._write(write, durable=True)
        self._beat_at = began
        return self._operations(rows)

    async def mine(self) -> list[PendingOperation]:
        rows = await self._read(f"{schema.OPERATIONS} where owner = ? order by at", self._replica)
        return self._operations(rows)

    async def others(self) -> int:
        return len(await self._read(f"{LIVING} and id <> ?", self._replica))

    async def take_orphan(self, operation: PendingOperation) -> PendingOperation | None:
        wanted = (operation.key.hash, operation.service, operation.country, operation.reference)
        values = (self._replica, self._replica, *wanted)
        if not await self._read(OTHERS_NUMBER, *values[1:]):
            return None
        rows = await self._write(
            lambda db: db.execute(TAKE_NUMBER, values).fetchall(), durable=True
        )
        return self._operations(rows)[0] if rows else None

    async def intents(self, key: str) -> list[PendingOperation]:
        sql = f"{schema.OPERATIONS} where owner <> ? and kind = 'purchase' order by at"
        operations = self._operations(await self._read(sql, self._replica))
        return [operation for operation in operations if operation.key.upstream.hash == key]

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

    async def lease_requests(self, key: str, limit: int, sent: int, wanted: int) -> int:
        def write(db: Database) -> int:
            db.execute("select pg_advisory_xact_lock(hashtext(?))", (f"share {key}",))
            self._replicas = max(int(db.execute(REPLICAS).fetchone()[0]), 1)
            safe, values = self.unleased_limit(limit), (key, self._replica)
            others, leased = db.execute(OTHER_LEASES, (safe, *values)).fetchone()
            # A replica without a lease may send its unleased limit.
            left = limit - int(others)
            free = max(left - safe * max(self._replicas - 1 - leased, 0), min(safe, left))
            # Requests that were sent count: a lease cannot be smaller.
            lease = max(min(wanted, free), sent)
            db.execute(SAVE_LEASE, (*values, lease, REQUEST_LEASE))
            return int(lease)

        return int(await self._write(write))

    def unleased_limit(self, limit: int) -> int:
        """Half of an equal part is reserved for each replica."""
        return max(limit // (2 * self._replicas), 1)

    def publish_change(self, change: Change) -> None:
        text = f"{self._replica} {change.kind} {change.key} {change.order}"
        self._group_commit.note(lambda db: db.execute("select pg_notify(?, ?)", (CHANNEL, text)))

    def changes(self) -> AsyncGenerator[Change, None]:
        return listener.changes(self._url, self._settings, self._replica)

    async def close(self) -> None:
        """Ends the lease too: other replicas need not wait for its end."""
        async with AsyncExitStack() as closes:
            closes.callback(self._threads.shutdown)
            closes.push_async_callback(self._run, partial(self._pool.close, CONNECT_SECONDS))
            await self._group_commit.close()
            with suppress(StoreError):
                await self._write(self._leave)

    def _leave(self, db: Database) -> None:
        db.execute("update owed set owner = '' where owner = ?", (self._replica,))
        db.execute("delete from claims where owner = ?", (self._replica,))
        # Its requests count until they are older than a WINDOW.
        sql = "update replicas set until = now() - make_interval(secs => ?) where id = ?"
        db.execute(sql, (REMEMBERED - WINDOW - REQUEST_LEASE, self._replica))

    def _seal(self, secret: str, id: str) -> str:
        return self._cipher.seal(secret, id)

    def _unseal(self, sealed: str, id: str) -> str:
        return self._cipher.open(sealed, id)

    def _lock_key(self, db: Database, key: str) -> None:
        db.execute("select pg_advisory_xact_lock(hashtext(?))", (f"ceiling {key}",))

    def _read_now(self, read: Callable[[Database], T]) -> T:
        with self._connection() as db:
            return read(QmarkConnection(db))

    def _commit(self, batch: Sequence[Write]) -> list[Any]:
        try:
            return self._committed(batch)
        except _RetryError:
            return self._committed(batch)

    def _committed(self, batch: Sequence[Write]) -> list[Any]:
        is_committing, is_durable = False, any(write.durable for write in batch)
        try:
            with self._connection() as connection, connection.transaction():
                db = QmarkConnection(connection)
                if not is_durable:
                    db.execute("set local synchronous_commit = off")
                results = [write.run(db) for write in batch]
                is_committing = is_durable
        except _RetryError:
            raise
        except StoreError as error:
            if is_committing:
                raise CommitUncertainError(str(error)) from error
            raise
        return results

    @contextmanager
    def _connection(self) -> Iterator[PooledConnection]:
        """Raises StoreError."""
        if time.monotonic() < self._down_until:
            raise StoreUnavailableError(self.trouble)
        try:
            with self._pool.connection(CONNECT_SECONDS) as db:
                yield db
                db.used_at = time.monotonic()
        except psycopg.Error as error:
            raise self._failure(error) from error
        self.trouble, self._down_until = "", float("-inf")

    def _failure(self, error: psycopg.Error) -> StoreError:
        text, state = f"PostgreSQL: {one_line(error)}", error.sqlstate or ""
        if isinstance(error, psycopg.DataError) or state.startswith(ROW_ERRORS):
            return InvalidRowError(text)
        if state.startswith(TRY_AGAIN):
            return _RetryError(text)
        if state == LOCKED:
            return StoreUnavailableError(text)
        if not state or state.startswith(SERVER_ERRORS):
            self.trouble, self._down_until = text, time.monotonic() + DOWN_SECONDS
            return StoreUnavailableError(text)
        return StoreError(text)


def _check(db: PooledConnection) -> None:
    """Raises psycopg.OperationalError if the connection is broken."""
    if time.monotonic() - db.used_at > UNCHECKED_SECONDS:
        ConnectionPool.check_connection(db)


class _RetryError(StoreError):
    """The same transaction may succeed at the next attempt."""
