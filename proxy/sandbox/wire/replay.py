"""Gives the sandbox's answers the shapes of a report: field names, absent and extra fields, types
and nulls. The values stay the sandbox's. Pure.
"""

import json
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from proxy.sandbox.report import Recorded, Report
from proxy.sandbox.state.accounts import LIVE
from proxy.sandbox.wire.answers import Json

# Names of one field in different answers, as the sources have them.
SYNONYMS = (
    ("order_id", "id"),
    ("phone_number", "phone", "number"),
    ("service_id", "service", "service_code", "code", "id"),
    ("country_id", "country", "country_code", "iso", "code", "id"),
    ("service_name", "country_name", "name"),
    ("price", "price_charged", "cost", "base_price", "min_price", "our_price", "price_usd"),
    ("balance", "balance_usd"),
    ("content", "text"),
    ("refund_amount", "refunded_amount"),
)
NAMES = MappingProxyType({"stock": "prices"})
REFUSED = MappingProxyType({"price": "price_not_offered", "orders": "orders_filtered"})
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
PAGE = "<!DOCTYPE html>\n<html><body>the page of a report</body></html>\n"
FALLBACK = MappingProxyType({"orders_filtered": "orders"})
"""Names of calls, and the call that stands in where the report has none of that name."""

Answer = tuple[int, Any, Mapping[str, str]]
"""Status, body (JSON, or a text) and headers."""


class Replay:
    """The answers of a report, by their call. Calls that are not in it stay as they are."""

    def __init__(self, report: Report) -> None:
        self.readings = report.readings
        self._by_call: dict[str, list[Recorded]] = {}
        for it in report.answers:
            if it.status:
                self._by_call.setdefault(it.call, []).append(it)

    def failure(self, name: str) -> Answer | None:
        """The failure to answer a purchase, cancel, swap or retry with before it has its effect;
        None if it shall have it.
        """
        return self._failure(name)

    def shaped(self, name: str, answer: Answer) -> Answer:
        """The answer in the form that the report has for the call."""
        status, body, headers = answer
        if is_refusal(status, body):
            return self._failure(name, body) or answer
        if failure := self._failure(name):
            return failure
        good = [it for it in self._recorded(name) if it.body.kind == "json" and not it.is_failure]
        if not good:
            return answer
        return good[-1].status, shaped(_best([it.body.value for it in good], body), body), headers

    def _recorded(self, name: str) -> list[Recorded]:
        return self._by_call.get(name) or self._by_call.get(FALLBACK.get(name, ""), [])

    def _failure(self, name: str, body: Any = None) -> Answer | None:
        """The last recorded answer of the call, if none was a success."""
        recorded = self._recorded(name)
        if not recorded or not all(it.is_failure for it in recorded):
            return None
        last = recorded[-1]
        return last.status, _failed_body(last, body), _sent_headers(last)


def is_refusal(status: int, body: Any) -> bool:
    return status >= 400 or (isinstance(body, dict) and body.get("success") is False)


def reported_name(call: str, key: str, query: Mapping[str, str]) -> str:
    """The name of a call in a report, which tells apart what the same endpoint is asked for."""
    if call == "services" and not key:
        return "services_without_key"
    return "orders_filtered" if call == "orders" and "status" in query else NAMES.get(call, call)


def refused_name(call: str, status: int, key: str, path: Mapping[str, str]) -> str:
    """The name of a refused call in a report; empty if no report has such a refusal."""
    if call == "services" and not key:
        return "services_without_key"
    if status in (401, 429):
        return ""
    if call == "order":
        return "order_unknown" if UUID.fullmatch(path.get("order_id", "")) else "order_malformed"
    if call == "cancel":
        return "cancel_early" if status == 425 else ""
    return REFUSED.get(call, "")


def _failed_body(recorded: Recorded, body: Any) -> Any:
    """The recorded body; in JSON, with the values of the sandbox's own refusal."""
    match recorded.body.kind:
        case "json":
            value = recorded.body.value
            value = shaped(value, body) if isinstance(body, dict) else value
            # A body that is text is sent as it is.
            return json.dumps(value) if isinstance(value, str) else value
        case "text":
            return str(recorded.body.value)
        case "html":
            return PAGE
    return ""


