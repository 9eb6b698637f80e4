"""Applies the changes of other replicas, and takes over the operations of dead ones."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass

from proxy.model.errors import StoreError
from proxy.orders.open_keys import LONGEST_LIFE
from proxy.orders.orders import Orders
from proxy.orders.reads import Reads
from proxy.replicas.takeover import Takeover
from proxy.runtime import log_events
from proxy.runtime.tasks import BackgroundTasks
from proxy.store import Change, Store

log = logging.getLogger(__name__)

PAUSE = 1.0
"""Seconds between two tries to read the store."""


@dataclass(eq=False)
class Replicas:
    """`upstream_now` is the upstream's clock."""

    store: Store
    orders: Orders
    reads: Reads
    takeover: Takeover
    upstream_now: Callable[[], float]

    def __post_init__(self) -> None:
        self._tasks = BackgroundTasks()

    async def start(self) -> None:
        """Takes over the pending operations of the last run. Raises ProblemError or StoreError."""
        await self.takeover.run_once()
        if self.store.is_shared:
            self._tasks.loop(self._follow, "changes of other replicas")
            self._tasks.loop(self.takeover.run, "takeover from dead replicas")

    async def close(self) -> None:
        await self._tasks.aclose()

    async def _follow(self) -> None:
        async with aclosing(self.store.changes()) as changes:
            async for change in changes:
                await self._apply_logged(change)

    async def _apply_logged(self, change: Change) -> None:
        try:
            await self._apply(change)
        except StoreError as error:
            log.warning(log_events.CHANGES_UNKNOWN, error)
            await self._catch_up()
        except Exception:
            log.exception(log_events.CHANGE_BUG)

    async def _apply(self, change: Change) -> None:
        match change.kind:
            case "order" if change.key in self.orders.hashes:
                if row := await self.store.order(change.key, order=change.order):
                    self.orders.apply_remote(row)
            case "list":
                self.reads.lists.read_elsewhere(change.key)
            case "missed":
                await self._apply_all()

    async def _apply_all(self) -> None:
        """Reads all live orders: other replicas may have written any of them."""
        for hash in self.orders.hashes:
            async for row in self.store.orders(hash, self.upstream_now() - LONGEST_LIFE):
                self.orders.apply_remote(row)

    async def _catch_up(self) -> None:
        while True:
            await asyncio.sleep(PAUSE)
            try:
                return await self._apply_all()
            except StoreError:
                continue
