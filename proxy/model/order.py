"""An order as the upstream holds it, and its SMS. Pure and immutable."""

import enum
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

T = TypeVar("T")


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
