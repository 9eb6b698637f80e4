"""Cancels orders: at once if the upstream allows it, else later; a restart loses no cancel."""

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

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
"""Seconds between two tries of a scheduled cancel: 1, 2, 4 … 30."""
LONGEST_WAIT = 600.0
"""Seconds: the upstream may ask for a longer pause, up to this."""
GRACE = 2.0
"""Seconds that writes of cancels have when the process stops: their clients wait for them."""

TOO_LATE = (Problem.CODE_RECEIVED, Problem.CANNOT_CANCEL, Problem.NO_ACTIVATION)
"""Problems after which an order can never be cancelled."""


@dataclass(slots=True, eq=False)
class ScheduledCancel:
    """A cancel that is in the store and not carried out yet."""

    operation: PendingOperation
    activation: TrackedActivation
    due: float
    """Time of the next try, monotonic clock."""
    is_taken_over: bool = False
    """It comes from an earlier run or another replica, which may have carried it out."""
    try_now: asyncio.Event = field(default_factory=asyncio.Event)
    failed: str = ""
    """The error of the last try."""
    task: asyncio.Task[None] | None = None


@dataclass(eq=False)
class Cancels:
    upstream: Upstream
    orders: Orders
    reads: Reads
    store: Store
    counters: Counters
    balances: Cache[UpstreamKey, int]

    def __post_init__(self) -> None:
        self.scheduled: dict[str, ScheduledCancel] = {}
        """By the id of the pending operation."""
        self._tasks, self._writing = BackgroundTasks(), BackgroundTasks()
        self._posts = BackgroundTasks(ProblemError)
        self.orders.pin(lambda: (cancel.operation.key for cancel in self.scheduled.values()))

    async def cancel(self, key: ClientKey, activation: TrackedActivation, *, defer: bool) -> None:
        """Cancels the order for a refund. With `defer`, schedules the cancel while the upstream
        does not allow it or does not answer. Raises ProblemError: EARLY_CANCEL during the hold.
        """
        try:
            await self._cancel(key, activation)
        except ProblemError as error:
            # Clients that expect success during the hold take any other answer for success, too.
            may_come_later = error.problem is Problem.EARLY_CANCEL or error.problem.is_doubt
            if not (defer and may_come_later):
                raise
            order = activation.order
            operation = PendingOperation(
                f"cancel {order.id}", OperationKind.CANCEL, key, order.service, order.country,
                self.upstream.now(), order.id,
            )  # fmt: skip
            await self.schedule(operation, activation, error.seconds or FIRST_PAUSE)
            self.counters.happened(order.id, "promised", self.upstream.wall_clock())

    async def schedule(
        self, operation: PendingOperation, activation: TrackedActivation, wait: float | None = None
    ) -> bool:
        """Writes a cancel to the store and starts it after `wait` seconds, by default the hold. The
        write goes on past the caller's deadline. Returns False and does nothing if another replica
        has the order, or if the number is delivered by now. Raises TRY_AGAIN if the store cannot be
        written.
        """
        writing = self._schedule(operation, activation, wait)
        name = f"write of a cancel of order {activation.order.id}"
        return await self._writing.finish(writing, name)

    async def _schedule(
        self, operation: PendingOperation, activation: TrackedActivation, wait: float | None
    ) -> bool:
        is_clients = operation.kind is OperationKind.CANCEL
        operation = replace(operation, kind=OperationKind.CANCEL, order=activation.order.id)
        row = self.orders.row(operation.key, replace(activation, cancelling=_is_final(activation)))
        try:
            await self.store.commit(operation, row, is_new=is_clients)
        except OwnershipLostError as error:
            # The other replica carries out the cancel that a client asked for. An unclaimed number
            # may have a client there by now: that replica's row says whether it is cancelled.
            activation.cancelling |= is_clients
            log.info("order %s: %s", activation.order.id, error)
            return False
        except StoreError as error:
            log.error(log_events.CANCEL_NOT_SCHEDULED, activation.order.id, error)
            raise ProblemError(Problem.TRY_AGAIN, "the store cannot be written") from error
        self.counters.count("promised_cancels", "promised")
        self.resume(operation, activation, wait)
        return True

    def resume(
        self,
        operation: PendingOperation,
        activation: TrackedActivation,
        wait: float | None = None,
        *,
        is_taken_over: bool = False,
    ) -> None:
        """Starts a cancel that is in the store, after `wait` seconds, by default the hold.
        `is_taken_over`: an earlier run or another replica may have carried it out.
        """
        activation.cancelling |= _is_final(activation)
        if wait is None:
            wait = activation.order.hold_left(self.upstream.now())
        due = monotonic() + wait
        if (before := self.scheduled.get(operation.id)) and before.task:
            # Another replica had the operation in between.
            before.task.cancel()
        cancel = ScheduledCancel(operation, activation, due, is_taken_over)
        self.scheduled[operation.id] = cancel
        name = f"scheduled cancel of order {activation.order.id}"
        cancel.task = self._tasks.loop(partial(self._run, cancel), name)

    def __len__(self) -> int:
        """The number of scheduled cancels."""
        return len(self.scheduled)

    async def close(self) -> None:
        await self._writing.aclose(GRACE)
        await self._tasks.aclose()
        await self._posts.aclose()

    async def _cancel(self, key: ClientKey, activation: TrackedActivation) -> None:
        """Two at the same time are one request. It goes on after a client's deadline."""
        order = activation.order.id
        work = partial(self._cancel_once, key, activation)
        await self._posts.share((key, order), work, f"cancel of order {order}")

    async def _cancel_once(self, key: ClientKey, activation: TrackedActivation) -> None:
        try:
            await self.upstream.cancel(key, activation.order.id)
        except ProblemError as error:
            if error.problem is Problem.CANNOT_CANCEL:
                await self._check_refundable(key, activation)
            elif error.problem is not Problem.ALREADY_CANCELLED:
                raise
        finally:
            self.balances.drop(key.upstream)
        await self.orders.cancelled(key, activation)

    async def _check_refundable(self, key: ClientKey, activation: TrackedActivation) -> None:
        """Reads an order that cannot be cancelled. Raises ProblemError unless it ended unpaid."""
        await self.reads.read_anew(key, activation.order.id)
        if activation.order.messages:
            raise ProblemError(Problem.CODE_RECEIVED, activation.order.id)
        if activation.order.state not in OVER:
            raise ProblemError(Problem.CANNOT_CANCEL, activation.order.id)

    async def _run(self, cancel: ScheduledCancel) -> None:
        operation, activation, pause = cancel.operation, cancel.activation, FIRST_PAUSE
        while True:
            await _until(cancel.due, cancel.try_now)
            try:
                with readable():
                    is_ours = await self.store.holds(operation.id)
                if not is_ours:
                    self.scheduled.pop(operation.id, None)
                    return
                await self._carry_out(operation.key, activation, cancel.is_taken_over)
            except ProblemError as error:
                if error.problem not in TOO_LATE:
                    cancel.failed = str(error)
                    cancel.due = monotonic() + min(max(error.seconds or 0.0, pause), LONGEST_WAIT)
                    pause = min(pause * 2, LONGEST_PAUSE)
                    continue
                self._too_late(activation, error)
            except Exception as bug:
                log.exception(log_events.CANCEL_BUG, operation.order)
                cancel.failed, cancel.due = repr(bug), monotonic() + LONGEST_PAUSE
                continue
            else:
                activation.cancelling = True
                self.counters.count("promised_cancels", "kept")
                log.info("order %s: cancelled as promised", activation.order.id)
            await self._finish(operation, activation)
            self.scheduled.pop(operation.id, None)
            return

    def _too_late(self, activation: TrackedActivation, error: ProblemError) -> None:
        if activation.in_doubt:
            return self.charged_in_doubt(activation)
        self.counters.count("promised_cancels", "too_late")
        self.counters.happened(activation.order.id, "too_late", self.upstream.wall_clock())
        log.warning(log_events.CANCEL_TOO_LATE, activation.order.id, error)

    def charged_in_doubt(self, activation: TrackedActivation) -> None:
        """Records that an SMS came for a number in doubt before it was named: it stays charged."""
        order = activation.order.id
        self.counters.count("purchases", "charged_in_doubt")
        self.counters.happened(order, "charged_in_doubt", self.upstream.wall_clock())
        log.warning(log_events.CHARGED_IN_DOUBT, order)

    async def _carry_out(
        self, key: ClientKey, activation: TrackedActivation, is_taken_over: bool
    ) -> None:
        if is_taken_over:
            await self.reads.read_anew(key, activation.order.id)
        if activation.order.state is OrderState.CANCELLED:
            await self.orders.cancelled(key, activation)
        else:
            await self._cancel(key, activation)

    async def _finish(self, operation: PendingOperation, activation: TrackedActivation) -> None:
        try:
            row = self.orders.row(operation.key, activation)
            await self.store.settle(operation.id, row, surely=True)
        except StoreError as error:
            log.error(log_events.CANCEL_NOT_CLOSED, activation.order.id, error)


def _is_final(activation: TrackedActivation) -> bool:
    """Whether its client sees a cancelled activation from now on. The client of a number in doubt
    does so only when the upstream has cancelled it: if an SMS came first, it may still ask for it.
    """
    return not activation.in_doubt


async def _until(due: float, try_now: asyncio.Event) -> None:
    """Sleeps until `due` on the monotonic clock, or until `try_now` is set."""
    try_now.clear()
    with suppress(TimeoutError):
        async with asyncio.timeout(due - monotonic()):
            await try_now.wait()
