"""An order of the upstream, and its SMS. Pure and immutable."""

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
"""Seconds of a hold at most, which is the longest life of an order. The live hold is 120."""

OVER = (OrderState.CANCELLED, OrderState.EXPIRED)


@dataclass(frozen=True, slots=True)
class Sms:
    text: str
    received_at: float | None = None
    sender: str = ""
    pushed: bool = False
    """It came by a socket or an event; no read of the order has shown it yet."""


@dataclass(frozen=True, slots=True)
class Order:
    """`phone` has digits only; `country` is ISO 3166-1 alpha-2."""

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
    """Oldest first. Rows of the order list have none, whatever has come."""
    is_stated: bool = True
    """The upstream's word for the state is known; for an unknown word the state is WAITING."""
    has_last_sms_only: bool = False
    """`messages` has the last SMS only, whatever came before it."""

    def hold_left(self, upstream_now: float) -> float:
        """Seconds until a cancel is allowed: at most the whole hold, even if a clock is wrong."""
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
        """A read of the order has shown messages."""
        return any(not sms.pushed for sms in self.messages)


def last_asked(old: Order, before: int | None, new: Order, after: int | None) -> int | None:
    """The number of messages known when the client last asked for another SMS. Two replicas may
    know different numbers; the one that has read the order itself counts better than a socket.
    """
    if before is None:
        return after
    if after is None:
        pushed = Counter(sms.text for sms in old.messages[:before] if sms.pushed)
        grown = _grown(old.messages, new.messages)
        if not (pushed and pushed <= Counter(sms.text for sms in grown)):
            return before
        return asked_after(old.messages, before, grown, lambda sms: sms.text)
    if old.is_read != new.is_read:
        return before if old.is_read else after
    return max(before, after)


def asked_after(
    old: Sequence[Sms], before: int, new: Sequence[Sms], name: Callable[[Sms], str]
) -> int:
    """How many of the `new` messages had come when the client asked for another SMS, which was
    after `before` of the `old` ones. Messages of sockets may have another place among the new
    ones, or none: they are compared by `name`.
    """
    asked = old[:before]
    pushed = Counter(name(sms) for sms in asked if sms.pushed)
    place = len(asked) - pushed.total()
    for number, sms in enumerate(new[place:], place + 1):
        if _take(pushed, name(sms)):
            place = number
    return place


def merge(old: Order, new: Order) -> Order:
    """The order after `new` was read. Keeps all that was known: reads can overtake each other."""
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
        messages=_with_last(old.messages, new.messages)
        if new.has_last_sms_only
        else _grown(old.messages, new.messages),
        is_stated=True,
        has_last_sms_only=False,
    )


def _with_last(old: tuple[Sms, ...], new: tuple[Sms, ...]) -> tuple[Sms, ...]:
    """The known messages with the last one, which is new if its text is, or its time. A read takes
    the place of the same message of a socket.
    """
    for sms in new:
        same = [known for known in old if known.text == sms.text]
        pushed = next((known for known in same if known.pushed), None)
        if pushed:
            old = tuple(sms if known is pushed else known for known in old)
        elif not any(_is_same_time(known.received_at, sms.received_at) for known in same):
            old = (*old, sms)
    return old


def _grown(old: tuple[Sms, ...], new: tuple[Sms, ...]) -> tuple[Sms, ...]:
    """The known messages followed by the new ones; the upstream lists them in any order.

    The same message may differ between reads, such as by a time that was missing. So the number of
    new messages is the growth of the list. Messages of sockets are kept until a read has as many.
    """
    if new == old:
        return old
    listed = tuple(sms for sms in old if not sms.pushed)
    more = len(new) - len(listed)
    if more <= 0 or len(new) < len(old):
        return old
    left = Counter(listed)
    changed = [sms for sms in new if not _take(left, sms)]
    texts = Counter(sms.text for sms in left.elements())
    unknown = [sms for sms in changed if not _take(texts, sms.text)]
    return listed + tuple(unknown[-more:])


def _is_same_time(one: float | None, other: float | None) -> bool:
    return one is None or other is None or one == other


def _take(left: Counter[T], one: T) -> bool:
    """Removes one from `left`; False if there was none."""
    is_left = left[one] > 0
    left[one] -= is_left
    return is_left


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame of an order's socket: an SMS, or a hint without text that something has come."""

    text: str


@dataclass(frozen=True, slots=True)
class Transaction:
    """A line of the upstream's account statement; charges are negative."""

    at: float
    kind: str
    cents: int
    order: str
    what: str
