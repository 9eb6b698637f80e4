"""What must survive a restart: orders, what is owed to the upstream, the money ledger."""

from proxy.store.glance import Glance, file_of, glance, is_held, read_ledger
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
from proxy.store.sqlite import SqliteStore, StoreError, open_store

__all__ = [
    "Answer",
    "Ceiling",
    "Entry",
    "Forward",
    "Glance",
    "Kept",
    "Owed",
    "OwedKind",
    "SqliteStore",
    "StoreError",
    "Subscription",
    "file_of",
    "glance",
    "is_held",
    "open_store",
    "read_ledger",
]
