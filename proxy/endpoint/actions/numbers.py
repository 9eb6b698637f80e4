"""Buying a number, and swapping it for another."""

import logging
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from proxy.config.codes import Country
from proxy.config.programs import sha256
from proxy.endpoint.actions.call import Call
from proxy.legacy import answers
from proxy.legacy.activation import View
from proxy.legacy.answers import Answer
from proxy.legacy.request import Request
from proxy.legacy.status import Phase
from proxy.model.errors import Problem, ProblemError
from proxy.purchases.purchase import PurchaseRequest

log = logging.getLogger(__name__)

_REFERENCE = re.compile(r"[ -~]{1,128}")

# Parameters for kinds of numbers that the upstream does not sell, with the values that ask for
# nothing special; any other is refused. Sources: DaisySMS's and sms-activate's documentation.
UNSUPPORTED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"ltr": ("", "0", "false"), "duration": ("",), "number": ("",), "activationType": ("", "0")}
)
# Parameters that are ignored.
PREFERENCES = ("operator", "carriers", "areas", "phoneException")


async def get_number(call: Call) -> Answer:
    return await _buy(call, _number)


async def get_number_v2(call: Call) -> Answer:
    return await _buy(call, _number_v2)


async def swap_number(call: Call) -> Answer:
    """This project's own action: another number for an activation, after the hold like a cancel."""
    activation = await call.activation()
    if activation.phase is not Phase.WAITING:
        raise ProblemError(Problem.BAD_STATUS, "only a number without an SMS can be swapped")
    before = activation.order.phone
    try:
        await call.services.purchases.swap(call.key, activation)
    except ProblemError as error:
        if error.problem is not Problem.UNCLEAR:
            raise
        await call.services.reads.read_anew(call.key, activation.order.id)
        if activation.order.phone == before:
            raise
    return _number(call, call.view(activation))


def _number(call: Call, view: View) -> Answer:
    shapes = call.dialect.shapes
    return shapes.number(view).with_headers(shapes.rental_headers(view))


def _number_v2(call: Call, view: View) -> Answer:
    shapes = call.dialect.shapes
    return answers.json(shapes.number_v2(view)).with_headers(shapes.rental_headers(view))


async def _buy(call: Call, answer: Callable[[Call, View], Answer]) -> Answer:
    service, country, max_price = purchase_parameters(call)
    order_id = call.request.text("orderId")
    is_reference = not order_id or _REFERENCE.fullmatch(order_id)
    request = PurchaseRequest(
        key=call.key,
        code=call.request.text("service"),
        service=service,
        country=country,
        limits=call.program.limits,
        client_max_price=max_price,
        # Not every store can index any text.
        reference=order_id if is_reference else sha256(order_id),
    )
    async with call.client.disconnected() as gone:
        made, call.client.handover = await call.services.purchases.buy(
            request, gone, lambda activation: answer(call, call.view(activation))
        )
    return made


def purchase_parameters(call: Call) -> tuple[str, Country, int | None]:
    """The upstream's service code, the country, and the client's `maxPrice` in cents. Raises
    ProblemError if one is wrong, not supported or not allowed to the program.
    """
    _refuse_unsupported(call.request)
    service, country, max_price = call.service(), call.country(), call.request.max_price
    limits, owner = call.program.limits, call.program.name or "limits"
    if limits.services is not None and service not in limits.services:
        raise ProblemError(Problem.BAD_SERVICE, f"{owner}: not among its services")
    if limits.countries is not None and country.iso not in limits.countries:
        raise ProblemError(Problem.BAD_COUNTRY, f"{owner}: not among its countries")
    return service, country, max_price


def _refuse_unsupported(request: Request) -> None:
    for name, defaults in UNSUPPORTED.items():
        if request.text(name).lower() not in defaults:
            raise ProblemError(Problem.UNSUPPORTED_WISH, name)
    ignored = [name for name in PREFERENCES if request.text(name) not in ("", "any")]
    if ignored:
        log.info("ignored in getNumber: %s", ", ".join(ignored))
