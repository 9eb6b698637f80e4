"""The words both sides share: Key, Order, Sms, Price, Service, Market. Pure and immutable.

Money is whole US cents; instants are seconds since the epoch, on the upstream's clock.
"""

import enum
import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TypeVar

WINDOW = 61.0
"""Seconds that a request counts in the limit of its key: a minute, and one more for what was sent
quickly after what had been sent slowly.
"""

_KEY = re.compile(r"[!-~]{1,256}")


@dataclass(frozen=True, slots=True)
class Key:
    """A VirtualSMS API key, and whose. It shows itself only as a fingerprint; `secret` goes
    upstream.
    """

    secret: str = field(repr=False)
    owner: str = ""
    """The hash of the client key that it is used for; none: clients send the key itself."""
    is_sole: bool = True
    """No other program uses the secret: every order of the account is this one's."""

    @property
    def hash(self) -> str:
        """What stands for the key, or its owner, where the key itself must not stand."""
        return self.owner or hashlib.sha256(self.secret.encode()).hexdigest()

    @property
    def upstream(self) -> "Key":
        """The account, whoever asks."""
        return Key(self.secret) if self.owner else self

    @property
    def listing(self) -> "Key":
        """Whose are the orders of the account that nobody has bought here."""
        return self if self.is_sole else self.upstream

    @property
    def fingerprint(self) -> str:
        return self.hash[:8]

    def __str__(self) -> str:
        return f"key {self.fingerprint}"

    __repr__ = __str__


def is_key(text: str) -> bool:
    """An HTTP header can carry it: printable ASCII without spaces."""
    return _KEY.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Caps:
    """What one key may do and spend, in cents; None is no cap. Services are upstream codes,
    countries ISO.
    """

    max_price: int | None = None
    active: int | None = None
    per_day: int | None = None
    per_month: int | None = None
    services: frozenset[str] | None = None
    countries: frozenset[str] | None = None
    actions: frozenset[str] | None = None
    paused: bool = False
    expires: float | None = None

    def within(self, other: "Caps") -> "Caps":
        """The stricter of both."""
        return Caps(
            max_price=lowest(self.max_price, other.max_price),
            active=lowest(self.active, other.active),
            per_day=lowest(self.per_day, other.per_day),
            per_month=lowest(self.per_month, other.per_month),
            services=_both(self.services, other.services),
            countries=_both(self.countries, other.countries),
            actions=_both(self.actions, other.actions),
            paused=self.paused or other.paused,
            expires=lowest(self.expires, other.expires),
        )

    @property
    def counts_money(self) -> bool:
        return self.per_day is not None or self.per_month is not None

    def since(self, now: float) -> tuple[float, float]:
        """When this day and this month began: at midnight UTC."""
        today = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return today.timestamp(), today.replace(day=1).timestamp()

    def money(self, now: float) -> Iterator[tuple[float, int]]:
        """Since when, and how many cents may be spent."""
        for since, most in zip(self.since(now), (self.per_day, self.per_month), strict=True):
            if most is not None:
                yield since, most


N = TypeVar("N", int, float)
T = TypeVar("T")


def lowest(*caps: N | None) -> N | None:
    return min((cap for cap in caps if cap is not None), default=None)


