"""Accounts and the ledger of their money, in integer cents."""

import hashlib
import uuid
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from proxy.sandbox.orders import Order
    from proxy.sandbox.subscriptions import Webhook

OPENING_CENTS = 10_000
Kind = Literal["deposit", "charge", "refund", "credit"]


@dataclass(eq=False, slots=True)
class Account:
    """One API key's account. Its name stands for the key wherever something is shown.

    `requests`: the times of those counted in the last minute, by call, and of all under "*".
    """

    name: str
    created_at: float
    cents: int = 0
    orders: list["Order"] = field(default_factory=list)
    bought_by_idempotency_key: dict[str, "Order"] = field(default_factory=dict)
    requests: defaultdict[str, deque[float]] = field(default_factory=lambda: defaultdict(deque))
    webhooks: dict[str, "Webhook"] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """What the upstream itself calls it."""
        return str(uuid.uuid5(uuid.NAMESPACE_OID, self.name))


@dataclass(frozen=True, slots=True)
class Entry:
    """One movement of money; a charge is negative. `order` is the first id of the order."""

    id: str
    at: float
    account: str
    kind: Kind
    cents: int
    cents_before: int
    order: str | None
    about: str


class Ledger:
    """Every movement, oldest first; an account's balance is the sum of its entries.

    `booked` hears of each, after it: the account, its cents before, and when.
    """

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.booked: Callable[[Account, int, float], None] = lambda account, before, at: None

    def book(
        self,
        account: Account,
        kind: Kind,
        cents: int,
        at: float,
        about: str,
        order: str | None = None,
    ) -> None:
        number = f"txn_{len(self.entries) + 1:06d}"
        before = account.cents
        account.cents += cents
        self.entries.append(Entry(number, at, account.name, kind, cents, before, order, about))
        self.booked(account, before, at)

    def of(self, account: Account | None) -> list[Entry]:
        """The entries of one account, or of all."""
        return [e for e in self.entries if account is None or e.account == account.name]


def totals(entries: list[Entry]) -> dict[str, int]:
    """What was charged, refunded and therefore spent, in cents."""
    charged = -sum(entry.cents for entry in entries if entry.kind == "charge")
    refunded = sum(entry.cents for entry in entries if entry.kind == "refund")
    return {"charged": charged, "refunded": refunded, "spent": charged - refunded}


def account_name(key: str) -> str:
    """A name that does not give the key away: people do try with their real one."""
    return "account-" + hashlib.sha256(key.encode()).hexdigest()[:8]
