"""The tables of a store, and the statements that write and read their rows: one SQL for SQLite and
PostgreSQL, as far as it goes.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from proxy.model import FLAGS, ClientKey, last_asked, merge
from proxy.model.errors import Problem
from proxy.store.rows import (
    ActivationRow,
    Entry,
    Forward,
    OperationKind,
    PendingOperation,
    SpendingLimit,
    packed,
    unpacked,
)

# One step for each version; a store of an older one takes those that it lacks.
STEPS = (
    """
create table orders (
    key text not null,
    id integer not null,
    order_id text not null,
    service text not null,
    body blob not null,
    told integer not null,
    finished integer not null,
    cancelling integer not null,
    confirmed integer not null,
    asked_at integer,
    wish text not null,
    created_at real not null,
    primary key (key, order_id)
) without rowid;
create index orders_by_age on orders (created_at);
create table owed (
    id text primary key,
    kind text not null,
    secret text not null,
    service text not null,
    country text not null,
    at real not null,
    order_id text not null,
    wish text not null
) without rowid;
create table ledger (
    at real not null,
    key text not null,
    order_id text not null,
    kind text not null,
    cents integer not null,
    what text not null
);
create index ledger_by_time on ledger (at);
""",
    """
create table spent (
    key text not null,
    at real not null,
    requests integer not null,
    primary key (key, at)
) without rowid;
create table answers (
    name text primary key,
    at real not null,
    body blob not null
);
""",
    """
alter table orders add column expires_at real not null default 0;
alter table owed add column key text not null default '';
alter table owed add column cents integer not null default 0;
create index owed_by_key on owed (key);
create index ledger_by_key on ledger (key, at);
create index ledger_by_order on ledger (order_id);
update orders set expires_at = coalesce(json_extract(cast(body as text), '$.expires_at'), 0);
update owed set key = sha256(secret);
""",
    """
create table forwards (
    id text not null,
    target text not null,
    body blob not null,
    at real not null,
    due real not null,
    tries integer not null,
    dead integer not null,
    primary key (target, id)
) without rowid;
create index forwards_by_due on forwards (target, dead, due);
create table events (
    id text primary key,
    at real not null
) without rowid;
create index events_by_time on events (at);
create table subscriptions (
    key text primary key,
    id text not null,
    secret text not null
) without rowid;
create index orders_by_order on orders (order_id);
""",
    """
alter table owed add column owner text not null default '';
alter table owed add column unclear integer not null default 0;
""",
)

# A refund is taken off where its order was charged, not on the day on which it comes.
SPENT = """
select -coalesce(sum(cents), 0) from ledger where key = ? and kind <> 'quote' and order_id in
    (select order_id from ledger where key = ? and kind = 'charge' and at >= ?)
"""
RESERVED = "select coalesce(sum(cents), 0) from owed where key = ? and kind = 'purchase'"
FORGET_ORDERS = """
delete from orders where created_at < ? and order_id not in (select order_id from owed)
    and order_id not in (select order_id from ledger where at >= ?)
"""
FORGET = "delete from orders where key = ? and order_id = ?"
HELD = """
select (select count(*) from orders where key = ? and told = 1 and finished = 0 and cancelling = 0
            and confirmed = 0 and expires_at > ?)
     + (select count(*) from owed where key = ? and kind <> 'cancel')
"""

# What a client has said once is not unsaid by one who has not heard of it.
FLAG_COLUMNS = ["told" if flag == "delivered" else flag for flag in FLAGS]
"""`told` is what it was called when the table was made."""
COLUMNS = ("key", "id", "service", "body", "asked_at", "wish", *FLAG_COLUMNS)
"""Of `orders`, as they are read."""
KEEP = f"""
insert into orders ({", ".join(COLUMNS)}, order_id, created_at, expires_at)
values ({", ".join("?" * len(COLUMNS))}, ?, ?, ?)
on conflict (key, order_id) do update set
    id = excluded.id, service = excluded.service, body = excluded.body,
    {", ".join(f"{flag} = orders.{flag} | excluded.{flag}" for flag in FLAG_COLUMNS)},
    asked_at = excluded.asked_at,
    wish = case when excluded.wish = '' then orders.wish else excluded.wish end,
    created_at = excluded.created_at, expires_at = excluded.expires_at
"""
ORDERS = f"select {', '.join(COLUMNS)} from orders"
KNOWN = "select body, asked_at from orders where key = ? and order_id = ?"

# Whoever does not own a row any more must not write it.
OWE = """
insert into owed (id, kind, secret, service, country, at, order_id, wish, key, cents, owner,
    unclear) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
on conflict (id) do update set kind = excluded.kind, secret = excluded.secret,
    order_id = excluded.order_id, cents = excluded.cents, unclear = excluded.unclear
    where owed.owner = excluded.owner
