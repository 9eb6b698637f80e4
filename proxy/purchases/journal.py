"""The journal of purchases: each intended purchase, from the intent to the paid order.

No money is lost because each step is in the store before the next one: the intent before the POST,
the paid order before its answer. A failure between two steps leaves a pending operation. A purchase
with an unknown outcome is searched for in the order list. A paid order without a client is an
unclaimed number: the next matching request gets it, or it is cancelled for a refund. delivery.py
has what follows the answer.
"""

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import InitVar, dataclass, replace
from typing import Any
from uuid import uuid4

from proxy.model import ClientKey, UpstreamKey
from proxy.model.errors import (
    OrderTakenError,
    OwnershipLostError,
    Problem,
    ProblemError,
    StoreError,
)
from proxy.orders.orders import Orders
from proxy.orders.reads import Reads
from proxy.orders.tracked import TrackedActivation
from proxy.purchases.cancels import Cancels
from proxy.purchases.delivery import Deliveries
from proxy.purchases.purchase import Pair, Pending, Purchase
from proxy.purchases.reconciling import Reconciliation
from proxy.purchases.unclaimed import Unclaimed
from proxy.runtime import log_events
from proxy.runtime.counters import Counters
from proxy.runtime.tasks import BackgroundTasks
from proxy.store import OperationKind, PendingOperation, SpendingLimit, Store
from proxy.upstream.client import Upstream

log = logging.getLogger(__name__)

OPEN_SECONDS = 300.0
"""Seconds that the order list is read for the order of a purchase with an unknown outcome."""
RECONCILE_SECONDS = 10.0
"""Between two of these reads."""


