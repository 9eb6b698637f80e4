"""Reads the upstream's JSON into the model. Pure: bytes in; what cannot be read is UNCLEAR.

The shapes differ between the documentation, the SDKs and live answers (the sandbox has switches for
them: docs/sandbox.md), so each field is looked up under all its names, and only what a caller
cannot do without is demanded.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from sys import intern
from typing import Any

import msgspec

from proxy.errors import Problem, ProblemError
from proxy.model import Frame, Market, Order, OrderState, Price, Service, Sms, Transaction

# Live set: waiting, completed, cancelled, expired; the others are named by OpenAPI 1.2.0 and SDKs.
# A word that stands in no source is no final word: the order counts as waiting.
STATES = {
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

# The newest catalogue has words in the place of counts: more than 5, 1 to 5, none. What is shown
# is what is surely there.
STOCK = {"in_stock": 6, "low_stock": 1, "out_of_stock": 0}

MOST_DOLLARS = 1_000_000

EARLIEST = 946_684_800.0
"""2000-01-01: Go writes a time that is not set as one of the year 1."""

Row = Mapping[str, Any]

# What msgspec raises; the last of them on a body that nests without end.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def decode(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except UNREADABLE as error:
        raise ProblemError(Problem.UNCLEAR, f"not JSON: {error}") from error


def error_text(body: bytes) -> str:
    """What an error body says: its `error` and `message`. Nothing, if it is no JSON object."""
    data = _json(body)
    if not isinstance(data, dict):
        return ""
    return " ".join(text for name in ("error", "message") if (text := _said(data.get(name))))


def _json(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except UNREADABLE:
        return None


def wait_seconds(body: bytes) -> float | None:
    """What a 425 says of the time left: in a field, in its text, or in a body of plain text."""
    data = _json(body)
    seconds = data.get("seconds_remaining") if isinstance(data, dict) else None
    if isinstance(seconds, int | float):
        return float(seconds)
    text = error_text(body) or body.decode("utf-8", "replace")
    found = re.search(r"wait (\d{1,6}) seconds", text)
    return float(found[1]) if found else None


def retry_after(value: str, now: float) -> float | None:
    """The seconds of a Retry-After, which may be a date."""
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        return max(parsedate_to_datetime(value).timestamp() - now, 0.0)
    except (ValueError, OverflowError):
        return None


def per_minute(limit: str, body: bytes) -> int | None:
    """How many requests a minute a 429 says are allowed: by X-RateLimit-Limit, or in its text."""
    found = re.match(r"([1-9]\d{0,5})\b", limit)
    words = r"\b([1-9]\d{0,5})( requests?| calls?)? ?(per|a|/) ?min"
    found = found or re.search(words, error_text(body), re.IGNORECASE)
    return int(found[1]) if found else None


def _said(value: Any) -> str:
    return value if isinstance(value, str) else str(value.get("message", "")) if _row(value) else ""


def order(data: Any) -> Order:
    """An order from a purchase, an order read, or a row of the order list."""
    row = _object(data)
    row = row["order"] if _row(row.get("order")) else row
    phone = str(_first(row, "phone_number", "phone") or "")
    return Order(
        id=_text(row, "order_id", "id"),
        phone=digits(phone),
        service=intern(str(_first(row, "service", "service_id") or "")),
        country=intern(str(_first(row, "country", "country_id") or "").upper()),
        state=STATES.get(str(row.get("status")).lower(), OrderState.WAITING),
        cents=_cents(_first(row, "price_charged", "price", "cost")),
        created_at=instant(row.get("created_at")),
        expires_at=instant(row.get("expires_at")),
        cancel_at=instant(row.get("cancel_available_at")),
        messages=_messages(row),
    )


def frame(raw: str | bytes) -> Frame | None:
    """A frame of the order's socket; None if it cannot be read.

    Field names: vendor's MCP server, tools.ts. What is not known is a hint that something came.
    """
    data = _json(raw if isinstance(raw, bytes) else raw.encode())
    if not isinstance(data, dict):
        return None
    is_sms = data.get("type") in ("sms", "sms_received")
    text = _first(data, "full_text", "message", "text") if is_sms else None
    return Frame(text if isinstance(text, str) else "")


def purchased(data: Any) -> Order:
    """The order just paid for: of no use without its phone number."""
    bought = order(data)
    if not bought.phone:
        raise ProblemError(Problem.UNCLEAR, "a purchase without a phone number")
    return bought


def cancelled(data: Any) -> None:
    """The upstream's own word that the order is cancelled; nothing else may end an activation."""
    row = _object(data)
    status = STATES.get(str(row.get("status")).lower())
    if row.get("success") is not True and status is not OrderState.CANCELLED:
        raise ProblemError(Problem.UNCLEAR, "the answer to a cancel does not say cancelled")


