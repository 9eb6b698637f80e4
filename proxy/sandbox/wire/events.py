"""The events of webhooks: names, data and envelope. Pure.

The documentation shows the data of `sms.received` and `order.cancelled`; the data of the other
events is a guess by their pattern.
"""

import re
from dataclasses import dataclass
from typing import Literal

import msgspec

from proxy.sandbox.state.accounts import Account, Message, Order
from proxy.sandbox.state.switches import Switches
from proxy.sandbox.wire.answers import Json, dollars, shown_phone, stamp
from proxy.sandbox.wire.frames import code_in

Reason = Literal["user_cancelled", "timeout_no_sms", "operator_rejected"]

# Events that a subscription may name, by the name of the SMS event: the vendor's README of
# 2026-04-29, and the newer lists of its Go and Swift SDKs; the upstream refuses all others.
KNOWN = {
    "sms.received": (
        "sms.received",
        "order.cancelled",
        "order.expired",
        "order.swapped",
        "balance.low",
    ),
    "order.sms_received": (
        "order.created",
        "order.sms_received",
        "order.cancelled",
        "order.expired",
        "rental.created",
        "rental.sms_received",
        "rental.expired",
        "rental.cancelled",
        "proxy.purchased",
        "balance.low",
    ),
}
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


@dataclass(frozen=True, slots=True)
class Event:
    """`type` is the upstream's name of the event, by the switches at that time."""

    type: str
    account: Account
    at: float
    data: Json


def about(switches: Switches, order: Order, service_name: str) -> Json:
    """Returns the first fields of the data of every order event."""
    slug = re.sub(r"[^a-z0-9]+", "-", service_name.lower()).strip("-")
    return {
        "order_id": order.id,
        "phone_number": shown_phone(switches, order.phone),
        "service": slug if switches.webhook_service == "slug" else order.service,
        "country": order.country,
    }


def created(switches: Switches, order: Order) -> Json:
    return {
        "price": dollars(switches, order.cents),
        "expires_at": stamp(switches, order.expires_at),
    }


def received(switches: Switches, message: Message) -> Json:
    code = code_in(message.text)
    received_at = stamp(switches, message.at)
    return {"code": code, "full_text": message.text, "received_at": received_at}


def cancelled(switches: Switches, order: Order, reason: Reason) -> Json:
    amount = dollars(switches, order.cents)
    return {"refunded_amount": amount, "refund_currency": "USD", "reason": reason}


def expired(switches: Switches, order: Order) -> Json:
    return {"expired_at": stamp(switches, order.expires_at)}


def swapped(switches: Switches, order: Order, before: str) -> Json:
    expires_at = stamp(switches, order.expires_at)
    return {"previous_number": shown_phone(switches, before), "expires_at": expires_at}


def balance_low(switches: Switches, cents: int, threshold: float | None) -> Json:
    shown = shown_threshold(switches, threshold)
    return {"balance": dollars(switches, cents), "threshold": shown, "currency": "USD"}


def shown_threshold(switches: Switches, threshold: float | None) -> float | str | None:
    is_text = threshold is not None and switches.money == "text"
    return f"{threshold:.2f}" if is_text else threshold


def sample(switches: Switches, type: str, account: Account, now: float) -> Event:
    """Returns a test event: the real form, for an order that does not exist."""
    id = "00000000-0000-4000-8000-000000000000"
    order = Order(id, id, account, "tg", "GB", "447700900123", 50, now, now + 1200, now, now)
    of_order: dict[str, Json] = {
        switches.webhook_events: received(switches, Message("", "Telegram code: 12345", now)),
        "order.cancelled": cancelled(switches, order, "user_cancelled"),
        "order.expired": expired(switches, order),
        "order.swapped": swapped(switches, order, "447700900124"),
        "order.created": created(switches, order),
    }
    if type == "balance.low":
        data = balance_low(switches, 400, 5.0)
    else:
        data = about(switches, order, "Telegram") | of_order.get(type, {})
    return Event(type, account, now, data | {"test": True})


def envelope(switches: Switches, event: Event, drawn: int) -> Json:
    """`drawn` is 80 random bits. The samples show fractions of seconds here."""
    times = "fraction" if switches.timestamps == "z" else switches.timestamps
    exact = msgspec.structs.replace(switches, timestamps=times)
    return {
        "id": f"evt_{_ulid(event.at, drawn)}",
        "type": event.type,
        "created_at": stamp(exact, event.at),
        "account_id": event.account.id,
        "data": event.data,
    }


def _ulid(at: float, drawn: int) -> str:
    number = round(at * 1000) << 80 | drawn
    return "".join(_CROCKFORD[number >> 5 * place & 31] for place in reversed(range(26)))
