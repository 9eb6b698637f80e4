"""What is known of one key's order list: how old it is, where it ends, whether it can be read."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from proxy.model import Order, OrderState
from proxy.orders.tracked import TrackedActivation
from proxy.runtime.clock import monotonic

FASTEST, SLOWEST = 2.0, 5.0
"""Seconds between two reads of a key's order list, as the budget allows."""

POLL = 3.0
"""Seconds that one read of an order serves all who ask."""

PUSHED = 10.0
"""Both of them, while the order has a socket: an open one can be mute; and the first, while the
upstream sends the account's events.
"""

FIRST_RETRY, LONGEST_RETRY = 3.0, 300.0
"""Seconds before a list that could not be read is tried again: 3, 6, 12 … 300."""

EVENTS_SECONDS = 600.0
"""How long one event shows that others would come."""

UPSTREAM_LIMITS = (50, 100, 200, 500)
"""Rows that the upstream lists at most; sources differ."""
LIMIT, HIGHER_LIMIT = 200, 500
"""Rows that are asked for. The second, which one client of the vendor asks for, once the first is
reached.
"""

WHOLE_SECONDS = 30.0
"""So often a list that is cut off is read as it is. Meanwhile the completed orders alone are asked
for: so short a list has no end that an SMS could hide behind.
"""
SINGLE_SECONDS = 20.0
"""So often an order is read that only the lists of the completed ones speak for: they may leave out
a state that tells of an SMS, too.
"""
SINGLE_PATIENCE = 10.0
"""So much longer that one's client has time to ask again, before another's turn comes."""
COMPLETED_SECONDS = 30.0
"""So long the last list of the completed orders speaks for those that it lacks."""

MAX_FILTER_FAILURES = 2
"""So many reads of the completed orders alone may fail in a row where the whole list is read."""

MAX_ORDER_FAILURES = 3
"""Where the list cannot be read, and so many reads of orders in a row failed, no read is left."""

Reading = asyncio.Task[None]


