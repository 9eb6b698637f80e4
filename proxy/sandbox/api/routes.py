"""Serves requests to /api/v1: logs, admits, applies faults, answers."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from proxy.sandbox.api.endpoints import ENDPOINTS, ApiRequest, Endpoint
from proxy.sandbox.api.faults import apply
from proxy.sandbox.api.webhooks import WEBHOOK_ENDPOINTS
from proxy.sandbox.simulation import LogLine, Simulation
from proxy.sandbox.state.accounts import Account
from proxy.sandbox.wire import refusals
from proxy.sandbox.wire.rate_limit import admit
from proxy.sandbox.wire.refusals import Refusal
from proxy.sandbox.wire.replay import Answer, is_refusal, refused_name, reported_name

PREFIX = "/api/v1"
# Raised by msgspec; RecursionError on deeply nested bodies.
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
        # Reads the body first: no other request runs between here and the admission.
        api_request = await _api_request(simulation, request)
        simulation.world.settle()
        query = request.scope["query_string"].decode("latin-1")
        path = f"{request.scope['path']}?{query}".rstrip("?")
        line = LogLine(simulation.world.now, endpoint.call, request.method, path)
        simulation.log.append(line)
        response = await _admitted(endpoint, api_request, line)
        line.status = response.status_code or None
        return response

    return serve


async def _admitted(endpoint: Endpoint, api_request: ApiRequest, line: LogLine) -> Response:
    simulation = api_request.simulation
    try:
        if account := _account(endpoint, api_request):
            line.account = account.name
            if endpoint.counted:
                admit(simulation.world.switches, account, endpoint.call, simulation.world.now)
                line.counted = True
    except Refusal as refusal:
        return _refused(endpoint, api_request, refusal)
    fault = simulation.faults.take(endpoint.call)
    if fault is None:
        return _answer(endpoint, api_request)
    return await apply(fault, lambda: _answer(endpoint, api_request))


def _account(endpoint: Endpoint, api_request: ApiRequest) -> Account | None:
    """Returns None where no key is needed. Raises Refusal if one is needed and invalid."""
    if endpoint.auth == "public":
        return None
    if api_request.key and not api_request.key.startswith("bad"):
        return api_request.account
    if endpoint.auth == "switch" and api_request.switches.catalogue_auth == "public":
        return None
    raise refusals.bad_key()


def _answer(endpoint: Endpoint, api_request: ApiRequest) -> Response:
    api_request.world.settle()
    replay = api_request.simulation.replay
    if replay and endpoint.method != "GET" and (failure := replay.failure(endpoint.call)):
        return _response(*failure)
    try:
        return _shaped(endpoint, api_request, (200, endpoint.answer(api_request), {}))
    except Refusal as refusal:
        return _refused(endpoint, api_request, refusal)


def _refused(endpoint: Endpoint, api_request: ApiRequest, refusal: Refusal) -> Response:
    body = refusals.body_of(api_request.switches, refusal)
    return _shaped(endpoint, api_request, (refusal.status, body, refusal.headers))


def _shaped(endpoint: Endpoint, api_request: ApiRequest, answer: Answer) -> Response:
    """The answer, in the form of the report that is replayed, if any."""
    replay, call, key = api_request.simulation.replay, endpoint.call, api_request.key
    if replay is None:
        return _response(*answer)
    name = reported_name(call, key, api_request.query)
    if is_refusal(*answer[:2]):
        name = refused_name(call, answer[0], key, api_request.path)
    return _response(*replay.shaped(name, answer))


def _response(status: int, body: Any, headers: Mapping[str, str]) -> Response:
    kind = PlainTextResponse if isinstance(body, str) else JSONResponse
    return kind(body, status, headers)


async def _api_request(simulation: Simulation, request: Request) -> ApiRequest:
    try:
        body = msgspec.json.decode(await request.body() or b"{}")
    except UNREADABLE:
        body = {}
    return ApiRequest(
        simulation=simulation,
        key=request.headers.get("x-api-key", "").strip(),
        path=request.path_params,
        query=request.query_params,
        body=body if isinstance(body, dict) else {},
        idempotency_key=request.headers.get("x-idempotency-key"),
    )
