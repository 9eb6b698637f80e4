"""What is noted of a refused request: who sent which wrong value. Pure.

A value may be a key in the wrong place: what looks like one is not noted.
"""

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from proxy.endpoint.actions.parameters import BUYS
from proxy.legacy.dialects import Dialect
from proxy.legacy.request import Request
from proxy.model.errors import Problem, ProblemError
from proxy.runtime.logs import REQUEST, Secrets
from proxy.runtime.printable import visible
from proxy.runtime.problems import GroupKey, Refusal

MAX_VALUE, MAX_DETAIL = 40, 200
"""Characters that are noted."""
HIDDEN = "(hidden: it may be a key)"
SHORTEST_PART = 8
"""Characters of a key that are hidden alone."""

# Service codes, country names and ids are shorter, or have no letters beside digits.
_KEY_LIKE = re.compile(r"\S{20}|(?=\S*[0-9])(?=\S*[A-Za-z])\S{12}")

# The parameters that a problem is about, where the error names none.
_ABOUT: Mapping[Problem, str] = MappingProxyType(
    {
        Problem.BAD_ACTION: "action",
        Problem.BAD_SERVICE: "service",
        Problem.BAD_COUNTRY: "country",
        Problem.BAD_STATUS: "status",
        Problem.NO_NUMBERS: "service country",
        Problem.PRICE_TOO_HIGH: "service country maxPrice max_price",
        Problem.ORDER_EXISTS: "orderId",
        Problem.NO_ACTIVATION: "id activationId",
        Problem.NOTHING_TO_CANCEL: "id activationId",
        Problem.CODE_RECEIVED: "id activationId",
        Problem.NOT_ACTIVE: "id activationId",
        Problem.EARLY_CANCEL: "id activationId",
        Problem.ALREADY_CANCELLED: "id activationId",
        Problem.CANNOT_CANCEL: "id activationId",
        Problem.RETRY_REFUSED: "id activationId",
    }
)
# Values that differ each time: they make no group of their own.
_VARYING = frozenset({"id", "activationId", "orderId", "maxPrice", "max_price", "minPrice"})


def refusal_of(
    request: Request, dialect: Dialect, error: ProblemError, program: str, at: float,
    secrets: Secrets, *, has_program: bool, action: str,
) -> Refusal:  # fmt: skip
    """`action` is the known one, `at` this machine's time."""
    names = (error.parameter or _ABOUT.get(error.problem, "")).split()
    pairs = [(name, _shown(request, name, secrets)) for name in names if request.has(name)]
    alike = " ".join(name if name in _VARYING else f"{name}={value}" for name, value in pairs)
    return Refusal(
        GroupKey(program, dialect.name, error.problem.name, action, alike),
        has_program,
        at,
        dialect.word(error.problem, request.action),
        " ".join(f"{name}={value}" for name, value in pairs),
        visible(secrets.redact(error.detail))[:MAX_DETAIL],
        REQUEST.get(),
        _pair(request, secrets) if action in BUYS.split() else None,
    )


def _pair(request: Request, secrets: Secrets) -> tuple[str, str | None] | None:
    service, country = (
        _shown(request, name, secrets) if request.has(name) else None
        for name in ("service", "country")
    )
    return (service, country) if service and HIDDEN not in (service, country) else None


def _shown(request: Request, name: str, secrets: Secrets) -> str:
    value, key = request.parameters[name], request.text("api_key")
    is_part = len(value) >= SHORTEST_PART and value in key
    if is_part or (key and key in value) or _KEY_LIKE.search(value):
        return HIDDEN
    if secrets.redact(value) != value:
        return HIDDEN
    return "".join(_cut(visible(value)))


def _cut(text: str) -> Iterator[str]:
    yield text[:MAX_VALUE]
    if len(text) > MAX_VALUE:
        yield "…"
