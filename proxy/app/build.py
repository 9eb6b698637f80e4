"""The ASGI app: create_app builds the house and its routes."""

import os
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from proxy.app.gauges import gauges
from proxy.app.lifespan import lifespan
from proxy.app.readiness import Readiness
from proxy.config.codes import Codes
from proxy.config.mappings import load_codes
from proxy.config.programs import Programs, Strangers, load_programs
from proxy.config.secrets import config_secrets
from proxy.config.settings import Config, ConfigError
from proxy.endpoint.actions import ACTIONS
from proxy.endpoint.endpoint import ByHost, Protocol
from proxy.forwarding.delivery import Forwards
from proxy.forwarding.targets import load_targets
from proxy.legacy.dialects import DIALECTS
from proxy.model import Key
from proxy.orders.list_reads import ListReads
from proxy.orders.orders import Orders
from proxy.orders.reads import Reads
from proxy.orders.sockets import Pushes
from proxy.purchases.buying import Purchases
from proxy.purchases.cancels import Cancels
from proxy.purchases.journal import Journal
from proxy.purchases.limits import Ceilings
from proxy.replicas.listener import Replicas
from proxy.replicas.takeover import Takeover
from proxy.runtime import disconnect
from proxy.runtime.counters import Tally
from proxy.runtime.logs import Secrets
from proxy.runtime.metrics import Metrics
from proxy.services import House
from proxy.store import open_store
from proxy.upstream.budget import Budget
from proxy.upstream.cache import Cache
from proxy.upstream.catalogue import Catalogue
from proxy.upstream.client import Upstream
from proxy.upstream.http import Transport
from proxy.upstream.order_socket import Connect, Feed
from proxy.webhooks.receiver import PATH as WEBHOOKS
from proxy.webhooks.receiver import Webhooks
from proxy.webhooks.subscriptions import Subscriptions, given_secrets, load_subscriptions

if TYPE_CHECKING:
    from proxy.console import Console

PATHS = (
    "/stubs/handler_api.php",
    "/stubs/handler_api",
    "/handler_api.php",
    "/api/handler_api.php",
)

CONSOLE_PATHS = ("/console", "/console/{rest:path}")

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
    outward: Transport | None = None,
    secrets: Secrets | None = None,
    sandbox: bool = False,
) -> "App":
    """The proxy. `clock` is the wall clock in seconds; `transport` and `connect` stand in for the
    network to the upstream, `outward` for that to the targets of forwards; `secrets` learns the
    keys, for the log. In the `sandbox` there is no money to guard.

    Raises SheetError, ConfigError or StoreError. Nothing is connected before the app starts.
    """
    secrets = secrets or Secrets()
    secrets.pin(*config_secrets(config))
    given = given_secrets(config, os.environ)
    house = build_house(config, clock, transport, connect)
    readiness = Readiness(house.upstream, house.reads.lists, house.store)
    forwards = Forwards(house.targets, house.store, house.tally, clock, outward)
    secrets.pin(*(program.key.secret for program in house.programs))
    secrets.pin(*(target.secret for target in house.targets))
    subscriptions = load_subscriptions(
        config, given, house.upstream, house.store, house.programs, secrets
    )
    replicas = _replicas(house, secrets)
    metrics = Metrics(house.tally, lambda: gauges(house, forwards))
    legacy = endpoints(_protocols(config, house, metrics, secrets), config.dialect)
    console = _console(config, house, metrics, secrets, legacy, sandbox)

    async def show_metrics(request: HttpRequest) -> Response:
        return Response(metrics.page(), media_type="text/plain; version=0.0.4")

    app = App(
        routes=[
            Route("/livez", livez),
            Route("/readyz", readiness.show),
            Route("/metrics", show_metrics),
            Route(WEBHOOKS, _webhooks(config, house, subscriptions).serve, methods=["POST"]),
            *(Route(path, console) for path in CONSOLE_PATHS if console),
        ],
        lifespan=lifespan(
            house,
            replicas,
            subscriptions,
            forwards,
            console,
            readiness,
            retention=config.store.retention,
        ),
        endpoints=legacy,
        exception_handlers=disconnect.HANDLERS,
    )
    app.state.house, app.state.console = house, console
    # A redirect would carry the key in its address.
    app.router.redirect_slashes = False
    return app


def _webhooks(config: Config, house: House, subscriptions: Subscriptions) -> Webhooks:
    return Webhooks(
        house.orders,
        house.reads,
        house.store,
        house.balances,
        house.tally,
        lambda: subscriptions.secrets,
        house.upstream.now,
        house.upstream.wall_clock,
        check_timestamp=config.webhooks.check_timestamp,
    )


def _replicas(house: House, secrets: Secrets) -> Replicas:
    def renewed(key: Key) -> Key:
        """Of what an earlier run owes: its key is no stranger to the log."""
        secrets.pin(key.secret)
        return house.programs.renewed(key)

    takeover = Takeover(house.store, house.orders, house.journal, house.cancels, renewed)
    return Replicas(house.store, house.orders, house.reads, takeover, house.upstream.now)


