"""Takes out of an answer what may be private. Pure.

Only what is on a list of this file, or in the tables of codes, stays as it is. All else becomes a
placeholder of the same type and form.
"""

import re
from collections.abc import Collection, Mapping
from typing import Any

from proxy.sandbox.report import HEADERS, Body, Recorded
from proxy.upstream.fields import is_row
from proxy.upstream.raw import RawAnswer

ROWS = 3
"""Rows of a list that are kept, and one more for each further shape, up to MAX_SHAPES."""
MAX_SHAPES = 8
MAX_FIELDS = 60
MAX_DEPTH = 12
LARGEST = 1000
"""Amounts and counts from here on are blanked: they could be a code or a phone number."""

# The words that names of fields, codes and texts of errors may consist of: those of all sources.
WORDS = frozenset(
    """
    a account action activation active address after all allowed amount an and api are area at
    attempts auth auto availability available balance base be been before blocked by can cancel
    canceled cancelled cannot carrier category charge charged code combination completed content
    cooldown cost count countries country created credits currency current cursor customer daily
    data date day days deposit deposits description detail details disabled discount duration
    early email enabled enough error errors estimated exceeded existing exists expired expires
    failed field fields for forbidden found free from full funds gateway has hold host hour hours
    id ids in insufficient internal into invalid is iso item items its key keys last later left
    legacy length less limit limited link linked list log low margin market max maximum maybe
    message messages method min minimum minute minutes missing money more must name names network
    new next no not number numbers object of offer offers offset on only operation operator
    operators or order orders other our out page pair parameter parameters params path pending
    period phone phones plan please pool previous price prices product profile provider purchase
    purchases quantity query rate reached reason received refund refunded refunds remaining renew
    rental replacement request requests required reserved retry row rows rule rules scheduled
    second seconds sender server service services set size sms spent start started state status
    stock success support supported swap swaps symbol system telegram text the this threshold tier
    time timeout timestamp title to token too total transaction transactions try type unauthorized
    unavailable under unknown unsupported until updated url usd used user username users valid
    value verification version wait waiting webhook webhooks with within wrong yet
    """.split()  # noqa: SIM905
)
# Whole values that say how the upstream is, and nothing of anybody.
VALUES = frozenset(
    {
        "waiting", "pending", "created", "sms_received", "completed", "cancelled", "canceled",
        "expired", "failed", "deposit", "purchase", "charge", "refund", "credit", "admin_credit",
        "in_stock", "low_stock", "out_of_stock", "USD", "sms", "order_status", "text", "number",
    }
)  # fmt: skip
MONEY = re.compile(r"price|cost|amount|balance|usd|spent|credits|charge|refund|required|current")
COUNTS = re.compile(
    r"count|limit|offset|seconds|minutes|hours|attempts|total_orders|active_api_keys"
)
ERRORS = frozenset({"error", "errors", "message", "detail", "details", "reason", "title"})
SERVICES = frozenset({"service", "services", "service_id", "service_code", "id", "code"})
COUNTRIES = frozenset({"country", "countries", "country_id", "country_code", "iso", "id", "code"})
MEDIA_TYPES = re.compile(
    r"(application/(problem\+)?json|text/(plain|html))(; ?charset=utf-8)?", re.IGNORECASE
)

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_TIME = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)?", re.IGNORECASE
)
_AMOUNT = re.compile(r"-?\d{1,3}(\.\d{1,2})?", re.ASCII)
_PHONE = re.compile(r"\+?[\d ().-]{4,}", re.ASCII)
_TOKEN = re.compile(r"[^\W\d_]+|\d+|[ _.,:;'/()-]+|.", re.DOTALL)
_PARTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|.", re.DOTALL)


