"""The contract of every store.

Money is in whole US cents. Times are seconds since 1970, on this machine's clock where nothing else
is said. `key` is the hash of an API key, of a program's `ClientKey` unless it says upstream key. A
replica is one proxy process on the store.
"""

import math
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from proxy.model import CatalogueAnswer
from proxy.model.errors import Problem, ProblemError, StoreError
from proxy.runtime.histogram import Histogram
from proxy.store.rows import (
    ActivationRow,
    Change,
    Delivery,
    Entry,
    Forward,
    PendingOperation,
    SpendingLimit,
    Subscription,
)

NO_EXTRA = "store.url: PostgreSQL needs the extra: pip install '.[postgres]' in a checkout"


@contextmanager
def readable() -> Iterator[None]:
    """Turns a StoreError of a read into a ProblemError with TRY_AGAIN: nothing is known yet, so
    nothing may be refused for good.
    """
    try:
        yield
    except StoreError as error:
        raise ProblemError(Problem.TRY_AGAIN, f"the store cannot be read: {error}") from error


class Store(Protocol):
    """Whatever is awaited raises StoreError if the store cannot be read or written.
    `publish_change`, `record_request` and `save_answer` return before they write, and only log it
    if the write fails.

    A write with `surely` that fails is retried with later writes, and the caller gets the error all
    the same. `keep`, `rename`, `book` and `doubt` always do so.
    """

    @property
    def is_shared(self) -> bool:
        """Whether other replicas may use the store."""

    @property
    def trouble(self) -> str:
        """Why the store does not work now, in one line; empty if it works."""

    @property
    def commit_seconds(self) -> Histogram:
        """How long the commits took, failed ones included, with the wait for a thread."""

    # Orders, each under its activation id.

    def orders(self, key: str, since: float = 0.0) -> AsyncIterator[ActivationRow]:
        """All orders of a key that were created at `since` (upstream's clock) or later. There may
        be very many.
        """

    def all_orders(self) -> AsyncIterator[ActivationRow]:
        """All orders of all keys."""

    async def newest_orders(
        self, since: float, limit: int, until: float = math.inf
    ) -> list[ActivationRow]:
        """At most so many orders of all keys that were created at `since` or later, and before
        `until`, both on the upstream's clock; newest first.
        """

    async def found_by(self, fingerprint: str, id: int) -> list[ActivationRow]:
        """The orders with this activation id, of keys whose hash begins with the fingerprint; the
        newest first.
        """

    async def order(
        self, key: str, *, id: int = 0, order: str = "", reference: str = ""
    ) -> ActivationRow | None:
        """The newest order of the key with this activation id, order id or client reference."""

    async def holders(self, order: str) -> list[ActivationRow]:
        """The rows of one order id: one for each key that has the order."""

    async def owners(self, orders: Sequence[str]) -> dict[str, str]:
        """The key of each order id. Order ids that no key has are left out."""

    async def keep(self, *rows: ActivationRow) -> None:
        """Saves orders and queues their `forwards`, in one transaction. A saved order is merged
        with the new one: no message, flag or reference that was saved before is lost.
        """

    async def rename(self, before: str, row: ActivationRow) -> None:
        """Saves an order whose order id was `before`, and moves its ledger entries and pending
        operation to the new order id.
        """

    # Pending operations. Each is owned by one replica, which carries it out.

    async def owed(self) -> list[PendingOperation]:
        """The pending operations of all replicas, oldest first."""

    async def mine(self) -> list[PendingOperation]:
        """The pending operations of this replica, oldest first."""

    async def intents(self, key: str) -> list[PendingOperation]:
        """Purchases of unknown outcome that other replicas own, for an upstream key."""

    async def holds(self, id: str) -> bool:
        """Whether this replica still owns the pending operation."""

    async def owe(
        self, operation: PendingOperation, limit: SpendingLimit | None = None
    ) -> Problem | None:
        """Saves a pending operation durably before it returns. Writes nothing and returns the
        Problem if a purchase exceeds the limit, or if its client reference was used before. If it
        raises StoreError, the operation is not pending.
        """

    async def doubt(self, operation: PendingOperation) -> None:
        """Marks a purchase as unclear: its POST has ended with an unknown outcome. Raises
        OwnershipLostError.
        """

    async def commit(
        self,
        operation: PendingOperation,
        row: ActivationRow,
        *entries: Entry,
        is_new: bool = False,
        surely: bool = False,
    ) -> None:
        """Saves an order, its pending operation and its ledger entries durably, in one transaction.
        The pending operation must exist and be owned by this replica, unless it `is_new`. Raises
        OwnershipLostError, and OrderTakenError if another replica has booked the order.
        """

    async def settle(self, id: str, *rows: ActivationRow, surely: bool = False) -> None:
        """Deletes the pending operation with its key and saves the orders, in one transaction. The
        first order must be the operation's own. Raises OwnershipLostError.
        """

    async def mark_delivered(
        self, *rows: ActivationRow, unclaimed: bool = False, later: bool = False
    ) -> list[Delivery]:
        """Saves orders that clients have received, and deletes their pending operations, whoever
        owns these, in one transaction. Rows without DELIVERED are not saved. An unclaimed number is
        delivered only with `unclaimed`. With `later` the write waits a moment, to share the commit
        of others, and is retried if it fails.
        """

    async def take_orphan(self, operation: PendingOperation) -> PendingOperation | None:
        """Takes over an unclaimed number of another replica, for the same key, service, country
        and client reference; the oldest one. None if there is none.
        """

    # Replicas.

    async def take_over(self) -> list[PendingOperation]:
        """Marks this replica as alive and takes over the pending operations of dead replicas.
        Returns those that were taken over. SQLite has one replica, and returns all.
        """

    async def others(self) -> int:
        """The number of other replicas that are alive."""

    async def claim(self, name: str, seconds: float | None = None) -> bool:
        """Claims a name that one replica at a time can have: for some seconds, or for as long as
        the replica is alive. Returns whether this replica has it now.
        """

    async def release(self, name: str) -> None:
        """Gives up a claim."""

    def publish_change(self, change: Change) -> None:
        """Sends a change to the other replicas."""

    def changes(self) -> AsyncGenerator[Change, None]:
        """The changes that other replicas publish. Never ends."""

    # The ledger, and the spending limits.

    async def book(self, *entries: Entry) -> None:
        """Adds entries to the ledger."""

    async def ledger(self, since: float = 0.0) -> list[Entry]:
        """The ledger entries booked at `since` or later, oldest first."""

    async def entries(self, order: str) -> list[Entry]:
        """The ledger entries of an order, oldest first."""

    async def refusal(self, key: str, cents: int, limit: SpendingLimit) -> Problem | None:
        """The Problem of a purchase that would exceed the limit now; None if it fits."""

    async def spent(self, key: str, since: float) -> int:
        """Cents of the orders charged at `since` or later, without what was refunded for them,
        and with the expected price of purchases under way.
        """

    # The request budget of upstream keys.

    async def lease_requests(self, key: str, limit: int, sent: int, wanted: int) -> int:
        """Leases a part of the `limit` requests per minute of an upstream key. `sent` is what this
        replica sent in the last minute. Returns the requests per minute it may send: `wanted` if
        so many are free, and never less than `sent`.
        """

    def unleased_limit(self, limit: int) -> int:
        """Requests per minute this replica may send without a lease, of `limit` for the key."""

    def record_request(self, key: str, at: float) -> None:
        """Records one request of an upstream key."""

    async def requests(self, key: str, since: float) -> list[float]:
        """The time of each recorded request of an upstream key after `since`, oldest first."""

    # Answers of the catalogue.

    def save_answer(self, answer: CatalogueAnswer) -> None:
        """Replaces the saved answer of the same name."""

    async def answers(self) -> list[CatalogueAnswer]:
        """The last answer of each name."""

    # SMS on their way to targets, and the upstream's webhooks.

    async def forwards(self, target: str, limit: int) -> list[Forward]:
        """At most so many messages to deliver to a target, the earliest due first."""

    async def all_forwards(self) -> list[Forward]:
        """The messages to deliver to all targets, oldest first."""

    async def queue(self, *forwards: Forward) -> None:
        """Adds messages that another store had queued."""

    async def forward_counts(self) -> dict[tuple[str, bool], int]:
        """The number of queued messages, by target and whether they are dead."""

    async def delivered(self, forward: Forward) -> None:
        """Deletes a message that its target has acknowledged."""

    async def retry_forward(self, forward: Forward, due: float | None) -> None:
        """Counts a failed attempt. The next one is at `due`; None makes the message dead."""

    async def drop_forwards(self, target: str, count: int) -> None:
        """Deletes so many messages of a target, the dead ones first, then the oldest."""

    async def has_event(self, id: str) -> bool:
        """Whether the webhook event was recorded before."""

    async def record_event(self, id: str, at: float, before: float) -> None:
        """Records a webhook event, and deletes those recorded earlier than `before`."""

    async def subscriptions(self) -> list[Subscription]:
        """The webhook subscriptions of all upstream keys, with their secrets."""

    async def subscribe(self, subscription: Subscription) -> None:
        """Replaces the subscription of its upstream key, durably: the upstream tells the secret
        only once.
        """

    async def forget(
        self, before: float, money_before: float | None = None, orders_before: float | None = None
    ) -> None:
        """Deletes rows older than `before`. The ledger uses `money_before` instead, and orders use
        `orders_before` (upstream's clock), where these are given. Orders with a pending operation,
        or with a ledger entry newer than `before`, stay.
        """

    async def close(self) -> None:
        """Writes what is still to be written, then closes the store."""
