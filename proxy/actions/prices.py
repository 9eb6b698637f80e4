"""THE TRANSLATION: one function for each legacy action, registered by name at the end.

Each takes a Call and gives an Answer, or raises a ProblemError that the dialect puts into words.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from proxy.activations import Activation
from proxy.codes import Codes, Country
from proxy.errors import Problem, ProblemError
from proxy.legacy import answers, status
from proxy.legacy.answers import Answer
from proxy.legacy.request import Request
from proxy.legacy.status import Act, Phase
from proxy.model import Key, Price
from proxy.orders import Orders
from proxy.purchases import Purchases
from proxy.upstream.cache import Cache
from proxy.upstream.catalogue import Catalogue
from proxy.upstream.client import Upstream

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class House:
    """Everything an action can use."""

    upstream: Upstream
    orders: Orders
    purchases: Purchases
    catalogue: Catalogue
    balances: Cache[Key, int]
    codes: Codes
    default_country: int


@dataclass(frozen=True, slots=True)
class Call:
    house: House
    request: Request
    key: Key


Action = Callable[[Call], Awaitable[Answer]]


async def get_balance(call: Call) -> Answer:
    house = call.house
    read = await house.balances.get(call.key, lambda: house.upstream.balance(call.key))
    return answers.balance(read.value).with_headers({"X-Cache": read.how})


async def get_number(call: Call) -> Answer:
    refuse_wishes(call.request)
    service, country, cap = _service(call), _country(call), call.request.max_cents
    activation = await call.house.purchases.buy(call.key, service, country, cap)
    return answers.number(activation.id, activation.order.phone)


async def get_status(call: Call) -> Answer:
    activation = await _activation(call)
    await call.house.orders.look(call.key, activation)
    phase = call.house.orders.phase(activation)
    return answers.text(status.get_status(phase, activation.code))


async def set_status(call: Call) -> Answer:
    activation = await _activation(call)
    wish = call.request.status
    step = status.set_status(call.house.orders.phase(activation), wish)
    if isinstance(step, Problem):
        raise ProblemError(step, f"status {wish}")
    match step.act:
        case Act.FINISH:
            activation.finished = True
        case Act.RETRY:
            await _ask_again(call, activation)
        case Act.CANCEL:
            await _cancel(call, activation)
        case Act.NOTHING:
            pass
    return answers.text(step.word)


async def get_prices(call: Call) -> Answer:
    """`{country: {service: {cost, count, …}}}`, for one service, one country, both, or all."""
    wish = call.request
    codes = call.house.codes
    service = codes.service(wish.text("service"))
    country = codes.country(wish.text("country"))
    if wish.text("service") and service is None:
        return answers.json({"status": "false", "msg": "service is incorrect"})
    if wish.text("country") and country is None:
        return answers.json({"status": "false", "msg": "country is incorrect"})
    if service is None:
        matrix = await call.house.catalogue.everything(call.key)
        return answers.json(_price_map(codes, matrix, country))
    read = await call.house.catalogue.prices(service)
    asked = {wish.text("service"): read.value}
    return answers.json(_price_map(codes, asked, country)).with_headers({"X-Cache": read.how})


ACTIONS: Mapping[str, Action] = MappingProxyType(
    {
        "getBalance": get_balance,
        "getNumber": get_number,
        "getPrices": get_prices,
        "getStatus": get_status,
        "setStatus": set_status,
    }
)


# What a client may wish of a number and the upstream cannot sell: bought would be something else.
# The values are those that wish for nothing. Sources: DaisySMS's and sms-activate's documentation.
WISHES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "ltr": ("", "0", "false"),
        "duration": ("",),
        "number": ("",),
        "activationType": ("", "0"),
    }
)
# What a number may be bought without.
PREFERENCES = ("operator", "carriers", "areas", "phoneException")


def refuse_wishes(request: Request) -> None:
    for name, nothing in WISHES.items():
        if request.text(name).lower() not in nothing:
            raise ProblemError(Problem.UNSUPPORTED_WISH, name)
    ignored = [name for name in PREFERENCES if request.text(name) not in ("", "any")]
    if ignored:
        log.info("ignored in getNumber: %s", ", ".join(ignored))


def _service(call: Call) -> str:
    service = call.house.codes.service(call.request.text("service"))
    if service is None:
        raise ProblemError(Problem.BAD_SERVICE, "not in the tables")
    return service


def _country(call: Call) -> Country:
    """The country to buy. One that was sent empty is a mistake, not a wish for the default."""
    given = call.request.has("country")
    text = call.request.text("country") if given else str(call.house.default_country)
    country = call.house.codes.country(text)
    if country is None:
        raise ProblemError(Problem.BAD_COUNTRY, "not in the tables")
    return country


async def _activation(call: Call) -> Activation:
    return await call.house.orders.find(call.key, call.request.text("id", "activationId"))


async def _ask_again(call: Call, activation: Activation) -> None:
    """Waiting for one more message begins whether or not the upstream passes the wish on."""
    activation.asked_at = len(activation.order.messages)
    try:
        await call.house.upstream.retry(call.key, activation.order.id)
    except ProblemError as error:
        if error.problem in (Problem.BAD_KEY, Problem.NO_ACTIVATION):
            raise
        log.warning("order %s: the wait for one more SMS stands: %s", activation.order.id, error)


async def _cancel(call: Call, activation: Activation) -> None:
    house, order = call.house, activation.order
    try:
        await house.upstream.cancel(call.key, order.id)
    except ProblemError as error:
        if error.problem is Problem.CANNOT_CANCEL:
            await _settle(call, activation)
        elif error.problem is not Problem.ALREADY_CANCELLED:
            raise
    finally:
        house.balances.drop(call.key)
    house.orders.cancelled(activation)


async def _settle(call: Call, activation: Activation) -> None:
    """Something came before the cancel. Only the end of its time leaves the order unpaid."""
    await call.house.orders.read_anew(call.key, activation.order.id)
    match call.house.orders.phase(activation):
        case Phase.CANCELLED:
            return
        case Phase.WAITING:
            raise ProblemError(Problem.CANNOT_CANCEL, activation.order.id)
        case _:
            raise ProblemError(Problem.CODE_RECEIVED, activation.order.id)


def _price_map(
    codes: Codes, matrix: Mapping[str, Iterable[Price]], only: Country | None
) -> dict[str, dict[str, Any]]:
    """By country id, then service. Old clients look under 187 without asking if it is there."""
    found: dict[str, dict[str, Any]] = {} if only else {"187": {}}
    for service, rows in matrix.items():
        name = codes.services.get(service, service)
        for row in rows:
            number = codes.country_id(row.country) if only is None else only.id
            if number is not None and (only is None or row.country == only.iso):
                found.setdefault(str(number), {})[service] = _price_row(row, name)
    return found


def _price_row(row: Price, name: str) -> dict[str, Any]:
    return {
        "cost": row.cents / 100,
        "count": row.count,
        "physicalCount": row.count,
        "name": name,
        "repeatable": True,
    }
