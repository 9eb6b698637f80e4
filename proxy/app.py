"""The ASGI app: create_app builds the house; one endpoint answers, and has the one `except`."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from secrets import token_hex
from types import MappingProxyType

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from proxy.actions import ACTIONS, Call, Client, House
from proxy.cancels import Cancels
from proxy.codes import Codes
from proxy.config import Config, ConfigError
from proxy.errors import Problem, ProblemError
from proxy.journal import Journal
from proxy.legacy.answers import Answer
from proxy.legacy.dialects import DIALECTS, Dialect
from proxy.legacy.dialects.dialect import written
from proxy.legacy.request import MAX_BODY, Request, parse
from proxy.model import Key
from proxy.orders import Orders
from proxy.purchases import Purchases
from proxy.pushes import Pushes
from proxy.reads import Reads
from proxy.store import open_store
from proxy.tables import load_codes
from proxy.upstream.budget import Budget
from proxy.upstream.cache import Cache
from proxy.upstream.catalogue import Catalogue
from proxy.upstream.client import Transport, Upstream
from proxy.upstream.feed import Connect, Feed

log = logging.getLogger(__name__)

PATHS = (
    "/stubs/handler_api.php",
    "/stubs/handler_api",
    "/handler_api.php",
    "/api/handler_api.php",
)

# A known activation's last state is worth more than "try again": reads for it give up first.
READ_SHARE = 0.75

MAX_KEYS = 10_000

# What early_cancel makes of a dialect's own way.
DEFERS = MappingProxyType({"auto": None, "deny": False, "defer": True})


def create_app(
    config: Config,
    *,
    clock: Callable[[], float] = time.time,
    transport: Transport | None = None,
    connect: Connect | None = None,
) -> Starlette:
    """The proxy. `clock` is the wall clock in seconds; `transport` and `connect` stand in for the
    network.

    Raises SheetError, ConfigError or StoreError. Nothing is connected before the app starts.
    """
    house = build_house(config, clock, transport, connect)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        await house.catalogue.start()
        await house.journal.start()
        yield
        await house.journal.close()
        await house.cancels.close()
        await house.reads.close()
        await house.pushes.close()
        await house.catalogue.close()
        await house.upstream.close()
        await house.store.close()

    timeout = config.upstream.timeout
    by_host = [(dialect.host, Protocol(house, dialect, timeout)) for dialect in DIALECTS.values()]
    routes = [
        Route(f"/{dialect.name}{path}", Protocol(house, dialect, timeout))
        for dialect in DIALECTS.values()
        for path in PATHS
    ]
    default = Protocol(house, DIALECTS[config.dialect], timeout)
    routes += [Route(path, ByHost(by_host, default)) for path in PATHS]
    routes.append(Route("/livez", livez))
    app = Starlette(routes=routes, lifespan=lifespan)
    app.state.house = house
    # A redirect would carry the key in its address.
    app.router.redirect_slashes = False
    return app


def build_house(
    config: Config,
    clock: Callable[[], float] = time.time,
    transport: Transport | None = None,
    connect: Connect | None = None,
) -> House:
    codes, wanted = codes_of(config), config.upstream
    store = open_store(config.store.url)
    budget = Budget(wanted.requests_per_minute, store, clock)
    upstream = Upstream(wanted.url, wanted.timeout, budget, clock, transport)
    orders = Orders(store, upstream.now)
    feed = Feed(wanted.sockets_url, connect)
    pushes = Pushes(feed, orders, upstream.now, wanted.push_sockets if wanted.push else 0)
    patience = wanted.timeout * READ_SHARE
    reads = Reads(upstream, orders, pushes, budget, patience=patience)
    catalogue = Catalogue(
        upstream,
        store,
        clock,
        prices_ttl=config.prices.ttl,
        catalog_ttl=config.catalog.ttl,
        per_second=config.catalog.sweep_per_second,
    )
    balances: Cache[Key, int] = Cache(config.balance.ttl, MAX_KEYS)
    cancels = Cancels(upstream, orders, reads, store, balances)
    journal = Journal(
        upstream,
        orders,
        reads,
        cancels,
        store,
        reuse_seconds=config.orphan.reuse_seconds,
        retention=config.store.retention,
    )
    return House(
        upstream=upstream,
        orders=orders,
        reads=reads,
        pushes=pushes,
        store=store,
        purchases=Purchases(upstream, budget, orders, pushes, journal, catalogue, balances, codes),
        journal=journal,
        cancels=cancels,
        catalogue=catalogue,
        balances=balances,
        codes=codes,
        default_country=config.default_country,
        defers_cancel=DEFERS[config.early_cancel],
    )


def codes_of(config: Config) -> Codes:
    """The tables, and a default country that stands in them. Raises SheetError or ConfigError."""
    codes = load_codes(config.own_tables)
    if config.default_country not in codes.countries:
        text = f"{config.default_country} is no country id: see countries.yaml"
        raise ConfigError(f"default_country: {text}")
    return codes


async def livez(request: HttpRequest) -> PlainTextResponse:
    return PlainTextResponse("ok")


class ByHost:
    """Picks the dialect by the Host header, for programs that a hosts file has repointed."""

    def __init__(self, by_host: Sequence[tuple[str, ASGIApp]], default: ASGIApp) -> None:
        self._by_host = by_host
        self._default = default

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        host = _header(scope, b"host").lower()
        apps = (app for name, app in self._by_host if name in host)
        await next(apps, self._default)(scope, receive, send)


class Protocol:
    """The legacy endpoint in one dialect. Whatever happens, it answers with a legal word."""

    def __init__(self, house: House, dialect: Dialect, timeout: float) -> None:
        self._house = house
        self._dialect = dialect
        self._timeout = timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = token_hex(8)
        try:
            body = await _read_body(scope, receive)
        except ClientDisconnect:
            return
        if body is None:
            answer = Answer(b"the body is over 64 KiB", status=413)
        else:
            answer = await self._answer(request_id, scope, body, Client(receive))
        await _send(send, answer, request_id)

    async def _answer(self, request_id: str, scope: Scope, body: bytes, client: Client) -> Answer:
        action = ""
        try:
            request = self._request(scope, body)
            action = request.action
            async with asyncio.timeout(self._timeout):
                return await self._act(request, scope["method"], client)
        except ProblemError as error:
            log.debug("%s: %s", request_id, error)
            return self._dialect.refuse(error, action)
        except (TimeoutError, asyncio.CancelledError):
            # Cancelled is what the server does to the last requests when it stops.
            problem = ProblemError(Problem.TRY_AGAIN)
        except Exception:
            log.exception("%s: a bug; the client was told to try again", request_id)
            problem = ProblemError(Problem.TRY_AGAIN)
        return self._dialect.refuse(problem, action)

    def _request(self, scope: Scope, body: bytes) -> Request:
        key = ""
        if self._dialect.key_header:
            name, before = self._dialect.key_header
            sent = _header(scope, name.encode())
            is_named = sent[: len(before)].lower() == before.lower()
            key = sent[len(before) :] if is_named else ""
        content_type = _header(scope, b"content-type")
        return parse(scope["query_string"], body, content_type, key)

    async def _act(self, request: Request, method: str, client: Client) -> Answer:
        key = Key(request.key)
        refused = self._dialect.refused.get(request.action)
        if refused:
            return written(refused)
        action = ACTIONS.get(request.action)
        # HEAD would lose the answer of what it bought.
        if action is None or method not in ("GET", "POST"):
            raise ProblemError(Problem.BAD_ACTION)
        return await action(Call(self._house, self._dialect, request, key, client))


async def _read_body(scope: Scope, receive: Receive) -> bytes | None:
    """The whole body; None where it is longer than a legacy request can be."""
    body = b""
    if scope["method"] != "POST":
        return body
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += bytes(message.get("body", b""))
        if len(body) > MAX_BODY:
            return None
        if not message.get("more_body"):
            return body


async def _send(send: Send, answer: Answer, request_id: str) -> None:
    body = {
        "content-type": answer.content_type,
        "content-length": str(len(answer.body)),
    }
    headers = {
        **(body if answer.status != 204 else {}),
        "cache-control": "no-store",
        "x-request-id": request_id,
        **answer.headers,
    }
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": raw})
    await send({"type": "http.response.body", "body": answer.body})


def _header(scope: Scope, name: bytes) -> str:
    found = (value.decode("latin-1") for header, value in scope["headers"] if header == name)
    return next(found, "")
