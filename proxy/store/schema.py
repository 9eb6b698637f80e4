"""The tables of a store, and the statements that write and read their rows. SQLite and PostgreSQL
share them.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from proxy.model import FLAGS, ClientKey, last_asked, merge
from proxy.model.errors import Problem
from proxy.store.rows import (
    ActivationRow,
    Delivery,
    Entry,
    Forward,
    OperationKind,
    PendingOperation,
    SpendingLimit,
    decode_order,
    encode_order,
)

# One step for each version; a store of an older version runs the steps that it lacks.
STEPS = (
    """
create table orders (
    key text not null, id integer not null, order_id text not null, service text not null,
    body blob not null, told integer not null, finished integer not null,
    cancelling integer not null, confirmed integer not null, asked_at integer, wish text not null,
    created_at real not null,
    primary key (key, order_id)
) without rowid;
create index orders_by_age on orders (created_at);
create table owed (
    id text primary key, kind text not null, secret text not null, service text not null,
    country text not null, at real not null, order_id text not null, wish text not null
) without rowid;
create table ledger (
    at real not null, key text not null, order_id text not null, kind text not null,
    cents integer not null, what text not null
);
create index ledger_by_time on ledger (at);
""",
    """
create table spent (
    key text not null, at real not null, requests integer not null,
    primary key (key, at)
) without rowid;
create table answers (name text primary key, at real not null, body blob not null);
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
    id text not null, target text not null, body blob not null, at real not null, due real not null,
    tries integer not null, dead integer not null,
    primary key (target, id)
) without rowid;
create index forwards_by_due on forwards (target, dead, due);
create table events (id text primary key, at real not null) without rowid;
create index events_by_time on events (at);
create table subscriptions (
    key text primary key, id text not null, secret text not null
) without rowid;
create index orders_by_order on orders (order_id);
""",
    """
alter table owed add column owner text not null default '';
alter table owed add column unclear integer not null default 0;
""",
    # Versions before this do not know the kinds `answering` and `doubt` of `owed`.
    """
alter table orders add column doubted integer not null default 0;
""",
)

# A refund counts at the time of its order's charge, not at its own time.
SPENT = """
select -coalesce(sum(cents), 0) from ledger where key = ? and kind <> 'quote' and order_id in
    (select order_id from ledger where key = ? and kind = 'charge' and at >= ?)
"""
RESERVED = "select coalesce(sum(cents), 0) from owed where key = ? and kind = 'purchase'"
DELETE_OLD_ORDERS = """
delete from orders where created_at < ? and order_id not in (select order_id from owed)
    and order_id not in (select order_id from ledger where at >= ?)
"""
DELETE_ORDER = "delete from orders where key = ? and order_id = ?"
HELD = """
select (select count(*) from orders where key = ? and told = 1 and finished = 0 and cancelling = 0
            and confirmed = 0 and expires_at > ?)
     + (select count(*) from owed where key = ? and kind <> 'cancel')
"""

FLAG_COLUMNS = ["told" if flag == "delivered" else flag for flag in FLAGS]
"""The column of the flag `delivered` has an older name."""
COLUMNS = ("key", "id", "service", "body", "asked_at", "wish", *FLAG_COLUMNS)
"""Columns of `orders`, in the order in which they are read."""
# A flag that one replica has set is not cleared by another that does not know of it yet.
SAVE_ORDER = f"""
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
SAVED_ORDER = """
select body, asked_at, told, doubted, cancelling from orders where key = ? and order_id = ?
"""

# A replica must not write a row that it does not own any more.
SAVE_OPERATION = """
insert into owed (id, kind, secret, service, country, at, order_id, wish, key, cents, owner,
    unclear) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
on conflict (id) do update set kind = excluded.kind, secret = excluded.secret,
    order_id = excluded.order_id, cents = excluded.cents, unclear = excluded.unclear
    where owed.owner = excluded.owner
"""
# `order` may be '': then the operation may be of any order.
UPDATE_OPERATION = """
update owed set kind = ?, secret = ?, order_id = ?, cents = ?, unclear = ?
where id = ? and owner = ? and (? = '' or order_id = ?)
"""
OPERATION_COLUMNS = "id, kind, secret, service, country, at, order_id, wish, key, cents, unclear"
OPERATIONS = f"select {OPERATION_COLUMNS} from owed"

# What excludes delivery and refund of a number in doubt: whoever changes this row first wins, as a
# refund turns `doubt` into `cancel`.
DELETE_UNDELIVERED = """
delete from owed where key = ? and order_id = ?
    and (kind in ('answering', 'doubt') or (? = 1 and kind = 'orphan'))
"""
OWED_FOR = "select 1 from owed where key = ? and order_id = ?"

REFERENCE_USED = "select 1 from orders where key = ? and wish = ? and told = 1"
REFERENCE_PENDING = "select 1 from owed where key = ? and wish = ? and kind <> 'cancel' and id <> ?"


class Row(Protocol):
    """A cursor of either driver."""

    @property
    def rowcount(self) -> int: ...
    def fetchone(self) -> Any: ...
    def fetchall(self) -> list[Any]: ...


class Database(Protocol):
    """A connection, inside a transaction. The placeholder of a value is a question mark."""

    def execute(self, sql: str, values: Sequence[Any] = ..., /) -> Row: ...


def save_orders(db: Database, rows: Iterable[ActivationRow], lock: str = "") -> None:
    """Merges each order with the saved one, which another replica may have written, and queues its
    forwards. `lock` is the SQL clause that locks a row until the end of the transaction.
    """
    # All replicas lock rows in the same order: no deadlock.
    for row in sorted(rows, key=lambda row: (row.key, row.order.id)):
        _save_order(db, row, _saved_order(db, row, lock))


