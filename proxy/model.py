"""The words both sides share: Key, Order, Sms, Price, Service. Pure and immutable.

Money is whole US cents; instants are seconds since the epoch, on the upstream's clock.
"""

import enum
import hashlib
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Key:
    """A VirtualSMS API key. It shows itself only as a fingerprint; `secret` goes upstream."""

    secret: str = field(repr=False)

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(self.secret.encode()).hexdigest()[:8]

    def __str__(self) -> str:
        return f"key {self.fingerprint}"

    __repr__ = __str__


class OrderState(enum.Enum):
    WAITING = "waiting"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Sms:
    text: str
    received_at: float | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """What the upstream holds. `phone` is digits only; `country` ISO 3166-1 alpha-2."""

    id: str
    phone: str
    service: str
    country: str
    state: OrderState = OrderState.WAITING
    cents: int | None = None
    created_at: float | None = None
    expires_at: float | None = None
    cancel_at: float | None = None
    messages: tuple[Sms, ...] = ()
    """Oldest first. A row of the order list never has any: it does not mean there are none."""


@dataclass(frozen=True, slots=True)
class Service:
    code: str
    name: str


@dataclass(frozen=True, slots=True)
class Price:
    """Of one service in one country. `count` is what is surely free, 0 when that is unknown."""

    country: str
    cents: int
    count: int
