"""The ASGI app: create_app builds all parts and the routes."""

import os
import time
from collections.abc import Callable, Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from proxy.app.console import console_of
from proxy.app.front import Front
from proxy.app.gauges import gauges, histograms
from proxy.app.lifespan import lifespan
from proxy.app.loaded import CurrentFinder, Loaded, load
from proxy.app.readiness import Readiness
from proxy.app.reload import DEFERS, Changeable, Reload
from proxy.config.codes import Codes
from proxy.config.programs import FailedKeyThrottle
from proxy.config.settings import Config
from proxy.endpoint.compatibility import Compatibility
from proxy.endpoint.endpoint import LegacyEndpoint
from proxy.endpoint.paths import endpoints, plain_paths
from proxy.endpoint.response_cache import CurrentCache
from proxy.forwarding.delivery import ForwardDelivery
from proxy.legacy.code import FindCode, find_code
from proxy.legacy.dialects import DIALECTS
from proxy.model import ClientKey, UpstreamKey
from proxy.orders.last_hour import LastHour
from proxy.orders.list_reads import ListReads
from proxy.orders.orders import Orders
from proxy.orders.reads import Reads
from proxy.orders.sockets import OrderSockets
from proxy.purchases.buying import Purchases
from proxy.purchases.cancels import Cancels
from proxy.purchases.journal import Journal
from proxy.purchases.limits import LimitChecks
from proxy.replicas.listener import Replicas
from proxy.replicas.takeover import Takeover
from proxy.runtime import disconnect
from proxy.runtime.counters import Counters
from proxy.runtime.logs import Secrets
from proxy.runtime.metrics import Metrics
from proxy.services import Services
from proxy.store import open_store
from proxy.upstream.budget import Budget
from proxy.upstream.cache import Cache
from proxy.upstream.catalogue import Catalogue
from proxy.upstream.client import Upstream
from proxy.upstream.http import Transport
from proxy.upstream.key_proofs import KeyProofs
from proxy.upstream.order_socket import Connect, SocketClient
from proxy.webhooks.receiver import PATH as WEBHOOKS
from proxy.webhooks.receiver import Webhooks
from proxy.webhooks.subscriptions import Subscriptions, load_subscriptions

CONSOLE_PATHS = ("/console", "/console/{rest:path}")

# Reads for a known activation end before the client's timeout: its last state is a better answer
# than "try again".
READ_TIMEOUT_FRACTION = 0.75

MAX_KEYS = 10_000


def create_app(
    config: Config,
    *,
    clock: Callable[[], float] = time.time,
    transport: Transport | None = None,
    connect: Connect | None = None,
    outward: Transport | None = None,
    secrets: Secrets | None = None,
    sandbox: bool = False,
    compatibility: Compatibility | None = None,
    codes: Codes | None = None,
    reread: Callable[[], Config] | None = None,
) -> "App":
    """Builds the proxy. `clock` is the wall clock in seconds. `transport` and `connect` replace the
    network to the upstream, `outward` that to the targets of `forward`. `secrets` learns the keys,
    so that the log hides them. `sandbox` opens the console without a token. `compatibility` records
    what programs do not get as they mean it. `codes` are the tables, if they have been read before.
    `reread` reads the configuration anew, for a reload.

    Raises YamlFileError, ConfigError or StoreError. Connections are made when the app starts.
    """
    secrets = secrets or Secrets()
    loaded = load(config, os.environ, secrets, clock, codes)
    finder, answers = CurrentFinder(loaded.finder), CurrentCache()
    services = build_services(loaded, finder, clock, transport, connect)
    readiness = Readiness(services.upstream, services.reads.lists, services.store)
    forwards = ForwardDelivery(services.targets, services.store, services.counters, clock, outward)
    subscriptions = load_subscriptions(
        config, loaded.given, services.upstream, services.store, services.programs, secrets
    )
    replicas = _replicas(services, secrets)
    metrics = Metrics(
        services.counters, lambda: gauges(services, forwards), lambda: histograms(services)
    )
    dialects = _legacy_endpoints(config, services, answers, secrets, compatibility)
    plain = plain_paths(dialects, config.dialect)
    legacy = endpoints(dialects, plain)
    console = console_of(config, services, secrets, plain, legacy, sandbox)
    changeable = Changeable(services, finder, forwards, subscriptions, dialects, plain, answers)
    reload = Reload(reread or (lambda: config), loaded, changeable, secrets)
    parts = (services, replicas, subscriptions, forwards, console, readiness, reload)

    async def show_metrics(request: HttpRequest) -> Response:
        return Response(metrics.page(), media_type="text/plain; version=0.0.4")

    app = App(
        routes=[
            Route("/", Front(has_console=console is not None, sandbox=sandbox).show),
            Route("/livez", livez),
            Route("/readyz", readiness.show),
            Route("/metrics", show_metrics),
            Route(WEBHOOKS, _webhooks(config, services, subscriptions).serve, methods=["POST"]),
            *(Route(path, console) for path in CONSOLE_PATHS if console),
        ],
        lifespan=lifespan(*parts, retention=config.store.retention),
        endpoints=legacy,
        exception_handlers=disconnect.HANDLERS,
    )
    app.state.services, app.state.console, app.state.reload = services, console, reload
    # The address of a redirect would have the key.
    app.router.redirect_slashes = False
    return app


