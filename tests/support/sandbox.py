"""A sandbox for its own tests: in this process, or behind a real server."""

import asyncio
import functools
import re
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from websockets.exceptions import ConnectionClosedError

from proxy.config.codes import Codes
from proxy.config.mappings import load_codes
from proxy.sandbox import Switches, create_sandbox

UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
NEVER = 10.0**9
NO_LIMIT = Switches(requests_per_minute=0)


@functools.cache
def _codes() -> Codes:
    return load_codes()


async def well_received(url: str, headers: dict[str, str], body: bytes) -> int:
    """The other end of every webhook."""
    return 200


class Bench:
    """A sandbox in this process, with a caller and a hand on its controls."""

    def __init__(self, clock: Callable[[], float], **how: Any) -> None:
        how.setdefault("post", well_received)
        self.app = create_sandbox(clock=clock, services=_codes().services, **how)
        transport = httpx.ASGITransport(self.app)
        self.http = httpx.AsyncClient(transport=transport, base_url="http://upstream")

    async def call(self, method: str, path: str, key: str = "alice", **how: Any) -> httpx.Response:
        headers = {"X-API-Key": key} if key else {}
        headers |= how.pop("headers", {})
        return await self.http.request(method, f"/api/v1{path}", headers=headers, **how)

    async def get(self, path: str, key: str = "alice", **query: Any) -> Any:
        return (await self.call("GET", path, key, params=query)).json()

    async def post(self, path: str, key: str = "alice", **body: Any) -> Any:
        return (await self.call("POST", path, key, json=body)).json()

    async def buy(self, service: str = "tg", country: str = "GB", key: str = "alice") -> Any:
        return await self.post("/customer/purchase", key, service=service, country=country)

    async def order(self, order: Any) -> Any:
        return await self.get(f"/customer/order/{order['order_id']}")

    async def balance(self, key: str = "alice") -> float:
        return float((await self.get("/customer/balance", key))["balance"])

    async def steer(self, what: str, **wish: Any) -> Any:
        """A control call: POST with a wish; raises when it is refused."""
        response = await self.http.post(f"/sandbox/{what}", json=wish)
        assert response.status_code == 200, response.text
        return response.json()

    async def look(self, what: str, **query: Any) -> Any:
        return (await self.http.get(f"/sandbox/{what}", params=query)).json()

    async def wait(self, seconds: float) -> None:
        await self.steer("clock", seconds=seconds)


def bench_with(**options: Any) -> Any:
    """A fixture: a bench with these."""

    @pytest.fixture
    async def bench(clock: Callable[[], float]) -> AsyncIterator[Bench]:
        bench = Bench(clock, **options)
        async with bench.http:
            yield bench

    return bench


SOON = 60.0
"""Real seconds in which a frame must come."""


@contextmanager
def served(app: Starlette) -> Iterator[str]:
    """The app under uvicorn on a free port of this machine; yields its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(
            app, log_level="error", date_header=False, lifespan="off", timeout_graceful_shutdown=1
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


async def end_of(opened: Any) -> tuple[list[str], Exception | None]:
    """All frames up to the end, and the error it is if it is one."""
    frames = []
    try:
        async with asyncio.timeout(SOON):
            async for frame in opened:
                frames.append(frame)
    except ConnectionClosedError as error:
        return frames, error
    return frames, None
