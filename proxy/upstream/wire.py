"""Reads the upstream's JSON into the model. Pure: bytes in; what cannot be read is UNCLEAR.

The shapes differ between the documentation, the SDKs and live answers (the sandbox has switches for
them: docs/sandbox.md), so each field is looked up under all its names, and only what a caller
cannot do without is demanded.
"""

from collections.abc import Mapping
from sys import intern
from types import MappingProxyType
from typing import Any

from proxy.errors import Problem, ProblemError
from proxy.model import Frame, Market, Order, OrderState, Price, Service, Sms, Transaction
from proxy.upstream import fields
from proxy.upstream.fields import Row, first, instant

# Live set: waiting, completed, cancelled, expired; the others are named by OpenAPI 1.2.0 and SDKs.
# A word that stands in no source is no final word: the order counts as waiting.
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

# The newest catalogue has words in the place of counts: more than 5, 1 to 5, none. What is shown
# is what is surely there.
STOCK: Mapping[str, int] = MappingProxyType({"in_stock": 6, "low_stock": 1, "out_of_stock": 0})

MAX_ORDERS = 1000
"""Rows of an order list: 200 are asked for, and no source has more than 500."""
MAX_MESSAGES = 50
"""Of one order, which lives for twenty minutes: the newest are kept."""


def order(data: Any) -> Order:
    """An order from a purchase, an order read, or a row of the order list."""
    row = fields.as_object(data)
    row = row["order"] if fields.is_row(row.get("order")) else row
    return Order(
        id=fields.identifier(row, "order_id", "id"),
        phone=fields.phone(first(row, "phone_number", "phone")),
        service=intern(fields.name(row, "service", "service_id")),
        country=intern(fields.name(row, "country", "country_id").upper()),
        state=_state(row) or OrderState.WAITING,
        cents=fields.cents(first(row, "price_charged", "price", "cost")),
        created_at=instant(row.get("created_at")),
        expires_at=instant(row.get("expires_at")),
        cancel_at=instant(row.get("cancel_available_at")),
        messages=_messages(row),
    )


def _state(row: Row) -> OrderState | None:
    return STATES.get(fields.name(row, "status").lower())


def frame(raw: str | bytes) -> Frame | None:
    """A frame of the order's socket; None if it cannot be read.

    Field names: vendor's MCP server, tools.ts. What is not known is a hint that something came.
    """
    data = fields.parsed(raw if isinstance(raw, bytes) else raw.encode("utf-8", "replace"))
    if not isinstance(data, dict):
        return None
    is_sms = data.get("type") in ("sms", "sms_received")
    return Frame(fields.text(first(data, "full_text", "message", "text")) if is_sms else "")


def purchased(data: Any) -> Order:
    """The order just paid for: of no use without its phone number."""
    bought = order(data)
    if not bought.phone:
        raise ProblemError(Problem.UNCLEAR, "a purchase without a phone number")
    return bought


def cancelled(data: Any) -> None:
    """The upstream's own word that the order is cancelled; nothing else may end an activation."""
    row = fields.as_object(data)
    if row.get("success") is not True and _state(row) is not OrderState.CANCELLED:
        raise ProblemError(Problem.UNCLEAR, "the answer to a cancel does not say cancelled")


def orders(data: Any) -> tuple[Order, ...]:
    return tuple(order(row) for row in fields.rows(data, "orders", MAX_ORDERS))


def balance(data: Any) -> int:
    """Whole cents, rounded down: never more than there is."""
    value = fields.number(first(fields.as_object(data), "balance", "balance_usd"))
    if value is None or value < 0:
        raise ProblemError(Problem.UNCLEAR, "a balance that is no number of dollars")
    return int(value * 100 + 1e-6)


def price(data: Any) -> int:
    cents = _price(fields.as_object(data))
    if cents is None:
        raise ProblemError(Problem.UNCLEAR, "a price that is no number of dollars")
    return cents


def _price(row: Row) -> int | None:
    return fields.cents(first(row, "price", "our_price", "price_usd"))


def prices(data: Any) -> tuple[Price, ...]:
    """The rows of one service in all countries; a row without a price is not for sale."""
    read = ((row, _price(row)) for row in fields.rows(data, "countries"))
    names = "id", "iso", "country", "country_id"
    return tuple(
        Price(fields.code(row, *names).upper(), cents, _count(row))
        for row, cents in read
        if cents is not None
    )


def _count(row: Row) -> int:
    count = fields.count(row.get("count"))
    return STOCK.get(fields.name(row, "availability"), 0) if count is None else count


def countries(data: Any) -> tuple[Market, ...]:
    names = "country_id", "country_code", "iso", "id"
    return tuple(
        Market(fields.code(row, *names).upper(), _codes(row.get("services")))
        for row in fields.rows(data, "countries")
    )


def _codes(value: Any) -> tuple[str, ...]:
    listed = value[: fields.MAX_ROWS] if isinstance(value, list) else []
    return tuple(code for one in listed if (code := fields.text(one, fields.MAX_NAME)))


def transactions(data: Any) -> tuple[Transaction, ...]:
    return tuple(_transaction(row) for row in fields.rows(data, "transactions"))


def _transaction(row: Row) -> Transaction:
    return Transaction(
        at=instant(row.get("created_at")) or 0.0,
        kind=fields.name(row, "type"),
        cents=round((fields.number(row.get("amount")) or 0) * 100),
        order=fields.name(row, "order_id"),
        what=fields.text(row.get("description")),
    )


def services(data: Any) -> tuple[Service, ...]:
    names = "service_id", "service_code", "code", "id"
    return tuple(
        Service(fields.code(row, *names), fields.name(row, "service_name", "name"))
        for row in fields.rows(data, "services")
    )


def _messages(row: Row) -> tuple[Sms, ...]:
    """By time of arrival where it is known; else in the order they are listed."""
    listed = row.get("messages")
    rows = [entry for entry in listed if fields.is_row(entry)] if isinstance(listed, list) else []
    if not rows and (fallback := first(row, "sms_text", "sms_code")):
        # Seen in no live answer, tolerated by the vendor's SDKs.
        rows = [{"content": fallback, "received_at": row.get("sms_received_at")}]
    timed = sorted(((instant(one.get("received_at")), one) for one in rows), key=_when)
    return tuple(_sms(one, at) for at, one in timed[-MAX_MESSAGES:])


def _when(timed: tuple[float | None, Row]) -> float:
    return timed[0] or 0.0


def _sms(row: Row, at: float | None) -> Sms:
    return Sms(fields.text(first(row, "content", "text")), at, fields.name(row, "sender"))