def _saved_order(db: Database, row: ActivationRow, lock: str) -> Any:
    return db.execute(f"{SAVED_ORDER} {lock}", (row.key, row.order.id)).fetchone()


def _save_order(db: Database, row: ActivationRow, found: Any) -> None:
    """`found` is the result of _saved_order."""
    order, asked_at = row.order, row.asked_at
    if found:
        before = decode_order(found[0])
        order = merge(before, row.order)
        asked_at = last_asked(before, found[1], row.order, row.asked_at)
    values = (row.key, row.id, row.service, encode_order(order), asked_at, row.reference)
    times = (order.created_at or 0.0, order.expires_at or 0.0)
    db.execute(SAVE_ORDER, (*values, *map(int, row.flags().values()), order.id, *times))
    for forward in row.forwards:
        queue_forward(db, forward)


def mark_delivered(db: Database, row: ActivationRow, unclaimed: bool, lock: str = "") -> Delivery:
    """See Store.mark_delivered."""
    order = (row.key, row.order.id)
    is_done = db.execute(DELETE_UNDELIVERED, (*order, int(unclaimed))).rowcount > 0
    found = _saved_order(db, row, lock)
    told, doubted, cancelling = found[2:] if found else (0, 0, 0)
    if not (is_done or told):
        if cancelling or db.execute(OWED_FOR, order).fetchone():
            return Delivery.WITHHELD
        if not doubted:
            return Delivery.FOREIGN
    _save_order(db, row, found)
    return Delivery.DELIVERED


def queue_forward(db: Database, forward: Forward) -> None:
    row = (forward.id, forward.target, forward.body, forward.at, forward.due, forward.tries)
    db.execute("insert into forwards values (?, ?, ?, ?, ?, ?, 0) on conflict do nothing", row)


def save_operation(db: Database, it: PendingOperation, secret: str, owner: str) -> bool:
    """Returns False if another replica owns the row. `secret` is the key, encrypted or not."""
    row = (it.id, it.kind.value, secret, it.service, it.country, it.at, it.order, it.reference)
    values = (*row, it.key.hash, it.cents, owner, int(it.unclear))
    return db.execute(SAVE_OPERATION, values).rowcount > 0


def update_operation(
    db: Database, it: PendingOperation, secret: str, owner: str, order: str
) -> bool:
    """Returns False if the row has another owner, is gone, or is of another order than `order`."""
    values = (it.kind.value, secret, it.order, it.cents, int(it.unclear), it.id, owner)
    return db.execute(UPDATE_OPERATION, (*values, order, order)).rowcount > 0


def book(db: Database, entries: Iterable[Entry]) -> bool:
    """Returns False if another replica has booked one of the entries."""
    is_new = True
    for e in entries:
        row = (e.at, e.key, e.order, e.kind, e.cents, e.what)
        sql = "insert into ledger values (?, ?, ?, ?, ?, ?) on conflict do nothing"
        is_new &= db.execute(sql, row).rowcount > 0
    return is_new


def activation_row(row: Any) -> ActivationRow:
    """`row` has the COLUMNS."""
    key, id, service, body, asked_at, reference, *values = row
    flags: dict[str, Any] = dict(zip(FLAGS, map(bool, values), strict=True))
    return ActivationRow(key, id, decode_order(body), service, asked_at, reference, **flags)


def pending_operation(row: Any, secret: str) -> PendingOperation:
    """`row` has the OPERATION_COLUMNS; `secret` is the key, decrypted."""
    id, kind, _, service, country, at, order, reference, owner, cents, unclear = row
    key = ClientKey.of(secret)
    if owner not in ("", key.hash):
        key = ClientKey(key.upstream, owner)
    what = (service, country, at, order, reference, cents, bool(unclear))
    return PendingOperation(id, OperationKind(kind), key, *what)


def delete_old(db: Database, before: float, money_before: float, orders_before: float) -> None:
    """See Store.forget. The ledger protects orders too: their own times are on the upstream's
    clock, and may be missing.
    """
    db.execute(DELETE_OLD_ORDERS, (orders_before, before))
    db.execute("delete from ledger where at < ?", (money_before,))
    for table in ("spent", "answers"):
        db.execute(f"delete from {table} where at < ?", (before,))
    # Dead messages; a day later also those whose target is not configured any more.
    forwards = "delete from forwards where at < ? and (dead = 1 or at < ?)"
    db.execute(forwards, (before, before - 86_400))


def spent(db: Database, key: str, since: float) -> int:
    """In cents, with the expected price of purchases under way."""
    charged = db.execute(SPENT, (key, key, since)).fetchone()[0]
    return int(charged + db.execute(RESERVED, (key,)).fetchone()[0])


def reference_problem(db: Database, operation: PendingOperation) -> Problem | None:
    """The Problem of a purchase whose client reference was used before; None if it is new."""
    if operation.kind is not OperationKind.PURCHASE or not operation.reference:
        return None
    reference = (operation.key.hash, operation.reference)
    if db.execute(REFERENCE_USED, reference).fetchone():
        return Problem.ORDER_EXISTS
    is_open = db.execute(REFERENCE_PENDING, (*reference, operation.id)).fetchone()
    return Problem.UNCLEAR if is_open else None


def refusal(db: Database, key: str, cents: int, limit: SpendingLimit) -> Problem | None:
    """The Problem of a purchase that exceeds the limit; None if it fits."""
    if limit.active is not None:
        held = db.execute(HELD, (key, limit.earliest, key)).fetchone()[0]
        if held >= limit.active:
            return Problem.TOO_MANY_ACTIVE
    is_over = any(spent(db, key, since) + cents > most for since, most in limit.money)
    return Problem.NO_BALANCE if is_over else None
