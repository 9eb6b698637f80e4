"""The ASGI app: create_app builds all parts and the routes."""

import os
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
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
from proxy.app.readiness import Readiness
from proxy.config.codes import Codes
from proxy.config.mappings import load_codes
from proxy.config.programs import FailedKeyThrottle, Programs, load_programs
from proxy.config.secrets import config_secrets
from proxy.config.settings import Config
from proxy.config.sms_words import load_sms_words
from proxy.endpoint.actions import ACTIONS
from proxy.endpoint.compatibility import Compatibility
from proxy.endpoint.endpoint import LegacyEndpoint
from proxy.endpoint.paths import endpoints
from proxy.forwarding.delivery import ForwardDelivery
from proxy.forwarding.targets import load_targets
from proxy.legacy.code import CodeFinder, FindCode, find_code
from proxy.legacy.dialects import DIALECTS
from proxy.model import ClientKey, UpstreamKey
from proxy.model.errors import ConfigError
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
from proxy.webhooks.subscriptions import Subscriptions, given_secrets, load_subscriptions

CONSOLE_PATHS = ("/console", "/console/{rest:path}")

# Reads for a known activation end before the client's timeout: its last state is a better answer
# than "try again".
READ_TIMEOUT_FRACTION = 0.75

MAX_KEYS = 10_000

# Services.defers_cancel for each value of early_cancel.
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
    compatibility: Compatibility | None = None,
) -> "App":
    """Builds the proxy. `clock` is the wall clock in seconds. `transport` and `connect` replace the
    network to the upstream, `outward` that to the targets of `forward`. `secrets` learns the keys,
    so that the log hides them. `sandbox` opens the console without a token. `compatibility` records
    what programs do not get as they mean it.

    Raises YamlFileError, ConfigError or StoreError. Connections are made when the app starts.
    """
    secrets = secrets or Secrets()
    secrets.pin(*config_secrets(config))
    given = given_secrets(config, os.environ)
    services = build_services(config, clock, transport, connect)
    readiness = Readiness(services.upstream, services.reads.lists, services.store)
    forwards = ForwardDelivery(services.targets, services.store, services.counters, clock, outward)
    secrets.pin(*(program.key.upstream.secret for program in services.programs))
    secrets.pin(*(target.secret for target in services.targets))
    subscriptions = load_subscriptions(
        config, given, services.upstream, services.store, services.programs, secrets
    )
    replicas = _replicas(services, secrets)
    metrics = Metrics(
        services.counters, lambda: gauges(services, forwards), lambda: histograms(services)
    )
    dialects = _legacy_endpoints(config, services, secrets, compatibility)
    legacy = endpoints(dialects, config.dialect)
    console = console_of(config, services, secrets, dialects, legacy, sandbox)
    parts = (services, replicas, subscriptions, forwards, console, readiness)

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
    app.state.services, app.state.console = services, console
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
    config: Config, services: Services, secrets: Secrets, compatibility: Compatibility | None
) -> Mapping[str, LegacyEndpoint]:
    """The endpoint of each dialect. They count wrong keys of an address together."""
    failed_keys, timeout, sample = FailedKeyThrottle(), config.upstream.timeout, config.log.sample
    return {
        name: LegacyEndpoint(
            services, dialect, failed_keys, secrets, timeout, sample, compatibility
        )
        for name, dialect in DIALECTS.items()
    }


def build_services(
    config: Config,
    clock: Callable[[], float] = time.time,
    transport: Transport | None = None,
    connect: Connect | None = None,
) -> Services:
    """Builds all parts. Raises YamlFileError, ConfigError or StoreError."""
    codes, settings = codes_of(config), config.upstream
    programs = programs_of(config, codes)
    targets = load_targets(config, os.environ, programs, codes, clock)
    find = finder_of(config)
    # After everything that can raise ConfigError: nobody would close the store.
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
        programs=programs,
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
        purchases=Purchases(
            upstream, orders, sockets, journal, limit_checks, catalogue, balances, codes
        ),
        journal=journal,
        cancels=cancels,
        catalogue=catalogue,
        balances=balances,
        key_proofs=KeyProofs(upstream, balances),
        codes=codes,
        default_country=config.default_country,
        defers_cancel=DEFERS[config.early_cancel],
    )


def programs_of(config: Config, codes: Codes) -> Programs:
    """The programs of `keys`. Raises ConfigError."""
    return load_programs(config, os.environ, codes, tuple(ACTIONS))


def finder_of(config: Config) -> FindCode:
    """Finds codes by the tables' words; the shipped ones are read once. Raises YamlFileError."""
    if config.own_tables is not None:
        return CodeFinder(load_sms_words(config.own_tables))
    find_code("")  # It reads them now, and not while a client waits for its first code.
    return find_code


def codes_of(config: Config) -> Codes:
    """The tables, which must have the default country. Raises YamlFileError or ConfigError."""
    codes = load_codes(config.own_tables)
    if config.default_country not in codes.countries:
        text = f"{config.default_country} is no country id: see countries.yaml"
        raise ConfigError(f"default_country: {text}")
    return codes


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
