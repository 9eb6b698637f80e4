"""What must survive a restart: orders, what is owed to the upstream, the money ledger."""

from proxy.store.rows import (
    Answer,
    Ceiling,
    Entry,
    Forward,
    Kept,
    Owed,
    OwedKind,
    Subscription,
)
from proxy.store.sqlite import SqliteStore, StoreError, open_store, read_ledger

__all__ = [
    "Answer",
    "Ceiling",
    "Entry",
    "Forward",
    "Kept",
    "Owed",
    "OwedKind",
    "SqliteStore",
    "StoreError",
    "Subscription",
    "open_store",
    "read_ledger",
]
