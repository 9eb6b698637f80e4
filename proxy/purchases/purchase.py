"""One intended purchase, from the intent to the delivery to its client."""

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
from proxy.store import Entry, OperationKind, PendingOperation

STATES = ("under_way", "unclear", "orphan", "in_doubt")

DATE_SLACK = 1.0
"""Seconds: the Date header and `created_at` have whole seconds."""


class Pair(NamedTuple):
    """Key, upstream service code and ISO country of a purchase."""

    key: ClientKey
    service: str
    country: str

    @property
    def what(self) -> tuple[str, str]:
        return self.service, self.country


@dataclass(frozen=True, slots=True)
class PurchaseRequest:
    """A number that a client wants to buy."""

    key: ClientKey
    code: str
    """The client's code for `service`, which is the upstream's."""
    service: str
    country: Country
    limits: Limits
    client_max_price: int | None
    """In cents; None is no limit."""
    min_price: int | None
    """In cents: while the price is lower, nothing is bought; None is no limit. A number that was
    charged less is handed out all the same.
    """
    reference: str
    """The client's own id of the purchase, which is carried out once; empty for none."""

    @property
    def pair(self) -> Pair:
        return Pair(self.key, self.service, self.country.iso)

    @property
    def max_price(self) -> int | None:
        """The lower of the client's and the operator's maximum, in cents; None is no limit."""
        return lowest(self.client_max_price, self.limits.max_price)

    @property
    def needs_price(self) -> bool:
        """Whether the price has to be known before the purchase."""
        is_limited = self.max_price is not None or self.min_price is not None
        return is_limited or self.limits.counts_money


@dataclass(slots=True)
class Purchase:
    """One intended purchase; `operation` is its row in the store."""

    operation: PendingOperation
    place: int = 0
    """`places` of the key's index before the POST: its order gets a higher place."""
    code: str = ""
    """The client's code of the service; empty if no client of this process has sent the request."""
    has_client: bool = False
    """A client waits for it."""
    known_at: float = field(default_factory=monotonic)
    """When this process learned of it, monotonic clock."""
    quoted: int | None = None
    """The catalogue's price before the POST, in cents."""
    max_price: int | None = None
    """In cents."""
    unclear: bool = False
    """The POST has ended with an unknown outcome."""
    is_no_stock: bool = False
    """The POST got a refusal in a 5xx: one read of the order list is enough."""
    post: asyncio.Task[TrackedActivation] | None = None
    activation: TrackedActivation | None = None
    timer: asyncio.Task[None] | None = None
    is_being_cancelled: bool = False
    """No client can get it any more, even if the cancel cannot be written."""

    @property
    def is_free(self) -> bool:
        """The next matching request may get it."""
        return not (self.has_client or self.is_being_cancelled or self.in_doubt)

    @property
    def in_doubt(self) -> bool:
        """Nobody knows whether a client has received its number."""
        return self.operation.kind is OperationKind.DOUBT

    @property
    def is_under_way(self) -> bool:
        return self.post is not None and not self.post.done()

    @property
    def age(self) -> float:
        """Seconds since this process learned of it."""
        return monotonic() - self.known_at

    @property
    def state(self) -> str:
        if self.activation and not self.has_client:
            return "in_doubt" if self.in_doubt else "orphan"
        return "unclear" if self.unclear else "under_way"

    @property
    def owned(self) -> TrackedActivation:
        assert self.activation is not None
        return self.activation

    @property
    def pair(self) -> Pair:
        return Pair(self.operation.key, self.operation.service, self.operation.country)

    def correct_start(self, upstream_now: float) -> None:
        """Sets the start by the upstream's clock, which was not known before its first answers."""
        if self.post is not None:
            self.operation = replace(self.operation, at=upstream_now - self.age)

    def claim(self) -> None:
        """A client waits for it from now on; it is not cancelled meanwhile."""
        self.has_client = True
        if self.timer:
            self.timer.cancel()

    def entries(self, order: Order, now: float) -> list[Entry]:
        """Ledger entries: the quote, if any, and the charge. `now` is this machine's clock."""
        key, service, country = self.pair
        amounts = [("quote", self.quoted)] if self.quoted is not None else []
        amounts.append(("charge", -(order.cents or 0)))
        what = f"{service}/{country}"
        return [Entry(now, key.hash, order.id, kind, cents or 0, what) for kind, cents in amounts]

    def explains(self, activation: TrackedActivation) -> bool:
        """Whether its POST can have made the order of the activation."""
        order = activation.order
        is_same = (order.service, order.country) == self.pair.what
        is_new = (order.created_at or 0.0) >= self.operation.at - DATE_SLACK
        return is_same and is_new and activation.place > self.place

    def fits(self, max_price: int | None) -> bool:
        """Whether its order can be handed out: waiting, without SMS, within `max_price` cents."""
        activation = self.activation
        if activation is None or activation.phase is not Phase.WAITING:
            return False
        cents = activation.order.cents
        if max_price is not None and (cents is None or money.is_over(cents, max_price)):
            return False
        return activation.is_untouched


