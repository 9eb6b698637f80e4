"""The tables of a store, and the statements that write and read their rows."""

import sqlite3
from collections.abc import Iterable
from typing import Any

from proxy.model import Key
from proxy.store.rows import Entry, Kept, Owed, OwedKind, packed, unpacked

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
)


def keep(db: sqlite3.Connection, kept: Iterable[Kept]) -> None:
    db.executemany(
        "insert or replace into orders values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
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
            )
            for row in kept
        ],
    )


def owe(db: sqlite3.Connection, owed: Owed) -> None:
    row = (owed.id, owed.kind.value, owed.key.secret, owed.service, owed.country, owed.at)
    db.execute(
        "insert or replace into owed values (?, ?, ?, ?, ?, ?, ?, ?)", (*row, owed.order, owed.wish)
    )


def book(db: sqlite3.Connection, entries: Iterable[Entry]) -> None:
    rows = [(e.at, e.key, e.order, e.kind, e.cents, e.what) for e in entries]
    db.executemany("insert into ledger values (?, ?, ?, ?, ?, ?)", rows)


def kept(row: Any) -> Kept:
    key, id, _, service, body, told, finished, cancelling, confirmed, asked_at, wish, _ = row
    flags = bool(told), bool(finished), bool(cancelling), bool(confirmed)
    return Kept(key, id, unpacked(body), service, *flags, asked_at, wish)


def owed(row: Any) -> Owed:
    id, kind, secret, service, country, at, order, wish = row
    return Owed(id, OwedKind(kind), Key(secret), service, country, at, order, wish)
