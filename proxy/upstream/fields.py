"""Reads single values of the upstream's JSON. Pure: no IO. A value that cannot be read counts as
absent, unless the docstring says that it raises UNCLEAR.

Each value has bounds, so that it fits into what is made of it later: a column of the store, a date
of a dialect, a header, a pause.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import msgspec

from proxy.model import money
from proxy.model.errors import Problem, ProblemError

T = TypeVar("T")

MAX_DOLLARS = 1_000_000
MAX_COUNT = 1_000_000
MAX_TEXT = 4096
"""Characters of an SMS or a description; an SMS of ten parts has fewer."""
MAX_NAME = 200
MAX_ROWS = 10_000
"""Rows of one list; the catalogue has about 2,000 services and 250 countries."""

EARLIEST, LATEST = 946_684_800.0, 4_102_444_800.0
"""2000-01-01 and 2100-01-01. Go writes a time that is not set as year 1; a year of five digits
cannot be written as a date.
"""

Row = Mapping[str, Any]

# What msgspec raises; RecursionError on a body that is nested very deep.
UNREADABLE = (msgspec.DecodeError, ValueError, OverflowError, RecursionError)

# Can stand unchanged in a path, a query, a column of a store and a line of the log.
_IDENTIFIER = re.compile(r"(?!\.+$)[!-~]{1,128}")
_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?")


def parsed(body: bytes) -> Any:
    """The JSON of a body; None for anything else."""
    try:
        return msgspec.json.decode(body)
    except UNREADABLE:
        return None


def decode(body: bytes) -> Any:
    """The JSON of a body. Raises UNCLEAR for anything else."""
    try:
        return msgspec.json.decode(body)
    except UNREADABLE as error:
        raise ProblemError(Problem.UNCLEAR, f"not JSON: {error}") from error


def is_row(value: Any) -> bool:
    return isinstance(value, dict)


def as_object(data: Any) -> Row:
    """The same object. Raises UNCLEAR for anything else."""
    if not isinstance(data, dict):
        raise ProblemError(Problem.UNCLEAR, f"an object was expected, not {type(data).__name__}")
    return data


class Rows(tuple[T, ...]):
    """The readable rows of a list."""

    listed: int = 0
    """The number of rows in the list."""
    unread: int = 0
    """The number of rows that were not readable, or above the limit."""


def rows(data: Any, name: str, read: Callable[[Row], T | None], most: int = MAX_ROWS) -> Rows[T]:
    """Reads at most `most` rows of a list, which is the whole JSON or a field of it. Leaves out
    rows that cannot be read, and rows for which `read` returns None. A `null` is an empty list, as
    Go writes it. Raises UNCLEAR if there is no list, or if no row of it can be read.
    """
    found = data if isinstance(data, list) else as_object(data).get(name, ())
    found = [] if found is None else found
    if not isinstance(found, list):
        raise ProblemError(Problem.UNCLEAR, f"no list under {name!r}")
    readable = list(_readable(found[:most], read))
    if found and not readable:
        raise ProblemError(Problem.UNCLEAR, f"no readable row under {name!r}")
    result = Rows(row for row in readable if row is not None)
    result.listed, result.unread = len(found), len(found) - len(readable)
    return result


def _readable(found: list[Any], read: Callable[[Row], T | None]) -> Iterator[T | None]:
    for row in found:
        # The caller counts the rows that are missing here.
        with suppress(ProblemError):
            yield read(as_object(row))


def first(row: Row, *names: str) -> Any:
    """The first field that is there and not null."""
    return next((row[name] for name in names if row.get(name) is not None), None)


def first_text(row: Row, *names: str) -> Any:
    """The first text that is not empty: `service_id` may be a number, too."""
    return next((row[name] for name in names if isinstance(row.get(name), str) and row[name]), "")


def text(value: Any, longest: int = MAX_TEXT) -> str:
    """Empty if it is no text. PostgreSQL cannot store the NUL character."""
    return value[:longest].replace("\0", " ") if isinstance(value, str) else ""


def texts(value: Any) -> tuple[str, ...]:
    listed = value[:MAX_ROWS] if isinstance(value, list) else []
    return tuple(read for one in listed if (read := text(one, MAX_NAME)))


def name(row: Row, *names: str) -> str:
    return text(first_text(row, *names), MAX_NAME)


def identifier(row: Row, *names: str) -> str:
    """An id, which is text or an integer. Raises UNCLEAR for anything else."""
    value = first(row, *names)
    value = str(value) if is_integer(value) else value
    if not isinstance(value, str) or not _IDENTIFIER.fullmatch(value):
        raise ProblemError(Problem.UNCLEAR, f"no id under {' or '.join(names)}")
    return value


def code(row: Row, *names: str) -> str:
    """A service or country code. Raises UNCLEAR if there is no text."""
    value = name(row, *names)
    if not value:
        raise ProblemError(Problem.UNCLEAR, f"no text under {' or '.join(names)}")
    return value


def phone(value: Any) -> str:
    """Digits only, or empty. E.164 has at most 15; clients of the old protocol expect 5 to 20."""
    written = str(value) if is_integer(value) else text(value, MAX_NAME)
    found = "".join(char for char in written if char in "0123456789")
    return found if 5 <= len(found) <= 20 else ""


def number(value: Any) -> int | float | None:
    """A number, or a number in a text, as Node writes PostgreSQL's NUMERIC."""
    value = _numeric(value)
    return None if value is None or abs(value) > MAX_DOLLARS else value


def _numeric(value: Any) -> int | float | None:
    if isinstance(value, str):
        return float(value) if _NUMBER.fullmatch(value) else None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number else None


def price(value: Any) -> int | None:
    """Dollars to cents."""
    dollars = number(value)
    return None if dollars is None or dollars < 0 else money.price(dollars)


def count(value: Any) -> int | None:
    value = _numeric(value)
    return None if value is None else int(min(max(value, 0), MAX_COUNT))


def is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def instant(value: Any) -> float | None:
    """Seconds since 1970 of an RFC 3339 time, with or without a fraction. UTC without an offset."""
    try:
        seconds = _seconds(datetime.fromisoformat(value))
    except (TypeError, ValueError, OverflowError):
        return None
    return seconds if EARLIEST <= seconds < LATEST else None


def http_date(value: str) -> float | None:
    """Seconds since 1970 of a header such as Date, without bounds."""
    try:
        return _seconds(parsedate_to_datetime(value))
    except (TypeError, ValueError, OverflowError):
        return None


def _seconds(read: datetime) -> float:
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
