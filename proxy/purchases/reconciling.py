"""Finds the orders of purchases with an unknown outcome, if no other source explains them."""

import logging
import math
from collections.abc import Sequence
from typing import NamedTuple

from proxy.model import ClientKey, UpstreamKey
from proxy.orders.orders import Orders
from proxy.orders.tracked import TrackedActivation
from proxy.purchases.purchase import Pending, Purchase, candidates
from proxy.runtime import log_events
from proxy.runtime.clock import monotonic
from proxy.store import PendingOperation, Store, readable
from proxy.upstream.client import Upstream

log = logging.getLogger(__name__)

SURE_SECONDS = 5.0
"""After these an unexplained order counts as another program's."""


class Findings(NamedTuple):
    made: list[tuple[Purchase, TrackedActivation]]
    none: list[Purchase]
    """Purchases that have certainly made no order."""


class Reconciliation:
    def __init__(self, upstream: Upstream, orders: Orders, store: Store, pending: Pending) -> None:
        self._upstream = upstream
        self._orders = orders
        self._store = store
        self._pending = pending
        self._started = 0.0
        self._shared: set[UpstreamKey] = set()
        self._unexplained: dict[UpstreamKey, dict[str, float]] = {}
        """Order ids that no purchase explains, and since when, monotonic clock."""

    def start(self) -> None:
        self._started = monotonic()

    async def find(self, key: ClientKey) -> Findings:
        """Evaluates the order list, which was just read. Raises TRY_AGAIN if the store fails."""
        findings = Findings([], [])
        if key.upstream in self._shared:
            return findings
        for purchase in self._pending.of(key):
            purchase.correct_start(self._upstream.now())
        with readable():
            # Intents before owners: one of the two explains each order of another replica.
            intents = await self._store.intents(key.upstream.hash)
            if not await self._may_be_shared(key, intents):
                for what in {purchase.pair.what for purchase in self._pending.unclear(key)}:
                    others = [o for o in intents if (o.service, o.country) == what]
                    await self._find_for(key, what, others, findings)
        return findings

    async def _find_for(
        self,
        key: ClientKey,
        what: tuple[str, str],
        others: Sequence[PendingOperation],
        findings: Findings,
    ) -> None:
        same = [p for p in self._pending.of(key) if p.pair.what == what]
        purchases = [p for p in same if p.unclear]
        # Purchases that a client waits for come first.
        purchases.sort(key=lambda purchase: (not purchase.has_client, -purchase.operation.at))
        posts = [p.operation.at for p in same if p.is_under_way]
        posts += [operation.at for operation in others if not operation.unclear]
        listed = self._orders.activations(key.listing)
        found, is_all = candidates(what, purchases, listed, min(posts, default=math.inf))
        found = await self._unowned(found)
        if len(found) > len(purchases) + sum(operation.unclear for operation in others):
            # One order is another program's: a wrong guess could hand it out or cancel it.
            log.warning(log_events.FOREIGN_ORDERS, len(found))
            return
        findings.made.extend(zip(purchases, found, strict=False))
        if is_all and not others:
            findings.none.extend(p for p in purchases[len(found) :] if p.is_no_stock)

    async def _unowned(self, found: list[TrackedActivation]) -> list[TrackedActivation]:
        """The activations without those that are some program's by the store."""
        if not found:
            return found
        owners = await self._store.owners([activation.order.id for activation in found])
        # An order that is being written is not among the owners yet.
        held = {p.activation.order.id for p in self._pending if p.activation}
        return [one for one in found if one.order.id not in held.union(owners)]

    async def _may_be_shared(self, key: ClientKey, intents: Sequence[PendingOperation]) -> bool:
        """Whether a program outside the proxy may buy with this key: an order younger than this
        process is unexplained. After SURE_SECONDS that is certain: a swap is over by then, which
        gives an order an id that is not known yet.
        """
        # Computed here: before its first answer the upstream's clock is not known.
        started = self._upstream.now() - monotonic() + self._started
        started = max(started, self._orders.forgotten)
        ours = [p for p in self._pending.of(key) if not p.activation]
        ours += [Purchase(operation) for operation in intents]
        young = [
            activation
            for activation in self._orders.activations(key.listing)
            if activation.delivered is None and (activation.order.created_at or 0.0) > started
            if not any(purchase.explains(activation) for purchase in ours)
        ]
        now, before = monotonic(), self._unexplained.pop(key.upstream, {})
        ids = [activation.order.id for activation in await self._unowned(young)]
        unexplained = {id: before.get(id, now) for id in ids}
        if not unexplained:
            return False
        self._unexplained[key.upstream] = unexplained
        if now - min(unexplained.values()) >= SURE_SECONDS:
            self._shared.add(key.upstream)
            log.warning(log_events.KEY_SHARED, key)
        return True
