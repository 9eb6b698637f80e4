"""State of a key's order list: its age, its completeness, and whether it can be read."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from proxy.model import Order, OrderState
from proxy.orders.tracked import TrackedActivation
from proxy.runtime.clock import monotonic

FASTEST, SLOWEST = 2.0, 5.0
"""Seconds between two reads of a key's order list; the request budget decides."""

POLL = 3.0
"""Seconds between two reads of one order; all requests between them share the first."""
PUSHED = 10.0
"""Seconds between two reads, of the list and of the order, while the order has a socket, which may
be open but silent. For the list also while the upstream sends events of the account.
"""
FIRST_RETRY, LONGEST_RETRY = 3.0, 300.0
"""Seconds before another try to read a list: 3, 6, 12 … 300."""
EVENTS_SECONDS = 600.0
"""Seconds after an event in which further events are expected."""

UPSTREAM_LIMITS = (50, 100, 200, 500)
"""Possible maximum numbers of rows in an answer of the upstream; sources differ."""
LIMIT, HIGHER_LIMIT = 200, 500
"""Rows per request. The second, which a client of the vendor uses, is tried once the first is full.
"""
WHOLE_SECONDS = 30.0
"""Seconds between two reads of all orders when that list is cut off. The reads between them ask for
completed orders only: a list that short is complete.
"""
SINGLE_SECONDS = 20.0
"""Seconds between two reads of single orders that only lists of completed orders cover: these may
lack an order that has an SMS in another state.
"""
SINGLE_PATIENCE = 10.0
"""Further seconds in which only the order not read for longest has the turn: its client may ask."""
COMPLETED_SECONDS = 30.0
"""Seconds that a list of completed orders is valid for the orders that it lacks."""
MAX_FILTER_FAILURES = 2
"""Failed reads of completed orders in a row, after which only all orders are read."""
MAX_ORDER_FAILURES = 3
"""Failed reads of single orders in a row, after which the orders count as unreadable."""

Reading = asyncio.Task[None]


