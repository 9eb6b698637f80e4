"""What must survive a restart: orders, pending operations, the money ledger."""

from proxy.model.errors import StoreError
from proxy.store.files import file_of, lock_holder, refuse_links
from proxy.store.interface import NO_EXTRA, Store, readable
from proxy.store.read_only import (
    ReadOnlyStore,
    is_held,
    is_in_use,
    is_postgres,
    open_read_only,
    read_ledger,
)
from proxy.store.rows import (
    ActivationRow,
    Change,
    Delivery,
    Entry,
    Forward,
    OperationKind,
    PendingOperation,
    SpendingLimit,
    Subscription,
)

__all__ = [
    "ActivationRow",
    "Change",
    "Delivery",
    "Entry",
    "Forward",
    "OperationKind",
    "PendingOperation",
    "ReadOnlyStore",
    "SpendingLimit",
    "Store",
    "Subscription",
    "check_store",
    "file_of",
    "is_held",
    "is_in_use",
    "is_postgres",
    "lock_holder",
    "open_read_only",
    "open_store",
    "read_ledger",
    "readable",
    "refuse_links",
]


def open_store(url: str, secret: str | None = None) -> Store:
    """Opens a SQLite or PostgreSQL store, according to the URL. Raises StoreError."""
    check_store(url, secret)
    if not is_postgres(url):
        from proxy.store.sqlite import open_sqlite

        return open_sqlite(url)
    from proxy.store.postgres.store import open_postgres

    return open_postgres(url, secret or "")


def check_store(url: str, secret: str | None) -> None:
    """Checks what can be checked without opening the store. Raises StoreError."""
    if not is_postgres(url):
        if path := file_of(url):
            refuse_links(path)
        return
    if not secret:
        raise StoreError("store.secret: PostgreSQL needs it, to seal keys: set a long random text")
    try:
        from proxy.store.postgres.connection import check_address
    except ImportError as error:
        raise StoreError(NO_EXTRA) from error
    check_address(url)