class Blanker:
    """The blanks of one report: equal ids and equal unknown names have equal placeholders.
    `services` and `countries` are the codes of the tables.
    """

    def __init__(self, services: Collection[str], countries: Collection[str]) -> None:
        self._services, self._countries = services, countries
        self._ids: dict[str, str] = {}
        self._names: dict[str, str] = {}

    def recorded(self, answer: RawAnswer) -> Recorded:
        return Recorded(
            call=answer.question,
            method=answer.method,
            path=answer.path,
            query={name: self._asked(name, it) for name, it in answer.query.items()},
            key=answer.has_key,
            status=min(answer.status, 599),
            headers=headers(answer.headers),
            body=self.body(answer),
        )

    def body(self, answer: RawAnswer) -> Body:
        data, raw = answer.json, answer.content.strip()
        if data is not None or raw == b"null":
            shortened: dict[str, int] = {}
            value = self._value(data, "error" if isinstance(data, str) else "", "", shortened)
            return Body(kind="json", value=value, shortened=shortened)
        if not raw:
            return Body(kind="empty")
        if raw[:1] == b"<":
            return Body(kind="html")
        try:
            return Body(kind="text", value=sentence(raw.decode()[:1000]))
        except UnicodeDecodeError:
            return Body(kind="other")

    def _asked(self, name: str, value: str) -> str:
        """A parameter of our own request; a code may be what the upstream called one."""
        if name in ("limit", "status"):
            return value
        return value if self._is_code(name, value) else "code"

    def _value(self, value: Any, name: str, path: str, shortened: dict[str, int]) -> Any:
        if path.count("/") >= MAX_DEPTH:
            return None
        if is_row(value):
            fields = list(value.items())[:MAX_FIELDS]
            named = [(self._name(key), key, it) for key, it in fields]
            return {
                shown: self._value(it, _known(key, shown), f"{path}/{shown}", shortened)
                for shown, key, it in named
            }
        if isinstance(value, list):
            rows = _samples(value)
            if len(rows) < len(value):
                shortened[path[:200]] = len(value)
            return [self._value(row, name, f"{path}/*", shortened) for row in rows]
        if isinstance(value, str):
            return self._text(value, name)
        return value if isinstance(value, bool) or value is None else _number(value, name)

    def _name(self, name: str) -> str:
        """The name of a field, if it consists of known words or is a country code."""
        parts = [part.lower() for part in _PARTS.findall(name) if part != "_"]
        if name in self._countries or (parts and len(name) <= 40 and WORDS.issuperset(parts)):
            return name
        return self._names.setdefault(name, f"field_{len(self._names) + 1}")

    def _text(self, text: str, name: str) -> str:
        if not text or text in VALUES or self._is_code(name, text):
            return text
        if name in ERRORS or (name == "code" and not any(map(str.isdigit, text))):
            return sentence(text[:1000])
        if _UUID.fullmatch(text):
            number = f"{len(self._ids) + 1:012d}"
            return self._ids.setdefault(text.lower(), f"00000000-0000-4000-8000-{number}")
        if found := _TIME.fullmatch(text):
            return _time(found)
        if MONEY.search(name) and _AMOUNT.fullmatch(text):
            return text
        if _PHONE.fullmatch(text):
            return re.sub(r"\d", "0", text)
        return _placeholder(text, name)

    def _is_code(self, name: str, text: str) -> bool:
        is_service = name in SERVICES and text in self._services and not text.isdigit()
        return is_service or (name in COUNTRIES and text in self._countries)


def headers(found: Mapping[str, str]) -> dict[str, str]:
    """The headers of the list, with numbers below 1000 and known media types only."""
    kept = {}
    for name in sorted(HEADERS):
        if (value := found.get(name)) is not None:
            fits = MEDIA_TYPES if name == "content-type" else re.compile(r"[0-9]{1,3}")
            kept[name] = value if fits.fullmatch(value) else "text"
    return kept


def sentence(text: str) -> str:
    """The text of an error, with `…` for each word that is not on the list, and 0 for numbers."""
    parts = []
    for token in _TOKEN.findall(text):
        is_kept = token.lower() in WORDS or not (token[0].isalnum() or len(token) > 20)
        if token.isdigit():
            parts.append("0")
        else:
            parts.append(token if is_kept and token.isascii() else "…")
    return re.sub("…+( …+)*", "…", "".join(parts))


def _known(name: str, shown: str) -> str:
    """The name by which a value is judged; empty for an unknown one."""
    return name if name == shown else ""


def _samples(rows: list[Any]) -> list[Any]:
    """The first rows, and the first of each further shape."""
    kept, shapes = rows[:ROWS], {_shape(row) for row in rows[:ROWS]}
    for row in rows[ROWS:]:
        if len(shapes) < MAX_SHAPES and (shape := _shape(row)) not in shapes:
            shapes.add(shape)
            kept.append(row)
    return kept


def _shape(row: Any) -> Any:
    """The names and types of a row; orders in different states differ."""
    if not is_row(row):
        return type(row)
    status = row.get("status")
    state = status if isinstance(status, str) and status in VALUES else None
    return frozenset((name, type(it)) for name, it in row.items()), state


def _number(value: int | float, name: str) -> int | float:
    is_small = abs(value) < LARGEST and round(value, 2) == value
    if is_small and (COUNTS.search(name) or MONEY.search(name)):
        return value
    return 1 if isinstance(value, int) else 0.5


def _time(found: "re.Match[str]") -> str:
    """An instant of the same form."""
    fraction = f".{'0' * (len(found[1]) - 1)}" if found[1] else ""
    zone = found[2] if (found[2] or "Z").upper() == "Z" else f"{found[2][0]}08:00"
    return f"2000-01-01{found[0][10]}00:00:00{fraction}{zone or ''}"


def _placeholder(text: str, name: str) -> str:
    if "@" in text and " " not in text:
        return "name@example.com"
    if re.match(r"[a-z]+://", text, re.IGNORECASE):
        return "https://example.com/"
    if name == "id" or name.endswith("_id"):
        return "id"
    return "words of a text" if " " in text else "text"
