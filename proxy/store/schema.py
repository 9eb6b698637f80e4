"""The tables of a store, and the statements that write and read their rows."""

import sqlite3
from collections.abc import Iterable
from typing import Any

from proxy.errors import Problem
from proxy.model import Key
from proxy.store.rows import Ceiling, Entry, Kept, Owed, OwedKind, packed, unpacked

# One step for each version; a file of an older one takes those that it lacks.
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
)

# A refund is taken off where its order was charged, not on the day on which it comes.
SPENT = """
select -coalesce(sum(cents), 0) from ledger where key = ? and kind <> 'quote' and order_id in
    (select order_id from ledger where key = ? and kind = 'charge' and at >= ?)
"""
RESERVED = "select coalesce(sum(cents), 0) from owed where key = ? and kind = 'purchase'"
FORGET = "delete from orders where key = ? and order_id = ?"
HELD = """
select (select count(*) from orders where key = ? and told and not finished and not cancelling
            and not confirmed and expires_at > ?)
     + (select count(*) from owed where key = ? and kind <> 'cancel')
"""


def keep(db: sqlite3.Connection, kept: Iterable[Kept]) -> None:
    """What of them is to be forwarded is queued with them, once."""
    kept = tuple(kept)
    db.executemany(
        "insert or replace into orders values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                row.key,
                row.id,
                row.order.id,
                row.service,
                packed(row.order),
                row.told,
                row.finished,
                row.cancelling,
                row.confirmed,
                row.asked_at,
                row.wish,
                row.order.created_at or 0.0,
                row.order.expires_at or 0.0,
            )
            for row in kept
        ],
    )
    for forward in (forward for row in kept for forward in row.forwards):
        queued = (forward.id, forward.target, forward.body, forward.at, forward.due)
        db.execute(
            "insert into forwards values (?, ?, ?, ?, ?, 0, 0) on conflict do nothing", queued
        )


def owe(db: sqlite3.Connection, owed: Owed) -> None:
    row = (owed.id, owed.kind.value, owed.key.secret, owed.service, owed.country, owed.at)
    db.execute(
        "insert or replace into owed values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (*row, owed.order, owed.wish, owed.key.hash, owed.cents),
    )


def book(db: sqlite3.Connection, entries: Iterable[Entry]) -> None:
    rows = [(e.at, e.key, e.order, e.kind, e.cents, e.what) for e in entries]
    db.executemany("insert into ledger values (?, ?, ?, ?, ?, ?)", rows)


def kept(row: Any) -> Kept:
    key, id, _, service, body, told, finished, cancelling, confirmed, asked_at, wish, *_ = row
    flags = bool(told), bool(finished), bool(cancelling), bool(confirmed)
    return Kept(key, id, unpacked(body), service, *flags, asked_at, wish)


def owed(row: Any) -> Owed:
    id, kind, secret, service, country, at, order, wish, owner, cents = row
    key = Key(secret)
    if owner not in ("", key.hash):
        key = Key(secret, owner)
    return Owed(id, OwedKind(kind), key, service, country, at, order, wish, cents)


def forget(db: sqlite3.Connection, before: float, money_before: float) -> None:
    """What is older than that, save orders that something is owed for."""
    owed = "select order_id from owed"
    db.execute(f"delete from orders where created_at < ? and order_id not in ({owed})", (before,))
    db.execute("delete from ledger where at < ?", (money_before,))
    for table in ("spent", "answers"):
        db.execute(f"delete from {table} where at < ?", (before,))
    # Dead ones, and a day later those of a target that is no more: no other lives so long.
    forwards = "delete from forwards where at < ? and (dead = 1 or at < ?)"
    db.execute(forwards, (before, before - 86_400))


def spent(db: sqlite3.Connection, key: str, since: float) -> int:
    """In cents, with what purchases under way are expected to cost."""
    charged = db.execute(SPENT, (key, key, since)).fetchone()[0]
    return int(charged + db.execute(RESERVED, (key,)).fetchone()[0])


def refusal(db: sqlite3.Connection, key: str, cents: int, ceiling: Ceiling) -> Problem | None:
    """Why a purchase does not fit under a ceiling."""
    if ceiling.active is not None:
        held = db.execute(HELD, (key, ceiling.now, key)).fetchone()[0]
        if held >= ceiling.active:
            return Problem.TOO_MANY_ACTIVE
    for since, most in ceiling.money:
        if spent(db, key, since) + cents > most:
            return Problem.NO_BALANCE
    return None