def orders(data: Any) -> tuple[Order, ...]:
    rows = data if isinstance(data, list) else _rows(data, "orders")
    return tuple(order(row) for row in rows)


def balance(data: Any) -> int:
    """Whole cents, rounded down: never more than there is."""
    value = _first(_object(data), "balance", "balance_usd")
    if not _is_number(value):
        raise ProblemError(Problem.UNCLEAR, "a balance that is no number")
    return int(value * 100 + 1e-6)


def price(data: Any) -> int:
    cents = _cents(_first(_object(data), "price", "our_price", "price_usd"))
    if cents is None:
        raise ProblemError(Problem.UNCLEAR, "a price that is no number")
    return cents


def prices(data: Any) -> tuple[Price, ...]:
    """The rows of one service in all countries; a row without a price is not for sale."""
    rows = data if isinstance(data, list) else _rows(data, "countries")
    read = ((row, _cents(_first(row, "price", "our_price", "price_usd"))) for row in rows)
    return tuple(
        Price(_text(row, "id", "iso", "country", "country_id").upper(), cents, _count(row))
        for row, cents in read
        if cents is not None
    )


def countries(data: Any) -> tuple[Market, ...]:
    rows = data if isinstance(data, list) else _rows(data, "countries")
    return tuple(
        Market(
            _text(row, "country_id", "country_code", "iso", "id").upper(),
            tuple(code for code in row.get("services") or () if isinstance(code, str)),
        )
        for row in rows
    )


def transactions(data: Any) -> tuple[Transaction, ...]:
    rows = data if isinstance(data, list) else _rows(data, "transactions")
    return tuple(
        Transaction(
            at=instant(row.get("created_at")) or 0.0,
            kind=str(row.get("type") or ""),
            cents=round(row["amount"] * 100) if _is_number(row.get("amount")) else 0,
            order=str(row.get("order_id") or ""),
            what=str(row.get("description") or ""),
        )
        for row in rows
    )


def services(data: Any) -> tuple[Service, ...]:
    rows = data if isinstance(data, list) else _rows(data, "services")
    return tuple(
        Service(
            _text(row, "service_id", "service_code", "code", "id"),
            str(_first(row, "service_name", "name") or ""),
        )
        for row in rows
    )


def _row(value: Any) -> bool:
    return isinstance(value, dict)


def _object(data: Any) -> Row:
    if not isinstance(data, dict):
        raise ProblemError(Problem.UNCLEAR, f"an object was expected, not {type(data).__name__}")
    return data


def _rows(data: Any, name: str) -> list[Row]:
    rows = _object(data).get(name)
    if not isinstance(rows, list) or not all(_row(row) for row in rows):
        raise ProblemError(Problem.UNCLEAR, f"no list of objects under {name!r}")
    return rows


def _first(row: Row, *names: str) -> Any:
    return next((row[name] for name in names if row.get(name) is not None), None)


def _text(row: Row, *names: str) -> str:
    value = _first(row, *names)
    if not isinstance(value, str) or not value:
        raise ProblemError(Problem.UNCLEAR, f"no text under {' or '.join(names)}")
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _cents(value: Any) -> int | None:
    """Dollars as a number, or as a number in text."""
    if isinstance(value, str) and re.fullmatch(r"\d{1,6}(\.\d{1,6})?", value):
        value = float(value)
    return round(value * 100) if _is_number(value) and 0 <= value < MOST_DOLLARS else None


def _count(row: Row) -> int:
    count = row.get("count")
    if _is_number(count):
        return max(0, int(count or 0))
    return STOCK.get(str(row.get("availability")), 0)


def digits(phone: str) -> str:
    return "".join(char for char in phone if char in "0123456789")


def instant(value: Any) -> float | None:
    """RFC 3339 with `Z`, an offset, a fraction or none of them (UTC); None for anything else."""
    try:
        read = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    seconds = (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
    return seconds if seconds >= EARLIEST else None


def _messages(row: Row) -> tuple[Sms, ...]:
    """By time of arrival where it is known; else in the order they are listed."""
    listed = row.get("messages")
    rows = [entry for entry in listed if _row(entry)] if isinstance(listed, list) else []
    if not rows and (fallback := _first(row, "sms_text", "sms_code")):
        # Seen in no live answer, tolerated by the vendor's SDKs.
        rows = [{"content": fallback, "received_at": row.get("sms_received_at")}]
    read = [_sms(row) for row in rows]
    return tuple(sorted(read, key=lambda sms: sms.received_at or 0.0))


def _sms(row: Row) -> Sms:
    return Sms(
        text=str(_first(row, "content", "text") or ""),
        received_at=instant(row.get("received_at")),
        sender=str(row.get("sender") or ""),
    )
