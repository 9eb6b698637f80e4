"""A PostgreSQL server: its address, and a connection to it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from proxy.model.errors import StoreError
from proxy.runtime.urls import shown_url
from proxy.store.schema import Database

# A server that has vanished is noticed within seconds, on idle connections, too.
PATIENT = MappingProxyType(
    {
        "connect_timeout": 3,
        "tcp_user_timeout": 5000,
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
    }
)
# One that hangs, or a replica that has vanished with a lock, holds nobody up for long.
LIMITS = """
set statement_timeout = '5s'; set lock_timeout = '3s';
set idle_in_transaction_session_timeout = '5s'
"""


@contextmanager
def glanced(url: str) -> Iterator[Database]:
    """A connection that only reads. StoreError, also from what is read within."""
    check_address(url)
    try:
        with psycopg.connect(url, connect_timeout=3) as db:
            db.read_only = True
            yield QmarkConnection(db)
    except psycopg.Error as error:
        raise StoreError(f"{shown_url(url)}: {line(error)}") from error


def check_address(url: str) -> None:
    """StoreError where it is none."""
    try:
        conninfo_to_dict(url)
    except psycopg.Error as error:
        fix = "write it as postgresql://user:password@host/database"
        raise StoreError(f"store.url: no address of a PostgreSQL server: {fix}") from error


def line(error: Exception) -> str:
    """What it says, in one line."""
    return " ".join(str(error).split()) or type(error).__name__


def limited(db: "psycopg.Connection[Any]") -> None:
    db.execute(LIMITS)
    db.commit()


class QmarkConnection:
    """A connection on which values are marked as SQLite marks them."""

    def __init__(self, db: "psycopg.Connection[Any]") -> None:
        self._db = db

    def execute(self, sql: str, values: Sequence[Any] = ()) -> Any:
        return self._db.execute(sql.replace("?", "%s").encode(), values)
