"""Takes over the pending operations of the last run, and those of replicas that have died."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from proxy.model import ClientKey
from proxy.model.errors import ProblemError, StoreError
from proxy.orders.orders import Orders
from proxy.purchases.cancels import Cancels
from proxy.purchases.journal import Journal
from proxy.purchases.purchase import Purchase
from proxy.runtime import log_events
from proxy.store import OperationKind, PendingOperation, Store

log = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 2.5
"""Seconds between two heartbeats; each also takes over the operations of dead replicas."""


@dataclass(eq=False)
class Takeover:
    """`renewed` replaces the upstream key of a key by the one that its program has now."""

    store: Store
    orders: Orders
    journal: Journal
    cancels: Cancels
    renewed: Callable[[ClientKey], ClientKey]

    def __post_init__(self) -> None:
        self._operations: list[PendingOperation] = []
        self._unknown: set[str] = set()
        """Ids that were unknown at the last heartbeat."""

    async def run_once(self) -> None:
        """Raises ProblemError or StoreError; the next call goes on with the rest."""
        self._operations += await self.store.take_over()
        while self._operations:
            operation = replace(self._operations[0], key=self.renewed(self._operations[0].key))
            await self.orders.open(operation.key)
            await self.orders.open(operation.key.listing)
            await self._take_up(operation)
            self._operations.pop(0)

    async def run(self) -> None:
        """Runs until it is cancelled."""
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            try:
                await self.run_once()
                await self._add_unknown()
            except (ProblemError, StoreError) as error:
                log.warning(log_events.OPERATIONS_UNKNOWN, error)
            except Exception:
                log.exception(log_events.TAKEOVER_BUG)

    async def _add_unknown(self) -> None:
        """Adds operations that are this replica's, but whose takeover got no answer."""
        mine = {operation.id: operation for operation in await self.store.mine()}
        known = self.cancels.scheduled.keys() | self.journal.pending.ids
        unknown = mine.keys() - known
        self._operations += [mine[id] for id in unknown & self._unknown]
        self._unknown = unknown

    async def _take_up(self, operation: PendingOperation) -> None:
        if operation.kind is OperationKind.PURCHASE:
            self.journal.mark_unclear(self.journal.unclaimed.adopt(Purchase(operation)))
        elif activation := await self.orders.fetch(operation.key, order=operation.order):
            if operation.kind is OperationKind.CANCEL:
                self.cancels.resume(operation, activation, is_taken_over=True)
            elif operation.kind in (OperationKind.ANSWERING, OperationKind.DOUBT):
                self.journal.deliveries.found(operation, activation)
            else:
                unclaimed = self.journal.unclaimed
                unclaimed.release(unclaimed.adopt(Purchase(operation, activation=activation)))
        else:
            log.error(log_events.ORDER_MISSING, operation.id)
