"""How each parameter of a getNumber is read, as text. Pure."""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from proxy.config.codes import Country
from proxy.endpoint.actions import Call
from proxy.endpoint.actions.parameters import BUYS, Parameter, Use, row_of
from proxy.endpoint.explain.question import PARAMETERS, Question
from proxy.endpoint.search import Kind, nearest
from proxy.model.errors import ProblemError
from proxy.model.money import dollars

Facts = Iterator[tuple[str, str]]


def parameters(call: Call, question: Question) -> Facts:
    """A line for each known parameter of the request, for the country, and for unknown ones."""
    sent = call.request.parameters
    for name in PARAMETERS:
        if name in sent:
            value = "[key]" if name == "api_key" else sent[name]
            yield f"{name}={value}", _said(call, name)
    if "country" not in sent:
        yield "country", _country(call, "country")
    for name, similar in question.unknown:
        yield name, f"unknown, ignored{f': did you mean {similar}?' if similar else ''}"


def _said(call: Call, name: str) -> str:
    if read := READERS.get(name):
        return read(call, name)
    # An action that buys nothing is refused by `explain`, after these lines.
    row = row_of(BUYS.split()[0], name)
    return _by_table(row, call.request.text(name)) if row else "unknown, ignored"


def better_service(call: Call) -> str:
    return _better(call, "service", call.request.text("service"))


def better_country(call: Call) -> str:
    return _better(call, "country", call.request.text("country"))


def named(country: Country) -> str:
    dial = " or ".join(f"+{digits}" for digits in country.dial)
    return f"{country.eng}, {country.iso} upstream{f', numbers begin with {dial}' if dial else ''}"


def _key(call: Call, name: str) -> str:
    if call.program.name:
        return f"the key of {call.program.name}"
    if not call.services.programs.passthrough:
        return "not the key of a program"
    return "an upstream key, passed through; doctor checks the keys of the configuration"


def _action(call: Call, name: str) -> str:
    return "buys a number" if call.request.action.startswith("getNumber") else "buys nothing"


def _service(call: Call, name: str) -> str:
    code = call.services.codes.service(call.request.text(name), call.dialect.services)
    if code is None:
        return f"no service of this dialect{better_service(call)}"
    return f"{call.services.codes.services[code]}, {code} upstream"


def _country(call: Call, name: str) -> str:
    is_sent = call.request.has(name)
    try:
        country = call.country()
    except ProblemError:
        return f"no country{better_country(call)}"
    if call.dialect.country is not None:
        return f"{'ignored: ' if is_sent else ''}this dialect buys {named(country)}"
    return named(country) if is_sent else f"not sent, the default: {country.id}, {named(country)}"


def _price(call: Call, name: str) -> str:
    try:
        cents = call.request.min_price if name == "minPrice" else call.request.max_price
    except ProblemError as error:
        return error.detail
    limit = "at least" if name == "minPrice" else "at most"
    return "no limit" if cents is None else f"{limit} {dollars(cents)} dollars"


def _by_table(row: Parameter, value: str) -> str:
    if row.use is Use.HONOURED:
        return row.says
    if not row.asks(value):
        return "no effect"
    return f"{row.use.value}: {row.says}"


READERS: Mapping[str, Callable[[Call, str], str]] = MappingProxyType(
    {
        "api_key": _key,
        "action": _action,
        "service": _service,
        "country": _country,
        "maxPrice": _price,
        "max_price": _price,
        "minPrice": _price,
    }
)
"""Parameters that say more than their row of the table."""


def _better(call: Call, kind: Kind, text: str) -> str:
    """The code that a wrong word probably means, as the end of a sentence."""
    row = nearest(call.services.codes, text, kind, call.dialect.name) if text else None
    if row is None:
        return ": find it with lookup" if text else ": none was sent"
    return f": write {row.code} ({row.name})"