@dataclass(eq=False)
class Journal:
    upstream: Upstream
    orders: Orders
    reads: Reads
    cancels: InitVar[Cancels]
    store: Store
    counters: Counters
    reuse_seconds: InitVar[float]

    def __post_init__(self, cancels: Cancels, reuse_seconds: float) -> None:
        upstream, orders, store, self.pending = self.upstream, self.orders, self.store, Pending()
        self.unclaimed = Unclaimed(
            self.pending, upstream, orders, cancels, store, self.counters, reuse_seconds
        )
        self.deliveries = Deliveries(self.pending, orders, self.unclaimed, store)
        self._reconciliation = Reconciliation(upstream, orders, store, self.pending)
        self._tasks = BackgroundTasks(ProblemError)
        self._watched: set[UpstreamKey] = set()
        orders.pin(lambda: (purchase.operation.key for purchase in self.pending))

    def start(self) -> None:
        self._reconciliation.start()

    async def close(self) -> None:
        """The next run takes over what is pending."""
        await self._tasks.aclose()
        await self.deliveries.close()
        await self.unclaimed.close()

    async def begin(
        self, pair: Pair, reference: str, quoted: int | None, limit: SpendingLimit | None
    ) -> Purchase:
        """Writes the intent to the store. Raises ProblemError if that fails, or over the limit."""
        id, kind, cents = str(uuid4()), OperationKind.PURCHASE, quoted or 0
        now, place = self.upstream.now(), self.orders.places(pair.key.listing)
        operation = PendingOperation(id, kind, *pair, now, reference=reference, cents=cents)
        purchase = Purchase(operation, place, has_client=True, quoted=quoted)
        self.pending.add(purchase)
        try:
            refused = await self.store.owe(operation, limit)
        except StoreError as error:
            self.pending.drop(purchase)
            log.error(log_events.NOTHING_BOUGHT, error)
            raise ProblemError(Problem.TRY_AGAIN, "the store cannot be written") from error
        except asyncio.CancelledError:
            # The deadline passed before the POST was sent.
            self._tasks.start(self.drop(purchase), f"end of purchase {id}", of_request=True)
            raise
        if refused:
            self.pending.drop(purchase)
            raise ProblemError(refused, "a limit of the key")
        return purchase

    async def unclaimed_for(
        self, pair: Pair, max_price: int | None, reference: str
    ) -> Purchase | None:
        """Claims and returns a purchase of the pair and reference that no client waits for: first
        an unclaimed number, then a purchase whose POST is running; None if there is none.

        A purchase with a reference is made once. Raises ORDER_EXISTS if its number is delivered or
        a client waits for it; UNCLEAR while its outcome is unknown.
        """
        await self._reconcile_pair(pair, reference)
        if reference:
            self._check_reference(pair, reference)
        unclaimed = self.pending.unclaimed(pair, reference)
        for purchase in [*unclaimed, *await self.unclaimed.take_from_replicas(pair, reference)]:
            # Another client may have claimed this one while the one before it was read.
            if purchase in self.pending and purchase.is_free and purchase.fits(max_price):
                purchase.claim()
                try:
                    await self.reads.refresh(pair.key, purchase.owned)
                except BaseException:
                    # After any failure, the deadline included: this starts the timer of its cancel.
                    self.unclaimed.release(purchase)
                    raise
                if purchase.fits(max_price):
                    cents = purchase.owned.order.cents or 0
                    self.unclaimed.happened(purchase.owned, "handed_over", cents)
                    return purchase
                self.unclaimed.release(purchase)
        running = (p for p in self.pending.unclaimed(pair, reference) if p.is_under_way)
        if found := next(running, None):
            found.claim()
        return found

    async def _reconcile_pair(self, pair: Pair, reference: str) -> None:
        """Looks for the orders of unclear purchases. Raises ProblemError if the list cannot be
        read, unless the upstream has said itself that none of them made an order.
        """
        unclear = [one for one in self.pending.unclaimed(pair, reference) if one.unclear]
        try:
            if unclear:
                await self.reconcile(pair.key)
        except ProblemError:
            if not all(purchase.is_no_stock for purchase in unclear):
                raise

    def _check_reference(self, pair: Pair, reference: str) -> None:
        known = self.orders.by_reference(pair.key, reference)
        same = self.pending.same(pair, reference)
        if (known and known.delivered) or any(purchase.has_client for purchase in same):
            raise ProblemError(Problem.ORDER_EXISTS)
        if any(purchase.unclear for purchase in same):
            raise ProblemError(Problem.UNCLEAR, "the outcome of this purchase is not known yet")

    async def bought(self, purchase: Purchase, activation: TrackedActivation) -> None:
        """Writes the paid order with its ledger entries, before any use of it: as being answered,
        or as unclaimed if no client waits for it. Raises TRY_AGAIN if the store fails or another
        replica has the purchase, UNCLEAR if that one has the order.
        """
        key, order = purchase.operation.key, activation.order
        activation.delivered = bool(activation.delivered)
        self.orders.set_reference(key, activation, purchase.operation.reference)
        purchase.unclear, purchase.activation = False, activation
        activation.service = purchase.code or activation.service
        kind = OperationKind.ANSWERING if purchase.has_client else OperationKind.ORPHAN
        purchase.operation = replace(purchase.operation, kind=kind, order=order.id)
        entries = purchase.entries(order, self.upstream.wall_clock())
        self.counters.count("charged_cents", by=order.cents or 0)
        self.unclaimed.happened(activation, "bought", order.cents or 0)
        log.info("bought %s: %s for %s cents, %s", order.id, entries[-1].what, order.cents, key)
        try:
            row = self.orders.row(key, activation)
            await self.store.commit(purchase.operation, row, *entries, surely=True)
        except OwnershipLostError as error:
            # Marked as bought here, the order could not be adopted by the other replica.
            activation.delivered = activation.delivered or None
            self.deliveries.drop_lost(purchase, error)
            raise ProblemError(Problem.TRY_AGAIN, "another replica sees to it") from error
        except OrderTakenError as error:
            # Both replicas found it in the same list. This one goes on searching.
            activation.delivered = activation.delivered or None
            self.orders.set_reference(key, activation, "")
            purchase.activation = None
            purchase.operation = replace(purchase.operation, kind=OperationKind.PURCHASE, order="")
            self._watch_for_order(purchase)
            raise ProblemError(Problem.UNCLEAR, str(error)) from error
        except StoreError as error:
            log.error(log_events.ORDER_NOT_SAVED, order.id, error)
            raise ProblemError(Problem.TRY_AGAIN, "the store cannot be written") from error

    async def drop(self, purchase: Purchase, outcome: str = "none") -> None:
        """Ends a purchase that made no order, or whose outcome stays unknown."""
        self.counters.count("purchases", outcome)
        purchase.unclear = False
        self.pending.drop(purchase)
        try:
            await self.store.settle(purchase.operation.id, surely=True)
        except OwnershipLostError as error:
            log.info("purchase %s: %s", purchase.operation.id, error)
        except StoreError as error:
            log.error(log_events.PURCHASE_NOT_CLOSED, purchase.operation.id, error)

    def mark_unclear(self, purchase: Purchase) -> None:
        """Starts to read the order list until the outcome is known, at most OPEN_SECONDS."""
        self.counters.count("purchases", "unclear")
        self._watch_for_order(purchase)

    def _watch_for_order(self, purchase: Purchase) -> None:
        purchase.unclear = True
        key = purchase.operation.key
        name = f"doubt of purchase {purchase.operation.id}"
        self._tasks.start(self._publish_unclear(purchase), name)
        if key.upstream not in self._watched:
            self._watched.add(key.upstream)
            self._tasks.start(self._watch(key), f"unclear purchases of {key}")

    async def _publish_unclear(self, purchase: Purchase) -> None:
        """Tells other replicas that the POST has ended with an unknown outcome."""
        try:
            await self.store.doubt(purchase.operation)
        except OwnershipLostError as error:
            self.deliveries.drop_lost(purchase, error)
        except StoreError as error:
            log.warning(log_events.PURCHASE_NOT_SHARED, purchase.operation.id, error)

    async def reconcile(self, key: ClientKey) -> None:
        """Reads the order list and adopts orders that only our unclear purchases can have made."""
        await self.reads.lists.refresh_anew(key)
        findings = await self._reconciliation.find(key)
        for purchase, activation in findings.made:
            own = self.orders.adopt(purchase.operation.key, activation.order)
            # Another read of the list may have found it first.
            if purchase.unclear and own.delivered is None:
                # Set before the task runs: a read that ends at the same time must not find it.
                purchase.unclear, own.delivered = False, False
                # The task goes on after the deadline of the client that started the read.
                name = f"order {own.order.id} that was found"
                work = self._found(purchase, own)
                await asyncio.shield(self._tasks.start(work, name, of_request=True))
        for purchase in findings.none:
            # Another read may have found its order meanwhile.
            if purchase.unclear and not self.reads.lists.of(key).has_unread:
                await self.drop(purchase)

    async def _found(self, purchase: Purchase, activation: TrackedActivation) -> None:
        try:
            await self.bought(purchase, activation)
        finally:
            # Also when the store could not be written: the order is paid.
            if not purchase.has_client:
                self.unclaimed.release(purchase)

    async def _watch(self, key: ClientKey) -> None:
        try:
            while self.pending.unclear(key):
                await asyncio.sleep(RECONCILE_SECONDS)
                await self._attempt(self.reconcile(key), key)
                await self._attempt(self._drop_old(key), key)
        finally:
            self._watched.discard(key.upstream)

    async def _attempt(self, work: Coroutine[Any, Any, None], key: ClientKey) -> None:
        try:
            await work
        except Exception as error:
            is_bug = not isinstance(error, ProblemError)
            log.warning(log_events.PURCHASES_UNCLEAR, key, error, exc_info=is_bug)

    async def _drop_old(self, key: ClientKey) -> None:
        for purchase in self.pending.unclear(key):
            if purchase.unclear and purchase.age > OPEN_SECONDS:
                await self._give_up(purchase)

    async def _give_up(self, purchase: Purchase) -> None:
        """Ends a purchase that is too old. Its outcome is known only if the whole list was read."""
        if self.reads.lists.has_read_since(purchase.operation.key, purchase.known_at):
            log.warning(log_events.NO_ORDER_MADE, purchase.operation.id)
            return await self.drop(purchase)
        log.error(log_events.ORDER_UNFOUND, purchase.operation.id)
        await self.drop(purchase, "unknown")
