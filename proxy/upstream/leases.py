"""Leases of a key's requests per minute, for replicas that share the key.

Each replica leases a part of the limit in the store: as many requests as it sent in the last
minute, and a few more. All leases together are the limit, so no single request needs the store.
"""

import asyncio
import logging
import math
from collections.abc import Iterable
from typing import Protocol

from proxy.model import UpstreamKey
from proxy.model.errors import StoreError
from proxy.runtime import log_events
from proxy.runtime.clock import monotonic
from proxy.runtime.tasks import BackgroundTasks
from proxy.upstream.rate_window import Window

log = logging.getLogger(__name__)

LEASE = 10.0
"""Seconds that a lease is used without the store; the store reserves it for longer."""
RENEW_SECONDS = 2.0
AHEAD, USED = 4, 0.7
"""A lease has room for AHEAD more requests than were sent, and at most the fraction USED of it is
used: the rest is for urgent calls.
"""


class RequestStore(Protocol):
    """The part of a store that the budget uses; see Store. Coroutines raise StoreError."""

    @property
    def is_shared(self) -> bool: ...

    async def lease_requests(self, key: str, limit: int, sent: int, wanted: int) -> int: ...

    def unleased_limit(self, limit: int) -> int: ...

    def record_request(self, key: str, at: float) -> None: ...

    async def requests(self, key: str, since: float) -> list[float]: ...


class Leases:
    """The windows of all keys that this replica has a lease for. `per_minute` is a key's limit."""

    def __init__(self, store: RequestStore, per_minute: int) -> None:
        self._store = store
        self._per_minute = per_minute
        self._windows: dict[UpstreamKey, Window] = {}
        self._leases: dict[UpstreamKey, asyncio.TimerHandle] = {}
        """Timers for the end of each lease, which do not depend on the task that renews it."""
        self._tasks = BackgroundTasks()
        self._asking: dict[UpstreamKey, asyncio.Task[None]] = {}
        self._renewing: asyncio.Task[None] | None = None

    async def open(self, key: UpstreamKey) -> Window:
        """A window with a first lease for the key. Renews the lease until `drop`."""
        window = Window(0)
        await self._renew(key, window)
        window = self._windows.setdefault(key, window)
        if self._renewing is None or self._renewing.done():
            self._renewing = self._tasks.loop(self._renew_all, "leases of requests")
        return window

    def ask(self, key: UpstreamKey) -> None:
        """Asks for a larger lease, unless one was asked for already."""
        window = self._windows.get(key)
        if window and key not in self._asking and window.limit < self._per_minute:
            name = f"lease of requests of {key}"
            self._asking[key] = self._tasks.start(self._renew(key, window), name)
            self._asking[key].add_done_callback(lambda _: self._asking.pop(key, None))

    def drop(self, keys: Iterable[UpstreamKey]) -> None:
        """Stops renewing the leases of these keys."""
        for key in keys:
            self._windows.pop(key, None)
            if lease := self._leases.pop(key, None):
                lease.cancel()

    async def close(self) -> None:
        await self._tasks.aclose()
        for lease in self._leases.values():
            lease.cancel()

    async def _renew_all(self) -> None:
        while self._windows:
            await asyncio.sleep(RENEW_SECONDS)
            for key, window in list(self._windows.items()):
                if window.is_idle:
                    # The other replicas leave this limit free without a lease.
                    window.set_limit(self._store.unleased_limit(self._per_minute))
                else:
                    await self._renew(key, window)

    async def _renew(self, key: UpstreamKey, window: Window) -> None:
        began, used = monotonic(), len(window.recent()) + window.waiting
        wanted = min(math.ceil((used + AHEAD) / USED), self._per_minute)
        # The part that is given up must not be used meanwhile.
        window.set_limit(min(window.limit, wanted))
        try:
            async with asyncio.timeout(LEASE):
                sent = len(window.recent())
                limit = await self._store.lease_requests(key.hash, self._per_minute, sent, wanted)
        except (StoreError, TimeoutError) as error:
            if key not in self._leases:
                log.warning(log_events.LEASE_LOST, key, error)
                window.set_limit(self._store.unleased_limit(self._per_minute))
            return
        if before := self._leases.pop(key, None):
            before.cancel()
        call_at = asyncio.get_running_loop().call_at
        self._leases[key] = call_at(began + LEASE, self._end, key)
        window.set_limit(limit)

    def _end(self, key: UpstreamKey) -> None:
        """The lease ends: the store will soon give it to other replicas."""
        del self._leases[key]
        if window := self._windows.get(key):
            window.set_limit(min(window.limit, self._store.unleased_limit(self._per_minute)))
