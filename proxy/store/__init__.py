"""What must survive a restart: orders, what is owed to the upstream, the money ledger."""

from proxy.store.contract import NO_EXTRA, Doubt, Lost, Store, StoreError, Taken
from proxy.store.glance import Glance, file_of, glance, is_held, read_ledger
from proxy.store.rows import (
    Answer,
    Ceiling,
    Change,
    Entry,
    Forward,
    Kept,
    Owed,
    OwedKind,
    Subscription,
)

__all__ = [
    "Answer",
    "Ceiling",
    "Change",
    "Doubt",
    "Entry",
    "Forward",
    "Glance",
    "Kept",
    "Lost",
    "Owed",
    "OwedKind",
    "Store",
    "StoreError",
    "Subscription",
    "Taken",
    "file_of",
    "glance",
    "is_held",
    "open_store",
    "read_ledger",
]


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
