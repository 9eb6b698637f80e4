"""A legacy request: query and form body merged into one set of parameters. Pure: bytes in."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from proxy.legacy import multipart
from proxy.model import is_key, money
from proxy.model.errors import Problem, ProblemError

MAX_BODY = 64 * 1024

_DIGITS = re.compile(r"[0-9]{1,12}")
_PRICE = re.compile(r"(?=[.,]?[0-9])([0-9]{0,7})(?:[.,]([0-9]{0,6}))?")


@dataclass(frozen=True, slots=True)
class Request:
    """Parameters by name. An absent parameter reads as the empty text."""

    parameters: Mapping[str, str]

    def text(self, *names: str) -> str:
        """The first of these names that the client sent with a value."""
        return next((value for name in names if (value := self.parameters.get(name))), "")

    def has(self, name: str) -> bool:
        return name in self.parameters

    @property
    def action(self) -> str:
        return self.text("action")

    @property
    def key(self) -> str:
        """The API key. A key that no HTTP header can carry is none of the upstream's."""
        key = self.text("api_key")
        if not key:
            raise ProblemError(Problem.NO_KEY)
        if not is_key(key):
            raise ProblemError(Problem.BAD_KEY, "not printable ASCII, or over 256 characters")
        return key

    def number(self, *names: str) -> int | None:
        """A whole number in ASCII digits; None for anything else, also for none at all."""
        text = self.text(*names)
        return int(text) if _DIGITS.fullmatch(text) else None

    @property
    def status(self) -> int | None:
        return -1 if self.text("status") == "-1" else self.number("status")

    @property
    def max_cents(self) -> int | None:
        """The client's price cap in whole cents, rounded down; None when it sent none.

        The literal `maxPrice` stands in sms-activate's own sample URL and means none.
        """
        most = _cents(self.text("maxPrice", "max_price"))
        least = _cents(self.text("minPrice"))
        if most is not None and least is not None and least > most:
            raise ProblemError(Problem.BAD_PARAMETER, "minPrice is over maxPrice")
        return most


def _cents(text: str) -> int | None:
    if text in ("", "maxPrice", "max_price"):
        return None
    match = _PRICE.fullmatch(text)
    if not match:
        raise ProblemError(Problem.BAD_PARAMETER, "a price cap that is no price")
    return money.cents(float(match[0].replace(",", ".")))


def parse(query: bytes, body: bytes = b"", content_type: str = "", key: str = "") -> Request:
    """Merge query and form body: of a repeated name the last counts, the body over the query.

    `key` is one that came in a header. Names are trimmed because aiosmsactivate 1.5.1 sends some
    with a trailing space.
    """
    pairs = [*_pairs(query), *_form(body, content_type)]
    parameters = {name.strip(): value.strip() for name, value in pairs}
    if key and not parameters.get("api_key"):
        parameters["api_key"] = key
    return Request(parameters)


def _form(body: bytes, content_type: str) -> list[tuple[str, str]]:
    """A form in either encoding; PHP's curl sends an array as multipart. JSON is no form, nor is a
    body whose type is too long to be read.
    """
    if not body or len(content_type) > multipart.MAX_HEADER:
        return []
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return multipart.fields(body, content_type)
    return [] if kind == "application/json" else _pairs(body)


def _pairs(text: bytes) -> list[tuple[str, str]]:
    # Latin-1 keeps every byte; %-escapes are read as UTF-8 with replacement, never an error.
    return parse_qsl(text.decode("latin-1"), keep_blank_values=True, errors="replace")
