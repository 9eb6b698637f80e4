"""What of a key's requests a minute this replica may make, where several share the key.

Each replica holds a part of the limit, by a lease in the store: what it has made in the last
minute, and a little ahead. All parts together are the limit, so no request has to be asked for.
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
"""Seconds that a part is used without the store: shorter than the store keeps it for us."""
RENEW_SECONDS = 2.0
AHEAD, USED = 4, 0.7
"""So many requests more than were made, and never more than so much of a part in use: the rest of
it is for what is urgent."""


class RequestStore(Protocol):
    """What the budget wants of a store. What is waited for raises StoreError."""

    @property
    def is_shared(self) -> bool: ...

    async def share(self, key: str, most: int, spent: int, wanted: int) -> int: ...

    def safe_share(self, most: int) -> int: ...

    def spend(self, key: str, at: float) -> None: ...

    async def requests(self, key: str, since: float) -> list[float]: ...


class Leases:
    def __init__(self, store: RequestStore, per_minute: int) -> None:
        self._store = store
        self._per_minute = per_minute
        self._windows: dict[UpstreamKey, Window] = {}
        self._leases: dict[UpstreamKey, asyncio.TimerHandle] = {}
        """When each part ends, whatever becomes of the task that renews it."""
        self._tasks = BackgroundTasks()
        self._asking: dict[UpstreamKey, asyncio.Task[None]] = {}
        self._renewing: asyncio.Task[None] | None = None

    async def open(self, key: UpstreamKey) -> Window:
        window = Window(0)
        await self._renew(key, window)
        window = self._windows.setdefault(key, window)
        if self._renewing is None or self._renewing.done():
            self._renewing = self._tasks.loop(self._renew_all, "leases of requests")
        return window

    def ask(self, key: UpstreamKey) -> None:
        """There is no room: more is asked for, if nobody has asked yet."""
        window = self._windows.get(key)
        if window and key not in self._asking and window.limit < self._per_minute:
            name = f"lease of requests of {key}"
            self._asking[key] = self._tasks.start(self._renew(key, window), name)
            self._asking[key].add_done_callback(lambda _: self._asking.pop(key, None))

    def drop(self, keys: Iterable[UpstreamKey]) -> None:
        """Those that nobody has used for a while."""
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
                    # The others leave so much to each replica that is known to them.
                    window.allow(self._store.safe_share(self._per_minute))
                else:
                    await self._renew(key, window)

    async def _renew(self, key: UpstreamKey, window: Window) -> None:
        began, used = monotonic(), len(window.spent()) + window.waiting
        wanted = min(math.ceil((used + AHEAD) / USED), self._per_minute)
        # What is given up is not used meanwhile.
        window.allow(min(window.limit, wanted))
        try:
            async with asyncio.timeout(LEASE):
                share = await self._store.share(
                    key.hash, self._per_minute, len(window.spent()), wanted
                )
        except (StoreError, TimeoutError) as error:
            if key not in self._leases:
                log.warning(log_events.LEASE_LOST, key, error)
                window.allow(self._store.safe_share(self._per_minute))
            return
        if before := self._leases.pop(key, None):
            before.cancel()
        at = asyncio.get_running_loop().call_at
        self._leases[key] = at(began + LEASE, self._end, key)
        window.allow(share)

    def _end(self, key: UpstreamKey) -> None:
        """The store gives the part to others soon."""
        del self._leases[key]
        if window := self._windows.get(key):
            window.allow(min(window.limit, self._store.safe_share(self._per_minute)))