def _sent_headers(recorded: Recorded) -> dict[str, str]:
    """With the type of the body that is sent."""
    types = {"json": "application/json", "text": "text/plain; charset=utf-8"}
    own = {"content-type": types.get(recorded.body.kind, "text/html")}
    kept = {name: it for name, it in recorded.headers.items() if name.lower() != "content-type"}
    return kept | own


def shaped(sample: Any, value: Any) -> Any:
    """The value in the form of the sample. Fields that only the sample has are the sample's; those
    that only the value has are left out, unless both are orders in different states.
    """
    if value is None:
        return None
    if isinstance(sample, dict):
        return _object(sample, value if isinstance(value, dict) else _wrapped(sample, value))
    if isinstance(sample, list):
        rows = value if isinstance(value, list) else _only_list(value)
        return [shaped(_best(sample, row), row) for row in rows] if sample else rows
    return _typed(sample, value)


def _object(sample: Json, value: Json) -> Json:
    is_same = _state(sample) == _state(value)
    result: Json = {}
    used = set()
    for name, one in sample.items():
        source = _source(name, sample, value)
        if source is not None:
            used.add(source)
            is_null = one is None and not is_same
            result[name] = value[source] if is_null else shaped(one, value[source])
        else:
            result[name] = _inner(one, value)
    if not is_same:
        result |= {name: it for name, it in value.items() if name not in (*used, *result)}
    return result


def _state(order: Json) -> str:
    """All names of an order without an SMS are one state."""
    status = str(order.get("status"))
    return "live" if status in LIVE else status


def _source(name: str, sample: Json, value: Json) -> str | None:
    """The field of the value for a field of the sample: of this name, or else a synonym that the
    sample does not have.
    """
    if name in value:
        return name
    groups = (group for group in SYNONYMS if name in group)
    others = (other for group in groups for other in group)
    return next((it for it in others if it in value and it not in sample), None)


def _inner(one: Any, value: Json) -> Any:
    """A field that only the sample has. An object or a list may wrap what the value has."""
    if isinstance(one, dict) and any(_source(name, one, value) for name in one):
        return _object(one, value)
    if isinstance(one, list) and (rows := _only_list(value)):
        return shaped(one, rows)
    return one


def _only_list(value: Any) -> list[Any]:
    """The only list of an object; empty if there is none."""
    lists = [it for it in value.values() if isinstance(it, list)] if isinstance(value, dict) else []
    return lists[0] if len(lists) == 1 else []


def _wrapped(sample: Json, value: Any) -> Json:
    """A list as the field that is a list in the sample."""
    names = [name for name, it in sample.items() if isinstance(it, list)]
    return {names[0]: value} if isinstance(value, list) and names else {}


def _best(samples: Sequence[Any], value: Any) -> Any:
    """The sample that is most like the value; among equals, one in the same state."""
    return max(samples, key=lambda sample: _likeness(sample, value))


def _likeness(sample: Any, value: Any) -> tuple[float, bool]:
    if not (isinstance(sample, dict) and isinstance(value, dict)):
        return float(type(sample) is type(value)), False
    names, own = set(sample), {_source(name, sample, value) for name in sample}
    alike = len(own.intersection(value)) / max(len(names | set(value)), 1)
    return round(alike, 1), _state(sample) == _state(value)


def _typed(sample: Any, value: Any) -> Any:
    """The value in the type of the sample, if it can be written so."""
    if sample is None or isinstance(value, dict | list):
        return value if sample is not None else None
    if isinstance(sample, str) and isinstance(value, int | float) and not isinstance(value, bool):
        return f"{value:.2f}" if isinstance(value, float) else str(value)
    if isinstance(sample, int | float) and not isinstance(sample, bool) and isinstance(value, str):
        return _number(value)
    if isinstance(sample, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value


def _number(text: str) -> Any:
    try:
        return float(text) if "." in text else int(text)
    except ValueError:
        return text