def _both(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    return one if other is None else other if one is None else one & other


class OrderState(enum.Enum):
    WAITING = "waiting"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


LONGEST_HOLD = 3600.0
"""Seconds. 120 live; an order itself lives no longer."""

OVER = (OrderState.CANCELLED, OrderState.EXPIRED)


@dataclass(frozen=True, slots=True)
class Sms:
    text: str
    received_at: float | None = None
    sender: str = ""
    pushed: bool = False
    """Told by a socket; the order itself has not shown it yet."""


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
    is_stated: bool = True
    """Its state was said by a word that is known; if not, it is only taken for waiting."""

    def hold_left(self, upstream_now: float) -> float:
        """Seconds until it may be cancelled: no more than the whole hold, if a clock is wrong."""
        if self.cancel_at is None:
            return 0.0
        hold = LONGEST_HOLD if self.created_at is None else self.cancel_at - self.created_at
        return max(min(self.cancel_at - upstream_now, hold, LONGEST_HOLD), 0.0)

    def with_message(self, sms: Sms) -> "Order":
        return replace(self, messages=(*self.messages, sms))

    @property
    def texts(self) -> tuple[str, ...]:
        return tuple(sms.text for sms in self.messages)

    @property
    def is_read(self) -> bool:
        """It has shown messages itself, not a socket."""
        return any(not sms.pushed for sms in self.messages)


def last_asked(old: Order, before: int | None, new: Order, after: int | None) -> int | None:
    """After how many messages a further one was last asked for, as two know it of whom neither may
    have heard of the other. Who has read the order counts better than who was told by a socket.
    """
    if before is None:
        return after
    if after is None:
        told = Counter(sms.text for sms in old.messages[:before] if sms.pushed)
        grown = _grown(old.messages, new.messages)
        is_listed = told and told <= Counter(sms.text for sms in grown)
        return asked_after(old.messages, before, grown, _text_of) if is_listed else before
    if old.is_read != new.is_read:
        return before if old.is_read else after
    return max(before, after)


def asked_after(
    old: Sequence[Sms], before: int, new: Sequence[Sms], name: Callable[[Sms], str]
) -> int:
    """How many of the `new` messages had come when a further one was asked for, which was after so
    many of the `old` ones. What sockets told of these stands elsewhere by now, perhaps not at all:
    it is known by its `name`.
    """
    asked = old[:before]
    told = Counter(name(sms) for sms in asked if sms.pushed)
    place = len(asked) - told.total()
    for number, sms in enumerate(new[place:], place + 1):
        if _taken(told, name(sms)):
            place = number
    return place


def _text_of(sms: Sms) -> str:
    return sms.text


def merge(old: Order, new: Order) -> Order:
    """What is known after `new` was read. Nothing seen is unseen: reads can overtake each other."""
    return replace(
        new,
        phone=new.phone or old.phone,
        service=new.service or old.service,
        country=new.country or old.country,
        state=old.state if old.state in OVER or not new.is_stated else new.state,
        cents=old.cents if new.cents is None else new.cents,
        created_at=old.created_at if new.created_at is None else new.created_at,
        expires_at=old.expires_at if new.expires_at is None else new.expires_at,
        cancel_at=old.cancel_at if new.cancel_at is None else new.cancel_at,
        messages=_grown(old.messages, new.messages),
        is_stated=True,
    )


def _grown(old: tuple[Sms, ...], new: tuple[Sms, ...]) -> tuple[Sms, ...]:
    """The messages known, with the new ones behind them: upstream lists them in any order.

    Reads differ in detail (a time that was missing is there), so there are only as many new ones
    as the list is longer. What sockets told stands until the order itself has as many messages.
    """
    if new == old:
        return old
    listed = tuple(sms for sms in old if not sms.pushed)
    more = len(new) - len(listed)
    if more <= 0 or len(new) < len(old):
        return old
    left = Counter(listed)
    changed = [sms for sms in new if not _taken(left, sms)]
    texts = Counter(sms.text for sms in left.elements())
    unknown = [sms for sms in changed if not _taken(texts, sms.text)]
    return listed + tuple(unknown[-more:])


def _taken(left: Counter[T], one: T) -> bool:
    """Whether one of these was left; then there is one less."""
    is_left = left[one] > 0
    left[one] -= is_left
    return is_left


@dataclass(frozen=True, slots=True)
class Frame:
    """What a socket says of its order: an SMS, or, without a text, that something has come."""

    text: str


@dataclass(frozen=True, slots=True)
class Transaction:
    """A line of the upstream's own account: what it took is negative."""

    at: float
    kind: str
    cents: int
    order: str
    what: str


@dataclass(frozen=True, slots=True)
class Service:
    code: str
    name: str


@dataclass(frozen=True, slots=True)
class Market:
    """A country in which something is for sale, and the service codes that are."""

    country: str
    services: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Price:
    """Of one service in one country. `count` is what is surely free, 0 when that is unknown."""

    country: str
    cents: int
    count: int
