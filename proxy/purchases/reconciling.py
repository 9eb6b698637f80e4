"""Which orders the purchases of unknown outcome have made: only what nothing else explains."""

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
"""So long an order is inexplicable before it is taken for another program's."""


class Findings(NamedTuple):
    made: list[tuple[Purchase, TrackedActivation]]
    none: list[Purchase]
    """Those that have surely made no order."""


class Reconciliation:
    def __init__(self, upstream: Upstream, orders: Orders, store: Store, pending: Pending) -> None:
        self._upstream = upstream
        self._orders = orders
        self._store = store
        self._pending = pending
        self._started = 0.0
        self._shared: set[UpstreamKey] = set()
        self._strange: dict[UpstreamKey, dict[str, float]] = {}
        """Orders that nothing explains, and since when."""

    def start(self) -> None:
        self._started = monotonic()

    async def look(self, key: ClientKey) -> Findings:
        """What the list says, which was read just before; TRY_AGAIN if the store cannot be read."""
        findings = Findings([], [])
        if key.upstream in self._shared:
            return findings
        for purchase in self._pending.of(key):
            purchase.reckon(self._upstream.now())
        with readable():
            # In this order: an order of theirs is explained by one of both.
            intents = await self._store.intents(key.upstream.hash)
            if not await self._sees_others(key, intents):
                for what in {purchase.pair.what for purchase in self._pending.unclear(key)}:
                    others = [o for o in intents if (o.service, o.country) == what]
                    await self._look_for(key, what, others, findings)
        return findings

    async def _look_for(
        self,
        key: ClientKey,
        what: tuple[str, str],
        others: Sequence[PendingOperation],
        findings: Findings,
    ) -> None:
        # Those that somebody waits for come first.
        purchases = sorted(
            (purchase for purchase in self._pending.unclear(key) if purchase.pair.what == what),
            key=lambda purchase: (not purchase.has_client, -purchase.owed.at),
        )
        same = (p for p in self._pending.of(key) if p.pair.what == what)
        posts = [p.owed.at for p in same if p.is_under_way]
        posts += [owed.at for owed in others if not owed.unclear]
        listed = self._orders.activations(key.listing)
        found, is_all = candidates(what, purchases, listed, min(posts, default=math.inf))
        found = await self._unowned(found)
        if len(found) > len(purchases) + sum(owed.unclear for owed in others):
            # One of them is another program's: to guess could hand it out, or cancel it.
            log.warning(log_events.FOREIGN_ORDERS, len(found))
            return
        findings.made.extend(zip(purchases, found, strict=False))
        if is_all and not others:
            findings.none.extend(p for p in purchases[len(found) :] if p.is_no_stock)

    async def _unowned(self, found: list[TrackedActivation]) -> list[TrackedActivation]:
        """Without those that any program has bought."""
        if not found:
            return found
        owners = await self._store.owners([activation.order.id for activation in found])
        # One that is just being kept is not among them yet.
        held = {p.activation.order.id for p in self._pending if p.activation}
        return [one for one in found if one.order.id not in held.union(owners)]

    async def _sees_others(self, key: ClientKey, intents: Sequence[PendingOperation]) -> bool:
        """An order younger than this process that no purchase of ours explains is another's, if it
        stays so: one of a swap that is under way has an id that nobody knows yet.
        """
        # Reckoned now: before the first answer the upstream's clock is not known.
        started = self._upstream.now() - monotonic() + self._started
        started = max(started, self._orders.forgotten)
        ours = [p for p in self._pending.of(key) if not p.activation]
        ours += [Purchase(owed) for owed in intents]
        young = [
            activation
            for activation in self._orders.activations(key.listing)
            if activation.delivered is None and (activation.order.created_at or 0.0) > started
            if not any(purchase.explains(activation) for purchase in ours)
        ]
        now, before = monotonic(), self._strange.pop(key.upstream, {})
        strange = {
            one.order.id: before.get(one.order.id, now) for one in await self._unowned(young)
        }
        if not strange:
            return False
        self._strange[key.upstream] = strange
        if now - min(strange.values()) >= SURE_SECONDS:
            self._shared.add(key.upstream)
            log.warning(log_events.KEY_SHARED, key)
        return True
