"""Reads the upstream's JSON into the model. Pure: JSON in, model out. Every reader raises UNCLEAR
if a field is missing that its caller needs.

The shapes differ between the documentation, the SDKs and live answers (the sandbox has switches for
them: docs/sandbox.md), so each field is looked up under all its names.
"""

from collections.abc import Mapping
from dataclasses import replace
from sys import intern
from types import MappingProxyType
from typing import Any

from proxy.model import Frame, Market, Order, OrderState, Price, Service, Sms, Transaction, money
from proxy.model.errors import Problem, ProblemError
from proxy.upstream import fields
from proxy.upstream.fields import Row, Rows, first, instant

# Seen live: waiting, completed, cancelled, expired; the others are from OpenAPI 1.2.0 and SDKs. An
# unknown state must not look final: the order counts as waiting.
STATES: Mapping[str, OrderState] = MappingProxyType(
    {
        "waiting": OrderState.WAITING,
        "pending": OrderState.WAITING,
        "created": OrderState.WAITING,
        "sms_received": OrderState.COMPLETED,
        "completed": OrderState.COMPLETED,
        "cancelled": OrderState.CANCELLED,
        "canceled": OrderState.CANCELLED,
        "failed": OrderState.CANCELLED,
        "expired": OrderState.EXPIRED,
    }
)

# The newest catalogue has words instead of counts: more than 5, 1 to 5, none. The count is a lower
# bound.
STOCK: Mapping[str, int] = MappingProxyType({"in_stock": 6, "low_stock": 1, "out_of_stock": 0})

# `order_status` frames come "with the SMS payload" (vendor's examples); its `message` may be about
# the status.
FRAME_TEXTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "sms": ("full_text", "message", "text"),
        "sms_received": ("full_text", "message", "text"),
        "order_status": ("full_text", "sms_text"),
    }
)

MAX_ORDERS = 1000
"""Rows of an order list; 200 are asked for, and no source has more than 500."""
MAX_MESSAGES = 50
"""Messages of one order, which lives for twenty minutes; the newest are used."""


def order(data: Any, asked: str = "") -> Order:
    """An order from a purchase, an order read, or a row of the order list. `asked` is the order id
    of the request, if it had one: the vendor's own sample does not repeat it in the answer.
    """
    row = fields.as_object(data)
    row = row["order"] if fields.is_row(row.get("order")) else row
    is_named = not asked or first(row, "order_id", "id") is not None
    return Order(
        id=fields.identifier(row, "order_id", "id") if is_named else asked,
        phone=fields.phone(first(row, "phone_number", "phone")),
        service=intern(fields.name(row, "service_code", "service", "service_id")),
        country=intern(fields.name(row, "country_code", "country", "country_id").upper()),
        state=_state(row) or OrderState.WAITING,
        cents=fields.price(first(row, "price_charged", "price", "cost")),
        created_at=instant(row.get("created_at")),
        expires_at=instant(row.get("expires_at")),
        cancel_at=instant(row.get("cancel_available_at")),
        messages=(messages := _messages(row)),
        has_last_sms_only=bool(messages) and not _message_rows(row),
    )


def _state(row: Row) -> OrderState | None:
    return STATES.get(fields.name(row, "status").lower())


def asked_order(data: Any, asked: str) -> Order:
    """The order with the id of the request. Raises UNCLEAR if it has another id, or neither a
    status nor a message.
    """
    found = order(data, asked)
    row = data["order"] if fields.is_row(data.get("order")) else data
    if found.id.lower() != asked.lower():
        raise ProblemError(Problem.UNCLEAR, "an order that was not asked for")
    if not (fields.name(row, "status") or found.messages):
        raise ProblemError(Problem.UNCLEAR, "an order without its status")
    return replace(found, id=asked)


def frame(raw: str | bytes) -> Frame | None:
    """A frame of the order's socket; None if it cannot be read. A frame of an unknown type has no
    text: a hint to read the order. Field names: vendor's MCP server, tools.ts.
    """
    data = fields.parsed(raw if isinstance(raw, bytes) else raw.encode("utf-8", "replace"))
    if not isinstance(data, dict):
        return None
    return Frame(fields.text(first(data, *FRAME_TEXTS.get(fields.name(data, "type"), ()))))


