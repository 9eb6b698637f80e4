"""Takes up what the last run left open, and what other replicas leave when they die."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace

from proxy.model import ClientKey
from proxy.model.errors import ProblemError, StoreError
from proxy.orders.orders import Orders
from proxy.purchases.cancels import Cancels
from proxy.purchases.journal import Journal
from proxy.purchases.purchase import Purchase
from proxy.runtime import log_events
from proxy.store import OperationKind, PendingOperation, Store

log = logging.getLogger(__name__)

BEAT_SECONDS = 2.5
"""How often a replica says that it lives, and looks for what the dead have left."""


class Takeover:
    """`renewed` gives a key the upstream key that its program has now."""

    def __init__(
        self,
        store: Store,
        orders: Orders,
        journal: Journal,
        cancels: Cancels,
        renewed: Callable[[ClientKey], ClientKey],
    ) -> None:
        self._store = store
        self._orders = orders
        self._journal = journal
        self._cancels = cancels
        self._renewed = renewed
        self._left: list[PendingOperation] = []
        self._unknown: set[str] = set()
        """At the last look."""

    async def once(self) -> None:
        """ProblemError or StoreError; the rest is taken up the next time."""
        self._left += await self._store.take_over()
        while self._left:
            owed = replace(self._left[0], key=self._renewed(self._left[0].key))
            await self._orders.open(owed.key)
            await self._orders.open(owed.key.listing)
            await self._take_up(owed)
            self._left.pop(0)

    async def follow(self) -> None:
        """For ever."""
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            try:
                await self.once()
                await self._look_for_unknown()
            except (ProblemError, StoreError) as error:
                log.warning(log_events.OPERATIONS_UNKNOWN, error)
            except Exception:
                log.exception(log_events.TAKEOVER_BUG)

    async def _look_for_unknown(self) -> None:
        """What is this replica's, and was lost to it with the answer that told it so."""
        mine = {owed.id: owed for owed in await self._store.mine()}
        known = self._cancels.promises.keys() | self._journal.pending.ids
        unknown = mine.keys() - known
        self._left += [mine[id] for id in unknown & self._unknown]
        self._unknown = unknown

    async def _take_up(self, owed: PendingOperation) -> None:
        if owed.kind is OperationKind.PURCHASE:
            self._journal.leave(self._journal.adopt(Purchase(owed)))
        elif activation := await self._orders.fetch(owed.key, order=owed.order):
            if owed.kind is OperationKind.CANCEL:
                self._cancels.resume(owed, activation, is_taken_up=True)
            else:
                self._journal.release(self._journal.adopt(Purchase(owed, activation=activation)))
        else:
            log.error(log_events.ORDER_MISSING, owed.id)
