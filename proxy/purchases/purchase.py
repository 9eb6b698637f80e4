"""One intended purchase, from the intent to the telling."""

import asyncio
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from proxy.config.codes import Country
from proxy.legacy.status import Phase
from proxy.model import OVER, ClientKey, Limits, Order, UpstreamKey, lowest, money
from proxy.orders.tracked import TrackedActivation
from proxy.runtime.clock import monotonic
from proxy.store import Entry, PendingOperation

DATE_SLACK = 1.0
"""A Date header and a created_at are whole seconds."""


class Pair(NamedTuple):
    """Whose, which service, which country."""

    key: ClientKey
    service: str
    country: str

    @property
    def what(self) -> tuple[str, str]:
        return self.service, self.country


@dataclass(frozen=True, slots=True)
class PurchaseRequest:
    """What a client wants to buy."""

    key: ClientKey
    code: str
    """What the client calls the upstream's `service`."""
    service: str
    country: Country
    caps: Limits
    cap: int | None
    """What the client would pay at most, in cents."""
    reference: str
    """The client's own name for it: what has one is bought once. Empty for none."""

    @property
    def pair(self) -> Pair:
        return Pair(self.key, self.service, self.country.iso)

    @property
    def most(self) -> int | None:
        """What may be paid, in cents: by the client, and by the operator."""
        return lowest(self.cap, self.caps.max_price)


@dataclass(slots=True)
class Purchase:
    """One intended purchase. Its row `owed` changes with it."""

    owed: PendingOperation
    place: int = 0
    """How many activations of its key were known before its POST: none of them can be its own."""
    has_client: bool = False
    """Somebody waits for it."""
    known_at: float = field(default_factory=monotonic)
    """Since when this process knows of it, on the monotonic clock."""
    quoted: int | None = None
    """The price that was looked up before, in cents."""
    cap: int | None = None
    """What it may cost at most, in cents."""
    unclear: bool = False
    is_no_stock: bool = False
    """The upstream said that it has no stock, in a 5xx: one look at the list is enough."""
    post: asyncio.Task[TrackedActivation] | None = None
    activation: TrackedActivation | None = None
    timer: asyncio.Task[None] | None = None
    is_going_back: bool = False
    """Its cancel is being written: nobody gets it any more, even if that fails."""

    @property
    def is_free(self) -> bool:
        """Whoever wishes the same may have it."""
        return not (self.has_client or self.is_going_back)

    @property
    def is_under_way(self) -> bool:
        return self.post is not None and not self.post.done()

    @property
    def age(self) -> float:
        """Seconds that this process has known of it."""
        return monotonic() - self.known_at

    @property
    def state(self) -> str:
        if self.activation and not self.has_client:
            return "orphan"
        return "unclear" if self.unclear else "under_way"

    @property
    def owned(self) -> TrackedActivation:
        assert self.activation is not None
        return self.activation

    @property
    def pair(self) -> Pair:
        return Pair(self.owed.key, self.owed.service, self.owed.country)

    def reckon(self, upstream_now: float) -> None:
        """When it began, by what is known of the upstream's clock now: before its first answers
        that was this machine's.
        """
        if self.post is not None:
            self.owed = replace(self.owed, at=upstream_now - self.age)

    def claim(self) -> None:
        """Somebody takes care of it."""
        self.has_client = True
        if self.timer:
            self.timer.cancel()

    def entries(self, order: Order, now: float) -> list[Entry]:
        """The quote, if there was one, and the charge, for the ledger."""
        key, service, country = self.pair
        money = [("quote", self.quoted)] if self.quoted is not None else []
        money.append(("charge", -(order.cents or 0)))
        what = f"{service}/{country}"
        return [Entry(now, key.hash, order.id, kind, cents or 0, what) for kind, cents in money]

    def explains(self, activation: TrackedActivation) -> bool:
        """The order can be what its POST made."""
        order = activation.order
        is_same = (order.service, order.country) == self.pair.what
        is_new = (order.created_at or 0.0) >= self.owed.at - DATE_SLACK
        return is_same and is_new and activation.place > self.place

    def fits(self, cap: int | None) -> bool:
        """It is an orphan that can be handed out: still waiting, no SMS yet, within the cap."""
        activation = self.activation
        if activation is None or activation.phase is not Phase.WAITING:
            return False
        cents = activation.order.cents
        is_affordable = cap is None or (cents is not None and not money.is_over(cents, cap))
        return is_affordable and activation.is_untouched


class Pending:
    """The purchases whose outcome is not known, or not told."""

    def __init__(self) -> None:
        # By account.
        self._of_key: dict[UpstreamKey, dict[str, Purchase]] = {}

    def add(self, purchase: Purchase) -> None:
        account = purchase.owed.key.upstream
        self._of_key.setdefault(account, {})[purchase.owed.id] = purchase

    def drop(self, purchase: Purchase) -> None:
        account = purchase.owed.key.upstream
        found = self._of_key.get(account, {})
        found.pop(purchase.owed.id, None)
        if not found:
            self._of_key.pop(account, None)

    def get(self, purchase: Purchase) -> Purchase | None:
        """What is known under its id."""
        return self._of_key.get(purchase.owed.key.upstream, {}).get(purchase.owed.id)

    def of(self, key: ClientKey) -> Collection[Purchase]:
        """Of all programs that share the account of a key."""
        return self._of_key.get(key.upstream, {}).values()

    def unclaimed(self, pair: Pair, reference: str) -> list[Purchase]:
        """Those for the same that nobody waits for."""
        same = (p for p in self.of(pair.key) if p.pair == pair and p.owed.reference == reference)
        return [purchase for purchase in same if purchase.is_free]

    def unclear(self, key: ClientKey) -> list[Purchase]:
        return [purchase for purchase in self.of(key) if purchase.unclear]

    @property
    def ids(self) -> set[str]:
        return {purchase.owed.id for purchase in self}

    def states(self) -> dict[str, float]:
        """How many are under way, unclear, or orphans."""
        found = Counter(purchase.state for purchase in self)
        return {state: float(found[state]) for state in ("under_way", "unclear", "orphan")}

    def __contains__(self, purchase: Purchase) -> bool:
        return purchase.owed.id in self._of_key.get(purchase.owed.key.upstream, {})

    def __iter__(self) -> Iterator[Purchase]:
        return (purchase for found in self._of_key.values() for purchase in found.values())


def candidates(
    what: tuple[str, str],
    purchases: Iterable[Purchase],
    known: Iterable[TrackedActivation],
    under_way: float,
) -> tuple[list[TrackedActivation], bool]:
    """The orders that unclear purchases of a service and country can have made, and whether these
    are all.

    An order may be listed before the POST that made it is answered: what is as young as the
    earliest purchase `under_way` is left for the next look.
    """
    begun = min(purchase.owed.at for purchase in purchases) - DATE_SLACK
    before = min(purchase.place for purchase in purchases)
    found = [
        activation
        for activation in known
        if activation.delivered is None
        and activation.place > before
        and (activation.order.service, activation.order.country) == what
        and (activation.order.created_at or 0.0) >= begun
        and activation.order.state not in OVER
    ]
    until = under_way - DATE_SLACK
    old = [activation for activation in found if (activation.order.created_at or 0.0) < until]
    return old, len(old) == len(found)
