"""All movements of the simulated money, in integer cents."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from proxy.sandbox.state.accounts import Account

Kind = Literal["deposit", "charge", "refund", "credit"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One movement of money; charges are negative. `order` is the order's first id."""

    id: str
    at: float
    account: str
    kind: Kind
    cents: int
    cents_before: int
    order: str | None
    about: str


class Ledger:
    """Entries, oldest first; an account's balance is the sum of its entries.

    `on_booking` is called after each with the account, its cents before, and the time.
    """

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.on_booking: Callable[[Account, int, float], None] = lambda account, before, at: None

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
        self.on_booking(account, before, at)

    def of(self, account: Account | None) -> list[Entry]:
        """Returns the entries of one account, or of all (None)."""
        return [e for e in self.entries if account is None or e.account == account.name]


def totals(entries: list[Entry]) -> dict[str, int]:
    """Returns the sums of charges and refunds, and their difference, in cents."""
    charged = -sum(entry.cents for entry in entries if entry.kind == "charge")
    refunded = sum(entry.cents for entry in entries if entry.kind == "refund")
    return {"charged": charged, "refunded": refunded, "spent": charged - refunded}
