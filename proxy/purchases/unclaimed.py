"""Unclaimed numbers, and those in doubt: what nobody wants in time is cancelled for a refund."""

import asyncio
import logging
from dataclasses import dataclass, replace

from proxy.model.errors import OwnershipLostError, Problem, ProblemError, StoreError
from proxy.orders.orders import GRACE, Orders
from proxy.orders.tracked import TrackedActivation
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
    """`reuse_seconds`: how long an unclaimed number is kept for the next matching request, and one
    in doubt for a request that names it.
    """

    pending: Pending
    upstream: Upstream
    orders: Orders
    cancels: Cancels
    store: Store
    counters: Counters
    reuse_seconds: float

    def __post_init__(self) -> None:
        self._tasks, self._writing = BackgroundTasks(ProblemError), BackgroundTasks()

    async def close(self) -> None:
        """The next run takes over what is not cancelled yet."""
        await self._writing.aclose(GRACE)
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
        if not purchase.activation or purchase not in self.pending:
            return
        if purchase.operation.kind is OperationKind.ANSWERING:
            purchase.operation = replace(purchase.operation, kind=OperationKind.ORPHAN)
            self.save_soon(purchase)
        name = f"refund of order {purchase.owned.order.id}"
        purchase.timer = self._tasks.start(self._expire(purchase), name)
        self.happened(purchase.owned, "in_doubt" if purchase.in_doubt else "orphan")

    def save_soon(self, purchase: Purchase) -> None:
        """Writes its operation and its order in the background, and again if that fails."""
        name = f"write of order {purchase.owned.order.id}"
        self._writing.start(self._save(purchase), name)

    async def _save(self, purchase: Purchase) -> None:
        operation, activation = purchase.operation, purchase.owned
        row = self.orders.row(operation.key, activation)
        try:
            await self.store.commit(operation, row, surely=True)
        except OwnershipLostError as error:
            # It was delivered, or another replica took this one for dead.
            log.info("order %s: %s", operation.order, error)
            if purchase.operation is operation:
                self.pending.drop(purchase)
        except StoreError as error:
            log.error(log_events.ORDER_NOT_SAVED, operation.order, error)

    async def cancel(self, purchase: Purchase) -> None:
        """Schedules the cancel of a number that no client gets. Raises TRY_AGAIN."""
        purchase.is_being_cancelled = True
        if await self.cancels.schedule(purchase.operation, purchase.owned):
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
        if purchase.owned.delivered:
            # A request that another replica answered has named it.
            self.pending.drop(purchase)
            return
        is_charged = purchase.in_doubt and bool(purchase.owned.order.messages)
        if not purchase.in_doubt:
            log.warning(log_events.UNCLAIMED_CANCELLED, order.id)
        elif not is_charged:
            log.warning(log_events.DOUBT_CANCELLED, order.id)
        while True:
            try:
                return await (self._keep(purchase) if is_charged else self.cancel(purchase))
            except Exception as error:
                is_bug = not isinstance(error, ProblemError)
                log.error(log_events.CANCEL_FAILED, order.id, error, exc_info=is_bug)
            await asyncio.sleep(RETRY_SECONDS)

    async def _keep(self, purchase: Purchase) -> None:
        """Ends the wait for a number in doubt that got an SMS: it is charged, and stays in doubt.
        Raises TRY_AGAIN.
        """
        row = self.orders.row(purchase.operation.key, purchase.owned)
        try:
            await self.store.settle(purchase.operation.id, row)
        except OwnershipLostError as error:
            log.info("order %s: %s", purchase.operation.order, error)
        except StoreError as error:
            raise ProblemError(Problem.TRY_AGAIN, "the store cannot be written") from error
        else:
            self.cancels.charged_in_doubt(purchase.owned)
        self.pending.drop(purchase)

    def happened(self, activation: TrackedActivation, what: str, cents: int = 0) -> None:
        self.counters.happened(activation.order.id, what, self.upstream.wall_clock(), cents)
