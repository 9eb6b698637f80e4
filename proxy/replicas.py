"""What other replicas have written is taken in: any of them answers any request."""

import asyncio
import logging

from proxy.orders import Orders
from proxy.reads import Reads
from proxy.store import Change, Store, StoreError

log = logging.getLogger(__name__)

PAUSE = 1.0
"""Seconds before the store is read again after it could not be."""


class Replicas:
    def __init__(self, store: Store, orders: Orders, reads: Reads) -> None:
        self._store = store
        self._orders = orders
        self._reads = reads

    async def follow(self) -> None:
        """For ever."""
        async for change in self._store.changes():
            try:
                await self._take_in(change)
            except StoreError as error:
                log.warning("what other replicas did is not known yet: %s", error)
                await self._catch_up()

    async def _take_in(self, change: Change) -> None:
        match change.kind:
            case "order":
                await self._orders.heard(change.key, change.order)
            case "list":
                self._reads.heard(change.key)
            case "missed":
                await self._orders.heard_nothing()

    async def _catch_up(self) -> None:
        while True:
            await asyncio.sleep(PAUSE)
            try:
                return await self._orders.heard_nothing()
            except StoreError:
                continue
