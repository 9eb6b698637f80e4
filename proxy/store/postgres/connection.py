"""The URL of a PostgreSQL server, and connections to it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from proxy.model.errors import StoreError
from proxy.runtime.urls import shown_url
from proxy.store.schema import Database

# A lost server is noticed within seconds, on idle connections too.
KEEPALIVE = MappingProxyType(
    {
        "connect_timeout": 3,
        "tcp_user_timeout": 5000,
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
    }
)
# A server that hangs, or a lost replica that holds a lock, blocks others for some seconds only.
LIMITS = """
set statement_timeout = '5s'; set lock_timeout = '3s';
set idle_in_transaction_session_timeout = '5s'
"""


@contextmanager
def connect_read_only(url: str) -> Iterator[Database]:
    """A read-only connection. Raises StoreError, also if a read inside the block fails."""
    check_address(url)
    try:
        with psycopg.connect(url, connect_timeout=3) as db:
            db.read_only = True
            yield QmarkConnection(db)
    except psycopg.Error as error:
        raise StoreError(f"{shown_url(url)}: {one_line(error)}") from error


def check_address(url: str) -> None:
    """Raises StoreError if the URL is no address of a PostgreSQL server."""
    try:
        conninfo_to_dict(url)
    except psycopg.Error as error:
        fix = "write it as postgresql://user:password@host/database"
        raise StoreError(f"store.url: no address of a PostgreSQL server: {fix}") from error


def one_line(error: Exception) -> str:
    """The text of the error in one line."""
    return " ".join(str(error).split()) or type(error).__name__


def set_limits(db: "psycopg.Connection[Any]") -> None:
    db.execute(LIMITS)


class PooledConnection(psycopg.Connection[tuple[Any, ...]]):
    used_at = float("-inf")
    """When it last worked, in seconds of the monotonic clock."""


class QmarkConnection:
    """A psycopg connection that takes SQLite's placeholder, a question mark."""

    def __init__(self, db: "psycopg.Connection[Any]") -> None:
        self._db = db

    def execute(self, sql: str, values: Sequence[Any] = ()) -> Any:
        return self._db.execute(sql.replace("?", "%s").encode(), values)
