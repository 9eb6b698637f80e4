"""The raw answers of one `doctor --readings`, and what its facts look up in them. Pure."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, NamedTuple

from proxy.model.errors import ProblemError
from proxy.upstream import fields, wire
from proxy.upstream.fields import Row, is_row
from proxy.upstream.raw import RawAnswer
from proxy.upstream.refusals import MAX_PLAIN

LIVE = ("created", "waiting", "pending")
"""The states of an order without an SMS, in the words of all sources."""


class Unread(NamedTuple):
    """`why` a fact could not be read."""

    why: str


Reading = str | int | float

OTHER = "another form"
UNKNOWN_FORM = "a form that no source has: see the report"


def same(seen: Iterable[Reading], none: Unread | str) -> Reading | Unread:
    """The one reading that all show."""
    kinds = sorted(set(seen), key=str)
    if not kinds:
        return none if isinstance(none, Unread) else Unread(none)
    if len(kinds) > 1:
        return Unread(f"the answers differ: {' and '.join(map(str, kinds))}")
    return Unread(UNKNOWN_FORM) if kinds == [OTHER] else kinds[0]


class Answers:
    """`found` has all answers in the order of their requests; more may be added."""

    def __init__(self, found: list[RawAnswer]) -> None:
        self.found = found

    @property
    def now(self) -> float:
        """The upstream's time, by the Date of the last answer that has one; else 0."""
        dates = (fields.http_date(it.headers.get("date", "")) for it in reversed(self.found))
        return next((at for at in dates if at is not None), 0.0)

    def of(self, *questions: str) -> list[RawAnswer]:
        return [answer for answer in self.found if answer.question in questions]

    def good(self, *questions: str) -> list[RawAnswer]:
        """Those that have JSON and are no refusal."""
        return [answer for answer in self.of(*questions) if answer.is_success]

    def missing(self, question: str) -> Unread:
        """Why the question has no good answer."""
        found = self.of(question)
        if not found:
            return Unread(f"{question} was not asked")
        if found[-1].status == 0:
            return Unread(f"{question}: no answer")
        what = "no JSON" if found[-1].status < 300 else f"HTTP {found[-1].status}"
        return Unread(f"{question}: {what}")

    def list_of(self, question: str, name: str) -> list[Row]:
        """The objects of a list, which is the whole JSON or a field of it."""
        listed: list[Row] = []
        for answer in self.good(question):
            data = answer.json.get(name) if is_row(answer.json) else answer.json
            listed += [row for row in data if is_row(row)] if isinstance(data, list) else []
        return listed

    def order_rows(self) -> list[Row]:
        """The readable rows of the order lists."""
        return [row for answer in self.good("orders") for row in readable(answer)]

    def details(self) -> list[Row]:
        """The orders that were read one by one."""
        found = (answer.json for answer in self.good("order"))
        bodies = (_unwrapped(data) for data in found if is_row(data))
        return [body for body in bodies if is_row(body)]

    def orders(self) -> list[Row]:
        """All orders of all answers: purchases, rows of lists, single reads."""
        bought = (answer.json for answer in self.good("purchase"))
        bodies = [_unwrapped(data) for data in bought if is_row(data)]
        return [row for row in [*bodies, *self.order_rows(), *self.details()] if is_row(row)]

    def fields(self, names: Collection[str]) -> Iterator[Any]:
        """The values of these fields in all good answers, at any depth."""
        for answer in self.found:
            if answer.is_success:
                yield from _fields(answer.json, names)

    def times(self) -> Iterator[str]:
        """All texts in fields that end in `_at`."""
        for answer in self.found:
            yield from (it for it in _fields(answer.json, (), "_at") if isinstance(it, str))

    def total_orders(self) -> int | None:
        """The number of the account's orders, by its profile."""
        found = [it for it in self.fields(["total_orders"]) if isinstance(it, int)]
        return found[-1] if found else None


def readable(answer: RawAnswer) -> list[Row]:
    """The rows of an order list that can be orders."""
    return [row for row in listed_rows(answer) if is_row(row) and is_order(row)]


def listed_rows(answer: RawAnswer) -> list[Any]:
    data = answer.json.get("orders") if is_row(answer.json) else answer.json
    return data if isinstance(data, list) else []


def is_order(row: Row) -> bool:
    """Whether the proxy can read the row."""
    try:
        wire.order(row)
    except ProblemError:
        return False
    return True


def _unwrapped(data: Row) -> Any:
    return data["order"] if is_row(data.get("order")) else data


def _fields(value: Any, names: Collection[str], end: str = "") -> Iterator[Any]:
    left = [value]
    while left:
        one = left.pop()
        if is_row(one):
            yield from (it for name, it in one.items() if name in names or _ends(name, end))
            left += one.values()
        elif isinstance(one, list):
            left += one


def _ends(name: str, end: str) -> bool:
    return bool(end) and name.endswith(end)


_FORMS = (
    ("fraction", re.compile(r".{10}T\d\d:\d\d:\d\d\.\d+(Z|[+-]\d\d:\d\d)", re.IGNORECASE)),
    ("offset", re.compile(r".{10}T\d\d:\d\d:\d\d[+-]\d\d:\d\d", re.IGNORECASE)),
    ("z", re.compile(r".{10}T\d\d:\d\d:\d\dZ", re.IGNORECASE)),
)


def time_form(text: str) -> str:
    return next((form for form, pattern in _FORMS if pattern.fullmatch(text)), OTHER)


def phone_form(text: str) -> str:
    if re.fullmatch(r"\d+", text):
        return "digits"
    if re.fullmatch(r"\+\d+", text):
        return "plus"
    return "spaces" if re.fullmatch(r"\+?\d[\d ()-]*", text) else OTHER


def error_form(answer: RawAnswer) -> str:
    """How a refusal is written; empty if it is none, or one that every reading writes alike."""
    if not 400 <= answer.status < 500 or answer.status in (425, 429):
        return ""
    data = answer.json
    if data is None or isinstance(data, str):
        body = answer.content.strip()
        return "text" if body and len(body) <= MAX_PLAIN and body[:1] != b"<" else ""
    error = data.get("error") if is_row(data) else None
    if is_row(error):
        return "nested"
    if not (is_row(data) and isinstance(error, str)):
        return ""
    return "object" if isinstance(data.get("message"), str) else "sentence"


def read_by(read: Callable[[Any], Any], answer: RawAnswer) -> Any:
    """What the proxy reads in the answer; None if it cannot."""
    try:
        return read(fields.decode(answer.content)) if answer.is_success else None
    except ProblemError:
        return None


def confirms_cancel(answer: RawAnswer) -> bool:
    """Whether the answer to a cancel says that the order is cancelled."""
    try:
        wire.cancelled(answer.json if answer.is_success else None)
    except ProblemError:
        return False
    return True


def cents_by(read: Callable[[Any], int], answer: RawAnswer) -> int | None:
    found = read_by(read, answer)
    return found if isinstance(found, int) else None