@dataclass(slots=True, eq=False, weakref_slot=True)
class ListFreshness:
    """What is known of one key's order list. All times are on the monotonic clock."""

    tried_at: float = float("-inf")
    read_at: float = float("-inf")
    """When the last read that was answered began."""
    is_cut_off: bool = False
    """It may lack orders that still live."""
    has_unread: bool = False
    """A row of it could not be read."""
    own_read_at: float = float("-inf")
    """The same, of those that this replica has read itself."""
    remote_read_at: float = float("-inf")
    """When another replica has read the whole of it: what had changed was told before."""
    remote_read: asyncio.Event = field(default_factory=asyncio.Event)
    reading: Reading | None = None
    shared_reading: Reading | None = None
    pace: float = FASTEST
    """Seconds between two reads, by what the budget leaves."""
    events_until: float = float("-inf")
    """Until when the upstream is believed to tell what happens by events."""
    failures: int = 0
    """Reads in a row that failed."""
    retry_at: float = float("-inf")
    """When a list that cannot be read is tried again."""
    order_failures: int = 0
    """Reads of single orders in a row that failed."""
    is_logged: bool = False
    """That there is no way is in the log."""
    limit: int = LIMIT
    is_limit_final: bool = False
    """A higher one was tried."""
    honours_filter: bool = True
    """The upstream may honour `?status=`: it has not shown that it does not."""
    is_filter_untried: bool = True
    """No list of the completed orders was asked for so far."""
    filter_failures: int = 0
    """Reads of the completed orders in a row that failed."""
    completed_at: float = float("-inf")
    """When the last whole list of the completed orders was asked for."""
    ids: frozenset[str] = frozenset()
    """The orders of the last list, if it was surely whole."""
    single_at: float = float("-inf")
    """When the last order behind the end was to be read by itself."""
    longest_unread: TrackedActivation | None = None
    """Of those behind the end that were asked for since then."""
    _completed: frozenset[str] = frozenset()
    """Those that the last list showed as completed."""

    @property
    def is_broken(self) -> bool:
        """The last read failed: orders are read one by one meanwhile."""
        return self.failures > 0

    @property
    def is_missing(self) -> bool:
        """It failed twice: perhaps the account has none."""
        return self.failures > 1

    @property
    def is_due(self) -> bool:
        """A list that cannot be read is tried again now and then, not each time."""
        return not self.is_broken or monotonic() >= self.retry_at

    @property
    def is_unreadable(self) -> bool:
        """Neither it nor its orders can be read."""
        return self.is_missing and self.order_failures >= MAX_ORDER_FAILURES

    @property
    def finds_completed(self) -> bool:
        """The completed orders are listed by themselves, to the end."""
        return monotonic() - self.completed_at < COMPLETED_SECONDS

    def would_show(self, activation: TrackedActivation, upstream_now: float) -> bool:
        """An SMS would show: the order is in the list, or is listed once it is completed, as the
        next list may tell.
        """
        if self.seen_at(activation) >= self.read_at:
            return True
        is_listed_then = self.finds_completed or (self.is_cut_off and self.is_filter_untried)
        return is_listed_then and upstream_now < (activation.order.expires_at or 0.0)

    def is_next_single(self, activation: TrackedActivation) -> bool:
        """It is the turn of this order, which only the lists of the completed ones speak for."""
        longest = self.longest_unread
        if longest is None or activation.seen_at < longest.seen_at or not longest.is_untouched:
            self.longest_unread = activation
        late = monotonic() - self.single_at - SINGLE_SECONDS
        if late < 0 or (self.longest_unread is not activation and late < SINGLE_PATIENCE):
            return False
        self.single_at, self.longest_unread = monotonic(), None
        return True

    def failed(self, status: str = "") -> None:
        if status:
            # Perhaps for its filter alone: a read of all tells.
            self.is_filter_untried, self.filter_failures = False, self.filter_failures + 1
            return
        # Not for its filter.
        self.filter_failures = 0
        if self.limit > LIMIT:
            # Perhaps for its limit alone: the next read tells.
            self.limit, self.is_limit_final = LIMIT, True
            return
        pause = min(FIRST_RETRY * 2 ** min(self.failures, 10), LONGEST_RETRY)
        self.failures += 1
        self.retry_at = monotonic() + pause

    @property
    def status(self) -> str:
        """The `status` to ask the next list for; empty: of all."""
        is_fresh = monotonic() - self.read_at < WHOLE_SECONDS
        is_of_use = self.honours_filter and self.filter_failures < MAX_FILTER_FAILURES
        is_filtered = self.is_cut_off and is_of_use and is_fresh
        return OrderState.COMPLETED.value if is_filtered else ""

    def read_completed(self, orders: Sequence[Order], listed: int, asked_at: float) -> None:
        """A list of the completed orders. One that has others, or lacks one that is known to be
        completed, shows that the filter is not honoured.
        """
        self.is_filter_untried, self.filter_failures = False, 0
        found = {order.id for order in orders}
        is_whole = listed < self.limit and listed not in UPSTREAM_LIMITS and listed == len(orders)
        is_honoured = all(order.is_stated and _is_completed(order) for order in orders)
        if not is_honoured or (is_whole and not self._completed <= found):
            self.honours_filter = False
        elif is_whole and found:
            # An empty one proves nothing: a filter by an unknown word could give it, too.
            self.completed_at = asked_at

    def read_all(
        self, orders: Sequence[Order], listed: int, unread: int, asked_at: float, young: float
    ) -> None:
        """The list of all. Orders created since `young` may still live."""
        self.read_at, self.own_read_at = (
            max(self.read_at, asked_at),
            max(self.own_read_at, asked_at),
        )
        self.has_unread = unread > 0
        ids = frozenset(order.id for order in orders)
        is_at_its_end = listed in UPSTREAM_LIMITS or listed >= self.limit
        oldest = min((order.created_at or 0.0 for order in orders), default=0.0)
        # The newest come first: where the whole of the list before is still there, no order can
        # stand behind the end. An empty one says nothing of how many have come since.
        is_grown = bool(self.ids) and self.ids <= ids
        self.is_cut_off = is_at_its_end and oldest > young and not is_grown
        self.ids = frozenset() if self.is_cut_off or unread else ids
        self._completed = frozenset(order.id for order in orders if _is_completed(order))
        if self.limit > LIMIT and listed == LIMIT:
            self.limit, self.is_limit_final = LIMIT, True
        elif self.is_cut_off and listed == LIMIT and not self.is_limit_final:
            self.limit = HIGHER_LIMIT

    def interval(self, activation: TrackedActivation) -> float:
        """How old what it says of an order may be."""
        is_told = monotonic() < self.events_until and activation.hinted_at < self.read_at
        is_pushed = is_told or activation.is_pushed_since(self.read_at)
        return PUSHED if is_pushed else self.pace

    def lacks(self, activation: TrackedActivation) -> bool:
        """It was read to its end, and the order is not in it."""
        return not self.is_cut_off and self.seen_at(activation) < self.read_at

    def seen_at(self, activation: TrackedActivation) -> float:
        """When the upstream last said anything of the order, to any replica. What was not bought
        through one of them is known to each by its own reads.
        """
        seen = activation.seen_at
        if activation.is_untouched:
            # The completed orders were listed, and it was none of them.
            seen = max(seen, self.completed_at)
        if activation.delivered is None or self.remote_read_at < seen:
            return seen
        return self.remote_read_at


def _is_completed(order: Order) -> bool:
    return order.state is OrderState.COMPLETED
