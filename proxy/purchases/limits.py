"""What a key may hold and spend, for getBalance and before a purchase waits for its turn.

The transaction of the intent checks again and decides, see Journal.begin.
"""

import math
from dataclasses import dataclass

from proxy.model import ClientKey, Limits
from proxy.model.errors import Problem, ProblemError
from proxy.orders.orders import Orders
from proxy.orders.reads import Reads
from proxy.purchases.journal import Journal
from proxy.purchases.purchase import Pair
from proxy.store import SpendingLimit, Store, readable
from proxy.upstream.client import Upstream

NEWEST = 50
"""Newest activations of a key that are searched for orders that expired and were not read since."""


@dataclass(frozen=True, slots=True, eq=False)
class LimitChecks:
    upstream: Upstream
    orders: Orders
    reads: Reads
    journal: Journal
    store: Store

    def of(self, limits: Limits) -> SpendingLimit | None:
        """The limits that the store checks; None if there are none."""
        if limits.active is None and not limits.counts_money:
            return None
        money = tuple(limits.money(self.upstream.wall_clock()))
        return SpendingLimit(self.upstream.clock.earliest(), limits.active, money)

    async def check(self, pair: Pair, quoted: int | None, limit: SpendingLimit | None) -> None:
        """Raises ProblemError if one more number of `quoted` cents is over the limit. First settles
        what may count wrongly: purchases without stock, and expired numbers that were not read.
        """
        if limit is None or not await self._refusal(pair, quoted, limit):
            return
        key = pair.key
        own = (p for p in self.journal.pending.unclear(key) if p.operation.key == key)
        if any(purchase.is_no_stock for purchase in own):
            await self.journal.reconcile(key)
        latest = self.upstream.clock.latest()
        for one in list(self.orders.activations(key))[-NEWEST:]:
            ends = one.order.expires_at or math.inf
            if one.delivered and not one.confirmed and not one.order.messages and ends < latest:
                await self.reads.read_anew(key, one.order.id)
        await self.orders.written()
        if refused := await self._refusal(pair, quoted, limit):
            raise ProblemError(refused, "a limit of the key")

    async def left(self, key: ClientKey, limits: Limits) -> int:
        """The cents that a key may still spend. Raises TRY_AGAIN if the store cannot be read."""
        periods = limits.money(self.upstream.wall_clock())
        with readable():
            return min([cents - await self.store.spent(key.hash, at) for at, cents in periods])

    async def _refusal(
        self, pair: Pair, quoted: int | None, limit: SpendingLimit
    ) -> Problem | None:
        with readable():
            return await self.store.refusal(pair.key.hash, quoted or 0, limit)