def _webhooks(config: Config, services: Services, subscriptions: Subscriptions) -> Webhooks:
    parts = services.orders, services.reads, services.store, services.balances, services.counters
    clocks = services.upstream.now, services.upstream.wall_clock
    is_checked = config.webhooks.check_timestamp
    return Webhooks(*parts, lambda: subscriptions.secrets, *clocks, check_timestamp=is_checked)


def _replicas(services: Services, secrets: Secrets) -> Replicas:
    def renewed(key: ClientKey) -> ClientKey:
        """The key of a pending operation of an earlier run; the log has to hide it, too."""
        secrets.pin(key.upstream.secret)
        return services.programs.renewed(key)

    takeover = Takeover(
        services.store, services.orders, services.journal, services.cancels, renewed
    )
    return Replicas(
        services.store, services.orders, services.reads, takeover, services.upstream.now
    )


def _legacy_endpoints(
    config: Config,
    services: Services,
    answers: CurrentCache,
    secrets: Secrets,
    compatibility: Compatibility | None,
) -> Mapping[str, LegacyEndpoint]:
    """The endpoint of each dialect. They count wrong keys of an address together."""
    failed_keys, timeout, sample = FailedKeyThrottle(), config.upstream.timeout, config.log.sample
    return {
        name: LegacyEndpoint(
            services, dialect, answers, failed_keys, secrets, timeout, sample, compatibility
        )
        for name, dialect in DIALECTS.items()
    }


def build_services(
    loaded: Loaded,
    find: FindCode = find_code,
    clock: Callable[[], float] = time.time,
    transport: Transport | None = None,
    connect: Connect | None = None,
) -> Services:
    """Builds all parts. Raises StoreError."""
    config, settings, targets = loaded.config, loaded.config.upstream, loaded.targets
    store = open_store(config.store.url, config.store.secret)
    budget = Budget(settings.requests_per_minute, store, clock)
    counters = Counters()
    upstream = Upstream(settings.url, settings.timeout, budget, counters, clock, transport)
    orders = Orders(store, counters, upstream.now, clock, targets, find)
    client, limit = SocketClient(settings.sockets_url, connect), settings.push_sockets
    sockets = OrderSockets(
        client, orders, store, counters, upstream.now, limit if settings.push else 0
    )
    patience = settings.timeout * READ_TIMEOUT_FRACTION
    lists = ListReads(upstream, orders, budget, store)
    reads = Reads(upstream, orders, lists, sockets, budget, patience=patience)
    catalogue = Catalogue(
        upstream,
        store,
        clock,
        counters,
        prices_ttl=config.prices.ttl,
        catalog_ttl=config.catalog.ttl,
        per_second=config.catalog.sweep_per_second,
    )
    balances: Cache[UpstreamKey, int] = Cache(config.balance.ttl, MAX_KEYS, counters, "balance")
    cancels = Cancels(upstream, orders, reads, store, counters, balances)
    journal = Journal(
        upstream, orders, reads, cancels, store, counters, reuse_seconds=config.orphan.reuse_seconds
    )
    limit_checks = LimitChecks(upstream, orders, reads, journal, store)
    return Services(
        programs=loaded.programs,
        limit_checks=limit_checks,
        targets=targets,
        counters=counters,
        budget=budget,
        upstream=upstream,
        orders=orders,
        last_hour=LastHour(store, orders, counters, upstream.clock),
        reads=reads,
        sockets=sockets,
        store=store,
        purchases=Purchases(upstream, orders, sockets, journal, limit_checks, catalogue, balances),
        journal=journal,
        cancels=cancels,
        catalogue=catalogue,
        balances=balances,
        key_proofs=KeyProofs(upstream, balances),
        codes=loaded.codes,
        default_country=config.default_country,
        defers_cancel=DEFERS[config.early_cancel],
    )


class App(Starlette):
    """Starlette; the paths of the legacy endpoints skip its router, which is slow."""

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
        """The endpoint of a path. Some programs send a slash too many between host and path."""
        endpoint = self._endpoints.get(path)
        if endpoint is None and (path.endswith("/") or "//" in path):
            plain = "/" + "/".join(filter(None, path.split("/")))
            endpoint = self._endpoints.get(plain)
        return endpoint


async def livez(request: HttpRequest) -> PlainTextResponse:
    return PlainTextResponse("ok")
