"""Cancelling: at once where the upstream allows it, else as a promise that survives a restart."""

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial

from proxy.model import OVER, ClientKey, OrderState, UpstreamKey
from proxy.model.errors import OwnershipLostError, Problem, ProblemError, StoreError
from proxy.orders.orders import Orders
from proxy.orders.reads import Reads
from proxy.orders.tracked import TrackedActivation
from proxy.runtime import log_events
from proxy.runtime.clock import monotonic
from proxy.runtime.counters import Counters
from proxy.runtime.tasks import BackgroundTasks
from proxy.store import OperationKind, PendingOperation, Store, readable
from proxy.upstream.cache import Cache
from proxy.upstream.client import Upstream

log = logging.getLogger(__name__)

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 30.0
"""Seconds between the tries of a promised cancel: 1, 2, 4 … 30."""
LONGEST_WAIT = 600.0

GRACE = 2.0
"""Seconds that a promise has to be written when the process stops: its client waits for it."""

TOO_LATE = (Problem.CODE_RECEIVED, Problem.CANNOT_CANCEL, Problem.NO_ACTIVATION)
"""What the upstream says when an order can never be cancelled any more."""


@dataclass(slots=True, eq=False)
class Promise:
    """A cancel that is to be kept."""

    owed: PendingOperation
    activation: TrackedActivation
    due: float
    """When it is tried next, on the monotonic clock."""
    is_taken_up: bool = False
    """From an earlier run, or from another replica: it may have been carried out."""
    hurry: asyncio.Event = field(default_factory=asyncio.Event)
    failed: str = ""
    """What the last try came to."""
    task: asyncio.Task[None] | None = None


