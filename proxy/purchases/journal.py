"""The journal of purchases: each intended one, from the intent to the telling.

Money is safe because every step is in the store before the next one: an intent before the POST, a
paid order before anybody hears of it, that a client was told before the answer. What fails between
two steps leaves a row that says what is owed: a purchase of unknown outcome is looked for in the
order list; a paid order that nobody was told about, an orphan, goes to the next who wishes the
same, or is cancelled for a refund.
"""

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import replace
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
from proxy.purchases.purchase import Pair, Pending, Purchase
from proxy.purchases.reconciling import Reconciliation
from proxy.runtime import log_events
from proxy.runtime.counters import Counters
from proxy.runtime.tasks import BackgroundTasks
from proxy.store import OperationKind, PendingOperation, SpendingLimit, Store, readable
from proxy.upstream.client import Upstream

log = logging.getLogger(__name__)

OPEN_SECONDS = 300.0
"""How long an order that a purchase of unknown outcome made may take to be listed."""

RECONCILE_SECONDS = 10.0


class Journal:
    def __init__(
        self,
        upstream: Upstream,
        orders: Orders,
        reads: Reads,
        cancels: Cancels,
        store: Store,
        counters: Counters,
        *,
        reuse_seconds: float,
    ) -> None:
        self._upstream = upstream
        self._orders = orders
        self._reads = reads
        self._cancels = cancels
        self._store = store
        self._counters = counters
        self._reuse_seconds = reuse_seconds
        self.pending = Pending()
        self._reconciliation = Reconciliation(upstream, orders, store, self.pending)
        self._tasks = BackgroundTasks(ProblemError)
        self._watched: set[UpstreamKey] = set()
        orders.pin(lambda: (purchase.owed.key for purchase in self.pending))

    def start(self) -> None:
        self._reconciliation.start()

    def adopt(self, purchase: Purchase) -> Purchase:
        """One that was another run's, or another replica's; perhaps it was this one's before."""
        before = self.pending.get(purchase)
        if before and before.timer:
            before.timer.cancel()
        self.pending.add(purchase)
        return purchase

    async def close(self) -> None:
        """What is not settled yet is owed by the next run."""
        await self._tasks.aclose()

    async def begin(
        self, pair: Pair, reference: str, quoted: int | None, ceiling: SpendingLimit | None
    ) -> Purchase:
        """The intent, in the store. What cannot be recorded, or does not fit, is not bought."""
        key, service, iso = pair
        id, now, cents = str(uuid4()), self._upstream.now(), quoted or 0
        owed = PendingOperation(
            id,
            OperationKind.PURCHASE,
            key,
            service,
            iso,
            now,
            reference=reference,
            cents=cents,
        )
        purchase = Purchase(owed, self._orders.places(key.listing), has_client=True, quoted=quoted)
        self.pending.add(purchase)
        try:
            refused = await self._store.owe(owed, ceiling)
        except StoreError as error:
            self.pending.drop(purchase)
            log.error(log_events.NOTHING_BOUGHT, error)
            raise ProblemError(Problem.TRY_AGAIN, "the store cannot be written") from error
        except asyncio.CancelledError:
            # The deadline passed before the POST: nothing was bought.
            self._tasks.start(self.drop(purchase), f"end of purchase {id}", of_request=True)
            raise
        if refused:
            self.pending.drop(purchase)
            raise ProblemError(refused, "a ceiling of the key")
        return purchase

    async def left_over(self, pair: Pair, cap: int | None, reference: str) -> Purchase | None:
        """What was bought, or is being bought, for the same wish, and nobody waits for.

        A `wish` with a name is fulfilled once: ORDER_EXISTS when its client was told, or another
        waits for it; UNCLEAR while it is not known what came of it.
        """
        if any(purchase.unclear for purchase in self.pending.unclaimed(pair, reference)):
            await self.reconcile(pair.key)
        if reference:
            self._check_reference(pair, reference)
        unclaimed = self.pending.unclaimed(pair, reference)
        for purchase in [*unclaimed, *await self._of_others(pair, reference)]:
            # While the one before it was looked at, another client may have got this one.
            if purchase in self.pending and purchase.is_free and purchase.fits(cap):
                purchase.claim()
                try:
                    await self._reads.look(pair.key, purchase.owned)
                except BaseException:
                    # Whatever ended the look, the deadline included: its refund stays in sight.
                    self.release(purchase)
                    raise
                if purchase.fits(cap):
                    self._happened(purchase, "handed_over", purchase.owned.order.cents or 0)
                    return purchase
                self.release(purchase)
        under_way = next(
            (p for p in self.pending.unclaimed(pair, reference) if p.is_under_way), None
        )
        if under_way:
            under_way.claim()
        return under_way

    async def _of_others(self, pair: Pair, reference: str) -> list[Purchase]:
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

    def _check_reference(self, pair: Pair, reference: str) -> None:
        by_reference = self._orders.by_reference(pair.key, reference)
        same = [
            p for p in self.pending.of(pair.key) if p.pair == pair and p.owed.reference == reference
        ]
        if (by_reference and by_reference.delivered) or any(
            purchase.has_client for purchase in same
        ):
            raise ProblemError(Problem.ORDER_EXISTS)
        if any(purchase.unclear for purchase in same):
            raise ProblemError(Problem.UNCLEAR, "what came of this wish is not known yet")

    def release(self, purchase: Purchase) -> None:
        """Nobody waits for it any more: its refund is in sight, unless it is claimed before."""
        purchase.has_client = False
        if purchase.timer:
            # The client went while the order was being kept: it was released then already.
            purchase.timer.cancel()
        if purchase.activation and purchase in self.pending:
            name = f"refund of order {purchase.owned.order.id}"
            purchase.timer = self._tasks.start(self._expire(purchase), name)
            self._happened(purchase, "orphan")

    async def bought(self, purchase: Purchase, activation: TrackedActivation) -> None:
        """The order is paid: it and its money are kept before anybody hears of it."""
        key, order = purchase.owed.key, activation.order
        activation.delivered = bool(activation.delivered)
        self._orders.reference(key, activation, purchase.owed.reference)
        purchase.unclear, purchase.activation = False, activation
        purchase.owed = replace(purchase.owed, kind=OperationKind.ORPHAN, order=order.id)
        entries = purchase.entries(order, self._upstream.wall_clock())
        self._counters.count("charged_cents", by=order.cents or 0)
        self._happened(purchase, "bought", order.cents or 0)
        log.info("bought %s: %s for %s cents, %s", order.id, entries[-1].what, order.cents, key)
        try:
            row = self._orders.kept(key, activation)
            await self._store.commit(purchase.owed, row, *entries, surely=True)
        except OwnershipLostError as error:
            # What is written of it as one's own the other could not adopt.
            activation.delivered = activation.delivered or None
            self._lose(purchase, error)
            raise ProblemError(Problem.TRY_AGAIN, "another replica sees to it") from error
        except OrderTakenError as error:
            # Both had looked at the same list. This one looks on.
            activation.delivered = activation.delivered or None
            self._orders.reference(key, activation, "")
            purchase.activation = None
            purchase.owed = replace(purchase.owed, kind=OperationKind.PURCHASE, order="")
            self._look_on(purchase)
            raise ProblemError(Problem.UNCLEAR, str(error)) from error
        except StoreError as error:
            log.error(log_events.ORDER_NOT_SAVED, order.id, error)
            raise ProblemError(Problem.TRY_AGAIN, "the store cannot be written") from error

    async def mark_delivered(self, purchase: Purchase, activation: TrackedActivation) -> None:
        """That the client was told is committed last before the answer."""
        row = self._orders.kept(purchase.owed.key, replace(activation, delivered=True))
        try:
            await self._store.settle(purchase.owed.id, row)
        except OwnershipLostError as error:
            self._lose(purchase, error)
            raise ProblemError(Problem.TRY_AGAIN, "another replica sees to it") from error
        except StoreError as error:
            self._store.unsettle(purchase.owed, error)
            log.error(log_events.ORDER_WITHHELD, activation.order.id, error)
            raise ProblemError(Problem.TRY_AGAIN, "the store cannot be written") from error
        activation.delivered = True
        self._orders.queued(activation, row)
        log.info("order %s: told as activation %d", activation.order.id, activation.id)
        self._counters.count("purchases", "told")
        self._happened(purchase, "told")
        self.pending.drop(purchase)

    def _lose(self, purchase: Purchase, error: OwnershipLostError) -> None:
        """Another replica took this one for dead, and has its purchase."""
        if purchase in self.pending:
            log.warning(log_events.PURCHASE_TAKEN_OVER, purchase.owed.id, error)
        purchase.unclear = False
        self.pending.drop(purchase)

    async def give_back(self, purchase: Purchase) -> None:
        """Cancel what no client gets."""
        purchase.is_going_back = True
        await self._cancels.promise(purchase.owed, purchase.owned)
        self._counters.count("purchases", "given_back")
        self.pending.drop(purchase)

    async def return_now(self, orphan: Purchase) -> None:
        """Give an orphan back without waiting for the next wish."""
        orphan.claim()
        try:
            await self.give_back(orphan)
        finally:
            self.release(orphan)

    async def drop(self, purchase: Purchase, outcome: str = "none") -> None:
        """It made no order, or nobody can tell."""
        self._counters.count("purchases", outcome)
        purchase.unclear = False
        self.pending.drop(purchase)
        try:
            await self._store.settle(purchase.owed.id, surely=True)
        except OwnershipLostError as error:
            log.info("purchase %s: %s", purchase.owed.id, error)
        except StoreError as error:
            log.error(log_events.PURCHASE_NOT_CLOSED, purchase.owed.id, error)

    def leave(self, purchase: Purchase) -> None:
        """The outcome is unknown: the order list is looked at until it is known, or too old."""
        self._counters.count("purchases", "unclear")
        self._look_on(purchase)

    def _look_on(self, purchase: Purchase) -> None:
        purchase.unclear = True
        key = purchase.owed.key
        self._tasks.start(self._doubt(purchase), f"doubt of purchase {purchase.owed.id}")
        if key.upstream not in self._watched:
            self._watched.add(key.upstream)
            self._tasks.start(self._watch(key), f"unclear purchases of {key}")

    async def _doubt(self, purchase: Purchase) -> None:
        """Other replicas need not wait for its POST any more."""
        try:
            await self._store.doubt(purchase.owed)
        except OwnershipLostError as error:
            self._lose(purchase, error)
        except StoreError as error:
            log.warning(log_events.PURCHASE_NOT_SHARED, purchase.owed.id, error)

    async def reconcile(self, key: ClientKey) -> None:
        """Adopt from the order list what only an unclear purchase of ours can have made."""
        await self._reads.lists.refresh_anew(key)
        findings = await self._reconciliation.look(key)
        for purchase, activation in findings.made:
            own = self._orders.adopt(purchase.owed.key, activation.order)
            # Another look at the list may have come first.
            if purchase.unclear and own.delivered is None:
                # Marked before the task runs: a look that ends in the same moment must not find it.
                purchase.unclear, own.delivered = False, False
                # It goes on though the client that began to look has had no time to wait.
                name = f"order {own.order.id} that was found"
                work = self._found(purchase, own)
                await asyncio.shield(self._tasks.start(work, name, of_request=True))
        for purchase in findings.none:
            # Another look may have found its order meanwhile.
            if purchase.unclear and not self._reads.lists.has_unread(key):
                await self.drop(purchase)

    async def _found(self, purchase: Purchase, activation: TrackedActivation) -> None:
        try:
            await self.bought(purchase, activation)
        finally:
            # Paid is paid, whether or not it could be kept.
            if not purchase.has_client:
                self.release(purchase)

    async def _watch(self, key: ClientKey) -> None:
        try:
            while self.pending.unclear(key):
                await asyncio.sleep(RECONCILE_SECONDS)
                await self._tried(self.reconcile(key), key)
                await self._tried(self._drop_old(key), key)
        finally:
            self._watched.discard(key.upstream)

    async def _tried(self, work: Coroutine[Any, Any, None], key: ClientKey) -> None:
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
        """Too old to be looked for; without a whole list nobody could look."""
        if self._reads.lists.has_read_since(purchase.owed.key, purchase.known_at):
            log.warning(log_events.NO_ORDER_MADE, purchase.owed.id)
            return await self.drop(purchase)
        log.error(log_events.ORDER_UNFOUND, purchase.owed.id)
        await self.drop(purchase, "unknown")

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
            await asyncio.sleep(RECONCILE_SECONDS)

    def _happened(self, purchase: Purchase, what: str, cents: int = 0) -> None:
        self._counters.happened(purchase.owned.order.id, what, self._upstream.wall_clock(), cents)
