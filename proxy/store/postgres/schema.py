"""The tables of a store in PostgreSQL: those of SQLite with PostgreSQL's types, and the tables that
only replicas need.
"""

import re
from types import MappingProxyType
from typing import Any

from proxy.model.errors import StoreError
from proxy.store import schema
from proxy.store.postgres.encryption import Encryption

WORDS = MappingProxyType(
    {"integer": "bigint", "real": "double precision", "blob": "bytea", " without rowid": ""}
)

CHANNEL = "virtualsms_proxy"

# Every replica that reads an order sees its refund: `ledger_once` books it once. `orders_by_id` is
# for activation ids that a replica does not know.
SHARED = f"""
create table replicas (id text primary key, until timestamptz not null);
create table claims (name text primary key, owner text not null, until timestamptz);
create table shares (
    key text not null, replica text not null, requests bigint not null, until timestamptz not null,
    primary key (key, replica)
);
create unique index ledger_once on ledger (order_id, kind) where kind in ('charge', 'refund');
create index orders_by_id on orders (key, id);
create index orders_by_wish on orders (key, wish) where wish <> '';
create index owed_by_owner on owed (owner);
create function tell_replicas() returns trigger language plpgsql as $$
begin
    perform pg_notify('{CHANNEL}', concat_ws(' ',
        current_setting('application_name'), 'order', new.key, new.order_id));
    return null;
end $$;
create trigger orders_are_told after insert or update on orders
    for each row execute function tell_replicas();
"""

# The fifth step also makes the tables that only replicas need.
STEPS = tuple(
    # Without the updates of older rows: PostgreSQL has none.
    re.sub("|".join(WORDS), lambda word: WORDS[word[0]], re.sub("(?m)^update .*;$", "", step))
    for step in (*schema.STEPS[:4], schema.STEPS[4] + SHARED, *schema.STEPS[5:])
)

LOCK = 7_463_519
"""The advisory lock of the replica that upgrades the tables."""

PROOF = "proof"


def set_up(db: Any, seal: Encryption) -> None:
    """Creates or upgrades the tables, one replica at a time. Raises StoreError or psycopg.Error."""
    with db.transaction():
        if db.execute("show transaction_read_only").fetchone()[0] == "on":
            raise StoreError("it is read-only: set store.url to the server that can be written")
        db.execute("select pg_advisory_xact_lock(%s)", (LOCK,))
        _upgrade(db, seal)


def _upgrade(db: Any, seal: Encryption) -> None:
    if db.execute("select to_regclass('proxy_version')").fetchone()[0] is None:
        db.execute("create table proxy_version (version bigint not null, proof text not null)")
        db.execute("insert into proxy_version values (0, %s)", (seal.seal(PROOF, PROOF),))
    found, proof = db.execute("select version, proof from proxy_version").fetchone()
    if found > len(STEPS):
        raise StoreError(f"it is of a newer version ({found}; this is {len(STEPS)}): "
                         "run that version of the proxy")  # fmt: skip
    if seal.open(proof, PROOF) != PROOF:
        raise StoreError("its proof of store.secret is not to be read")
    for step in STEPS[found:]:
        db.execute(step)
    if found < len(STEPS):
        db.execute("update proxy_version set version = %s", (len(STEPS),))
