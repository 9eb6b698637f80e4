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

_NAME = re.compile(r"[ -~]{1,128}")

# What a client may wish of a number and the upstream cannot sell: bought would be something else.
# The values are those that wish for nothing. Sources: DaisySMS's and sms-activate's documentation.
UNSUPPORTED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "ltr": ("", "0", "false"),
        "duration": ("",),
        "number": ("",),
        "activationType": ("", "0"),
    }
)
# What a number may be bought without.
PREFERENCES = ("operator", "carriers", "areas", "phoneException")


async def get_number(call: Call) -> Answer:
    return await _bought(call, _handed_out)


async def get_number_v2(call: Call) -> Answer:
    return await _bought(call, _handed_out_v2)


async def swap_number(call: Call) -> Answer:
    """This project's own: another number for the same activation, refused as early as a cancel."""
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
    return _handed_out(call, call.view(activation))


def _handed_out(call: Call, view: View) -> Answer:
    shapes = call.dialect.shapes
    return shapes.number(view).with_headers(shapes.rental_headers(view))


def _handed_out_v2(call: Call, view: View) -> Answer:
    shapes = call.dialect.shapes
    return answers.json(shapes.number_v2(view)).with_headers(shapes.rental_headers(view))


async def _bought(call: Call, handed_out: Callable[[Call, View], Answer]) -> Answer:
    service, country, cap = wished(call)
    wanted = PurchaseRequest(
        key=call.key,
        code=call.request.text("service"),
        service=service,
        country=country,
        limits=call.program.caps,
        client_max_price=cap,
        reference=_wish(call.request.text("orderId")),
    )
    async with call.client.watched() as gone:
        return await call.services.purchases.buy(
            wanted, gone, lambda activation: handed_out(call, call.view(activation))
        )


def wished(call: Call) -> tuple[str, Country, int | None]:
    """The upstream's service, the country, and what the client would pay at most, in cents.
    ProblemError where that cannot be had, or not by this program.
    """
    refuse_unsupported(call.request)
    service, country, cap = call.service(), call.country(), call.request.max_cents
    caps, whose = call.program.caps, call.program.name or "limits"
    if caps.services is not None and service not in caps.services:
        raise ProblemError(Problem.BAD_SERVICE, f"{whose}: not among its services")
    if caps.countries is not None and country.iso not in caps.countries:
        raise ProblemError(Problem.BAD_COUNTRY, f"{whose}: not among its countries")
    return service, country, cap


def _wish(text: str) -> str:
    """The client's own name for its wish; the hash of one that not every store could index."""
    return text if not text or _NAME.fullmatch(text) else sha256(text)


def refuse_unsupported(request: Request) -> None:
    for name, nothing in UNSUPPORTED.items():
        if request.text(name).lower() not in nothing:
            raise ProblemError(Problem.UNSUPPORTED_WISH, name)
    ignored = [name for name in PREFERENCES if request.text(name) not in ("", "any")]
    if ignored:
        log.info("ignored in getNumber: %s", ", ".join(ignored))
