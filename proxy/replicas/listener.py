"""What this process is to the other replicas: it takes in what they write, and what they leave."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import aclosing

from proxy.model.errors import StoreError
from proxy.orders.orders import LONGEST_LIFE, Orders
from proxy.orders.reads import Reads
from proxy.replicas.takeover import Takeover
from proxy.runtime import log_events
from proxy.runtime.tasks import BackgroundTasks
from proxy.store import Change, Store

log = logging.getLogger(__name__)

PAUSE = 1.0
"""Seconds before the store is read again after it could not be."""


class Replicas:
    """`upstream_now` is the upstream's clock."""

    def __init__(
        self,
        store: Store,
        orders: Orders,
        reads: Reads,
        takeover: Takeover,
        upstream_now: Callable[[], float],
    ) -> None:
        self._store = store
        self._orders = orders
        self._reads = reads
        self._takeover = takeover
        self._upstream_now = upstream_now
        self._tasks = BackgroundTasks()

    async def start(self) -> None:
        """What the last run left open is taken up first. ProblemError or StoreError."""
        await self._takeover.once()
        if self._store.is_shared:
            self._tasks.loop(self._follow, "changes of other replicas")
            self._tasks.loop(self._takeover.follow, "takeover from dead replicas")

    async def close(self) -> None:
        await self._tasks.aclose()

    async def _follow(self) -> None:
        async with aclosing(self._store.changes()) as changes:
            async for change in changes:
                await self._follow_one(change)

    async def _follow_one(self, change: Change) -> None:
        try:
            await self._take_in(change)
        except StoreError as error:
            log.warning(log_events.CHANGES_UNKNOWN, error)
            await self._catch_up()
        except Exception:
            log.exception(log_events.CHANGE_BUG)

    async def _take_in(self, change: Change) -> None:
        match change.kind:
            case "order" if change.key in self._orders.hashes:
                if row := await self._store.order(change.key, order=change.order):
                    self._orders.apply_remote(row)
            case "list":
                self._reads.lists.heard(change.key)
            case "missed":
                await self._apply_all()

    async def _apply_all(self) -> None:
        """Others may have written any live order."""
        for hash in self._orders.hashes:
            async for row in self._store.orders(hash, self._upstream_now() - LONGEST_LIFE):
                self._orders.apply_remote(row)

    async def _catch_up(self) -> None:
        while True:
            await asyncio.sleep(PAUSE)
            try:
                return await self._apply_all()
            except StoreError:
                continue