class Cancels:
    def __init__(
        self,
        upstream: Upstream,
        orders: Orders,
        reads: Reads,
        store: Store,
        counters: Counters,
        balances: Cache[UpstreamKey, int],
    ) -> None:
        self._upstream = upstream
        self._orders = orders
        self._reads = reads
        self._store = store
        self._counters = counters
        self._balances = balances
        self.promises: dict[str, Promise] = {}
        """By the id of what is owed."""
        self._tasks, self._writing = BackgroundTasks(), BackgroundTasks()
        orders.pin(lambda: (promise.owed.key for promise in self.promises.values()))

    async def cancel(self, key: ClientKey, activation: TrackedActivation, *, defer: bool) -> None:
        """Cancel for a refund. EARLY_CANCEL during the hold, unless it may be deferred."""
        try:
            await self._cancel(key, activation)
        except ProblemError as error:
            # A client that is told yes to an early cancel takes every other word for one, too.
            may_come_later = error.problem is Problem.EARLY_CANCEL or error.problem.is_doubt
            if not (defer and may_come_later):
                raise
            order = activation.order
            owed = PendingOperation(
                f"cancel {order.id}", OperationKind.CANCEL, key, order.service, order.country,
                self._upstream.now(), order.id,
            )  # fmt: skip
            await self.promise(owed, activation, error.seconds or FIRST_PAUSE)
            self._counters.happened(order.id, "promised", self._upstream.wall_clock())

    async def promise(
        self, owed: PendingOperation, activation: TrackedActivation, wait: float | None = None
    ) -> None:
        """Cancel when the upstream allows it, whatever comes; kept before this returns. Where
        another replica sees to the order, it does. Once begun, its result counts more than a
        deadline: what the store holds is carried out.
        """
        order = activation.order.id
        writing = self._promise(owed, activation, wait)
        await self._writing.finish(writing, f"promise to cancel order {order}")

    async def _promise(
        self, owed: PendingOperation, activation: TrackedActivation, wait: float | None
    ) -> None:
        is_clients = owed.kind is OperationKind.CANCEL
        owed = replace(owed, kind=OperationKind.CANCEL, order=activation.order.id)
        row = self._orders.kept(owed.key, replace(activation, cancelling=True))
        try:
            await self._store.commit(owed, row, is_new=is_clients)
        except OwnershipLostError as error:
            # What its client was promised, another replica keeps. An orphan may be that one's by
            # now, and its client's: whether it is cancelled is heard from there.
            activation.cancelling |= is_clients
            log.info("order %s: %s", activation.order.id, error)
            return
        except StoreError as error:
            log.error(log_events.CANCEL_NOT_SCHEDULED, activation.order.id, error)
            raise ProblemError(Problem.TRY_AGAIN, "the store cannot be written") from error
        self._counters.count("promised_cancels", "promised")
        self.resume(owed, activation, wait)

    def resume(
        self,
        owed: PendingOperation,
        activation: TrackedActivation,
        wait: float | None = None,
        *,
        is_taken_up: bool = False,
    ) -> None:
        """Go on with a promise that the store holds. One that was `taken up` from an earlier run,
        or from another replica, may have been carried out.
        """
        activation.cancelling = True
        if wait is None:
            wait = activation.order.hold_left(self._upstream.now())
        due = monotonic() + wait
        if (before := self.promises.get(owed.id)) and before.task:
            # It was another replica's in between.
            before.task.cancel()
        promise = self.promises[owed.id] = Promise(owed, activation, due, is_taken_up)
        name = f"promised cancel of order {activation.order.id}"
        promise.task = self._tasks.loop(partial(self._keep, promise), name)

    def __len__(self) -> int:
        """How many promises are to be kept."""
        return len(self.promises)

    async def close(self) -> None:
        await self._writing.aclose(GRACE)
        await self._tasks.aclose()

    async def _cancel(self, key: ClientKey, activation: TrackedActivation) -> None:
        try:
            await self._upstream.cancel(key, activation.order.id)
        except ProblemError as error:
            if error.problem is Problem.CANNOT_CANCEL:
                await self._settle(key, activation)
            elif error.problem is not Problem.ALREADY_CANCELLED:
                raise
        finally:
            self._balances.drop(key.upstream)
        await self._orders.cancelled(key, activation)

    async def _settle(self, key: ClientKey, activation: TrackedActivation) -> None:
        """Something came before the cancel. Only the end of its time leaves the order unpaid."""
        await self._reads.read_anew(key, activation.order.id)
        if activation.order.messages:
            raise ProblemError(Problem.CODE_RECEIVED, activation.order.id)
        if activation.order.state not in OVER:
            raise ProblemError(Problem.CANNOT_CANCEL, activation.order.id)

    async def _keep(self, promise: Promise) -> None:
        owed, activation, pause = promise.owed, promise.activation, FIRST_PAUSE
        while True:
            await _until(promise.due, promise.hurry)
            try:
                if not await self._holds(owed):
                    self.promises.pop(owed.id, None)
                    return
                await self._carry_out(owed.key, activation, promise.is_taken_up)
            except ProblemError as error:
                if error.problem not in TOO_LATE:
                    promise.failed = str(error)
                    promise.due = monotonic() + min(max(error.seconds or 0.0, pause), LONGEST_WAIT)
                    pause = min(pause * 2, LONGEST_PAUSE)
                    continue
                self._counters.count("promised_cancels", "too_late")
                self._counters.happened(
                    activation.order.id, "too_late", self._upstream.wall_clock()
                )
                log.warning(log_events.CANCEL_TOO_LATE, activation.order.id, error)
            except Exception as bug:
                log.exception(log_events.CANCEL_BUG, owed.order)
                promise.failed, promise.due = repr(bug), monotonic() + LONGEST_PAUSE
                continue
            else:
                self._counters.count("promised_cancels", "kept")
                log.info("order %s: cancelled as promised", activation.order.id)
            await self._done(owed, activation)
            self.promises.pop(owed.id, None)
            return

    async def _holds(self, owed: PendingOperation) -> bool:
        """It is still this replica's to carry out."""
        with readable():
            return await self._store.holds(owed.id)

    async def _carry_out(
        self, key: ClientKey, activation: TrackedActivation, is_taken_up: bool
    ) -> None:
        if is_taken_up:
            await self._reads.read_anew(key, activation.order.id)
        if activation.order.state is OrderState.CANCELLED:
            await self._orders.cancelled(key, activation)
        else:
            await self._cancel(key, activation)

    async def _done(self, owed: PendingOperation, activation: TrackedActivation) -> None:
        try:
            row = self._orders.kept(owed.key, activation)
            await self._store.settle(owed.id, row, surely=True)
        except StoreError as error:
            log.error(log_events.CANCEL_NOT_CLOSED, activation.order.id, error)


async def _until(due: float, hurry: asyncio.Event) -> None:
    """Until its time has come, or somebody is in a hurry."""
    hurry.clear()
    with suppress(TimeoutError):
        async with asyncio.timeout(due - monotonic()):
            await hurry.wait()
