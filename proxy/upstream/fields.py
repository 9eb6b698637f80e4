"""Reads single values of the upstream's JSON. Pure: what cannot be read is absent, never an error.

Each value has bounds, so that whatever is made of it later can hold it: a column of the store, a
date of a dialect, a header, a pause.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from proxy.errors import Problem, ProblemError

MAX_DOLLARS = 1_000_000
MAX_COUNT = 1_000_000
MAX_TEXT = 4096
"""Characters of an SMS or a description: more than ten parts of an SMS hold."""
MAX_NAME = 200
MAX_ROWS = 10_000
"""Rows of one list: the catalogue has some 2,000 services, and 250 countries."""

EARLIEST, LATEST = 946_684_800.0, 4_102_444_800.0
"""2000-01-01 and 2100-01-01. Go writes a time that is not set as one of the year 1; a year of five
digits cannot be written as a date.
"""

Row = Mapping[str, Any]

# What msgspec raises: the last on a body that nests without end.
UNREADABLE = (msgspec.DecodeError, ValueError, OverflowError, RecursionError)

# A path, a query, a column of a store and a line of the log can hold it as it is.
_IDENTIFIER = re.compile(r"(?!\.+$)[!-~]{1,128}")
_DOLLARS = re.compile(r"\d{1,7}(\.\d{1,12})?")


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
    """The object itself. Raises UNCLEAR for anything else."""
    if not isinstance(data, dict):
        raise ProblemError(Problem.UNCLEAR, f"an object was expected, not {type(data).__name__}")
    return data


def rows(data: Any, name: str, most: int = MAX_ROWS) -> list[Row]:
    """The first rows of a list, which is bare or stands under a name. Raises UNCLEAR for anything
    else.
    """
    found = data if isinstance(data, list) else as_object(data).get(name)
    if not isinstance(found, list) or not all(map(is_row, found)):
        raise ProblemError(Problem.UNCLEAR, f"no list of objects under {name!r}")
    return found[:most]


def first(row: Row, *names: str) -> Any:
    return next((row[name] for name in names if row.get(name) is not None), None)


def text(value: Any, longest: int = MAX_TEXT) -> str:
    """Empty for what is no text. PostgreSQL cannot keep the NUL character."""
    return value[:longest].replace("\0", " ") if isinstance(value, str) else ""


def name(row: Row, *names: str) -> str:
    return text(first(row, *names), MAX_NAME)


def identifier(row: Row, *names: str) -> str:
    """Raises UNCLEAR for what cannot be an id."""
    value = first(row, *names)
    if not isinstance(value, str) or not _IDENTIFIER.fullmatch(value):
        raise ProblemError(Problem.UNCLEAR, f"no id under {' or '.join(names)}")
    return value


def code(row: Row, *names: str) -> str:
    """Raises UNCLEAR for what cannot be a code."""
    value = name(row, *names)
    if not value:
        raise ProblemError(Problem.UNCLEAR, f"no text under {' or '.join(names)}")
    return value


def phone(value: Any) -> str:
    """Its digits. E.164 has 15 at most, and clients of the old protocol expect 5 to 20."""
    written = str(value) if _is_integer(value) else text(value, MAX_NAME)
    found = "".join(char for char in written if char in "0123456789")
    return found if 5 <= len(found) <= 20 else ""


def number(value: Any) -> int | float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number and abs(value) <= MAX_DOLLARS else None


def cents(value: Any) -> int | None:
    """Of dollars, as a number or as a number in text."""
    dollars = number(_read_dollars(value))
    return None if dollars is None or dollars < 0 else round(dollars * 100)


def _read_dollars(value: Any) -> Any:
    return float(value) if isinstance(value, str) and _DOLLARS.fullmatch(value) else value


def count(value: Any) -> int | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return int(min(max(value, 0), MAX_COUNT)) if is_number else None


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def instant(value: Any) -> float | None:
    """RFC 3339 with `Z`, an offset, a fraction or none of them (UTC)."""
    try:
        seconds = _seconds(datetime.fromisoformat(value))
    except (TypeError, ValueError, OverflowError):
        return None
    return seconds if EARLIEST <= seconds < LATEST else None


def http_date(value: str) -> float | None:
    """The instant of an HTTP header such as Date, however far off."""
    try:
        return _seconds(parsedate_to_datetime(value))
    except (TypeError, ValueError, OverflowError):
        return None


def _seconds(read: datetime) -> float:
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
