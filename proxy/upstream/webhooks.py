"""Webhooks as the upstream writes them: signed events, subscriptions, deliveries. Pure.

Sources: vendor's README of webhooks (2026-04-29) and SDK 2.0.0; the Go SDK has other event names.
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct, field

from proxy.model import OrderState
from proxy.model.errors import ProblemError
from proxy.upstream import fields
from proxy.upstream.fields import Row, Rows, first

SMS = ("sms.received", "order.sms_received")
SWAPPED = "order.swapped"
BALANCE = "balance.low"
ENDS: Mapping[str, OrderState] = MappingProxyType(
    {"order.cancelled": OrderState.CANCELLED, "order.expired": OrderState.EXPIRED}
)

# The events of a subscription; an upstream that refuses the first set knows the second.
EVENTS = ((SMS[0], *ENDS, SWAPPED), (SMS[1], *ENDS))

TOLERANCE = 300.0
"""Seconds that the timestamp of a delivery may differ from the upstream's clock."""

Id = Annotated[str, Meta(pattern=r"^[!-~]{1,200}$")]


class Event(Struct, frozen=True):
    """The signed body of a delivery."""

    id: Id
    type: str
    data: dict[str, Any] = field(default_factory=dict)

    @property
    def is_test(self) -> bool:
        return self.data.get("test") is True

    @property
    def order(self) -> str:
        """The order id; empty if there is none, or if it is not valid."""
        try:
            return fields.identifier(self.data, "order_id")
        except ProblemError:
            return ""

    @property
    def text(self) -> str:
        """The text of the SMS."""
        return fields.text(fields.first(self.data, "full_text", "message", "text"))

    @property
    def received_at(self) -> float | None:
        return fields.instant(self.data.get("received_at"))

    @property
    def expires_at(self) -> float | None:
        return fields.instant(self.data.get("expires_at"))

    @property
    def phone(self) -> str:
        return fields.phone(fields.first(self.data, "phone_number", "phone"))

    @property
    def previous_phone(self) -> str:
        return fields.phone(self.data.get("previous_number"))


class Webhook(Struct, frozen=True, kw_only=True):
    """A subscription. Only the answer that created it has the secret."""

    id: Id
    url: str = ""
    events: tuple[str, ...] = ()
    active: bool = True
    paused: bool = False
    threshold: float | None = None
    description: str | None = None
    failure_count_consecutive: int | None = None
    last_delivered_at: str | None = None
    last_error_at: str | None = None
    last_error_code: str | int | None = None
    created_at: str | None = None
    updated_at: str | None = None
    secret: str | None = None

    def __repr__(self) -> str:
        return f"Webhook({self.id})"


class Delivery(Struct, frozen=True, kw_only=True):
    """One delivery of an event to a subscription, without its payload, which has the SMS."""

    id: str
    event_id: str = ""
    event_type: str = ""
    attempt: int = 0
    status: str = ""
    response_status: int | None = None
    error_message: str | None = None
    scheduled_for: str | None = None
    delivered_at: str | None = None
    created_at: str | None = None


class QueuedTest(Struct, frozen=True):
    """A test event that the upstream has queued."""

    event_id: str = ""
    event_type: str = ""
    delivery_id: str = ""


def event(body: bytes) -> Event | None:
    """The event of a signed body; None if it is no JSON object with an id."""
    try:
        return msgspec.json.decode(body, type=Event)
    except fields.UNREADABLE:
        return None


def is_signed(body: bytes, signature: str, secrets: Iterable[str]) -> bool:
    """Whether the signature was made with one of the secrets: hexadecimal digits, with or without
    `sha256=` before them. Takes the same time for each secret.
    """
    claimed = signature.strip().removeprefix("sha256=").lower().encode()
    right = False
    for secret in secrets:
        digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest().encode()
        right |= hmac.compare_digest(digest, claimed)
    return right


def is_timely(stamp: str, now: float) -> bool:
    """Whether a timestamp, in seconds or ISO 8601, is within TOLERANCE of `now`."""
    is_number = stamp.isascii() and stamp.isdigit() and len(stamp) < 15
    at = float(stamp) if is_number else fields.instant(stamp)
    return at is not None and abs(at - now) <= TOLERANCE


def webhooks(data: Any) -> Rows[Webhook]:
    return fields.rows(data, "webhooks", _webhook)


def webhook(data: Any) -> Webhook:
    """Wrapped in `webhook` (SDKs), or flat with `threshold_usd` (the vendor's MCP server)."""
    row = fields.as_object(data)
    return _webhook(row["webhook"] if fields.is_row(row.get("webhook")) else row)


def _webhook(row: Row) -> Webhook:
    code = row.get("last_error_code")
    names = "description last_delivered_at last_error_at created_at updated_at secret"
    return Webhook(
        id=fields.identifier(row, "id"),
        url=fields.text(row.get("url")),
        events=fields.texts(row.get("events")),
        active=row.get("active") is not False,
        paused=row.get("paused") is True,
        threshold=fields.number(first(row, "threshold", "threshold_usd")),
        failure_count_consecutive=fields.count(row.get("failure_count_consecutive")),
        last_error_code=code if fields.is_integer(code) else _text(row, "last_error_code"),
        **{name: _text(row, name) for name in names.split()},
    )


def deliveries(data: Any) -> Rows[Delivery]:
    return fields.rows(data, "deliveries", _delivery)


def _delivery(row: Row) -> Delivery:
    names = "error_message", "scheduled_for", "delivered_at", "created_at"
    return Delivery(
        id=fields.identifier(row, "id"),
        event_id=fields.name(row, "event_id"),
        event_type=fields.name(row, "event_type"),
        attempt=fields.count(row.get("attempt")) or 0,
        status=fields.name(row, "status"),
        response_status=fields.count(row.get("response_status")),
        **{name: _text(row, name) for name in names},
    )


def queued_test(data: Any) -> QueuedTest:
    row = fields.as_object(data)
    names = "event_id", "event_type", "delivery_id"
    return QueuedTest(*(fields.name(row, name) for name in names))


def _text(row: Row, name: str) -> str | None:
    return fields.text(row.get(name)) or None
