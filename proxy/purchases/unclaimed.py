"""Unclaimed numbers: each goes to the next matching request, or is cancelled for a refund."""

import asyncio
import logging
from dataclasses import dataclass, replace

from proxy.model.errors import ProblemError
from proxy.orders.orders import Orders
from proxy.purchases.cancels import Cancels
from proxy.purchases.purchase import Pair, Pending, Purchase
from proxy.runtime import log_events
from proxy.runtime.counters import Counters
from proxy.runtime.tasks import BackgroundTasks
from proxy.store import OperationKind, PendingOperation, Store, readable
from proxy.upstream.client import Upstream

log = logging.getLogger(__name__)

RETRY_SECONDS = 10.0
"""Between two tries to schedule a cancel while the store cannot be written."""


@dataclass(eq=False)
class Unclaimed:
    """`reuse_seconds`: how long a number is kept for the next matching request."""

    pending: Pending
    upstream: Upstream
    orders: Orders
    cancels: Cancels
    store: Store
    counters: Counters
    reuse_seconds: float

    def __post_init__(self) -> None:
        self._tasks = BackgroundTasks(ProblemError)

    async def close(self) -> None:
        """The next run takes over what is not cancelled yet."""
        await self._tasks.aclose()

    def adopt(self, purchase: Purchase) -> Purchase:
        """Adds a purchase of an earlier run or another replica, in place of the one with its id."""
        before = self.pending.get(purchase)
        if before and before.timer:
            before.timer.cancel()
        self.pending.add(purchase)
        return purchase

    async def take_from_replicas(self, pair: Pair, reference: str) -> list[Purchase]:
        """Takes over a matching unclaimed number of another replica, if any."""
        operation = PendingOperation("", OperationKind.ORPHAN, *pair, 0.0, reference=reference)
        with readable():
            taken = await self.store.take_orphan(operation)
        activation = await self.orders.fetch(pair.key, order=taken.order) if taken else None
        if not (taken and activation):
            return []
        purchase = self.adopt(Purchase(replace(taken, key=pair.key), activation=activation))
        self.release(purchase)
        return [purchase]

    def release(self, purchase: Purchase) -> None:
        """No client waits for it any more: starts the timer of its cancel if it is paid."""
        purchase.has_client = False
        if purchase.timer:
            # It was released before, when its client left while the order was being written.
            purchase.timer.cancel()
        if purchase.activation and purchase in self.pending:
            name = f"refund of order {purchase.owned.order.id}"
            purchase.timer = self._tasks.start(self._expire(purchase), name)
            self.happened(purchase, "orphan")

    async def cancel(self, purchase: Purchase) -> None:
        """Schedules the cancel of a number that no client gets. Raises TRY_AGAIN."""
        purchase.is_being_cancelled = True
        await self.cancels.schedule(purchase.operation, purchase.owned)
        self.counters.count("purchases", "given_back")
        self.pending.drop(purchase)

    async def cancel_now(self, purchase: Purchase) -> None:
        """Cancels an unclaimed number without waiting for another request. Raises TRY_AGAIN."""
        purchase.claim()
        try:
            await self.cancel(purchase)
        finally:
            self.release(purchase)

    async def _expire(self, purchase: Purchase) -> None:
        order = purchase.owned.order
        hold = order.hold_left(self.upstream.now())
        await asyncio.sleep(max(hold, self.reuse_seconds - purchase.age))
        log.warning(log_events.UNCLAIMED_CANCELLED, order.id)
        while True:
            try:
                return await self.cancel(purchase)
            except Exception as error:
                is_bug = not isinstance(error, ProblemError)
                log.error(log_events.CANCEL_FAILED, order.id, error, exc_info=is_bug)
            await asyncio.sleep(RETRY_SECONDS)

    def happened(self, purchase: Purchase, what: str, cents: int = 0) -> None:
        self.counters.happened(purchase.owned.order.id, what, self.upstream.wall_clock(), cents)
