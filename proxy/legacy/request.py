"""A legacy request: the parameters of query and form body together. Pure: bytes in."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import parse_qsl

from proxy.legacy import multipart
from proxy.model import is_key, lowest, money
from proxy.model.errors import Problem, ProblemError

MAX_BODY = 64 * 1024
"""Bytes."""

_DIGITS = re.compile(r"[0-9]{1,12}")
# The sample URL of sms-activate's documentation sends the name of the parameter as its value.
_NO_PRICE = ("", "maxPrice", "max_price")


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
        """The client's `maxPrice` in whole cents, rounded down; None if it sent none. Of both
        spellings the lower one counts. Raises ProblemError (BAD_PARAMETER).
        """
        sent = (self._price(name) for name in ("maxPrice", "max_price"))
        return lowest(*(None if dollars is None else money.cents(dollars) for dollars in sent))

    @property
    def min_price(self) -> int | None:
        """The client's `minPrice` in whole cents, rounded up. Raises ProblemError (BAD_PARAMETER),
        also if it is over `maxPrice`.
        """
        dollars, max_price = self._price("minPrice"), self.max_price
        minimum = None if dollars is None else money.price(dollars)
        if money.is_over(minimum, max_price):
            text = "minPrice is over maxPrice"
            raise ProblemError(Problem.BAD_PARAMETER, text, parameter="minPrice")
        return minimum

    def _price(self, name: str) -> Decimal | None:
        text = self.text(name)
        if text in _NO_PRICE:
            return None
        dollars = money.plain(text)
        if dollars is None:
            text = f"{name} is not a price"
            raise ProblemError(Problem.BAD_PARAMETER, text, parameter=name)
        return dollars


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
