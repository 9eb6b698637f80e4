"""An order of the simulated upstream, and its phone number."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from proxy.sandbox.ledger import Account

# The set seen live; `pending` is what the documentation shows after a swap.
Status = Literal["waiting", "pending", "completed", "expired", "cancelled"]


@dataclass(frozen=True, slots=True)
class Message:
    sender: str
    text: str
    at: float


@dataclass(eq=False, slots=True)
class Order:
    """`first_id` stays through swaps and names it in the ledger; `told` is what push says."""

    id: str
    first_id: str
    account: Account
    service: str
    country: str
    phone: str
    cents: int
    created_at: float
    expires_at: float
    cancel_at: float
    swap_at: float
    status: Status = "waiting"
    refunded: bool = False
    written: int = 0
    messages: list[Message] = field(default_factory=list)
    told: list[Message | Literal["expired"]] = field(default_factory=list)

    @property
    def awaits_first_sms(self) -> bool:
        return self.status in ("waiting", "pending") and not self.messages

    def takes_sms(self, further: bool, now: float) -> bool:
        """Whether an SMS that comes now still reaches the order."""
        if self.status in ("expired", "cancelled") or now >= self.expires_at:
            return False
        return further or self.status != "completed"


def newest_first(orders: list[Order], status: str | None) -> Iterator[Order]:
    return (order for order in reversed(orders) if status is None or order.status == status)
