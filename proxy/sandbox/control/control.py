"""The control API under /sandbox, by which people and tests control the simulated upstream: the
table of its calls, and their routes.
"""

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from proxy.sandbox.api.faults import KINDS, Fault
from proxy.sandbox.api.routes import CALLS, UNREADABLE
from proxy.sandbox.control import actions
from proxy.sandbox.control.bodies import (
    BalanceBody,
    ClockBody,
    InvalidBodyError,
    OfferBody,
    OrderRef,
    PhoneBody,
    ResetBody,
    SmsBody,
    SocketBody,
    WebhookBody,
)
from proxy.sandbox.control.webhooks import control_webhooks, webhooks
from proxy.sandbox.simulation import Simulation
from proxy.sandbox.state.scenarios import SCENARIOS
from proxy.sandbox.state.switches import choices, known_switches
from proxy.sandbox.wire.answers import Json


def overview(simulation: Simulation) -> Json:
    return {
        "controls": {f"{c.method} {c.path}": c.about for c in CONTROLS},
        "switches": known_switches(),
        "faults": {"kinds": KINDS, "calls": ["*", *CALLS]},
        "scenarios": {code: scenario.story for code, scenario in SCENARIOS.items()},
    }


@dataclass(frozen=True, slots=True)
class Control:
    """`body` is the type of the JSON body, if any; `query` tells that `act` gets the query."""

    method: str
    path: str
    act: Callable[..., Json | Awaitable[Json]]
    about: str
    body: Any = None
    query: bool = False


CONTROLS = (
    Control("GET", "/sandbox", overview, "this list, and every switch, fault and scenario"),
    Control("POST", "/sandbox/reset", actions.reset, "everything as at the start", ResetBody),
    Control("GET", "/sandbox/clock", actions.clock, "what time it is in the sandbox"),
    Control(
        "POST", "/sandbox/clock", actions.advance, "push the clock forward by `seconds`", ClockBody
    ),
    Control("GET", "/sandbox/switches", actions.switches, "the switches and their allowed values"),
    Control("POST", "/sandbox/switches", actions.switch, "set switches, by name", dict[str, Any]),
    Control("POST", "/sandbox/sms", actions.sms, "send an SMS", SmsBody),
    Control("POST", "/sandbox/expire", actions.expire, "let an order expire now", OrderRef),
    Control(
        "POST",
        "/sandbox/cancel",
        actions.cancel,
        "cancel and refund an order from elsewhere",
        OrderRef,
    ),
    Control(
        "POST", "/sandbox/offer", actions.offer, "set stock, price and what is charged", OfferBody
    ),
    Control(
        "POST", "/sandbox/balance", actions.balance, "set the balance of a key, in USD", BalanceBody
    ),
    Control(
        "POST", "/sandbox/phone", actions.phone, "the number that is given out next", PhoneBody
    ),
    Control("GET", "/sandbox/orders", actions.orders, "all orders, or those of ?key=", query=True),
    Control(
        "GET", "/sandbox/ledger", actions.ledger, "all money in cents, or that of ?key=", query=True
    ),
    Control(
        "GET", "/sandbox/requests", actions.requests, "those of ?key=, ?call=, ?since=", query=True
    ),
    Control("GET", "/sandbox/report", actions.report, "what programs asked for and did not get"),
    Control("GET", "/sandbox/sockets", actions.sockets, "the open sockets"),
    Control(
        "POST", "/sandbox/sockets", actions.control_sockets, "drop, mute, unmute, say", SocketBody
    ),
    Control("GET", "/sandbox/webhooks", webhooks, "the subscriptions, and what was sent to them"),
    Control("POST", "/sandbox/webhooks", control_webhooks, "send, forge, repeat", WebhookBody),
    Control("GET", "/sandbox/faults", actions.faults, "the faults that wait for their calls"),
    Control("POST", "/sandbox/faults", actions.add_fault, "let calls go wrong", Fault),
    Control("DELETE", "/sandbox/faults", actions.clear_faults, "forget all faults"),
)


def control_routes(simulation: Simulation) -> list[BaseRoute]:
    async def unknown(request: Request) -> Response:
        text = f"{request.method} {request.scope['path']} is no control"
        return _error(InvalidBodyError(text, [f"{c.method} {c.path}" for c in CONTROLS]))

    methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]
    known: list[BaseRoute] = [
        Route(c.path, _served(simulation, c), methods=[c.method]) for c in CONTROLS
    ]
    return [
        *known,
        Route("/sandbox", unknown, methods=methods),
        Route("/sandbox/{rest:path}", unknown, methods=methods),
    ]


def _served(simulation: Simulation, control: Control) -> Callable[[Request], Any]:
    async def serve(request: Request) -> Response:
        simulation.world.settle()
        arguments: list[Any] = [request.query_params] if control.query else []
        try:
            if control.body is not None:
                arguments.append(_decoded(await request.body(), control))
            answer = control.act(simulation, *arguments)
            found = await answer if inspect.isawaitable(answer) else answer
            return Response(msgspec.json.encode(found), media_type="application/json")
        except InvalidBodyError as wrong:
            return _error(wrong)

    return serve


def _error(wrong: InvalidBodyError) -> Response:
    return JSONResponse({"error": str(wrong), "known": wrong.known}, 400)


def _decoded(raw: bytes, control: Control) -> Any:
    try:
        return msgspec.json.decode(raw or b"{}", type=control.body)
    except UNREADABLE as error:
        known = known_switches() if control.act is actions.switch else choices(control.body)
        raise InvalidBodyError(str(error), known) from error
