"""Buying a number: one POST for one getNumber, and what stands between the order and the client."""

import asyncio
import logging

from proxy.codes import Codes, Country
from proxy.errors import Problem, ProblemError
from proxy.legacy.activation import Activation
from proxy.model import Key, Order
from proxy.orders import Orders
from proxy.upstream.cache import Cache
from proxy.upstream.catalogue import Catalogue
from proxy.upstream.client import Upstream

log = logging.getLogger(__name__)

CLOSED_SECONDS = 600.0
"""How long a service and country are not bought again after a number of another country came."""

MAX_CLOSED = 10_000


class Purchases:
    def __init__(
        self,
        upstream: Upstream,
        orders: Orders,
        catalogue: Catalogue,
        balances: Cache[Key, int],
        codes: Codes,
    ) -> None:
        self._upstream = upstream
        self._orders = orders
        self._catalogue = catalogue
        self._balances = balances
        self._codes = codes
        self._closed: Cache[tuple[str, str], None] = Cache(CLOSED_SECONDS, MAX_CLOSED)
        self._under_way: set[asyncio.Task[Order]] = set()

    async def buy(self, key: Key, service: str, country: Country, cap: int | None) -> Activation:
        """One number for at most `cap` cents; the price is looked up first where there is a cap.

        The purchase goes on when the client's deadline passes: what was sent may have been charged.
        """
        if self._closed.is_fresh((service, country.iso)):
            raise ProblemError(Problem.NO_NUMBERS, f"{service}/{country.iso} is closed")
        if cap is not None:
            _check_price(await self._catalogue.price(service, country.iso), cap)
        purchase = asyncio.create_task(self._purchase(key, service, country.iso))
        self._under_way.add(purchase)
        purchase.add_done_callback(self._done)
        order = await asyncio.shield(purchase)
        self._check(order, service, country, cap)
        return self._orders.of(key, order.id)

    async def _purchase(self, key: Key, service: str, iso: str) -> Order:
        try:
            order = await self._upstream.purchase(key, service, iso)
        finally:
            self._balances.drop(key)
        self._orders.learn(key, order)
        log.info(
            "bought order %s: %s/%s for %s cents, %s", order.id, service, iso, order.cents, key
        )
        return order

    def _check(self, order: Order, service: str, country: Country, cap: int | None) -> None:
        """What was bought is not always what was wished; then it is not handed out."""
        if not self._codes.dial_fits(country, order.phone):
            self._closed.put((service, country.iso), None)
            log.warning("order %s is not handed out: no number of %s", order.id, country.iso)
            raise ProblemError(Problem.NO_NUMBERS)
        if order.cents is None:
            return
        self._catalogue.charged(service, country.iso, order.cents)
        if cap is not None and order.cents > cap:
            log.warning("order %s is not handed out: charged over the cap", order.id)
        _check_price(order.cents, cap)

    def _done(self, purchase: asyncio.Task[Order]) -> None:
        self._under_way.discard(purchase)
        if not purchase.cancelled() and (error := purchase.exception()):
            log.info("no order: %s", error)


def _check_price(cents: int, cap: int | None) -> None:
    if cap is not None and cents > cap:
        raise ProblemError(Problem.PRICE_TOO_HIGH, cents=cents)
