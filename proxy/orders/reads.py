"""Reads orders on demand, within the request budget; requests share the reads.

One read of the order list serves all orders of a key. The order itself is read when something has
come, while it waits for another SMS, and if the list does not show it.
"""

import asyncio
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass

from proxy.legacy.activation import MAX_ID
from proxy.legacy.status import Phase
from proxy.model import ClientKey
from proxy.model.errors import Problem, ProblemError
from proxy.orders.freshness import POLL, PUSHED, ListFreshness, Reading
from proxy.orders.list_reads import ListReads
from proxy.orders.orders import Orders
from proxy.orders.sockets import OrderSockets
from proxy.orders.tracked import TrackedActivation
from proxy.runtime import log_events
from proxy.runtime.clock import monotonic
from proxy.runtime.tasks import BackgroundTasks
from proxy.upstream.budget import Budget
from proxy.upstream.client import Upstream
from proxy.upstream.rate_window import Urgency

log = logging.getLogger(__name__)

FAILING = 5.0
"""Seconds between two reads of an order while its reads fail."""
UNPOLLED_LATER = 3600.0
"""Seconds added to the last read of an order that no client polls: polled orders come first."""
LISTED_SECONDS = 10.0
"""Seconds after its purchase; a list without the order is then incomplete."""

_ID = re.compile(r"[1-9][0-9]{0,9}")
_ORDER = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


