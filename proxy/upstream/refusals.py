"""Reads what the upstream says when it refuses: its words, and how long to wait. Pure."""

import re
from typing import Any

from proxy.model import errors
from proxy.upstream import fields
from proxy.upstream.fields import is_row

MAX_PLAIN = 200
"""Bytes of a body of plain text: a page is longer."""
MAX_WAIT = 3600.0
"""Seconds. No source has a longer hold or pause; more is no time to wait for anything."""


def said(status: int, body: bytes) -> str:
    """The upstream's own word: in JSON, or a short plain text that stands in the table. Empty where
    it may be anybody's: a gateway's, a CDN's.
    """
    return error_text(body) or _plain_text(status, body)


def error_text(body: bytes) -> str:
    """What an error body says: its `error` and `message`. Nothing, if it is no JSON object."""
    data = fields.parsed(body)
    if not isinstance(data, dict):
        return ""
    return " ".join(text for name in ("error", "message") if (text := _said(data.get(name))))


def _said(value: Any) -> str:
    """A text, or an object with a code and a message."""
    found = [value.get("code"), value.get("message")] if is_row(value) else [value]
    return " ".join(text for text in found if isinstance(text, str) and text)


def _plain_text(status: int, body: bytes) -> str:
    if len(body) > MAX_PLAIN:
        return ""
    data = fields.parsed(body)
    text = data if isinstance(data, str) else body.decode("utf-8", "replace")
    text = text.strip()
    return text if errors.is_own_word(status, text) else ""


def wait_seconds(body: bytes) -> float | None:
    """What a 425 says of the time left: in a field, in its text, or in a body of plain text."""
    data = fields.parsed(body)
    seconds = fields.number(data.get("seconds_remaining")) if isinstance(data, dict) else None
    if seconds is None:
        text = error_text(body) or body.decode("utf-8", "replace")
        found = re.search(r"wait (\d{1,6}) seconds", text)
        seconds = int(found[1]) if found else None
    return None if seconds is None else min(max(float(seconds), 0.0), MAX_WAIT)


def retry_after(value: str, now: float) -> float | None:
    """The seconds of a Retry-After, which may be a date; `now` is on the upstream's clock."""
    if value.isascii() and value.isdigit():
        return min(float(value), MAX_WAIT)
    at = fields.http_date(value)
    return None if at is None else min(max(at - now, 0.0), MAX_WAIT)


def per_minute(limit: str, body: bytes) -> int | None:
    """How many requests a minute a 429 says are allowed: by X-RateLimit-Limit, or in its text."""
    found = re.match(r"([1-9]\d{0,5})\b", limit)
    words = r"\b([1-9]\d{0,5})( requests?| calls?)? ?(per|a|/) ?min"
    found = found or re.search(words, error_text(body), re.IGNORECASE)
    return int(found[1]) if found else None
