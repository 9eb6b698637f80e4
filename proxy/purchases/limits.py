"""What a key may hold and spend: asked before a purchase takes a turn, and told to getBalance.

The last word has the transaction of the intent, see Journal.begin.
"""

import math

from proxy.model import ClientKey, Limits
from proxy.model.errors import Problem, ProblemError
from proxy.orders.orders import Orders
from proxy.orders.reads import Reads
from proxy.purchases.journal import Journal
from proxy.purchases.purchase import Pair
from proxy.store import SpendingLimit, Store, readable
from proxy.upstream.client import Upstream

NEWEST = 50
"""How many of a key's activations are looked through for one that has expired unread."""


class LimitChecks:
    def __init__(
        self, upstream: Upstream, orders: Orders, reads: Reads, journal: Journal, store: Store
    ) -> None:
        self._upstream = upstream
        self._orders = orders
        self._reads = reads
        self._journal = journal
        self._store = store

    def of(self, caps: Limits) -> SpendingLimit | None:
        if caps.active is None and not caps.counts_money:
            return None
        money = tuple(caps.money(self._upstream.wall_clock()))
        return SpendingLimit(self._upstream.clock.earliest(), caps.active, money)

    async def check(self, pair: Pair, quoted: int | None, ceiling: SpendingLimit | None) -> None:
        """Refuses what does not fit. What holds a place for nothing is looked for first: purchases
        that said that there is no stock, and numbers that have expired and nobody has read.
        """
        if ceiling is None or not await self._refusal(pair, quoted, ceiling):
            return
        key = pair.key
        own = [purchase for purchase in self._journal.pending.of(key) if purchase.owed.key == key]
        if any(purchase.unclear and purchase.is_no_stock for purchase in own):
            await self._journal.reconcile(key)
        latest = self._upstream.clock.latest()
        for one in list(self._orders.activations(key))[-NEWEST:]:
            ends = one.order.expires_at or math.inf
            if one.delivered and not one.confirmed and not one.order.messages and ends < latest:
                await self._reads.read_anew(key, one.order.id)
        if refused := await self._refusal(pair, quoted, ceiling):
            raise ProblemError(refused, "a ceiling of the key")

    async def left(self, key: ClientKey, caps: Limits) -> int:
        """The cents that a key may still spend."""
        now = self._upstream.wall_clock()
        with readable():
            return min(
                [most - await self._store.spent(key.hash, since) for since, most in caps.money(now)]
            )

    async def _refusal(
        self, pair: Pair, quoted: int | None, ceiling: SpendingLimit
    ) -> Problem | None:
        with readable():
            return await self._store.refusal(pair.key.hash, quoted or 0, ceiling)