@dataclass(eq=False)
class Reads:
    """`patience`: seconds that one request may wait for a read."""

    upstream: Upstream
    orders: Orders
    lists: ListReads
    sockets: OrderSockets
    budget: Budget
    patience: float

    def __post_init__(self) -> None:
        self._details: dict[tuple[ClientKey, str], tuple[Urgency, Reading]] = {}
        self._tasks = BackgroundTasks(ProblemError)

    async def close(self) -> None:
        await self._tasks.aclose()
        await self.lists.close()

    async def refresh(
        self,
        key: ClientKey,
        activation: TrackedActivation,
        *,
        further: bool = False,
        whole: bool = False,
        polled: bool = True,
    ) -> None:
        """Reads the order of an activation, if that can show anything new and is due.

        `further`: also if only further SMS can come. `whole`: also if a socket has sent the text.
        `polled`: for a client. While the budget is empty or the upstream fails, the known state
        stays. Raises ProblemError if the upstream refuses the key or the order.
        """
        is_of_use = (further and activation.order.messages) or (whole and activation.is_only_pushed)
        if activation.is_settled and not is_of_use:
            self._confirm(key, activation)
            return
        self.sockets.watch(key, activation)
        activation.is_polled = polled
        try:
            async with asyncio.timeout(self.patience):
                await self._read_upstream(key, activation)
        except TimeoutError:
            log.warning(log_events.ORDER_STALE, activation.order.id)
        except ProblemError as error:
            if not (error.problem.is_doubt or self._is_alive(activation, error)):
                raise
            log.info("order %s: its last state stands: %s", activation.order.id, error)

    def _is_alive(self, activation: TrackedActivation, error: ProblemError) -> bool:
        """Whether to ignore the error, as the order was bought here and has time left: a socket or
        an event can still bring its code.
        """
        ends = activation.order.expires_at or 0.0
        is_unknown = error.problem is Problem.NO_ACTIVATION
        return is_unknown and activation.delivered is not None and self.upstream.now() < ends

    def validity(self, key: ClientKey, activation: TrackedActivation) -> Callable[[], bool] | None:
        """Returns a function that says whether the state is still the same and fresh; None if the
        answer cannot be repeated.
        """
        freshness, order, said = self.lists.of(key), activation.order, activation.client_state
        is_settled = activation.is_settled
        if activation.is_only_pushed or not (is_settled or activation.is_untouched):
            return None

        def stands() -> bool:
            if activation.order is not order or activation.client_state != said:
                return False
            if is_settled:
                return True
            now = activation.asked_for_at = monotonic()
            return now - freshness.seen_at(activation) < freshness.interval(activation)

        return stands

    async def find(self, key: ClientKey, text: str) -> TrackedActivation:
        """Returns the activation of an activation id or an upstream order id.

        An unknown id is searched for in the order list. Raises NO_ACTIVATION if the list was read
        without it, if the text cannot be an id, or if the key shares its account and has not bought
        the order; TRY_AGAIN if the list is incomplete.
        """
        await self.orders.open(key)
        if _ORDER.fullmatch(text):
            return await self._find_order(key, text.lower())
        if not _ID.fullmatch(text) or int(text) > MAX_ID:
            raise ProblemError(Problem.NO_ACTIVATION)
        known = self.orders.known(key, int(text)) or await self.orders.fetch(key, id=int(text))
        if known is None and key.is_sole:
            await self._read_whole_list(key)
            known = self.orders.known(key, int(text))
        if known is None:
            raise ProblemError(Problem.NO_ACTIVATION)
        return known

    async def all(self, key: ClientKey) -> list[TrackedActivation]:
        """All activations of a key, newest first, after a read of the list if that is possible."""
        await self.orders.open(key)
        known = self.orders.activations(key)
        try:
            if not known or self.budget.has_room(key, Urgency.LIST):
                await self.lists.refresh(key)
        except ProblemError as error:
            if not (error.problem.is_doubt and (known or self.lists.of(key).is_missing)):
                raise
            log.warning(log_events.ACTIVATIONS_STALE, error)
        return sorted(known, key=lambda found: found.order.created_at or 0.0, reverse=True)

    def read_offered(self, key: ClientKey, activation: TrackedActivation) -> None:
        """Reads the order for the SMS of an event, even if no client asks here: its client may ask
        another replica, which did not get the event.
        """
        if activation.offered and activation.phase is Phase.RETRYING:
            self._begin_order(key, activation.order.id, Urgency.ORDER)

    async def read_anew(self, key: ClientKey, order_id: str) -> None:
        """Reads one order with its messages, by a request that begins now. Raises ProblemError."""
        await asyncio.shield(self._begin_order(key, order_id, Urgency.PAID))

    def _confirm(self, key: ClientKey, activation: TrackedActivation) -> None:
        """Reads the order if its client goes on asking: the code of a socket may be wrong."""
        if activation.is_only_pushed and monotonic() - activation.tried_at >= PUSHED:
            self._begin_order(key, activation.order.id, self._urgency(key, activation))

    async def _read_upstream(self, key: ClientKey, activation: TrackedActivation) -> None:
        # If the list shows that something has come, the order itself is read, too.
        is_by_list = activation.is_untouched and not self._is_single(key, activation)
        if is_by_list and not await self._read_by_list(key, activation):
            return
        urgency = self._urgency(key, activation)
        if monotonic() - activation.tried_at < self._interval(activation):
            reading = self._under_way(key, activation.order.id)
        else:
            reading = self._begin_order(key, activation.order.id, urgency)
        if reading and self.budget.has_room(key, urgency):
            await asyncio.shield(reading)

    def _interval(self, activation: TrackedActivation) -> float:
        """Seconds between two reads of the order."""
        if activation.is_pushed_since(activation.tried_at):
            return PUSHED
        return FAILING if activation.failures else POLL

    def _is_single(self, key: ClientKey, activation: TrackedActivation) -> bool:
        """Whether only lists of completed orders cover it, and it has the turn of a single read."""
        freshness = self.lists.of(key)
        is_old = monotonic() - activation.seen_at >= freshness.interval(activation)
        return is_old and freshness.has_completed and freshness.is_next_single(activation)

    async def _read_by_list(self, key: ClientKey, activation: TrackedActivation) -> bool:
        """Reads the list if due. Returns whether the order itself has to be read, too."""
        freshness = self.lists.of(key)
        interval = freshness.interval(activation)
        if monotonic() - freshness.seen_at(activation) < interval:
            return False
        if freshness.is_broken:
            if freshness.is_due and not (freshness.reading or freshness.shared_reading):
                self.lists.begin_shared(key, freshness)  # no request waits for it
            return True
        reading = freshness.reading or freshness.shared_reading
        if reading is None and monotonic() - freshness.tried_at >= interval:
            reading = self.lists.begin_shared(key, freshness)
        if reading:
            if not self.budget.has_room(key, Urgency.LIST):
                return False
            if not await self._is_read(reading, freshness):
                return True
        is_listed = freshness.would_show(activation, self.upstream.now())
        is_known = freshness.read_at >= freshness.tried_at
        return not activation.is_untouched or (is_known and not is_listed)

    async def _is_read(self, reading: Reading, freshness: ListFreshness) -> bool:
        """Whether the list could be read. Raises errors that are not about the list alone."""
        try:
            await asyncio.shield(reading)
        except ProblemError as error:
            if not (error.problem.is_doubt and freshness.is_broken):
                raise
            return False
        return True

    def _urgency(self, key: ClientKey, activation: TrackedActivation) -> Urgency:
        if activation.failures > 1:
            # An order that cannot be read must not use up the budget of the others.
            return Urgency.ALONE
        if activation.is_unread or activation.is_hinted or activation.is_only_pushed:
            return Urgency.ORDER
        freshness = self.lists.of(key)
        # Rows of the list do not show a second SMS.
        if activation.phase is Phase.RETRYING or freshness.is_broken or freshness.lacks(activation):
            return Urgency.ALONE
        return Urgency.TURN

    async def _find_order(self, key: ClientKey, order_id: str) -> TrackedActivation:
        known = self.orders.get(key, order_id) or await self.orders.fetch(key, order=order_id)
        if known is None:
            if not key.is_sole:
                raise ProblemError(Problem.NO_ACTIVATION)
            await asyncio.shield(self._begin_order(key, order_id, Urgency.LIST))
        return self.orders.of(key, order_id)

    async def _read_whole_list(self, key: ClientKey) -> None:
        await self.lists.refresh(key)
        freshness = self.lists.of(key)
        if freshness.is_cut_off:
            raise ProblemError(Problem.TRY_AGAIN, "the order list ends among live orders")
        if freshness.has_unread:
            raise ProblemError(Problem.TRY_AGAIN, "a row of the order list cannot be read")
        if any(self._is_left_out(freshness, one) for one in self.orders.activations(key)):
            raise ProblemError(Problem.TRY_AGAIN, "the order list lacks a live order")

    def _is_left_out(self, freshness: ListFreshness, activation: TrackedActivation) -> bool:
        """Whether the list lacks a live order that was bought here long enough before."""
        order, now = activation.order, self.upstream.now()
        if not (activation.delivered and activation.is_untouched) or order.id in freshness.ids:
            return False
        return (order.created_at or now) + LISTED_SECONDS < now < (order.expires_at or now)

    def _begin_order(self, key: ClientKey, order_id: str, urgency: Urgency) -> Reading:
        """Starts a read, or returns the running one if that is as urgent and may be used."""
        before = self._details.get((key, order_id))
        if before and before[0] <= urgency and urgency is not Urgency.PAID:
            return before[1]
        work = self._read_order(key, order_id, urgency)
        reading = self._tasks.start(work, f"read of order {order_id}", of_request=True)
        self._details[key, order_id] = urgency, reading
        return reading

    def _under_way(self, key: ClientKey, order_id: str) -> Reading | None:
        before = self._details.get((key, order_id))
        return before[1] if before else None

    async def _read_order(self, key: ClientKey, order_id: str, urgency: Urgency) -> None:
        activation = self.orders.get(key, order_id)
        try:
            await self.upstream.admit("order", key, urgency, _turn_of(activation))
            asked_at = monotonic()
            order = await self.upstream.order(key, order_id)
            await self.orders.detailed(key, order, asked_at)
        except ProblemError as error:
            if activation and error.problem is not Problem.RATE_LIMITED:
                await self._failed(key, activation, error)
            raise
        finally:
            if activation:
                activation.tried_at = monotonic()
            if self._under_way(key, order_id) is asyncio.current_task():
                del self._details[key, order_id]
        freshness = self.lists.of(key)
        freshness.order_failures, freshness.is_logged = 0, False
        if activation:
            activation.failures, activation.offered = 0, None

    async def _failed(
        self, key: ClientKey, activation: TrackedActivation, error: ProblemError
    ) -> None:
        """Records a failed read of an order; adds the SMS that a socket or an event offered."""
        freshness = self.lists.of(key)
        activation.failures += 1
        freshness.order_failures += 1
        if freshness.is_unreadable and not freshness.is_logged:
            freshness.is_logged = True
            log.warning(log_events.NO_ORDER_READS, key, error)
        if offered := activation.offered:
            activation.offered = None
            await self.orders.pushed(key, activation, offered.text, offered.received_at)


def _turn_of(activation: TrackedActivation | None) -> float:
    """Sort key of waiting reads: the oldest last read first, polled orders before others."""
    if activation is None:
        return 0.0
    later = 0.0 if activation.is_polled else UNPOLLED_LATER
    return max(activation.seen_at, activation.tried_at) + later
