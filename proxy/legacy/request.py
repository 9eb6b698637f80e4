"""A legacy request: the parameters of query and form body together. Pure: bytes in."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from proxy.legacy import multipart
from proxy.model import is_key, money
from proxy.model.errors import Problem, ProblemError

MAX_BODY = 64 * 1024
"""Bytes."""

_DIGITS = re.compile(r"[0-9]{1,12}")
_PRICE = re.compile(r"(?=[.,]?[0-9])([0-9]{0,7})(?:[.,]([0-9]{0,6}))?")


@dataclass(frozen=True, slots=True)
class Request:
    """Parameters by name. A missing parameter reads as an empty string."""

    parameters: Mapping[str, str]

    def text(self, *names: str) -> str:
        """The value of the first of these names that is not empty; "" if there is none."""
        return next((value for name in names if (value := self.parameters.get(name))), "")

    def has(self, name: str) -> bool:
        return name in self.parameters

    @property
    def action(self) -> str:
        return self.text("action")

    @property
    def key(self) -> str:
        """The API key. Raises ProblemError: NO_KEY, or BAD_KEY if no HTTP header can carry it."""
        key = self.text("api_key")
        if not key:
            raise ProblemError(Problem.NO_KEY)
        if not is_key(key):
            raise ProblemError(Problem.BAD_KEY, "not printable ASCII, or over 256 characters")
        return key

    def number(self, *names: str) -> int | None:
        """A whole number in ASCII digits; None for anything else, or if it is missing."""
        text = self.text(*names)
        return int(text) if _DIGITS.fullmatch(text) else None

    @property
    def status(self) -> int | None:
        return -1 if self.text("status") == "-1" else self.number("status")

    @property
    def max_price(self) -> int | None:
        """The client's `maxPrice` in whole cents, rounded down; None if it sent none.

        Raises ProblemError (BAD_PARAMETER). The literal value `maxPrice` is in the sample URL of
        sms-activate's documentation and means none.
        """
        maximum = _cents(self.text("maxPrice", "max_price"))
        minimum = _cents(self.text("minPrice"))
        if maximum is not None and minimum is not None and minimum > maximum:
            raise ProblemError(Problem.BAD_PARAMETER, "minPrice is over maxPrice")
        return maximum


def _cents(text: str) -> int | None:
    if text in ("", "maxPrice", "max_price"):
        return None
    match = _PRICE.fullmatch(text)
    if not match:
        raise ProblemError(Problem.BAD_PARAMETER, "maxPrice or minPrice is not a price")
    return money.cents(float(match[0].replace(",", ".")))


def parse(query: bytes, body: bytes = b"", content_type: str = "", key: str = "") -> Request:
    """Reads the query, then the form body; of a repeated name the last value counts.

    `key` is the key from a header; it counts if there is no `api_key`. Names are trimmed because
    aiosmsactivate 1.5.1 sends some with a trailing space.
    """
    pairs = [*_pairs(query), *_form(body, content_type)]
    parameters = {name.strip(): value.strip() for name, value in pairs}
    if key and not parameters.get("api_key"):
        parameters["api_key"] = key
    return Request(parameters)


def _form(body: bytes, content_type: str) -> list[tuple[str, str]]:
    """The fields of a form in either encoding: PHP's curl sends an array as multipart."""
    if not body or len(content_type) > multipart.MAX_HEADER:
        return []
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return multipart.fields(body, content_type)
    return [] if kind == "application/json" else _pairs(body)


def _pairs(text: bytes) -> list[tuple[str, str]]:
    # Latin-1 keeps every byte; %-escapes are read as UTF-8 with replacement and never fail.
    return parse_qsl(text.decode("latin-1"), keep_blank_values=True, errors="replace")
