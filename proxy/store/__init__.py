"""What must survive a restart: orders, what is owed to the upstream, the money ledger."""

from proxy.store.contract import Lost, Store, StoreError, Taken
from proxy.store.rows import Answer, Ceiling, Change, Entry, Kept, Owed, OwedKind

__all__ = [
    "Answer",
    "Ceiling",
    "Change",
    "Entry",
    "Kept",
    "Lost",
    "Owed",
    "OwedKind",
    "Store",
    "StoreError",
    "Taken",
    "open_store",
    "read_ledger",
]

NO_EXTRA = "store.url: PostgreSQL needs the extra: pip install 'virtualsms-proxy[postgres]'"


def open_store(url: str, secret: str | None = None) -> Store:
    """SQLite or PostgreSQL, as the address says. StoreError."""
    if url.startswith("sqlite:"):
        from proxy.store.sqlite import open_sqlite

        return open_sqlite(url)
    if not secret:
        raise StoreError("store.secret: PostgreSQL needs it, to seal keys: set a long random text")
    try:
        from proxy.store.postgres import open_postgres
    except ImportError as error:
        raise StoreError(NO_EXTRA) from error
    return open_postgres(url, secret)


def read_ledger(url: str, since: float = 0.0) -> list[Entry]:
    """The ledger of a store that another process may have open. StoreError."""
    if url.startswith("sqlite:"):
        from proxy.store.sqlite import read_sqlite_ledger

        return read_sqlite_ledger(url, since)
    try:
        from proxy.store.postgres import read_postgres_ledger
    except ImportError as error:
        raise StoreError(NO_EXTRA) from error
    return read_postgres_ledger(url, since)