def _protocols(
    config: Config, house: House, metrics: Metrics, secrets: Secrets
) -> Mapping[str, Protocol]:
    """Of each dialect. Wrong keys are counted by address, whatever dialect they come in."""
    strangers, timeout, sample = Strangers(), config.upstream.timeout, config.log.sample
    return {
        name: Protocol(house, dialect, metrics, strangers, secrets, timeout, sample)
        for name, dialect in DIALECTS.items()
    }


def _console(
    config: Config,
    house: House,
    metrics: Metrics,
    secrets: Secrets,
    legacy: Mapping[str, ASGIApp],
    sandbox: bool,
) -> "Console | None":
    """Loaded only where it is wanted."""
    if not config.console.enabled:
        return None
    from proxy.console import Console

    async def protocol(scope: Scope, receive: Receive, send: Send) -> None:
        await legacy[scope["path"]](scope, receive, send)

    return Console(
        house,
        metrics,
        secrets,
        protocol,
        ACTIONS,
        token=config.console.token,
        hosts=config.hosts,
        sandbox=sandbox,
        per_minute=config.upstream.requests_per_minute,
    )


def build_house(
    config: Config,
    clock: Callable[[], float] = time.time,
    transport: Transport | None = None,
    connect: Connect | None = None,
) -> House:
    codes, wanted = codes_of(config), config.upstream
    programs = programs_of(config, codes)
    targets = load_targets(config, os.environ, programs, codes, clock)
    # What may be wrong stands before it: nobody would close it.
    store = open_store(config.store.url, config.store.secret)
    budget = Budget(wanted.requests_per_minute, store, clock)
    tally = Tally()
    upstream = Upstream(wanted.url, wanted.timeout, budget, tally, clock, transport)
    orders = Orders(store, tally, upstream.now, clock, targets)
    feed = Feed(wanted.sockets_url, connect)
    pushes = Pushes(
        feed, orders, store, tally, upstream.now, wanted.push_sockets if wanted.push else 0
    )
    patience = wanted.timeout * READ_SHARE
    lists = ListReads(upstream, orders, budget, store)
    reads = Reads(upstream, orders, lists, pushes, budget, patience=patience)
    catalogue = Catalogue(
        upstream,
        store,
        clock,
        tally,
        prices_ttl=config.prices.ttl,
        catalog_ttl=config.catalog.ttl,
        per_second=config.catalog.sweep_per_second,
    )
    balances: Cache[Key, int] = Cache(config.balance.ttl, MAX_KEYS, tally, "balance")
    cancels = Cancels(upstream, orders, reads, store, tally, balances)
    journal = Journal(
        upstream,
        orders,
        reads,
        cancels,
        store,
        tally,
        reuse_seconds=config.orphan.reuse_seconds,
    )
    ceilings = Ceilings(upstream, orders, reads, journal, store)
    return House(
        programs=programs,
        ceilings=ceilings,
        targets=targets,
        tally=tally,
        budget=budget,
        upstream=upstream,
        orders=orders,
        reads=reads,
        pushes=pushes,
        store=store,
        purchases=Purchases(
            upstream, orders, pushes, journal, ceilings, catalogue, balances, codes
        ),
        journal=journal,
        cancels=cancels,
        catalogue=catalogue,
        balances=balances,
        codes=codes,
        default_country=config.default_country,
        defers_cancel=DEFERS[config.early_cancel],
    )


def programs_of(config: Config, codes: Codes) -> Programs:
    """Those of `keys`, with the environment that some of their keys are in. ConfigError."""
    return load_programs(config, os.environ, codes, tuple(ACTIONS))


def codes_of(config: Config) -> Codes:
    """The tables, and a default country that stands in them. Raises SheetError or ConfigError."""
    codes = load_codes(config.own_tables)
    if config.default_country not in codes.countries:
        text = f"{config.default_country} is no country id: see countries.yaml"
        raise ConfigError(f"default_country: {text}")
    return codes


def endpoints(protocols: Mapping[str, Protocol], default: str) -> Mapping[str, ASGIApp]:
    """The legacy endpoint of each path."""
    hosts = [(DIALECTS[name].host, protocol) for name, protocol in protocols.items()]
    found: dict[str, ASGIApp] = dict.fromkeys(PATHS, ByHost(hosts, protocols[default]))
    for name, protocol in protocols.items():
        found |= {f"/{name}{path}": protocol for path in PATHS}
    return found


class App(Starlette):
    """Starlette, with a way past its router for the paths that are asked all the time."""

    def __init__(self, *, endpoints: Mapping[str, ASGIApp], **options: Any) -> None:
        super().__init__(**options)
        self._endpoints = endpoints

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self._endpoint(scope["path"]) if scope["type"] == "http" else None
        if endpoint:
            await endpoint(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    def _endpoint(self, path: str) -> ASGIApp | None:
        """Programs join their base address and the path with one slash too many."""
        endpoint = self._endpoints.get(path)
        if endpoint is None and (path.endswith("/") or "//" in path):
            plain = "/" + "/".join(filter(None, path.split("/")))
            endpoint = self._endpoints.get(plain)
        return endpoint


async def livez(request: HttpRequest) -> PlainTextResponse:
    return PlainTextResponse("ok")
