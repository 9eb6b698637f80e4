"""Answers to clients: the bodies of the legacy protocol, to the byte. Pure.

Text answers have no newline and no BOM and are `text/html`. JSON is `application/json`, because
grizzly-sms-client reads JSON only with that type.
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
"""Characters of an SMS text behind `STATUS_OK:`."""
MAX_HEADER = 1000
"""Bytes of an SMS text in a header."""

# sms-activate sent this for an SMS without a code; the official Java client knows it.
NO_CODE = "Нет кода"


@dataclass(frozen=True, slots=True)
class Answer:
    body: bytes
    content_type: str = TEXT
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    is_valid: Callable[[], bool] | None = field(default=None, compare=False)
    """Returns whether the same request still has this answer. None: it must not be repeated."""

    def with_headers(self, headers: Mapping[str, str]) -> "Answer":
        return replace(self, headers={**self.headers, **headers})

    def valid_while(self, is_valid: Callable[[], bool] | None) -> "Answer":
        return replace(self, is_valid=is_valid)


def text(word: str) -> Answer:
    return Answer(word.encode())


def json(value: Any, status: int = 200) -> Answer:
    return Answer(msgspec.json.encode(value), JSON, status)


def first_word(body: bytes) -> str:
    """The label of an answer in the metrics: its first word, JSON for JSON, else TEXT."""
    found = _WORD.match(body)
    return found[0].decode() if found else "JSON" if body[:1] in (b"{", b"[") else "TEXT"


def balance(cents: int) -> Answer:
    """The answer of getBalance. Two decimals, always: old clients match `\\d+\\.\\d{2}`."""
    return text(f"ACCESS_BALANCE:{money.dollars(cents)}")


def header(sms: str) -> str:
    """An SMS text as the value of a header: one line of at most MAX_HEADER bytes in UTF-8."""
    line = _CONTROL.sub(" ", sms).strip().encode()[:MAX_HEADER]
    return line.decode(errors="ignore").strip()


def without_sql(text: str) -> str:
    """The official Java client reads any body with the letters SQL as an error."""
    return text.replace("SQL", "S-Q-L")


def full(sms: str) -> str:
    """An SMS text behind `FULL_SMS:`. Clients split there at the first colon only."""
    return without_sql(_CONTROL.sub(" ", sms)).strip() or NO_CODE


def safe(sms: str) -> str:
    """A code or SMS text as the field behind `STATUS_OK:`: one line, no colon, never empty."""
    return without_sql(_UNSAFE.sub(" ", sms)).strip()[:MAX_TEXT].strip() or NO_CODE