class Pending:
    """Purchases whose outcome is unknown, or whose number no client has received."""

    def __init__(self) -> None:
        self._of_key: dict[UpstreamKey, dict[str, Purchase]] = {}

    def add(self, purchase: Purchase) -> None:
        operation = purchase.operation
        self._of_key.setdefault(operation.key.upstream, {})[operation.id] = purchase

    def drop(self, purchase: Purchase) -> None:
        account = purchase.operation.key.upstream
        found = self._of_key.get(account, {})
        found.pop(purchase.operation.id, None)
        if not found:
            self._of_key.pop(account, None)

    def get(self, purchase: Purchase) -> Purchase | None:
        """The purchase known under the same id."""
        return self._of_key.get(purchase.operation.key.upstream, {}).get(purchase.operation.id)

    def of(self, key: ClientKey) -> Collection[Purchase]:
        """Purchases of all programs that share the account of the key."""
        return self._of_key.get(key.upstream, {}).values()

    def of_order(self, activation: TrackedActivation) -> Purchase | None:
        """The purchase that has made the order of an activation."""
        return next((p for p in self if p.activation is activation), None)

    def renew(self, key: ClientKey) -> None:
        """A reload has changed the order list of the key's purchases: any place in it may follow
        them, as after a restart.
        """
        for purchase in self:
            if purchase.operation.key == key:
                purchase.place = 0

    def same(self, pair: Pair, reference: str) -> list[Purchase]:
        purchases = self.of(pair.key)
        return [p for p in purchases if p.pair == pair and p.operation.reference == reference]

    def unclaimed(self, pair: Pair, reference: str) -> list[Purchase]:
        """Purchases of the pair and reference that no client waits for."""
        return [purchase for purchase in self.same(pair, reference) if purchase.is_free]

    def unclear(self, key: ClientKey) -> list[Purchase]:
        return [purchase for purchase in self.of(key) if purchase.unclear]

    @property
    def ids(self) -> set[str]:
        return {purchase.operation.id for purchase in self}

    def states(self) -> dict[str, float]:
        """Counts for the metric."""
        # Another replica may have delivered it meanwhile.
        found = Counter(p.state for p in self if not (p.activation and p.activation.delivered))
        return {state: float(found[state]) for state in STATES}

    def __contains__(self, purchase: Purchase) -> bool:
        return self.get(purchase) is not None

    def __iter__(self) -> Iterator[Purchase]:
        return (purchase for found in self._of_key.values() for purchase in found.values())


def candidates(
    what: tuple[str, str],
    purchases: Iterable[Purchase],
    known: Iterable[TrackedActivation],
    under_way: float,
) -> tuple[list[TrackedActivation], bool]:
    """Orders that unclear purchases of a service and country can have made, and whether the list
    is complete. An order may be listed before its POST is answered, so orders younger than
    `under_way`, the start of the earliest running POST, are left out until the next read.
    """
    begun = min(purchase.operation.at for purchase in purchases) - DATE_SLACK
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
