"""How a request to /api/v1 is served: logged, admitted, struck by a fault, answered."""

from collections.abc import Callable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from proxy.sandbox.api.endpoints import ENDPOINTS, Ask, Endpoint
from proxy.sandbox.api.faults import suffer
from proxy.sandbox.api.webhooks import WEBHOOK_ENDPOINTS
from proxy.sandbox.simulation import LogLine, Simulation
from proxy.sandbox.state.accounts import Account
from proxy.sandbox.wire import refusals
from proxy.sandbox.wire.rate_limit import admit
from proxy.sandbox.wire.refusals import Refusal

PREFIX = "/api/v1"
# What msgspec raises; the last of them on a body that nests without end.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
ALL_ENDPOINTS = (*ENDPOINTS, *WEBHOOK_ENDPOINTS)
CALLS = tuple(endpoint.call for endpoint in ALL_ENDPOINTS)


def api_routes(simulation: Simulation) -> list[BaseRoute]:
    return [
        Route(PREFIX + endpoint.path, _served(simulation, endpoint), methods=[endpoint.method])
        for endpoint in ALL_ENDPOINTS
    ]


def _served(simulation: Simulation, endpoint: Endpoint) -> Callable[[Request], Any]:
    async def serve(request: Request) -> Response:
        # The body first: what follows, up to the admission, is then one moment.
        ask = await _ask(simulation, request)
        simulation.world.settle()
        query = request.scope["query_string"].decode("latin-1")
        path = f"{request.scope['path']}?{query}".rstrip("?")
        line = LogLine(simulation.world.now, endpoint.call, request.method, path)
        simulation.log.append(line)
        response = await _admitted(endpoint, ask, line)
        line.status = response.status_code or None
        return response

    return serve


async def _admitted(endpoint: Endpoint, ask: Ask, line: LogLine) -> Response:
    simulation = ask.simulation
    try:
        if account := _account(endpoint, ask):
            line.account = account.name
            if endpoint.counted:
                admit(simulation.world.switches, account, endpoint.call, simulation.world.now)
                line.counted = True
    except Refusal as refusal:
        return _refused(refusal)
    fault = simulation.faults.take(endpoint.call)
    if fault is None:
        return _answered(endpoint, ask)
    return await suffer(fault, lambda: _answered(endpoint, ask))


def _account(endpoint: Endpoint, ask: Ask) -> Account | None:
    """None on an endpoint that is open to everyone and was called without a good key."""
    if endpoint.auth == "public":
        return None
    if ask.key and not ask.key.startswith("bad"):
        return ask.account
    if endpoint.auth == "switch" and ask.simulation.world.switches.catalogue_auth == "public":
        return None
    raise refusals.bad_key()


def _answered(endpoint: Endpoint, ask: Ask) -> Response:
    ask.simulation.world.settle()
    try:
        return JSONResponse(endpoint.answer(ask))
    except Refusal as refusal:
        return _refused(refusal)


def _refused(refusal: Refusal) -> Response:
    kind = PlainTextResponse if isinstance(refusal.body, str) else JSONResponse
    return kind(refusal.body, refusal.status, refusal.headers)


async def _ask(simulation: Simulation, request: Request) -> Ask:
    try:
        body = msgspec.json.decode(await request.body() or b"{}")
    except UNREADABLE:
        body = {}
    return Ask(
        simulation=simulation,
        key=request.headers.get("x-api-key", "").strip(),
        path=request.path_params,
        query=request.query_params,
        body=body if isinstance(body, dict) else {},
        idempotency_key=request.headers.get("x-idempotency-key"),
    )
