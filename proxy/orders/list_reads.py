"""Reads the order list of each account within the request budget; requests share the reads.

One read serves all orders of the account, for all its programs and on all replicas. If the list
cannot be read, single orders are read instead.
"""

import asyncio
import logging
from contextlib import suppress
from weakref import WeakValueDictionary

from cachetools import LRUCache

from proxy.model import ClientKey, Order, UpstreamKey
from proxy.model.errors import Problem, ProblemError, StoreError
from proxy.orders.freshness import EVENTS_SECONDS, FASTEST, POLL, SLOWEST, ListFreshness, Reading
from proxy.orders.open_keys import LONGEST_LIFE
from proxy.orders.orders import Orders
from proxy.runtime import log_events
from proxy.runtime.clock import monotonic
from proxy.runtime.tasks import BackgroundTasks
from proxy.store import Change, Store
from proxy.upstream.budget import Budget
from proxy.upstream.client import Upstream
from proxy.upstream.fields import Rows
from proxy.upstream.rate_window import Urgency

log = logging.getLogger(__name__)

MAX_KEYS = 10_000
REMOTE_READ_SECONDS = 0.5
"""Seconds to wait for the list read of another replica; it may have ended before."""


class ListReads:
    def __init__(self, upstream: Upstream, orders: Orders, budget: Budget, store: Store) -> None:
        self._upstream = upstream
        self._orders = orders
        self._budget = budget
        self._store = store
        self._lists: LRUCache[UpstreamKey, ListFreshness] = LRUCache(MAX_KEYS)
        self._by_hash: WeakValueDictionary[str, ListFreshness] = WeakValueDictionary()
        self._tasks = BackgroundTasks(ProblemError)

    async def close(self) -> None:
        await self._tasks.aclose()

    def of(self, key: ClientKey) -> ListFreshness:
        """The state of the order list of the key's account."""
        freshness = self._lists.get(key.upstream)
        if freshness is None:
            freshness = self._lists[key.upstream] = ListFreshness()
            if self._store.is_shared:
                self._by_hash[key.upstream.hash] = freshness
        return freshness

    def begin_shared(self, key: ClientKey, freshness: ListFreshness) -> Reading:
        """Starts a read of the list that may show new SMS, on one replica for all of them."""
        if not self._store.is_shared:
            return self._begin_list(key, status=freshness.status)
        work, name = self._read_shared(key, freshness), f"shared list of {key}"
        freshness.shared_reading = self._tasks.start(work, name, of_request=True)
        return freshness.shared_reading

    async def _read_shared(self, key: ClientKey, freshness: ListFreshness) -> None:
        """Reads the list, or waits for the replica that has claimed the read."""
        try:
            if await self._may_read(key, freshness):
                await asyncio.shield(self._begin_list(key, status=freshness.status))
            else:
                freshness.remote_read.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(freshness.remote_read.wait(), REMOTE_READ_SECONDS)
        finally:
            freshness.shared_reading = None

    async def _may_read(self, key: ClientKey, freshness: ListFreshness) -> bool:
        freshness.tried_at = monotonic()
        try:
            return await self._store.claim(f"list {key.upstream.hash}", freshness.pace)
        except StoreError:
            return True

    def _begin_list(
        self, key: ClientKey, urgency: Urgency = Urgency.LIST, status: str = ""
    ) -> Reading:
        freshness = self.of(key)
        freshness.tried_at = monotonic()
        work = self._read_list(key, freshness, urgency, status)
        freshness.reading = self._tasks.start(work, f"list of {key}", of_request=True)
        return freshness.reading

    async def refresh(self, key: ClientKey) -> None:
        """Reads all orders, if that was not done within POLL seconds. Raises ProblemError."""
        freshness = self.of(key)
        if freshness.reading and monotonic() - freshness.own_read_at >= POLL:
            # This read may be one of completed orders only.
            await asyncio.shield(freshness.reading)
        if monotonic() - freshness.own_read_at < POLL:
            return
        if freshness.is_missing and not freshness.is_due:
            raise ProblemError(Problem.TRY_AGAIN, "the order list cannot be read")
        await asyncio.shield(self._begin_list(key))

    async def refresh_anew(self, key: ClientKey) -> None:
        """Reads all orders by a request that begins now, for purchases. Raises ProblemError."""
        await asyncio.shield(self._begin_list(key, Urgency.PAID))

    def event_came(self, key: ClientKey) -> None:
        """Records an event of the account: its list is read less often for a while."""
        self.of(key).events_until = monotonic() + EVENTS_SECONDS

    def has_read_since(self, key: ClientKey, when: float) -> bool:
        """Whether a read begun after that time, monotonic clock, could parse all its rows."""
        freshness = self.of(key)
        return freshness.read_at >= when and not freshness.has_unread

    @property
    def trouble(self) -> str:
        """A text for /readyz about what cannot be read; empty if there is nothing."""
        broken, blind = int(self.states["broken"]), int(self.states["blind"])
        said = f"cannot be read: {broken} of {len(self._lists)}" if broken else ""
        return f"{said}; nor can single orders: {blind} of these" if blind else said

    @property
    def states(self) -> dict[str, float]:
        """For the metric: numbers of lists that can be read, that cannot, and of those the number
        whose single orders cannot be read either.
        """
        broken = [freshness for freshness in self._lists.values() if freshness.is_missing]
        blind = sum(freshness.is_unreadable for freshness in broken)
        return {"readable": len(self._lists) - len(broken), "broken": len(broken), "blind": blind}

    def read_elsewhere(self, hash: str) -> None:
        """Records that another replica has read the list of the upstream key with that hash."""
        if freshness := self._by_hash.get(hash):
            freshness.remote_read_at = freshness.read_at = freshness.tried_at = monotonic()
            freshness.remote_read.set()

    async def _read_list(
        self, key: ClientKey, freshness: ListFreshness, urgency: Urgency, status: str
    ) -> None:
        try:
            await self._upstream.admit("orders", key, urgency)
            freshness.tried_at = asked_at = monotonic()
            orders = await self._listed(key, freshness, status)
            await self._orders.listed(key, orders, asked_at)
        finally:
            if freshness.reading is asyncio.current_task():
                freshness.reading = None
        if status:
            freshness.read_completed(orders, orders.listed, asked_at)
        else:
            young = self._upstream.clock.earliest() - LONGEST_LIFE
            freshness.read_all(orders, orders.listed, orders.unread, asked_at, young)
        # The rest of the budget is for single orders that the cut list lacks.
        fastest = POLL if freshness.is_cut_off else FASTEST
        freshness.pace = min(max(60 / max(self._budget.spare(key), 1.0), fastest), SLOWEST)
        if not (status or freshness.is_cut_off or freshness.has_unread):
            self._store.publish_change(Change("list", key.upstream.hash))

    async def _listed(self, key: ClientKey, freshness: ListFreshness, status: str) -> Rows[Order]:
        try:
            orders = await self._upstream.orders(key, freshness.limit, status)
        except ProblemError as error:
            if error.problem.is_doubt and error.problem is not Problem.RATE_LIMITED:
                freshness.failed(status)
                if freshness.failures == 2 and not status:
                    log.warning(log_events.NO_ORDER_LIST, key, error)
            raise
        if freshness.is_missing:
            log.info("%s: the order list can be read again", key)
        freshness.failures = 0
        return orders
