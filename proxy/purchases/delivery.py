"""What is written when a number goes to its client, and numbers in doubt.

A bought number is `answering` in the store before its answer is sent, and marked as delivered after
the answer was handed to the connection. What a process leaves in between is in doubt: no other
client gets it. A request of its key that names it, or a list that shows it, marks it as delivered,
before that answer. One that nobody names is given back; one conditional write decides between both.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from proxy.legacy.status import Phase
from proxy.model import ClientKey
from proxy.model.errors import OwnershipLostError, Problem, ProblemError, StoreError
from proxy.orders.orders import GRACE, Orders
from proxy.orders.tracked import TrackedActivation
from proxy.purchases.purchase import Pair, Pending, Purchase
from proxy.purchases.unclaimed import Unclaimed
from proxy.runtime import log_events
from proxy.runtime.clock import monotonic
from proxy.runtime.tasks import BackgroundTasks
from proxy.store import ActivationRow, Delivery, OperationKind, PendingOperation, Store

log = logging.getLogger(__name__)


@dataclass(eq=False)
class Deliveries:
    pending: Pending
    orders: Orders
    unclaimed: Unclaimed
    store: Store

    def __post_init__(self) -> None:
        self._tasks = BackgroundTasks()

    async def close(self) -> None:
        """Waits for the writes: what is not written is in doubt at the next start."""
        await self._tasks.aclose(GRACE)

    async def begin(self, purchase: Purchase) -> None:
        """Commits that the number is being answered, if that is not in the store yet. Raises
        TRY_AGAIN; the number is unclaimed then.
        """
        operation = purchase.operation
        if operation.kind is OperationKind.ANSWERING:
            return
        # Set before the write: if that fails, the opposite is written later.
        purchase.operation = replace(operation, kind=OperationKind.ANSWERING)
        row = self.orders.row(operation.key, purchase.owned)
        try:
            await self.store.commit(purchase.operation, row)
        except OwnershipLostError as error:
            self.drop_lost(purchase, error)
            raise ProblemError(Problem.TRY_AGAIN, "another replica sees to it") from error
        except StoreError as error:
            log.error(log_events.ORDER_WITHHELD, operation.order, error)
            raise ProblemError(Problem.TRY_AGAIN, "the store cannot be written") from error

    def drop_lost(self, purchase: Purchase, error: OwnershipLostError) -> None:
        """Drops a purchase that another replica has taken over, as it took this one for dead."""
        if purchase in self.pending:
            log.warning(log_events.PURCHASE_TAKEN_OVER, purchase.operation.id, error)
        purchase.unclear = False
        self.pending.drop(purchase)

    def delivered(self, purchase: Purchase) -> None:
        """Marks the number as delivered: its answer was handed to the connection. The write is
        queued, and shares a commit with others.
        """
        key, activation = purchase.operation.key, purchase.owned
        row = self.orders.row(key, replace(activation, delivered=True))
        log.info("order %s: told as activation %d", activation.order.id, activation.id)
        self._delivered(purchase, activation, "told")
        name = f"delivery of order {activation.order.id}"
        self._tasks.start(self._write(activation, row), name, of_request=True)

    async def _write(self, activation: TrackedActivation, row: ActivationRow) -> None:
        order = activation.order.id
        try:
            (found,) = await self.store.mark_delivered(row, unclaimed=True, later=True)
        except StoreError as error:
            log.error(log_events.DELIVERY_NOT_SAVED, order, error)
            return
        if found is Delivery.DELIVERED:
            self.orders.mark_queued(activation, row)
        else:
            log.error(log_events.DELIVERED_TOO_LATE, order)

    def doubted(self, purchase: Purchase) -> None:
        """The answer failed on its way: its client may have got it."""
        purchase.known_at = monotonic()
        self._doubt(purchase)

    def found(self, operation: PendingOperation, activation: TrackedActivation) -> None:
        """Takes up a number that was being answered, or in doubt, when its process ended. The time
        in which it can be named begins now.
        """
        if activation.delivered:
            return  # By this process: the write is still queued.
        purchase = self.unclaimed.adopt(Purchase(operation, activation=activation))
        self._doubt(purchase)

    def _doubt(self, purchase: Purchase) -> None:
        activation = purchase.owned
        activation.doubted = True
        if purchase.operation.kind is not OperationKind.DOUBT:
            purchase.operation = replace(purchase.operation, kind=OperationKind.DOUBT)
            self.unclaimed.counters.count("purchases", "in_doubt")
            log.warning(log_events.IN_DOUBT, activation.order.id)
            self.unclaimed.save_soon(purchase)
        self.unclaimed.release(purchase)

    async def named(self, key: ClientKey, activation: TrackedActivation) -> None:
        """Marks a number that a request of its key names as delivered, before the answer. Raises
        TRY_AGAIN if the store cannot be written, or while the number is given back.
        """
        if _may_be_unmarked(activation):
            (found,) = await self._mark(key, [activation], unclaimed=True)
            if found is Delivery.WITHHELD:
                raise ProblemError(Problem.TRY_AGAIN, "the number is being given back")

    async def bought_with(self, pair: Pair, reference: str) -> TrackedActivation | None:
        """The number in doubt that was bought with the client's reference, which this names; None
        if there is none. Raises TRY_AGAIN, and ORDER_EXISTS if it is not of the pair.
        """
        known = self.orders.by_reference(pair.key, reference)
        known = known or await self.orders.fetch(pair.key, reference=reference)
        if known is None or not (known.in_doubt and _may_be_unmarked(known)):
            return None
        if (known.order.service, known.order.country) != pair.what:
            raise ProblemError(Problem.ORDER_EXISTS, "it was bought for something else")
        await self.named(pair.key, known)
        return known

    async def shown(
        self, key: ClientKey, activations: Sequence[TrackedActivation]
    ) -> list[TrackedActivation]:
        """The activations that a list may show. Marks those in doubt as delivered, and leaves out
        what no client may have: unclaimed numbers, and those that cannot be marked.
        """
        unmarked = [one for one in activations if _may_be_unmarked(one)]
        if not unmarked:
            return list(activations)
        try:
            found = await self._mark(key, unmarked, unclaimed=False)
        except ProblemError as error:
            log.warning(log_events.ACTIVATIONS_STALE, error)
            found = [Delivery.WITHHELD] * len(unmarked)
        pairs = zip(unmarked, found, strict=True)
        withheld = {one.id for one, delivery in pairs if delivery is Delivery.WITHHELD}
        return [one for one in activations if one.id not in withheld]

    async def _mark(
        self, key: ClientKey, activations: Sequence[TrackedActivation], *, unclaimed: bool
    ) -> list[Delivery]:
        rows = [self.orders.row(key, replace(one, delivered=True)) for one in activations]
        try:
            found = await self.store.mark_delivered(*rows, unclaimed=unclaimed)
        except StoreError as error:
            raise ProblemError(Problem.TRY_AGAIN, "the store cannot be written") from error
        marked = zip(activations, rows, found, strict=True)
        return [self._marked(*one) for one in marked]

    def _marked(
        self, activation: TrackedActivation, row: ActivationRow, found: Delivery
    ) -> Delivery:
        purchase = self.pending.of_order(activation)
        if found is Delivery.DELIVERED:
            self.orders.mark_queued(activation, row)
            if not activation.delivered:
                self._delivered(purchase, activation, "named")
        elif found is Delivery.FOREIGN:
            if purchase:
                return Delivery.WITHHELD  # It is being written.
            activation.delivered = None
        return found

    def _delivered(
        self, purchase: Purchase | None, activation: TrackedActivation, how: str
    ) -> None:
        activation.delivered = True
        self.unclaimed.counters.count("purchases", how)
        self.unclaimed.happened(activation, how)
        if purchase:
            if purchase.timer:
                purchase.timer.cancel()
            self.pending.drop(purchase)


@dataclass(frozen=True, slots=True, eq=False)
class Handover:
    """A number whose answer is made and not sent yet. One of its methods has to be called."""

    deliveries: Deliveries
    purchase: Purchase

    def delivered(self) -> None:
        """The answer was handed to the connection of its client."""
        self.deliveries.delivered(self.purchase)

    def withheld(self) -> None:
        """No answer is sent, or its client was gone before it was."""
        self.deliveries.unclaimed.release(self.purchase)

    def failed(self) -> None:
        """Nobody knows how much of the answer was sent."""
        self.deliveries.doubted(self.purchase)


def _may_be_unmarked(activation: TrackedActivation) -> bool:
    """Whether it was bought here, its delivery is not known to be marked, and it was not cancelled.
    A row of an order that was not bought here looks alike.
    """
    return activation.delivered is False and activation.phase is not Phase.CANCELLED
