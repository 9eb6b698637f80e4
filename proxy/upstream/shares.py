"""What of a key's requests a minute this replica may make, where several share the key.

Each replica holds a part of the limit, by a lease in the store: what it has made in the last
minute, and a little ahead. All parts together are the limit, so no request has to be asked for.
"""

import asyncio
import logging
import math
from collections.abc import Iterable

from proxy.clock import monotonic
from proxy.model import Key
from proxy.store import Store, StoreError
from proxy.upstream.window import Window

log = logging.getLogger(__name__)

LEASE = 10.0
"""Seconds that a part is used without the store: shorter than the store keeps it for us."""
RENEW_SECONDS = 2.0
AHEAD, USED = 4, 0.7
"""So many requests more than were made, and never more than so much of a part in use: the rest of
it is for what is urgent."""


class Shares:
    def __init__(self, store: Store, per_minute: int) -> None:
        self._store = store
        self._per_minute = per_minute
        self._windows: dict[Key, Window] = {}
        self._until: dict[Key, float] = {}
        self._asking: dict[Key, asyncio.Task[None]] = {}
        self._renewing: asyncio.Task[None] | None = None

    async def open(self, key: Key) -> Window:
        window = Window(0)
        await self._renew(key, window)
        window = self._windows.setdefault(key, window)
        if self._renewing is None or self._renewing.done():
            self._renewing = asyncio.create_task(self._renew_all())
        return window

    def ask(self, key: Key) -> None:
        """There is no room: more is asked for, if nobody has asked yet."""
        window = self._windows.get(key)
        if window and key not in self._asking and window.limit < self._per_minute:
            self._asking[key] = asyncio.create_task(self._renew(key, window))
            self._asking[key].add_done_callback(lambda _: self._asking.pop(key, None))

    def drop(self, keys: Iterable[Key]) -> None:
        """Those that nobody has used for a while."""
        for key in keys:
            self._windows.pop(key, None)
            self._until.pop(key, None)

    def close(self) -> None:
        for task in (*self._asking.values(), *([self._renewing] if self._renewing else [])):
            task.cancel()

    async def _renew_all(self) -> None:
        while self._windows:
            await asyncio.sleep(RENEW_SECONDS)
            for key, window in list(self._windows.items()):
                if window.is_idle:
                    # The others leave so much to each replica that is known to them.
                    window.allow(self._store.safe_share(self._per_minute))
                else:
                    await self._renew(key, window)

    async def _renew(self, key: Key, window: Window) -> None:
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
            if monotonic() >= self._until.get(key, -math.inf):
                log.warning("%s: a safe share of its requests is left: %s", key, error)
                window.allow(self._store.safe_share(self._per_minute))
            return
        self._until[key] = began + LEASE
        window.allow(share)
