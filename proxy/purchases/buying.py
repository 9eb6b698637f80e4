"""Buys a number: at most one POST for each getNumber; the order is checked before hand-out."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from cachetools import TTLCache

from proxy.config.codes import Codes
from proxy.model import ClientKey, Order, UpstreamKey, money
from proxy.model.errors import Problem, ProblemError
from proxy.orders.orders import Orders
from proxy.orders.sockets import OrderSockets
from proxy.orders.tracked import TrackedActivation
from proxy.purchases.delivery import Handover
from proxy.purchases.journal import Journal
from proxy.purchases.limits import LimitChecks
from proxy.purchases.purchase import Pair, Purchase, PurchaseRequest
from proxy.runtime import log_events
from proxy.runtime.clock import monotonic
from proxy.runtime.tasks import BackgroundTasks, child_task
from proxy.store import SpendingLimit
from proxy.upstream.cache import Cache
from proxy.upstream.catalogue import Catalogue
from proxy.upstream.client import Upstream
from proxy.upstream.rate_window import Urgency

T = TypeVar("T")

log = logging.getLogger(__name__)

CLOSED_SECONDS = 600.0
"""Seconds that a pair is closed after the upstream sent a number of another country."""
SOLD_OUT_SECONDS = 5.0
"""Seconds that NO_NUMBERS is repeated without a request: programs retry in a loop."""
MAX_CLOSED = 10_000
"""Entries of either cache."""
GRACE = 8.0
"""Seconds that running purchases and swaps have when the process stops."""


@dataclass(eq=False)
class Purchases:
    upstream: Upstream
    orders: Orders
    sockets: OrderSockets
    journal: Journal
    limit_checks: LimitChecks
    catalogue: Catalogue
    balances: Cache[UpstreamKey, int]

    def __post_init__(self) -> None:
        self._closed = TTLCache[tuple[str, str], None](MAX_CLOSED, CLOSED_SECONDS, monotonic)
        # For one maximum price only: a number may be sold out for 50 cents and available for 60.
        self._sold_out = TTLCache[tuple[Pair, int | None], None](
            MAX_CLOSED, SOLD_OUT_SECONDS, monotonic
        )
        self._tasks = BackgroundTasks(ProblemError)

    async def close(self) -> None:
        """Waits up to GRACE seconds for running requests; the next run takes over the others."""
        await self._tasks.aclose(GRACE)

    async def buy(
        self,
        request: PurchaseRequest,
        disconnect: asyncio.Task[None],
        answer: Callable[[TrackedActivation], T],
    ) -> tuple[T, Handover | None]:
        """Returns `answer(activation)` of one bought number, and what has to be told how the answer
        ended; None for a number that is marked as delivered, as its reference has named it.

        Raises ProblemError if none can be bought, or if `disconnect` has ended: a number that was
        paid is unclaimed then. So it is when `answer` raises.
        """
        await self.orders.open(request.key)
        await self.orders.open(request.key.listing)
        what, deliveries = request.pair.what, self.journal.deliveries
        if request.reference:
            known = await deliveries.bought_with(request.pair, request.reference)
            if known:
                return answer(known), None
        if what in self._closed:
            raise ProblemError(Problem.NO_NUMBERS, f"{'/'.join(what)} is closed")
        purchase = await self._purchase(request, disconnect)
        try:
            activation = purchase.activation or await self._outcome(purchase, disconnect)
            await self._check(purchase, activation, request)
            activation.service = request.code
            made = answer(activation)
            if disconnect.done():
                raise ProblemError(Problem.TRY_AGAIN, "the client has gone")
            await deliveries.begin(purchase)
        except BaseException:
            # After the deadline, too.
            self.journal.unclaimed.release(purchase)
            raise
        self.sockets.watch(request.key, activation)
        return made, Handover(deliveries, purchase)

    async def swap(self, key: ClientKey, activation: TrackedActivation) -> None:
        """Gets another number for the order, which may get another order id. The upstream may carry
        out a request once sent, so this goes on after the client's deadline. Two at the same time
        are one. Raises ProblemError.
        """
        order = activation.order.id
        work = partial(self._swap, key, activation)
        await self._tasks.share((key, order), work, f"swap of order {order}")

    async def _swap(self, key: ClientKey, activation: TrackedActivation) -> None:
        try:
            order = await self.upstream.swap(key, activation.order.id)
        except ProblemError as error:
            if error.problem is Problem.NO_NUMBERS:
                self.catalogue.sold_out(activation.order.service, activation.order.country)
            raise
        await self.orders.open(key)
        await self.orders.swapped(key, activation, order)

    async def _purchase(self, request: PurchaseRequest, disconnect: asyncio.Task[None]) -> Purchase:
        """Returns an unclaimed purchase, or a new one, after its turn in the request budget."""
        pair, limits, max_price = request.pair, request.limits, request.max_price
        if unclaimed := await self.journal.unclaimed_for(pair, max_price, request.reference):
            return unclaimed
        if (pair, max_price) in self._sold_out:
            raise ProblemError(Problem.NO_NUMBERS, "sold out a moment ago")
        quoted = await self._quote(request) if request.needs_price else None
        limit = self.limit_checks.of(limits)
        await self.limit_checks.check(pair, quoted, limit)
        await self._admit(request.key, disconnect)
        return await self._begin(request, quoted, limit)

    async def _quote(self, request: PurchaseRequest) -> int:
        """The price in cents. Raises ProblemError if it is outside the request's limits."""
        try:
            quoted = await self.catalogue.price(*request.pair.what)
        except ProblemError as error:
            if error.problem is Problem.NO_NUMBERS:
                self._sold_out[request.pair, request.max_price] = None
            raise
        _check_price(quoted, request.max_price)
        if money.is_over(request.min_price, quoted):
            raise ProblemError(Problem.NO_NUMBERS, "the price is under minPrice")
        return quoted

    async def _admit(self, key: ClientKey, disconnect: asyncio.Task[None]) -> None:
        """Waits for a turn in the request budget. Raises TRY_AGAIN if the client disconnects."""
        if await self.upstream.admit_now("purchase", key, Urgency.PAID):
            return
        admitted = self.upstream.admit("purchase", key, Urgency.PAID)
        async with child_task(admitted, "turn of a purchase") as turn:
            await asyncio.wait({turn, disconnect}, return_when=asyncio.FIRST_COMPLETED)
            if not turn.done():
                raise ProblemError(Problem.TRY_AGAIN, "the client has gone")
            turn.result()

    async def _begin(
        self, request: PurchaseRequest, quoted: int | None, limit: SpendingLimit | None
    ) -> Purchase:
        purchase = await self.journal.begin(request.pair, request.reference, quoted, limit)
        purchase.max_price, purchase.code = request.max_price, request.code
        name = f"purchase {purchase.operation.id}"
        purchase.post = self._tasks.start(self._post(purchase), name, of_request=True)
        return purchase

    async def _post(self, purchase: Purchase) -> TrackedActivation:
        """Sends the one POST and writes the outcome. Goes on after the client has disconnected."""
        order = await self._send(purchase)
        try:
            # The key was open before the POST, but may have been dropped as idle since.
            await self.orders.open(purchase.operation.key)
            activation = self.orders.adopt(purchase.operation.key, order)
            await self.journal.bought(purchase, activation)
        except Exception:
            if purchase.activation is None and not purchase.unclear:
                # It is paid, and no row has it yet: search the order list for it.
                self.journal.mark_unclear(purchase)
            raise
        finally:
            # Also when the store could not be written: the order is paid.
            if not purchase.has_client:
                self.journal.unclaimed.release(purchase)
        return activation

    async def _send(self, purchase: Purchase) -> Order:
        key, service, iso = purchase.pair
        try:
            return await self.upstream.purchase(key, service, iso)
        except ProblemError as error:
            if error.problem is Problem.NO_NUMBERS:
                self._sold_out[purchase.pair, purchase.max_price] = None
                self.catalogue.sold_out(service, iso)
            if error.may_have_worked:
                purchase.is_no_stock = error.problem is not Problem.UNCLEAR
                self.journal.mark_unclear(purchase)
            else:
                await self.journal.drop(purchase)
            raise
        except Exception:
            # A bug: the outcome of the request is unknown.
            self.journal.mark_unclear(purchase)
            raise
        finally:
            self.balances.drop(key.upstream)

    async def _outcome(
        self, purchase: Purchase, disconnect: asyncio.Task[None]
    ) -> TrackedActivation:
        if purchase.post:
            # `wait` does not cancel the POST; the next matching request waits for the same task.
            await asyncio.wait({purchase.post, disconnect}, return_when=asyncio.FIRST_COMPLETED)
            if not purchase.post.done():
                raise ProblemError(Problem.TRY_AGAIN, "the client has gone")
            try:
                return purchase.post.result()
            except ProblemError as error:
                if error.problem is not Problem.UNCLEAR:
                    raise
        await self.journal.reconcile(purchase.operation.key)
        if purchase.activation is None:
            raise ProblemError(Problem.UNCLEAR, "the order list shows no order of this purchase")
        return purchase.activation

    async def _check(
        self, purchase: Purchase, activation: TrackedActivation, request: PurchaseRequest
    ) -> None:
        """Cancels the order and raises ProblemError if its country or its price does not fit."""
        order, (service, iso), max_price = activation.order, request.pair.what, request.max_price
        if not Codes.dial_fits(request.country, order.phone):
            self._closed[service, iso] = None
            log.warning(log_events.WRONG_COUNTRY, order.id, iso)
            await self.journal.unclaimed.cancel(purchase)
            raise ProblemError(Problem.NO_NUMBERS)
        if order.cents is None:
            return
        self.catalogue.charged(service, iso, order.cents)
        if money.is_over(order.cents, max_price):
            log.warning(log_events.OVER_MAX_PRICE, order.id)
            await self.journal.unclaimed.cancel(purchase)
        _check_price(order.cents, max_price)
        quoted, limits = purchase.quoted, request.limits
        if quoted is not None and order.cents > quoted and limits.counts_money:
            left = await self.limit_checks.left(request.key, limits)
            if order.cents <= -left:
                log.warning(log_events.OVER_LIMIT, order.id)
                await self.journal.unclaimed.cancel(purchase)
                raise ProblemError(Problem.NO_BALANCE, "charged over the quote")


def _check_price(cents: int, max_price: int | None) -> None:
    if money.is_over(cents, max_price):
        raise ProblemError(Problem.PRICE_TOO_HIGH, cents=cents)
