"""What goes back to a client: the bodies of the legacy protocol, to the byte. Pure.

Text answers have no newline, no BOM and are `text/html`; JSON is `application/json`, because
grizzly-sms-client reads JSON only where the type says so.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from proxy.model import money

TEXT = "text/html; charset=UTF-8"
JSON = "application/json"

_UNSAFE = re.compile(r"[:\x00-\x1f\x7f-\x9f\u2028\u2029\s]+")
_WORD = re.compile(rb"[A-Z_]{2,40}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
MAX_TEXT = 480
MAX_HEADER = 1000
"""Bytes."""

# What sms-activate sent for an SMS it found no code in; the official Java client knows it.
NO_CODE = "Нет кода"


@dataclass(frozen=True, slots=True)
class Answer:
    body: bytes
    content_type: str = TEXT
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    stands: Callable[[], bool] | None = field(default=None, compare=False)
    """Whether it is still the answer to the same question; None: nobody knows."""

    def with_headers(self, headers: Mapping[str, str]) -> "Answer":
        return replace(self, headers={**self.headers, **headers})

    def while_it(self, stands: Callable[[], bool] | None) -> "Answer":
        return replace(self, stands=stands)

    def with_status(self, status: int) -> "Answer":
        return replace(self, status=status)


def text(word: str) -> Answer:
    return Answer(word.encode())


def json(value: Any) -> Answer:
    return Answer(msgspec.json.encode(value), JSON)


def first_word(body: bytes) -> str:
    """What an answer is counted as: its first word; JSON for a body in JSON, TEXT for any other."""
    found = _WORD.match(body)
    return found[0].decode() if found else "JSON" if body[:1] in (b"{", b"[") else "TEXT"


def balance(cents: int) -> Answer:
    """Always two decimals: old clients match `\\d+\\.\\d{2}`."""
    return text(f"ACCESS_BALANCE:{money.dollars(cents)}")


def header(sms: str) -> str:
    """An SMS text as the value of a header: one line, as UTF-8, and no longer than any client's
    buffer.
    """
    line = _CONTROL.sub(" ", sms).strip().encode()[:MAX_HEADER]
    return line.decode(errors="ignore").strip()


def without_sql(text: str) -> str:
    """The official Java client takes any body with these letters for an error."""
    return text.replace("SQL", "S-Q-L")


def full(sms: str) -> str:
    """An SMS text behind `FULL_SMS:`, whose clients split at the first colon only."""
    return without_sql(_CONTROL.sub(" ", sms)).strip() or NO_CODE


def safe(sms: str) -> str:
    """An SMS text as the one field behind `STATUS_OK:`: one line, no colon, never empty."""
    return without_sql(_UNSAFE.sub(" ", sms)).strip()[:MAX_TEXT].strip() or NO_CODE
