"""Reads the activations of the last hour from the store, for the console and the metrics: after a
start they show what is known before any program asks. The upstream is not asked.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from proxy.legacy.activation import Activation
from proxy.model import OVER
from proxy.model.errors import StoreError
from proxy.orders.index import refund_event
from proxy.orders.open_keys import LONGEST_LIFE
from proxy.orders.orders import Orders
from proxy.runtime import log_events
from proxy.runtime.counters import Counters, StoryEvent
from proxy.store import ActivationRow, Entry, Store
from proxy.upstream.clock import UpstreamClock

log = logging.getLogger(__name__)

MAX_ROWS = 4000
"""The newest are shown. There are more stories than that (MOST_STORIES of runtime/counters.py)."""
EVERY_SECONDS = 60.0
"""Between two reads of a store that other replicas use: a key may be in use at another one only."""
RETRY_SECONDS = 5.0


class LastHour:
    """`clock` is the upstream's."""

    def __init__(
        self, store: Store, orders: Orders, counters: Counters, clock: UpstreamClock
    ) -> None:
        self._store = store
        self._orders = orders
        self._counters = counters
        self._clock = clock
        self.trouble = ""
        """Why the store could not be read; empty if it could."""

    async def run(self) -> None:
        """Reads once, and again and again where other replicas use the store."""
        while True:
            is_read = await self._try_to_read()
            if is_read and not self._store.is_shared:
                return
            await asyncio.sleep(EVERY_SECONDS if is_read else RETRY_SECONDS)

    async def _try_to_read(self) -> bool:
        try:
            await self.read()
        except StoreError as error:
            if not self.trouble:
                log.warning(log_events.LAST_HOUR_UNREAD, error)
            self.trouble = str(error)
            return False
        self.trouble = ""
        return True

    async def read(self) -> None:
        """Raises StoreError."""
        since = self._clock.earliest() - LONGEST_LIFE
        rows = await self._store.newest_orders(since, MAX_ROWS)
        entries = await self._store.ledger(self._clock.to_wall(since) or 0.0)
        self._orders.recall(rows)
        self._recall_stories(rows, entries)

    def _recall_stories(self, rows: Sequence[ActivationRow], entries: Iterable[Entry]) -> None:
        by_order: defaultdict[str, list[Entry]] = defaultdict(list)
        for entry in entries:
            by_order[entry.order].append(entry)
        # The oldest story is dropped first: recall them in the order of their age.
        for row in reversed(rows):
            if events := [*self._events(row, by_order[row.order.id])]:
                self._counters.recall(row.order.id, *events)

    async def story(self, activation: Activation) -> list[StoryEvent]:
        """What the store knows of an order's story, oldest first. Raises StoreError."""
        entries = await self._store.entries(activation.order.id)
        return sorted({*self._events(activation, entries)})

    def _events(
        self, row: ActivationRow | Activation, entries: Sequence[Entry]
    ) -> Iterator[StoryEvent]:
        """What the store knows of an order's story: the charge first."""
        for entry in entries:
            if entry.kind == "charge":
                yield StoryEvent(entry.at, "bought", -entry.cents)
        for sms in row.order.messages:
            if (at := self._clock.to_wall(sms.received_at)) is not None:
                yield StoryEvent(at, "sms", 0)
        for entry in entries:
            if entry.kind == "refund":
                if row.order.state in OVER:
                    yield StoryEvent(entry.at, row.order.state.value, 0)
                yield StoryEvent(entry.at, refund_event(row), entry.cents)
