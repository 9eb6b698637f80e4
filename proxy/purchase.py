"""One intended purchase, from the intent to the telling."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from proxy.legacy.activation import Activation
from proxy.legacy.status import Phase
from proxy.model import OVER, Key, Order
from proxy.store import Entry, Owed

Pair = tuple[Key, str, str]
"""Whose, which service, which country."""

DATE_SLACK = 1.0
"""A Date header and a created_at are whole seconds."""


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

    def explains(self, order: Order) -> bool:
        """The order can be what its POST made."""
        is_same = (order.service, order.country) == self.pair[1:]
        is_new = (order.created_at or 0.0) >= self.owed.at - DATE_SLACK
        return is_same and is_new and order.id not in self.known

    def fits(self, cap: int | None) -> bool:
        """It is an orphan that can be handed out: still waiting, no SMS yet, within the cap."""
        activation = self.activation
        if activation is None or activation.phase is not Phase.WAITING:
            return False
        cents = activation.order.cents
        is_affordable = cap is None or (cents is not None and cents <= cap)
        return is_affordable and activation.is_untouched


def candidates(
    pair: Pair, purchases: Iterable[Purchase], known: Iterable[Activation], under_way: float
) -> tuple[list[Activation], bool]:
    """The orders that unclear purchases of a pair can have made, and whether these are all.

    An order may be listed before the POST that made it is answered: what is as young as the
    earliest purchase `under_way` is left for the next look.
    """
    begun = min(purchase.owed.at for purchase in purchases) - DATE_SLACK
    before = frozenset.intersection(*(purchase.known for purchase in purchases))
    found = [
        activation
        for activation in known
        if activation.told is None
        and activation.order.id not in before
        and (activation.order.service, activation.order.country) == pair[1:]
        and (activation.order.created_at or 0.0) >= begun
        and activation.order.state not in OVER
    ]
    until = under_way - DATE_SLACK
    old = [activation for activation in found if (activation.order.created_at or 0.0) < until]
    return old, len(old) == len(found)
