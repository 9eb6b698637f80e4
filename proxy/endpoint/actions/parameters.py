"""What becomes of each parameter of the old protocol: one table. Pure.

A parameter that changes what another one means, or what is bought, is honoured or refused. The
others are ignored, and named in the log and by `explain`. A parameter without a row is unknown:
servers of the old protocol ignored those, and clients send many.

Sources: the documentation of sms-activate and DaisySMS, HeroSMS's OpenAPI of 2026-09, and the
clients of SMSHub, Grizzly and SMSBower.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from proxy.legacy.dialects import Dialect
from proxy.legacy.request import Request
from proxy.model.errors import Problem, ProblemError


class Use(enum.Enum):
    HONOURED = "honoured"
    REFUSED = "refused"
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A row: parameters by their names, in the actions that take them, all space-separated."""

    names: str
    actions: str
    use: Use
    says: str
    """For people: what it does, or why it is refused or ignored."""
    nothing: tuple[str, ...] = ()
    """Values, in lower case, that ask for nothing; an empty value never asks for anything."""
    problem: Problem = Problem.UNSUPPORTED_WISH
    """What another value is refused with."""

    def asks(self, value: str) -> bool:
        """Whether a value asks for something."""
        return value != "" and value.lower() not in self.nothing


BUYS = "getNumber getNumberV2"
TOPS = "getTopCountriesByService getTopCountriesByServiceRank getListOfTopCountriesByService"
PRICES = "getPrices getPricesExtended getPricesVerification getPricesV2 getPricesV3"
STOCK = f"{PRICES} {TOPS} getNumbersStatus"
BALANCES = "getBalance getBalanceAndCashBack"
SERVICES = "getServices getServicesList"
ONE = (
    "getStatus getStatusV2 getFullSms getAllSms setStatus finishActivation cancelActivation "
    "swapNumber"
)

_OFF = ("0", "false")
_SHORT = "only numbers for one activation are sold"

PARAMETERS = (
    Parameter("service", f"{BUYS} {PRICES} {TOPS}", Use.HONOURED, "the service code"),
    Parameter(
        "country",
        f"{BUYS} {PRICES} getNumbersStatus {SERVICES} getOperators",
        Use.HONOURED,
        "the country id; daisysms has the US only",
    ),
    Parameter(
        "maxPrice max_price",
        BUYS,
        Use.HONOURED,
        "no number over it is bought; of both the lower one counts",
    ),
    Parameter("minPrice", BUYS, Use.HONOURED, "no number is bought while the price is under it"),
    Parameter(
        "currency",
        f"{BUYS} {STOCK} {BALANCES}",
        Use.REFUSED,
        "all money is in US dollars",
        ("840", "usd"),
        Problem.BAD_CURRENCY,
    ),
    Parameter(
        "fixedPrice",
        BUYS,
        Use.IGNORED,
        "bought at or below maxPrice; without maxPrice refused",
        _OFF,
    ),
    Parameter("orderId", BUYS, Use.HONOURED, "only the first request with this orderId buys"),
    Parameter("activationType", BUYS, Use.REFUSED, "no calls are sold", ("0",)),
    Parameter("ltr", BUYS, Use.REFUSED, _SHORT, _OFF),
    Parameter("duration", BUYS, Use.REFUSED, _SHORT),
    Parameter("number", BUYS, Use.REFUSED, "no number can be chosen"),
    Parameter("auto_renew renewable", BUYS, Use.IGNORED, _SHORT, _OFF),
    Parameter(
        "operator", f"{BUYS} getNumbersStatus", Use.IGNORED, "no operator can be chosen", ("any",)
    ),
    Parameter(
        "carriers areas phoneException providerIds exceptProviderIds",
        BUYS,
        Use.IGNORED,
        "the upstream does not support it",
        ("any",),
    ),
    Parameter(
        "forward verification language",
        f"{BUYS} setStatus",
        Use.IGNORED,
        "there are no calls",
        _OFF,
    ),
    Parameter(
        "freePrice", f"{BUYS} {STOCK}", Use.IGNORED, "the upstream has one price for all", _OFF
    ),
    Parameter("useCashBack", BUYS, Use.IGNORED, "there is one balance", _OFF),
    Parameter(
        "ref ref_id userId userID resellerUserId",
        BUYS,
        Use.IGNORED,
        "the upstream does not take it",
        ("0",),
    ),
    Parameter("lang", f"{PRICES} {SERVICES}", Use.IGNORED, "names are in English", ("en",)),
    Parameter("id activationId", ONE, Use.HONOURED, "the activation, or the upstream's order"),
    Parameter("status", "setStatus", Use.HONOURED, "1, 3, 6, 8, or -1 for 8"),
    Parameter("text", "getStatus", Use.HONOURED, "1 for the header X-Text, in daisysms"),
    Parameter("start end", "getHistory", Use.HONOURED, "Unix times, at most thirty days apart"),
    Parameter("limit size length offset", "getHistory", Use.HONOURED, "the page: at most 100 rows"),
    Parameter(
        "limit size length offset start",
        "getActiveActivations",
        Use.HONOURED,
        "the page: at most 100 rows",
    ),
    Parameter("size page", "getAllSms", Use.HONOURED, "the page; all SMS if size is not sent"),
    Parameter(
        "length page",
        "getListOfTopCountriesByService",
        Use.HONOURED,
        "the page: 10 countries, at most 100",
    ),
)

_ROWS: Mapping[tuple[str, str], Parameter] = MappingProxyType(
    {
        (action, name): row
        for row in PARAMETERS
        for action in row.actions.split()
        for name in row.names.split()
    }
)


def row_of(action: str, name: str) -> Parameter | None:
    """The row of a parameter of an action; None if it is not known there."""
    return _ROWS.get((action, name))


def names_of(*actions: str) -> tuple[str, ...]:
    """The known parameters of the actions, in the order of the table."""
    return tuple(dict.fromkeys(name for action, name in _ROWS if action in actions))


def check(request: Request) -> None:
    """Raises ProblemError if a parameter asks for what cannot be had."""
    action = request.action
    for name, value in request.parameters.items():
        row = _ROWS.get((action, name))
        if row and row.use is Use.REFUSED and row.asks(value):
            raise ProblemError(row.problem, f"{name}: {row.says}", parameter=name)
    fixed = row_of(action, "fixedPrice")
    if fixed and fixed.asks(request.text("fixedPrice")) and request.max_price is None:
        text = "fixedPrice without maxPrice"
        raise ProblemError(Problem.BAD_PARAMETER, text, parameter="fixedPrice")


def ignored(request: Request, dialect: Dialect) -> list[str]:
    """The names of parameters that ask for something and have no effect."""
    return [
        name
        for name, value in request.parameters.items()
        if (row := _ROWS.get((request.action, name)))
        and row.asks(value)
        and (row.use is Use.IGNORED or _is_other_country(name, value, dialect))
    ]


def _is_other_country(name: str, value: str, dialect: Dialect) -> bool:
    return name == "country" and dialect.country is not None and value != str(dialect.country)
