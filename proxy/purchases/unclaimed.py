"""Paid numbers that no client has: each goes to the next who asks for the same, or is cancelled."""

import asyncio
import logging
from dataclasses import replace

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
"""Between two tries to cancel one, where the store cannot be written."""


class Unclaimed:
    """`reuse_seconds`: how long one is kept for the next who asks for the same."""

    def __init__(
        self,
        pending: Pending,
        upstream: Upstream,
        orders: Orders,
        cancels: Cancels,
        store: Store,
        counters: Counters,
        reuse_seconds: float,
    ) -> None:
        self._pending = pending
        self._upstream = upstream
        self._orders = orders
        self._cancels = cancels
        self._store = store
        self._counters = counters
        self._reuse_seconds = reuse_seconds
        self._tasks = BackgroundTasks(ProblemError)

    async def close(self) -> None:
        """What is not cancelled yet is owed by the next run."""
        await self._tasks.aclose()

    def adopt(self, purchase: Purchase) -> Purchase:
        """One that was another run's, or another replica's; perhaps it was this one's before."""
        before = self._pending.get(purchase)
        if before and before.timer:
            before.timer.cancel()
        self._pending.add(purchase)
        return purchase

    async def of_others(self, pair: Pair, reference: str) -> list[Purchase]:
        """An orphan of another replica, if there is one; it is this one's now."""
        key, service, iso = pair
        owed = PendingOperation(
            "", OperationKind.ORPHAN, key, service, iso, 0.0, reference=reference
        )
        with readable():
            taken = await self._store.take_orphan(owed)
        activation = await self._orders.fetch(key, order=taken.order) if taken else None
        if not (taken and activation):
            return []
        purchase = self.adopt(Purchase(replace(taken, key=key), activation=activation))
        self.release(purchase)
        return [purchase]

    def release(self, purchase: Purchase) -> None:
        """Nobody waits for it any more: its refund is in sight, unless it is claimed before."""
        purchase.has_client = False
        if purchase.timer:
            # The client went while the order was being kept: it was released then already.
            purchase.timer.cancel()
        if purchase.activation and purchase in self._pending:
            name = f"refund of order {purchase.owned.order.id}"
            purchase.timer = self._tasks.start(self._expire(purchase), name)
            self.happened(purchase, "orphan")

    async def give_back(self, purchase: Purchase) -> None:
        """Cancel what no client gets."""
        purchase.is_going_back = True
        await self._cancels.promise(purchase.owed, purchase.owned)
        self._counters.count("purchases", "given_back")
        self._pending.drop(purchase)

    async def return_now(self, orphan: Purchase) -> None:
        """Give an orphan back without waiting for the next wish."""
        orphan.claim()
        try:
            await self.give_back(orphan)
        finally:
            self.release(orphan)

    async def _expire(self, purchase: Purchase) -> None:
        order = purchase.owned.order
        hold = order.hold_left(self._upstream.now())
        await asyncio.sleep(max(hold, self._reuse_seconds - purchase.age))
        log.warning(log_events.UNCLAIMED_CANCELLED, order.id)
        while True:
            try:
                return await self.give_back(purchase)
            except Exception as error:
                is_bug = not isinstance(error, ProblemError)
                log.error(log_events.CANCEL_FAILED, order.id, error, exc_info=is_bug)
            await asyncio.sleep(RETRY_SECONDS)

    def happened(self, purchase: Purchase, what: str, cents: int = 0) -> None:
        self._counters.happened(purchase.owned.order.id, what, self._upstream.wall_clock(), cents)
