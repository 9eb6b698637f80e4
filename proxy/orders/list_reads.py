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
        known = self._lists.get(key.upstream)
        if known is None:
            known = self._lists[key.upstream] = ListFreshness()
            if self._store.is_shared:
                self._by_hash[key.upstream.hash] = known
        return known

    def begin_shared(self, key: ClientKey, known: ListFreshness) -> Reading:
        """Starts a read of the list that may show new SMS, on one replica for all of them."""
        if not self._store.is_shared:
            return self._begin_list(key, status=known.status)
        work, name = self._read_shared(key, known), f"shared list of {key}"
        known.shared_reading = self._tasks.start(work, name, of_request=True)
        return known.shared_reading

    async def _read_shared(self, key: ClientKey, known: ListFreshness) -> None:
        """Reads the list, or waits for the replica that has claimed the read."""
        try:
            if await self._may_read(key, known):
                await asyncio.shield(self._begin_list(key, status=known.status))
            else:
                known.remote_read.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(known.remote_read.wait(), REMOTE_READ_SECONDS)
        finally:
            known.shared_reading = None

    async def _may_read(self, key: ClientKey, known: ListFreshness) -> bool:
        known.tried_at = monotonic()
        try:
            return await self._store.claim(f"list {key.upstream.hash}", known.pace)
        except StoreError:
            return True

    def _begin_list(
        self, key: ClientKey, urgency: Urgency = Urgency.LIST, status: str = ""
    ) -> Reading:
        known = self.of(key)
        known.tried_at = monotonic()
        work = self._read_list(key, known, urgency, status)
        known.reading = self._tasks.start(work, f"list of {key}", of_request=True)
        return known.reading

    async def refresh(self, key: ClientKey) -> None:
        """Reads all orders, if that was not done within POLL seconds. Raises ProblemError."""
        known = self.of(key)
        if known.reading and monotonic() - known.own_read_at >= POLL:
            # This read may be one of completed orders only.
            await asyncio.shield(known.reading)
        if monotonic() - known.own_read_at < POLL:
            return
        if known.is_missing and not known.is_due:
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
        known = self.of(key)
        return known.read_at >= when and not known.has_unread

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
        broken = [known for known in self._lists.values() if known.is_missing]
        blind = sum(known.is_unreadable for known in broken)
        return {"readable": len(self._lists) - len(broken), "broken": len(broken), "blind": blind}

    def read_elsewhere(self, hash: str) -> None:
        """Records that another replica has read the list of the upstream key with that hash."""
        if known := self._by_hash.get(hash):
            known.remote_read_at = known.read_at = known.tried_at = monotonic()
            known.remote_read.set()

    async def _read_list(
        self, key: ClientKey, known: ListFreshness, urgency: Urgency, status: str
    ) -> None:
        try:
            await self._upstream.admit("orders", key, urgency)
            known.tried_at = asked_at = monotonic()
            orders = await self._listed(key, known, status)
            await self._orders.listed(key, orders, asked_at)
        finally:
            if known.reading is asyncio.current_task():
                known.reading = None
        if status:
            known.read_completed(orders, orders.listed, asked_at)
        else:
            young = self._upstream.clock.earliest() - LONGEST_LIFE
            known.read_all(orders, orders.listed, orders.unread, asked_at, young)
        # The rest of the budget is for single orders that the cut list lacks.
        fastest = POLL if known.is_cut_off else FASTEST
        known.pace = min(max(60 / max(self._budget.spare(key), 1.0), fastest), SLOWEST)
        if not (status or known.is_cut_off or known.has_unread):
            self._store.publish_change(Change("list", key.upstream.hash))

    async def _listed(self, key: ClientKey, known: ListFreshness, status: str) -> Rows[Order]:
        try:
            orders = await self._upstream.orders(key, known.limit, status)
        except ProblemError as error:
            if error.problem.is_doubt and error.problem is not Problem.RATE_LIMITED:
                known.failed(status)
                if known.failures == 2 and not status:
                    log.warning(log_events.NO_ORDER_LIST, key, error)
            raise
        if known.is_missing:
            log.info("%s: the order list can be read again", key)
        known.failures = 0
        return orders
