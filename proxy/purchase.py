"""One intended purchase, from the intent to the telling."""

import asyncio
from dataclasses import dataclass

from proxy.legacy.activation import Activation
from proxy.legacy.status import Phase
from proxy.model import Key, Order
from proxy.store import Entry, Owed

Pair = tuple[Key, str, str]
"""Whose, which service, which country."""


@dataclass(slots=True)
class Purchase:
    """One intended purchase. Its row `owed` changes with it."""

    owed: Owed
    known: frozenset[str] = frozenset()
    """Orders known before its POST: none of them can be its own."""
    has_client: bool = False
    """Somebody waits for it."""
    quoted: int | None = None
    """The price that was looked up before, in cents."""
    unclear: bool = False
    once: bool = False
    """The upstream said that it has no stock, in a 5xx: one look at the list is enough."""
    post: asyncio.Task[Activation] | None = None
    activation: Activation | None = None
    timer: asyncio.Task[None] | None = None

    @property
    def is_under_way(self) -> bool:
        return self.post is not None and not self.post.done()

    @property
    def owned(self) -> Activation:
        assert self.activation is not None
        return self.activation

    @property
    def pair(self) -> Pair:
        return self.owed.key, self.owed.service, self.owed.country

    def entries(self, order: Order, now: float) -> list[Entry]:
        """The quote, if there was one, and the charge, for the ledger."""
        key, service, country = self.pair
        money = [("quote", self.quoted)] if self.quoted is not None else []
        money.append(("charge", -(order.cents or 0)))
        what = f"{service}/{country}"
        return [Entry(now, key.hash, order.id, kind, cents or 0, what) for kind, cents in money]

    def explains(self, order: Order, slack: float) -> bool:
        """The order can be what its POST made."""
        is_same = (order.service, order.country) == self.pair[1:]
        is_new = order.id not in self.known and (order.created_at or 0.0) >= self.owed.at - slack
        return is_same and is_new

    def fits(self, cap: int | None) -> bool:
        """It is an orphan that can be handed out: still waiting, no SMS yet, within the cap."""
        activation = self.activation
        if activation is None or activation.phase is not Phase.WAITING:
            return False
        cents = activation.order.cents
        is_affordable = cap is None or (cents is not None and cents <= cap)
        return is_affordable and activation.is_untouched
