"""The ASGI app of the sandbox: API, socket and control API over one simulation."""

import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from email.utils import formatdate

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from proxy.config.mappings import load_codes
from proxy.runtime import disconnect
from proxy.sandbox import http_post
from proxy.sandbox.api.order_socket import socket_route
from proxy.sandbox.api.routes import api_routes
from proxy.sandbox.control.control import control_routes
from proxy.sandbox.guard import Guard
from proxy.sandbox.http_post import Post
from proxy.sandbox.simulation import ProxyBeside, Simulation
from proxy.sandbox.state.catalogue import Catalogue
from proxy.sandbox.state.switches import Switches, switched
from proxy.sandbox.wire.replay import Replay
from proxy.sandbox.world import World


def create_sandbox(
    switches: Switches | None = None,
    *,
    clock: Callable[[], float] = time.time,
    sms_after: float = 3.0,
    services: Mapping[str, str] | None = None,
    seed: int = 1,
    post: Post = http_post.post,
    hosts: Collection[str] = (),
    replay: Replay | None = None,
    beside: ProxyBeside | None = None,
) -> Starlette:
    """Builds a simulated upstream: API under /api/v1, socket /ws/orders, control under /sandbox.

    `clock` returns seconds since 1970; an SMS comes `sms_after` seconds after a purchase.
    `services` (code to name) may be on sale, by default this project's table. Equal seeds give
    equal order ids and phone numbers. `post` sends a webhook (address, headers, body) and returns
    the status of the answer, or raises; by default over real connections. Webhooks end with the
    lifespan. `hosts` are accepted host names with a dot. `replay` gives answers the shapes of a
    report; its readings are not set. `beside` is the proxy in the same process, on the same
    `clock`. Raises msgspec.ValidationError on a wrong switch.
    """
    initial = switched(switches or Switches(), {})
    names = load_codes().services if services is None else services
    simulation = Simulation(
        lambda seed: World(Catalogue(names), initial, clock, sms_after, seed), seed, post, replay
    )
    simulation.beside = beside

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        await simulation.deliveries.close()

    app = Starlette(
        routes=[*api_routes(simulation), socket_route(simulation), *control_routes(simulation)],
        middleware=[
            Middleware(DateMiddleware, simulation=simulation),
            Middleware(Guard, hosts=hosts),
        ],
        exception_handlers={HTTPException: _unknown, **disconnect.HANDLERS},
        lifespan=lifespan,
    )
    # A redirect would repeat the Host and the query, whose bytes may not be text.
    app.router.redirect_slashes = False
    return app


class DateMiddleware:
    """Sets the Date header from the sandbox's clock; the server must not set its own."""

    def __init__(self, app: ASGIApp, simulation: Simulation) -> None:
        self.app = app
        self.simulation = simulation

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.simulation.world.settle()
                date = formatdate(self.simulation.world.now, usegmt=True).encode()
                message["headers"] = [*message.get("headers", []), (b"date", date)]
            await send(message)

        await self.app(scope, receive, dated)


async def _unknown(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)