def purchased(data: Any, asked: str = "") -> Order:
    """The order of a purchase or swap. Raises UNCLEAR if it has no phone number."""
    bought = order(data, asked)
    if not bought.phone:
        raise ProblemError(Problem.UNCLEAR, "a purchase without a phone number")
    return bought


def cancelled(data: Any) -> None:
    """Raises UNCLEAR unless the answer confirms the cancel: only that may end an activation."""
    row = fields.as_object(data)
    if row.get("success") is not True and _state(row) is not OrderState.CANCELLED:
        raise ProblemError(Problem.UNCLEAR, "the answer to a cancel does not say cancelled")


def orders(data: Any) -> Rows[Order]:
    return fields.rows(data, "orders", _listed, MAX_ORDERS)


def _listed(row: Row) -> Order:
    """`is_stated` is False for a row without a status."""
    return replace(order(row), is_stated=_state(row) is not None)


def balance(data: Any) -> int:
    """In cents."""
    value = fields.number(first(fields.as_object(data), "balance", "balance_usd"))
    if value is None or value < 0:
        raise ProblemError(Problem.UNCLEAR, "a balance that is no number of dollars")
    return money.cents(value)


def price(data: Any) -> int:
    """In cents."""
    cents = _price(fields.as_object(data))
    if cents is None:
        raise ProblemError(Problem.UNCLEAR, "a price that is no number of dollars")
    return cents


def _price(row: Row) -> int | None:
    return fields.price(first(row, "price", "our_price", "price_usd"))


def prices(data: Any) -> Rows[Price]:
    """The prices of one service in all countries; a row without a price is not for sale."""
    return fields.rows(data, "countries", _price_row)


def _price_row(row: Row) -> Price | None:
    iso = fields.code(row, "country_code", "iso", "id", "country", "country_id").upper()
    cents = _price(row)
    return None if cents is None else Price(iso, cents, _count(row))


def _count(row: Row) -> int:
    """An answer may have the count, the word or both: the vendor is replacing the one."""
    stock = STOCK.get(fields.name(row, "availability"), 0)
    return max(fields.count(row.get("count")) or 0, stock)


def countries(data: Any) -> Rows[Market]:
    return fields.rows(data, "countries", _market)


def _market(row: Row) -> Market:
    iso = fields.code(row, "country_code", "country_id", "iso", "id").upper()
    return Market(iso, fields.texts(row.get("services")))


def transactions(data: Any) -> Rows[Transaction]:
    return fields.rows(data, "transactions", _transaction)


def _transaction(row: Row) -> Transaction:
    return Transaction(
        at=instant(row.get("created_at")) or 0.0,
        kind=fields.name(row, "type"),
        cents=money.cents(fields.number(row.get("amount")) or 0),
        order=fields.name(row, "order_id"),
        what=fields.text(row.get("description")),
    )


def services(data: Any) -> Rows[Service]:
    """A row may have a number as `service_id` beside the short code; the code is used."""
    return fields.rows(data, "services", _service)


def _service(row: Row) -> Service:
    code = fields.code(row, "service_code", "service_id", "code", "id")
    return Service(code, fields.name(row, "service_name", "name"))


def _messages(row: Row) -> tuple[Sms, ...]:
    """Sorted by the time of arrival; in the order of the list where it is not known."""
    rows = _message_rows(row)
    if not rows and (fallback := first(row, "sms_text", "sms_code")):
        # Seen in no live answer, but the vendor's SDKs accept it.
        content = str(fallback) if fields.is_integer(fallback) else fallback
        at, sender = row.get("sms_received_at"), row.get("sms_sender")
        rows = [{"content": content, "received_at": at, "sender": sender}]
    timed = [(instant(entry.get("received_at")), entry) for entry in rows]
    timed.sort(key=lambda pair: pair[0] or 0.0)
    return tuple(_sms(entry, at) for at, entry in timed[-MAX_MESSAGES:])


def _message_rows(row: Row) -> list[Row]:
    listed = row.get("messages")
    return [entry for entry in listed if _has_text(entry)] if isinstance(listed, list) else []


def _has_text(entry: Any) -> bool:
    return fields.is_row(entry) and isinstance(first(entry, "content", "text"), str)


def _sms(row: Row, at: float | None) -> Sms:
    return Sms(fields.text(first(row, "content", "text")), at, fields.name(row, "sender"))