"""
OWED = """
select id, kind, secret, service, country, at, order_id, wish, key, cents, unclear from owed
"""

REFERENCE_TOLD = "select 1 from orders where key = ? and wish = ? and told = 1"
REFERENCE_PENDING = "select 1 from owed where key = ? and wish = ? and kind <> 'cancel' and id <> ?"


class Row(Protocol):
    """A cursor."""

    @property
    def rowcount(self) -> int: ...
    def fetchone(self) -> Any: ...
    def fetchall(self) -> list[Any]: ...


class Database(Protocol):
    """A connection, inside a transaction; a value's place is a question mark."""

    def execute(self, sql: str, values: Sequence[Any] = ..., /) -> Row: ...


def keep(db: Database, kept: Iterable[ActivationRow], lock: str = "") -> None:
    """What another replica has seen of an order is kept beside what this one has; and what is to
    be forwarded of it is queued with it, once. `lock` is how a row that is read is kept from other
    writers until the end of the transaction.
    """
    for row in sorted(kept, key=lambda row: (row.key, row.order.id)):
        found = db.execute(f"{KNOWN} {lock}", (row.key, row.order.id)).fetchone()
        order, asked_at = row.order, row.asked_at
        if found:
            before = unpacked(found[0])
            order = merge(before, row.order)
            asked_at = last_asked(before, found[1], row.order, row.asked_at)
        said = (row.key, row.id, row.service, packed(order), asked_at, row.reference)
        times = (order.created_at or 0.0, order.expires_at or 0.0)
        db.execute(KEEP, (*said, *map(int, row.flags().values()), order.id, *times))
        for forward in row.forwards:
            queue(db, forward)


def queue(db: Database, forward: Forward) -> None:
    row = (forward.id, forward.target, forward.body, forward.at, forward.due, forward.tries)
    db.execute("insert into forwards values (?, ?, ?, ?, ?, ?, 0) on conflict do nothing", row)


def owe(db: Database, owed: PendingOperation, secret: str, owner: str) -> bool:
    """False where the row has another owner. `secret` is the key as it may be written."""
    row = (owed.id, owed.kind.value, secret, owed.service, owed.country, owed.at)
    rest = (owed.order, owed.reference, owed.key.hash, owed.cents, owner, int(owed.unclear))
    return db.execute(OWE, (*row, *rest)).rowcount > 0


def book(db: Database, entries: Iterable[Entry]) -> bool:
    """False where one of them has been booked by another replica."""
    is_new = True
    for e in entries:
        row = (e.at, e.key, e.order, e.kind, e.cents, e.what)
        sql = "insert into ledger values (?, ?, ?, ?, ?, ?) on conflict do nothing"
        is_new &= db.execute(sql, row).rowcount > 0
    return is_new


def kept(row: Any) -> ActivationRow:
    """Of COLUMNS."""
    key, id, service, body, asked_at, reference, *said = row
    flags: dict[str, Any] = dict(zip(FLAGS, map(bool, said), strict=True))
    return ActivationRow(key, id, unpacked(body), service, asked_at, reference, **flags)


def owed(row: Any, secret: str) -> PendingOperation:
    """`secret` is the key in clear."""
    id, kind, _, service, country, at, order, reference, owner, cents, unclear = row
    key = ClientKey.of(secret)
    if owner not in ("", key.hash):
        key = ClientKey(key.upstream, owner)
    what = (service, country, at, order, reference, cents, bool(unclear))
    return PendingOperation(id, OperationKind(kind), key, *what)


def forget(db: Database, before: float, money_before: float, orders_before: float) -> None:
    """What is older than that, save orders that something is owed for, or that were paid since:
    their own stamps are on the upstream's clock, and may be missing.
    """
    db.execute(FORGET_ORDERS, (orders_before, before))
    db.execute("delete from ledger where at < ?", (money_before,))
    for table in ("spent", "answers"):
        db.execute(f"delete from {table} where at < ?", (before,))
    # Dead ones, and a day later those of a target that is no more: no other lives so long.
    forwards = "delete from forwards where at < ? and (dead = 1 or at < ?)"
    db.execute(forwards, (before, before - 86_400))


def spent(db: Database, key: str, since: float) -> int:
    """In cents, with what purchases under way are expected to cost."""
    charged = db.execute(SPENT, (key, key, since)).fetchone()[0]
    return int(charged + db.execute(RESERVED, (key,)).fetchone()[0])


def repeated(db: Database, owed: PendingOperation) -> Problem | None:
    """Why a purchase is not another one: its wish was wished before."""
    if owed.kind is not OperationKind.PURCHASE or not owed.reference:
        return None
    key = owed.key.hash
    if db.execute(REFERENCE_TOLD, (key, owed.reference)).fetchone():
        return Problem.ORDER_EXISTS
    is_open = db.execute(REFERENCE_PENDING, (key, owed.reference, owed.id)).fetchone()
    return Problem.UNCLEAR if is_open else None


def refusal(db: Database, key: str, cents: int, ceiling: SpendingLimit) -> Problem | None:
    """Why a purchase does not fit under a ceiling."""
    if ceiling.active is not None:
        held = db.execute(HELD, (key, ceiling.earliest, key)).fetchone()[0]
        if held >= ceiling.active:
            return Problem.TOO_MANY_ACTIVE
    for since, most in ceiling.money:
        if spent(db, key, since) + cents > most:
            return Problem.NO_BALANCE
    return None
