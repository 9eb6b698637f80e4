"""The rows of a store. Pure: no IO."""

import enum
from dataclasses import dataclass, field, replace
from sys import intern
from typing import Any

import msgspec

from proxy.model import ActivationFlags, ClientKey, Order


@dataclass(frozen=True, slots=True)
class Forward:
    """An SMS that is queued for a target of `forward`; `target` is the URL."""

    id: str
    target: str
    body: bytes
    at: float
    """When it was queued. `at` and `due` are on this machine's wall clock."""
    due: float
    tries: int = 0
    """How many attempts have failed."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """A webhook subscription that this proxy has created. Only the store has its secret."""

    key: str
    """The hash of the upstream key."""
    id: str
    secret: str = field(repr=False)


@dataclass(slots=True)
class ActivationRow(ActivationFlags):
    """An order under its activation id, with the flags of its activation."""

    key: str
    """The hash of its key: the key itself is not saved."""
    id: int
    order: Order
    service: str
    asked_at: int | None = None
    reference: str = ""
    """The client reference: `orderId` of getNumberV2, an idempotency key."""
    forwards: tuple[Forward, ...] = ()
    """Queued in the same transaction; empty in a row that was read."""


class OperationKind(enum.Enum):
    PURCHASE = "purchase"
    """A purchase that was sent or is being sent; its outcome is not known."""
    ANSWERING = "answering"
    """A number that is being answered to a client: it is paid, and its client may know it."""
    ORPHAN = "orphan"
    """An unclaimed number: it is paid, and no client has received it."""
    DOUBT = "doubt"
    """A number in doubt: it was being answered when a process ended or the answer failed."""
    CANCEL = "cancel"
    """A scheduled cancel: its client was told that the order is cancelled."""


class Delivery(enum.Enum):
    """What came of marking an order as delivered."""

    DELIVERED = enum.auto()
    """It is marked, by this write or an earlier one."""
    WITHHELD = enum.auto()
    """It is unclaimed, or being given back, or was given back: its client cannot have it."""
    FOREIGN = enum.auto()
    """It was not bought through this store: there is nothing to mark."""


@dataclass(frozen=True, slots=True)
class PendingOperation:
    """What the upstream still has to be asked. Only this row holds a key itself."""

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
    """The expected price of a purchase; it counts for the spending limits."""
    unclear: bool = False
    """Of a purchase: its POST has ended with an unknown outcome."""


@dataclass(frozen=True, slots=True)
class SpendingLimit:
    """The limits of a program: numbers held at once, and cents spent since each of some times."""

    earliest: float
    """The earlier of this machine's time and the upstream's. A number that expires before is not
    held any more.
    """
    active: int | None
    """None: no limit."""
    money: tuple[tuple[float, int], ...]
    """Pairs of a time on this machine's clock and the cents since then, without refunds."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A ledger entry. `kind` is quote, charge (its cents are negative) or refund. `at` is on this
    machine's clock, `key` the hash.
    """

    at: float
    key: str
    order: str
    kind: str
    cents: int
    what: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """A message from one replica to the others. It is no fact, only a hint what to read."""

    kind: str
    """`order`: its row was written. `list`: the order list of an account was read. `missed`:
    changes may have been lost."""
    key: str = ""
    order: str = ""


def encode_order(order: Order) -> bytes:
    return msgspec.json.encode(order)


def decode_order(body: Any) -> Order:
    order = msgspec.json.decode(body, type=Order)
    # Saves memory: a hundred thousand orders have few different codes.
    return replace(order, service=intern(order.service), country=intern(order.country))
