"""The proxy on the sandbox, in one process, on one fake clock."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
from starlette.applications import Starlette

from proxy.app import create_app
from proxy.config import Config, StoreConfig
from proxy.sandbox import create_sandbox
from proxy.tables import load_codes
from tests.sockets import sockets_to

PATH = "/stubs/handler_api.php"
NEVER = 1e9
SERVICES = load_codes().services
NOTHING_LEFT = Config(store=StoreConfig(url="sqlite://"))


class Wire(httpx.ASGITransport):
    """To the sandbox without a socket; a connection it breaks looks as httpx makes it look."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            return await super().handle_async_request(request)
        except ConnectionResetError as error:
            raise httpx.RemoteProtocolError(str(error), request=request) from error


class World:
    """`ask` speaks to the proxy as a legacy client does, `steer` to the sandbox's control."""

    def __init__(self, app: Starlette, sandbox: Starlette) -> None:
        self.app, self.sandbox = app, sandbox
        self.dialect = ""
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://p")
        self._control = httpx.AsyncClient(transport=Wire(sandbox), base_url="http://s")

    async def answer(self, query: str) -> httpx.Response:
        key = "" if "api_key" in query else "api_key=key&"
        return await self.client.get(f"{self.dialect}{PATH}?{key}{query}")

    async def ask(self, query: str) -> str:
        response = await self.answer(query)
        assert response.status_code == 200
        return response.text

    async def steer(self, path: str, body: Any = None) -> Any:
        method = "GET" if body is None else "POST"
        response = await self._control.request(method, f"/sandbox/{path}", json=body)
        assert response.status_code == 200, response.text
        return response.json()

    async def requests(self, call: str) -> int:
        """How many requests of this call have reached the upstream."""
        return int((await self.steer(f"requests?call={call}"))["count"])

    async def newest_order(self) -> str:
        return str((await self.steer("orders"))["orders"][-1]["order_id"])

    async def sms(self, text: str) -> None:
        wish = {"order_id": await self.newest_order(), "text": text, "sender": "WhatsApp"}
        await self.steer("sms", wish)


@asynccontextmanager
async def a_world(clock: Callable[[], float], **config: Any) -> AsyncIterator[World]:
    """No SMS comes by itself in it."""
    sandbox = create_sandbox(clock=clock, sms_after=NEVER, services=SERVICES)
    store = StoreConfig(url=config.pop("store", "sqlite://"))
    transport, connect = Wire(sandbox), sockets_to(sandbox)
    app = create_app(
        Config(store=store, **config), clock=clock, transport=transport, connect=connect
    )
    async with app.router.lifespan_context(app):
        yield World(app, sandbox)
