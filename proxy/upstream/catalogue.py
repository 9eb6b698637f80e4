"""Services, countries and prices: read on demand, cached and saved.

No endpoint has all prices of all services. A request for one service causes one read, shared by all
callers. A request for all services gets the prices known so far, and starts a sweep: a background
task that reads one service after the other, at a limited rate, while clients still ask.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import NamedTuple, Protocol, TypeVar

from cachetools import LRUCache
from msgspec import MsgspecError
from msgspec.json import decode, encode

from proxy.model import CatalogueAnswer, ClientKey, Market, Price, Service
from proxy.model.errors import Problem, ProblemError, StoreError
from proxy.runtime import log_events
from proxy.runtime.clock import monotonic
from proxy.runtime.counters import Counters
from proxy.runtime.tasks import BackgroundTasks
from proxy.upstream.cache import Cache, Cached
from proxy.upstream.client import Upstream

T = TypeVar("T")

log = logging.getLogger(__name__)

MAX_SERVICES = 4000
MAX_PAIRS = 20_000
MAX_ASKED = 200
FIRST_WAIT = 5.0
"""Seconds that a request for all services waits until the first one is read."""
SWEEP_AFTER_ASKING = 600.0
SWEEP_PAUSE = 30.0
"""Seconds between two rounds, and after the upstream failed."""
SAY_EVERY = 60.0
"""Seconds between two lines of the log about a sweep under way."""

SERVICES, MARKETS, PRICES = "services", "markets", "prices/"
"""Names of answers in the store; the third is followed by the service code."""


class Matrix(NamedTuple):
    """All prices known so far, by service code."""

    prices: Mapping[str, tuple[Price, ...]]
    services: int
    """The number of all services, with or without known prices."""


class AnswerStore(Protocol):
    """The part of a store that the catalogue uses; see Store. Coroutines raise StoreError."""

    def save_answer(self, answer: CatalogueAnswer) -> None: ...

    async def answers(self) -> list[CatalogueAnswer]: ...


class Catalogue:
    """`clock` is this machine's wall clock, on which saved answers have their age. The `ttl`s are
    in seconds; `per_second` is the rate of the sweep.
    """

    def __init__(
        self,
        upstream: Upstream,
        store: AnswerStore,
        clock: Callable[[], float],
        counters: Counters,
        *,
        prices_ttl: float,
        catalog_ttl: float,
        per_second: float,
    ) -> None:
        self._upstream = upstream
        self._store = store
        self._clock = clock
        self._prices = Cache[str, tuple[Price, ...]](prices_ttl, MAX_SERVICES, counters, "prices")
        self._pairs = Cache[tuple[str, str], int](prices_ttl, MAX_PAIRS, counters, "price")
        self._services = Cache[str, tuple[Service, ...]](catalog_ttl, 1, counters, "services")
        self._markets = Cache[str, tuple[Market, ...]](catalog_ttl, 1, counters, "countries")
        self._per_second = per_second
        self._asked: LRUCache[str, None] = LRUCache(MAX_ASKED)
        self._asked_at = 0.0
        self._tasks = BackgroundTasks()
        self._sweep: asyncio.Task[None] | None = None
        self._first = asyncio.Event()

    async def start(self) -> None:
        """Loads the saved answers of an earlier run."""
        try:
            answers = await self._store.answers()
        except StoreError as error:
            log.error(log_events.CATALOGUE_UNREAD, error)
            return
        for answer in answers:
            try:
                self._restore(answer)
            except (MsgspecError, TypeError) as error:
                log.warning(log_events.CACHE_UNREADABLE, answer.name, error)

    def _restore(self, answer: CatalogueAnswer) -> None:
        age = max(self._clock() - answer.at, 0.0)
        if answer.name == SERVICES:
            self._services.put("", decode(answer.body, type=tuple[Service, ...]), age)
        elif answer.name == MARKETS:
            self._markets.put("", decode(answer.body, type=tuple[Market, ...]), age)
        elif answer.name.startswith(PRICES):
            prices = decode(answer.body, type=tuple[Price, ...])
            self._prices.put(answer.name.removeprefix(PRICES), prices, age)
            self._first.set()

    def set_pace(self, *, prices_ttl: float, catalog_ttl: float, per_second: float) -> None:
        """Changes what the constructor was given."""
        for cache in (self._prices, self._pairs):
            cache.set_ttl(prices_ttl)
        for lists in (self._services, self._markets):
            lists.set_ttl(catalog_ttl)
        self._per_second = per_second

    async def prices(self, service: str) -> Cached[tuple[Price, ...]]:
        self._asked[service] = None
        return await self._read(service)

    async def price(self, service: str, country: str) -> int:
        """In cents. Raises NO_NUMBERS if the pair is not for sale."""
        self._asked[service] = None
        pair = (service, country)
        try:
            # Not `stale`: no purchase on an old price.
            read = await self._pairs.get(pair, lambda: self._upstream.price(*pair), stale=False)
        except ProblemError as error:
            if error.problem is Problem.NO_NUMBERS:
                self.sold_out(service, country)
            raise
        return read.value

    def charged(self, service: str, country: str, cents: int) -> None:
        """Caches a price in cents that was charged: it replaces the quoted one."""
        self._pairs.put((service, country), cents)

    def sold_out(self, service: str, country: str) -> None:
        """Takes the cached stock of a pair to 0, after the upstream's own word; its age stays."""
        rows = self._prices.peek(service) or ()
        if not any(row.country == country and row.count for row in rows):
            return
        none_left = tuple(replace(row, count=0) if row.country == country else row for row in rows)
        age = monotonic() - self._prices.read_at(service)
        self._prices.put(service, none_left, age)
        answer = CatalogueAnswer(PRICES + service, self._clock() - age, encode(none_left))
        self._store.save_answer(answer)

    async def services(self, key: ClientKey) -> Cached[tuple[Service, ...]]:
        upstream = self._upstream
        return await self._services.get("", lambda: self._save(SERVICES, upstream.services(key)))

    async def markets(self, key: ClientKey) -> Cached[tuple[Market, ...]]:
        upstream = self._upstream
        return await self._markets.get("", lambda: self._save(MARKETS, upstream.countries(key)))

    def cached_services(self) -> tuple[Service, ...] | None:
        """What is cached, of any age; None if nothing is. So are the next two."""
        return self._services.peek("")

    def cached_markets(self) -> tuple[Market, ...] | None:
        return self._markets.peek("")

    def cached_prices(self, service: str) -> tuple[Price, ...] | None:
        return self._prices.peek(service)

    def known(self) -> Matrix:
        """The prices of all services known so far."""
        services = self.cached_services() or ()
        codes = (service.code for service in services)
        known = {code: rows for code in codes if (rows := self._prices.peek(code)) is not None}
        return Matrix(known, len(services))

    async def everything(self, key: ClientKey) -> Matrix:
        """The prices of all services known so far. Starts the sweep, or lets it go on."""
        await self.services(key)
        self._asked_at = monotonic()
        if self._sweep is None or self._sweep.done():
            self._sweep = self._tasks.loop(partial(self._sweep_all, key), "price sweep")
        if not self._first.is_set():
            try:
                await asyncio.wait_for(self._first.wait(), FIRST_WAIT)
            except TimeoutError:
                log.warning(log_events.NO_PRICES, FIRST_WAIT)
        return self.known()

    async def close(self) -> None:
        await self._tasks.aclose()
        for cache in (self._prices, self._pairs, self._services, self._markets):
            await cache.close()

    @property
    def _is_wanted(self) -> bool:
        return monotonic() - self._asked_at < SWEEP_AFTER_ASKING

    async def _sweep_all(self, key: ClientKey) -> None:
        while self._is_wanted:
            try:
                await self._sweep_once(key)
            except ProblemError as error:
                log.warning(log_events.SWEEP_PAUSED, error)
            await asyncio.sleep(SWEEP_PAUSE)

    async def _sweep_once(self, key: ClientKey) -> None:
        """Reads the services that clients asked for first, then those read longest ago."""
        services = [service.code for service in (await self.services(key)).value]
        order = sorted(services, key=lambda c: (c not in self._asked, self._prices.read_at(c)))
        said_at = monotonic()
        for code in (code for code in order if not self._prices.is_fresh(code)):
            if not self._is_wanted:
                return
            if monotonic() - said_at >= SAY_EVERY:
                said_at = monotonic()
                known = self.known()
                log.info(
                    "services whose prices the sweep knows: %d of %d",
                    len(known.prices),
                    known.services,
                )
            try:
                await self._read(code, stale=False)
            except ProblemError as error:
                if error.problem is Problem.RATE_LIMITED:
                    raise
                log.info("the price sweep goes on without %s: %s", code, error)
            else:
                self._first.set()
            await asyncio.sleep(1 / self._per_second)

    async def _read(self, service: str, *, stale: bool = True) -> Cached[tuple[Price, ...]]:
        read = partial(self._upstream.prices, service)
        name = PRICES + service
        return await self._prices.get(service, lambda: self._save(name, read()), stale=stale)

    async def _save(self, name: str, answer: Awaitable[T]) -> T:
        value = await answer
        self._store.save_answer(CatalogueAnswer(name, self._clock(), encode(value)))
        return value
