"""The control API under /sandbox, by which people and tests control the simulated upstream."""

import inspect
from collections.abc import Callable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from proxy.sandbox.api.routes import UNREADABLE
from proxy.sandbox.control import actions
from proxy.sandbox.control.bodies import InvalidBodyError
from proxy.sandbox.control.call import Control
from proxy.sandbox.control.calls import CONTROLS
from proxy.sandbox.simulation import Simulation
from proxy.sandbox.state.switches import choices, known_switches


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
