"""How each parameter of a getNumber is read, in words. Pure."""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from proxy.commands.explain.question import Question
from proxy.commands.lookup.search import Kind, nearest
from proxy.config.codes import Country
from proxy.endpoint.actions import Call
from proxy.endpoint.actions.numbers import PREFERENCES, UNSUPPORTED
from proxy.model.errors import ProblemError
from proxy.model.money import dollars

Facts = Iterator[tuple[str, str]]


def parameters(call: Call, question: Question) -> Facts:
    """Those that were sent, in their order, and what stands for those that were not."""
    sent = call.request.parameters
    for name, read in READERS.items():
        if name in sent:
            value = "[key]" if name == "api_key" else sent[name]
            yield f"{name}={value}", read(call, name)
    if "country" not in sent:
        yield "country", _country(call, "country")
    for name, meant in question.unknown:
        yield name, f"unknown, ignored{f': did you mean {meant}?' if meant else ''}"


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
        return "a key of no program"
    return "a key of the upstream, passed through; whether it is good there, doctor says"


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
        return f"{'not looked at: ' if is_sent else ''}this dialect buys {named(country)}"
    return named(country) if is_sent else f"none is sent: {country.id}, {named(country)}"


def _price(call: Call, name: str) -> str:
    try:
        cap = call.request.max_cents
    except ProblemError as error:
        return error.detail
    return "no cap" if cap is None else f"at most {dollars(cap)} dollars"


def _least(call: Call, name: str) -> str:
    return "not looked at, but for being over maxPrice"


def _order(call: Call, name: str) -> str:
    return "bought once, however often it is asked for so"


def _wish(call: Call, name: str) -> str:
    is_nothing = call.request.text(name).lower() in UNSUPPORTED[name]
    return "wishes for nothing" if is_nothing else "a wish that the upstream cannot fulfil"


def _preference(call: Call, name: str) -> str:
    return "a preference that the upstream does not know: ignored"


READERS: Mapping[str, Callable[[Call, str], str]] = MappingProxyType(
    {
        "api_key": _key,
        "action": _action,
        "service": _service,
        "country": _country,
        "maxPrice": _price,
        "max_price": _price,
        "minPrice": _least,
        "orderId": _order,
        **dict.fromkeys(UNSUPPORTED, _wish),
        **dict.fromkeys(PREFERENCES, _preference),
    }
)


def _better(call: Call, kind: Kind, text: str) -> str:
    """What a wrong word may have been meant for, as the end of a sentence."""
    row = nearest(call.services.codes, text, kind, call.dialect.name) if text else None
    if row is None:
        return ": find it with lookup" if text else ": none is sent"
    return f": write {row.code} ({row.name})"
