"""The rows that a store keeps. Pure."""

import enum
from dataclasses import dataclass, field, replace
from sys import intern
from typing import Any

import msgspec

from proxy.model import ActivationFlags, ClientKey, Order


@dataclass(frozen=True, slots=True)
class Forward:
    """An SMS on its way to a target of the configuration; `target` is its address."""

    id: str
    target: str
    body: bytes
    at: float
    """When it was queued; like `due`, on this machine's wall clock."""
    due: float
    tries: int = 0
    """How many have failed."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """A webhook of the upstream that this proxy has made: only a store knows its secret."""

    key: str
    """The hash of the upstream key."""
    id: str
    secret: str = field(repr=False)


@dataclass(slots=True)
class ActivationRow(ActivationFlags):
    """An order under its activation id, with what its client has said of it."""

    key: str
    """The hash of its key: the key itself is not kept."""
    id: int
    order: Order
    service: str
    asked_at: int | None = None
    reference: str = ""
    """getNumberV2's `orderId`: the client's own name for what it wished."""
    forwards: tuple[Forward, ...] = ()
    """To be queued in the same transaction; not read back."""


class OperationKind(enum.Enum):
    PURCHASE = "purchase"
    """A purchase was or is being sent, and its outcome is not known."""
    ORPHAN = "orphan"
    """An order is paid, and no client was told."""
    CANCEL = "cancel"
    """A client was promised a cancel."""


@dataclass(frozen=True, slots=True)
class PendingOperation:
    """Something that the upstream still has to be asked for; only such a row holds a key."""

    id: str
    kind: OperationKind
    key: ClientKey
    service: str
    country: str
    at: float
    """When it began, on the upstream's clock."""
    order: str = ""
    reference: str = ""
    cents: int = 0
    """What a purchase is expected to cost, where ceilings count it."""
    unclear: bool = False
    """Of a purchase: its POST has ended, and what came of it is not known."""


@dataclass(frozen=True, slots=True)
class SpendingLimit:
    """What a purchase must fit under: numbers held at once, and cents spent since two instants."""

    earliest: float
    """Of this machine's time and the upstream's: a number whose end is before is held no more."""
    active: int | None
    money: tuple[tuple[float, int], ...]
    """Since when, and how much: refunds are taken off."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the ledger, in cents: a quote, a charge (negative) or a refund. `at` is on this
    machine's clock.
    """

    at: float
    key: str
    order: str
    kind: str
    cents: int
    what: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """What a replica tells the others. None of it is true by itself: it says what to read."""

    kind: str
    """`order`: its row was written. `list`: the order list of an account was read. `missed`:
    there may have been changes that were not told."""
    key: str = ""
    order: str = ""


def packed(order: Order) -> bytes:
    return msgspec.json.encode(order)


def unpacked(body: Any) -> Order:
    order = msgspec.json.decode(body, type=Order)
    # Of a hundred thousand orders, most have the same few words.
    return replace(order, service=intern(order.service), country=intern(order.country))
