"""What goes back to a client: the bodies of the legacy protocol, to the byte. Pure.

Text answers have no newline, no BOM and are `text/html`; JSON is `application/json`, because
grizzly-sms-client reads JSON only where the type says so.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

TEXT = "text/html; charset=UTF-8"
JSON = "application/json"

_UNSAFE = re.compile(r"[:\x00-\x1f\x7f-\x9f\u2028\u2029\s]+")
MAX_TEXT = 480

# What sms-activate sent for an SMS it found no code in; the official Java client knows it.
NO_CODE = "Нет кода"


@dataclass(frozen=True, slots=True)
class Answer:
    body: bytes
    content_type: str = TEXT
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    def with_headers(self, headers: Mapping[str, str]) -> "Answer":
        return replace(self, headers={**self.headers, **headers})


def text(word: str) -> Answer:
    return Answer(word.encode())


def json(value: Any) -> Answer:
    return Answer(msgspec.json.encode(value), JSON)


def balance(cents: int) -> Answer:
    """Always two decimals: old clients match `\\d+\\.\\d{2}`."""
    return text(f"ACCESS_BALANCE:{dollars(cents)}")


def number(activation: int, phone: str) -> Answer:
    return text(f"ACCESS_NUMBER:{activation}:{phone}")


def dollars(cents: int) -> str:
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(cents) // 100}.{abs(cents) % 100:02d}"


def safe(sms: str) -> str:
    """An SMS text as the one field behind `STATUS_OK:`: one line, no colon, never empty.

    The letters SQL are broken up: the official Java client takes any body with them for an error.
    """
    return _UNSAFE.sub(" ", sms).replace("SQL", "S-Q-L").strip()[:MAX_TEXT].strip() or NO_CODE
