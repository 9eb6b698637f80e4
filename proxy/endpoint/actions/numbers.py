"""Buying a number, and swapping it for another."""

import re
from collections.abc import Callable

from proxy.config.programs import sha256
from proxy.endpoint.actions.call import Call
from proxy.legacy import answers, status
from proxy.legacy.activation import View
from proxy.legacy.answers import Answer
from proxy.model.errors import Problem, ProblemError
from proxy.purchases.purchase import PurchaseRequest

_REFERENCE = re.compile(r"[ -~]{1,128}")


async def get_number(call: Call) -> Answer:
    return await _buy(call, _number)


async def get_number_v2(call: Call) -> Answer:
    return await _buy(call, _number_v2)


async def swap_number(call: Call) -> Answer:
    """This project's own action: another number for an activation, after the hold like a cancel."""
    activation = await call.activation()
    if refused := status.swap_number(activation.phase):
        raise ProblemError(refused, "only a number without an SMS can be swapped")
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
    request = purchase_request(call)
    async with call.client.disconnected() as gone:
        made, call.client.handover = await call.services.purchases.buy(
            request, gone, lambda activation: answer(call, call.view(activation))
        )
    return made


def purchase_request(call: Call) -> PurchaseRequest:
    """What the client wants to buy. Raises ProblemError if a parameter is wrong, or not allowed to
    the program.
    """
    service, country = call.service(), call.country()
    limits, owner = call.program.limits, call.program.name or "limits"
    if limits.services is not None and service not in limits.services:
        raise ProblemError(Problem.BAD_SERVICE, f"{owner}: not among its services")
    if limits.countries is not None and country.iso not in limits.countries:
        raise ProblemError(Problem.BAD_COUNTRY, f"{owner}: not among its countries")
    order_id = call.request.text("orderId")
    is_reference = not order_id or _REFERENCE.fullmatch(order_id)
    return PurchaseRequest(
        key=call.key,
        code=call.request.text("service"),
        service=service,
        country=country,
        limits=limits,
        client_max_price=call.request.max_price,
        min_price=call.request.min_price,
        # Not every store can index any text.
        reference=order_id if is_reference else sha256(order_id),
    )