@dataclass(slots=True, eq=False, weakref_slot=True)
class ListFreshness:
    """State of one account's order list. All times are on the monotonic clock."""

    tried_at: float = float("-inf")
    """Start of the last read."""
    read_at: float = float("-inf")
    """Start of the last successful read of all orders, here or on another replica."""
    is_cut_off: bool = False
    """The list may lack live orders."""
    has_unread: bool = False
    """A row of the list could not be parsed."""
    own_read_at: float = float("-inf")
    """`read_at` of this replica's own reads."""
    remote_read_at: float = float("-inf")
    """When another replica read the complete list; its changes were published before."""
    remote_read: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when another replica has read the complete list."""
    reading: Reading | None = None
    shared_reading: Reading | None = None
    pace: float = FASTEST
    """Seconds between two reads, by the free part of the request budget."""
    events_until: float = float("-inf")
    """Until when events of the account are expected."""
    failures: int = 0
    """Failed reads in a row."""
    retry_at: float = float("-inf")
    """Time of the next try while the list cannot be read."""
    order_failures: int = 0
    """Failed reads of single orders in a row."""
    is_logged: bool = False
    """The log has a line that neither list nor orders can be read."""
    limit: int = LIMIT
    is_limit_final: bool = False
    """The higher limit was tried and is not honoured."""
    honours_filter: bool = True
    """False once an answer has shown that the upstream ignores `?status=`."""
    is_filter_untried: bool = True
    """No list of completed orders was requested yet."""
    filter_failures: int = 0
    """Failed reads of completed orders in a row."""
    completed_at: float = float("-inf")
    """Start of the last read that got the complete list of completed orders."""
    ids: frozenset[str] = frozenset()
    """Order ids of the last list if it is certainly complete, else none."""
    single_at: float = float("-inf")
    """Last turn of a single order that the cut list lacks."""
    longest_unread: TrackedActivation | None = None
    """Of the orders asked for since then, the one not read for longest."""
    _completed: frozenset[str] = frozenset()
    """Order ids that were completed in the last list."""

    @property
    def is_broken(self) -> bool:
        """The last read failed: single orders are read instead."""
        return self.failures > 0

    @property
    def is_missing(self) -> bool:
        """Two reads failed: the account may have no list."""
        return self.failures > 1

    @property
    def is_due(self) -> bool:
        """Whether the list may be read now: after failures there are pauses."""
        return not self.is_broken or monotonic() >= self.retry_at

    @property
    def is_unreadable(self) -> bool:
        """Neither the list nor single orders can be read."""
        return self.is_missing and self.order_failures >= MAX_ORDER_FAILURES

    @property
    def has_completed(self) -> bool:
        """A complete list of completed orders is still valid."""
        return monotonic() - self.completed_at < COMPLETED_SECONDS

    def would_show(self, activation: TrackedActivation, upstream_now: float) -> bool:
        """Whether lists would show an SMS of the order: it is in the list of all, or would be in a
        list of completed orders, which may not be requested yet.
        """
        if self.seen_at(activation) >= self.read_at:
            return True
        is_listed_then = self.has_completed or (self.is_cut_off and self.is_filter_untried)
        return is_listed_then and upstream_now < (activation.order.expires_at or 0.0)

    def is_next_single(self, activation: TrackedActivation) -> bool:
        """Whether to read this order, which only lists of completed orders cover, now."""
        longest = self.longest_unread
        if longest is None or activation.seen_at < longest.seen_at or not longest.is_untouched:
            self.longest_unread = activation
        late = monotonic() - self.single_at - SINGLE_SECONDS
        if late < 0 or (self.longest_unread is not activation and late < SINGLE_PATIENCE):
            return False
        self.single_at, self.longest_unread = monotonic(), None
        return True

    def failed(self, status: str = "") -> None:
        """Records a failed read of all orders, or of those with a status."""
        if status:
            # The filter may be the reason: the next read of all orders will show.
            self.is_filter_untried, self.filter_failures = False, self.filter_failures + 1
            return
        self.filter_failures = 0
        if self.limit > LIMIT:
            # The limit may be the reason: the next read will show.
            self.limit, self.is_limit_final = LIMIT, True
            return
        pause = min(FIRST_RETRY * 2 ** min(self.failures, 10), LONGEST_RETRY)
        self.failures += 1
        self.retry_at = monotonic() + pause

    @property
    def status(self) -> str:
        """The `status` filter of the next read; empty for all orders."""
        is_fresh = monotonic() - self.read_at < WHOLE_SECONDS
        is_of_use = self.honours_filter and self.filter_failures < MAX_FILTER_FAILURES
        is_filtered = self.is_cut_off and is_of_use and is_fresh
        return OrderState.COMPLETED.value if is_filtered else ""

    def read_completed(self, orders: Sequence[Order], listed: int, asked_at: float) -> None:
        """Records a list of completed orders. A list with other orders, or without one that was
        completed before, shows that the upstream ignores the filter. `listed` is its row count.
        """
        self.is_filter_untried, self.filter_failures = False, 0
        found = {order.id for order in orders}
        is_whole = listed < self.limit and listed not in UPSTREAM_LIMITS and listed == len(orders)
        is_honoured = all(order.is_stated and _is_completed(order) for order in orders)
        if not is_honoured or (is_whole and not self._completed <= found):
            self.honours_filter = False
        elif is_whole and found:
            # An empty list proves nothing: an unknown filter value may give one, too.
            self.completed_at = asked_at

    def read_all(
        self, orders: Sequence[Order], listed: int, unread: int, asked_at: float, young: float
    ) -> None:
        """Records a list of all orders with `listed` rows, `unread` of them not parsed. Orders
        created after `young`, upstream's clock, may be live.
        """
        self.read_at = max(self.read_at, asked_at)
        self.own_read_at = max(self.own_read_at, asked_at)
        self.has_unread = unread > 0
        ids = frozenset(order.id for order in orders)
        is_at_its_end = listed in UPSTREAM_LIMITS or listed >= self.limit
        oldest = min((order.created_at or 0.0 for order in orders), default=0.0)
        # The newest rows come first: while all rows of the last list are in this one, no order was
        # cut off. An empty last list does not show that.
        is_grown = bool(self.ids) and self.ids <= ids
        self.is_cut_off = is_at_its_end and oldest > young and not is_grown
        self.ids = frozenset() if self.is_cut_off or unread else ids
        self._completed = frozenset(order.id for order in orders if _is_completed(order))
        if self.limit > LIMIT and listed == LIMIT:
            self.limit, self.is_limit_final = LIMIT, True
        elif self.is_cut_off and listed == LIMIT and not self.is_limit_final:
            self.limit = HIGHER_LIMIT

    def interval(self, activation: TrackedActivation) -> float:
        """Seconds after which the list has to be read again for the order."""
        is_told = monotonic() < self.events_until and activation.hinted_at < self.read_at
        is_pushed = is_told or activation.is_pushed_since(self.read_at)
        return PUSHED if is_pushed else self.pace

    def lacks(self, activation: TrackedActivation) -> bool:
        """The list is complete and does not have the order."""
        return not self.is_cut_off and self.seen_at(activation) < self.read_at

    def seen_at(self, activation: TrackedActivation) -> float:
        """When a read on any replica last showed the state of the order. Reads of other replicas
        count only for orders that were bought through one of them.
        """
        seen = activation.seen_at
        if activation.is_untouched:
            # It was not in the list of completed orders.
            seen = max(seen, self.completed_at)
        if activation.delivered is None or self.remote_read_at < seen:
            return seen
        return self.remote_read_at


def _is_completed(order: Order) -> bool:
    return order.state is OrderState.COMPLETED
