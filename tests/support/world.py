"""The proxy on the sandbox, in one process, on one fake clock."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import httpx
from starlette.applications import Starlette
from starlette.types import ASGIApp, Message

from proxy.app.build import create_app
from proxy.config.mappings import load_codes
from proxy.config.settings import Config, StoreConfig
from proxy.sandbox import create_sandbox
from proxy.sandbox.http_post import Post
from tests.support.sockets import called, sockets_to

PATH = "/stubs/handler_api.php"
BUY = "action=getNumber&service=wa&country=16"
NEVER = 1e9
SERVICES = load_codes().services
NOTHING_LEFT = Config(store=StoreConfig(url="sqlite://"))


class Wire(httpx.ASGITransport):
    """To the sandbox without a socket; a connection it breaks looks as httpx makes it look."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        request.headers["Host"] = called(request.headers["Host"])
        try:
            return await super().handle_async_request(request)
        except ConnectionResetError as error:
            raise httpx.RemoteProtocolError(str(error), request=request) from error


async def asked(app: ASGIApp, path: str, query: bytes, **headers: bytes) -> tuple[int, bytes]:
    """Status and body of the answer to a GET. httpx would not send each query and header as it is,
    and takes three times as long as the proxy.
    """
    sent: list[Message] = []
    parts: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]
    is_answered = asyncio.Event()
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query,
        "headers": [(name.encode(), text) for name, text in headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8080),
    }

    async def receive() -> Message:
        if parts:
            return parts.pop()
        await is_answered.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)
        if message["type"] == "http.response.body" and not message.get("more_body"):
            is_answered.set()

    await app(scope, receive, send)
    return int(sent[0]["status"]), b"".join(message.get("body", b"") for message in sent)


async def status_of(app: ASGIApp, path: str, query: bytes, **headers: bytes) -> int:
    return (await asked(app, path, query, **headers))[0]


class Targets:
    """The other end of forwards: `answers` in turn, then `always`, by address. An exception is
    raised, a number of seconds is waited.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.posted: list[tuple[float, httpx.Request]] = []
        self.always: dict[str, Any] = {}
        self.answers: dict[str, list[Any]] = {}
        self._clock = clock

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        url = str(request.url)
        self.posted.append((self._clock(), request))
        answers = self.answers.get(url)
        answer = answers.pop(0) if answers else self.always.get(url, 200)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, float):
            await asyncio.sleep(answer)
        return answer if isinstance(answer, httpx.Response) else httpx.Response(int(answer or 200))

    def to(self, url: str) -> list[Any]:
        """The bodies that were posted to an address."""
        return [json.loads(request.content) for _, request in self.posted if request.url == url]

    def times(self, url: str) -> list[float]:
        return [at for at, request in self.posted if request.url == url]


class World:
    """`ask` speaks to the proxy as a legacy client does, `steer` to the sandbox's control."""

    def __init__(self, app: Starlette, sandbox: Starlette) -> None:
        self.app, self.sandbox = app, sandbox
        self.targets = Targets(lambda: 0.0)
        self.dialect = ""
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://p")
        self._control = httpx.AsyncClient(transport=Wire(sandbox), base_url="http://s")

    async def answer(self, query: str) -> httpx.Response:
        key = "" if "api_key" in query else "api_key=key&"
        return await self.client.get(f"{self.dialect}{PATH}?{key}{query}")

    async def ask(self, query: str) -> str:
        key = "" if "api_key" in query else "api_key=key&"
        sent = quote(key + query, safe="=&%+/:,;?@!$'()*~[]|").encode()
        status, body = await asked(self.app, f"{self.dialect}{PATH}", sent, host=b"p")
        assert status == 200
        return body.decode()

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


async def an_orphan(world: World) -> None:
    """A number that is paid, and that nobody was told of."""
    await world.steer("faults", {"kind": "cdn", "call": "purchase", "when": "after"})
    await world.steer("faults", {"kind": "cdn", "call": "orders"})
    assert await world.ask(BUY) == "ERROR_SQL"
    await asyncio.sleep(15)


@asynccontextmanager
async def a_world(clock: Callable[[], float], **config: Any) -> AsyncIterator[World]:
    """No SMS comes by itself in it."""
    apps: list[Starlette] = []
    sandbox = create_sandbox(clock=clock, sms_after=NEVER, services=SERVICES, post=post_to(apps))
    async with sandbox.router.lifespan_context(sandbox), a_proxy(clock, sandbox, **config) as world:
        apps.append(world.app)
        yield world


@asynccontextmanager
async def a_proxy(
    clock: Callable[[], float], sandbox: Starlette, **config: Any
) -> AsyncIterator[World]:
    """One life of the proxy on a sandbox, with its sockets and the targets of forwards."""
    targets, store = Targets(clock), StoreConfig(url=config.pop("store", "sqlite://"))
    network = {"connect": sockets_to(sandbox), "outward": httpx.MockTransport(targets)}
    async with a_life(clock, sandbox, Config(store=store, **config), **network) as world:
        world.targets = targets
        yield world


@asynccontextmanager
async def a_life(
    clock: Callable[[], float], sandbox: Starlette, config: Config, **network: Any
) -> AsyncIterator[World]:
    """One life of the proxy as it is configured, on a sandbox; `network` is for create_app."""
    app = create_app(config, clock=clock, **({"transport": Wire(sandbox)} | network))
    async with app.router.lifespan_context(app):
        yield World(app, sandbox)


def post_to(apps: list[Starlette]) -> Post:
    """Carries the sandbox's events to the last of the apps."""

    async def post(url: str, headers: dict[str, str], body: bytes) -> int:
        transport = httpx.ASGITransport(apps[-1])
        async with httpx.AsyncClient(transport=transport) as http:
            return (await http.post(url, headers=headers, content=body)).status_code

    return post


def id_of(answer):
    assert answer.startswith("ACCESS_NUMBER:"), answer
    return answer.split(":")[1]
