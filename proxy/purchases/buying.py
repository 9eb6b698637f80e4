"""Buying a number: at most one POST for one getNumber, checked before it is handed out."""

import asyncio
import logging
from collections.abc import Callable
from typing import TypeVar

from cachetools import TTLCache

from proxy.config.codes import Codes
from proxy.model import ClientKey, Order, UpstreamKey, money
from proxy.model.errors import Problem, ProblemError
from proxy.orders.orders import Orders
from proxy.orders.sockets import OrderSockets
from proxy.orders.tracked import TrackedActivation
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
"""How long a service and country are not bought again after a number of another country came."""

SOLD_OUT_SECONDS = 5.0
"""How long a wish that found no numbers is answered so again: programs ask in a loop."""

MAX_CLOSED = 10_000

GRACE = 8.0
"""Seconds that purchases and swaps under way have when the process stops."""


class Purchases:
    def __init__(
        self,
        upstream: Upstream,
        orders: Orders,
        sockets: OrderSockets,
        journal: Journal,
        limit_checks: LimitChecks,
        catalogue: Catalogue,
        balances: Cache[UpstreamKey, int],
        codes: Codes,
    ) -> None:
        self._upstream = upstream
        self._orders = orders
        self._sockets = sockets
        self._journal = journal
        self._limit_checks = limit_checks
        self._catalogue = catalogue
        self._balances = balances
        self._codes = codes
        self._closed: TTLCache[tuple[str, str], None]
        self._closed = TTLCache(MAX_CLOSED, CLOSED_SECONDS, monotonic)
        # Of one cap only: what is sold out under fifty cents may be there for sixty.
        self._sold_out: TTLCache[tuple[Pair, int | None], None]
        self._sold_out = TTLCache(MAX_CLOSED, SOLD_OUT_SECONDS, monotonic)
        self._tasks = BackgroundTasks(ProblemError)

    async def close(self) -> None:
        """What was sent gets its answer, for a while; the rest is owed by the next run."""
        await self._tasks.aclose(GRACE)

    async def buy(
        self,
        wanted: PurchaseRequest,
        gone: asyncio.Task[None],
        answer: Callable[[TrackedActivation], T],
    ) -> T:
        """The answer with one number, told to the client unless it has `gone` by then. It is made
        before the number counts as told: where it cannot be, the number is nobody's, not lost.
        """
        await self._orders.open(wanted.key)
        await self._orders.open(wanted.key.listing)
        what = wanted.pair.what
        if what in self._closed:
            raise ProblemError(Problem.NO_NUMBERS, f"{'/'.join(what)} is closed")
        purchase = await self._purchase(wanted, gone)
        try:
            activation = purchase.activation or await self._outcome(purchase, gone)
            await self._check(purchase, activation, wanted)
            activation.service = wanted.code
            made = answer(activation)
            if gone.done():
                raise ProblemError(Problem.TRY_AGAIN, "the client has gone")
            self._sockets.watch(wanted.key, activation)
            # Once begun, its result counts more than the deadline: what is told is said.
            marking = self._journal.mark_delivered(purchase, activation)
            await self._tasks.finish(marking, f"telling of order {activation.order.id}")
            return made
        finally:
            # Whatever ended this, the deadline included.
            self._journal.release(purchase)

    async def swap(self, key: ClientKey, activation: TrackedActivation) -> None:
        """Another number for the order, perhaps with another id. What was sent may be done: it
        goes on behind the client's deadline.
        """
        name = f"swap of order {activation.order.id}"
        await asyncio.shield(self._tasks.start(self._swap(key, activation), name, of_request=True))

    async def _swap(self, key: ClientKey, activation: TrackedActivation) -> None:
        order = await self._upstream.swap(key, activation.order.id)
        await self._orders.open(key)
        await self._orders.swapped(key, activation, order)

    async def _purchase(self, wanted: PurchaseRequest, gone: asyncio.Task[None]) -> Purchase:
        """One left over, or a new one whose turn has come."""
        pair, caps, cap = wanted.pair, wanted.caps, wanted.most
        if left_over := await self._journal.left_over(pair, cap, wanted.reference):
            return left_over
        if (pair, cap) in self._sold_out:
            raise ProblemError(Problem.NO_NUMBERS, "sold out a moment ago")
        try:
            quoted = None
            if cap is not None or caps.counts_money:
                quoted = await self._catalogue.price(*pair.what)
                _check_price(quoted, cap)
            ceiling = self._limit_checks.of(caps)
            await self._limit_checks.check(pair, quoted, ceiling)
            await self._admit(wanted.key, gone)
            return await self._begin(wanted, quoted, ceiling)
        except ProblemError as error:
            if error.problem is Problem.NO_NUMBERS:
                self._sold_out[pair, cap] = None
            raise

    async def _admit(self, key: ClientKey, gone: asyncio.Task[None]) -> None:
        """A turn to buy, unless the client goes while it waits in the queue."""
        if await self._upstream.admit_now("purchase", key, Urgency.PAID):
            return
        admitted = self._upstream.admit("purchase", key, Urgency.PAID)
        async with child_task(admitted, "turn of a purchase") as turn:
            await asyncio.wait({turn, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not turn.done():
                raise ProblemError(Problem.TRY_AGAIN, "the client has gone")
            turn.result()

    async def _begin(
        self, wanted: PurchaseRequest, quoted: int | None, ceiling: SpendingLimit | None
    ) -> Purchase:
        purchase = await self._journal.begin(wanted.pair, wanted.reference, quoted, ceiling)
        purchase.cap = wanted.most
        name = f"purchase {purchase.owed.id}"
        purchase.post = self._tasks.start(self._post(purchase), name, of_request=True)
        return purchase

    async def _post(self, purchase: Purchase) -> TrackedActivation:
        """The one POST of a purchase, and what is written of it. It goes on when its client has
        gone.
        """
        order = await self._sent(purchase)
        try:
            # Known since before the POST, unless it was let go of: to adopt it must be open.
            await self._orders.open(purchase.owed.key)
            activation = self._orders.adopt(purchase.owed.key, order)
            await self._journal.bought(purchase, activation)
        except Exception:
            if purchase.activation is None and not purchase.unclear:
                # Paid, and nothing holds it yet: the order list is looked at for it.
                self._journal.leave(purchase)
            raise
        finally:
            # Paid is paid, whether or not it could be kept.
            if not purchase.has_client:
                self._journal.release(purchase)
        return activation

    async def _sent(self, purchase: Purchase) -> Order:
        key, service, iso = purchase.pair
        try:
            return await self._upstream.purchase(key, service, iso)
        except ProblemError as error:
            if error.problem is Problem.NO_NUMBERS:
                self._sold_out[purchase.pair, purchase.cap] = None
            if error.may_have_worked:
                purchase.is_no_stock = error.problem is not Problem.UNCLEAR
                self._journal.leave(purchase)
            else:
                await self._journal.drop(purchase)
            raise
        except Exception:
            # A bug: what came of the request is not known.
            self._journal.leave(purchase)
            raise
        finally:
            self._balances.drop(key.upstream)

    async def _outcome(self, purchase: Purchase, gone: asyncio.Task[None]) -> TrackedActivation:
        if purchase.post:
            # Not cancelled with this: it goes on, and the next who wishes the same waits for it.
            await asyncio.wait({purchase.post, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not purchase.post.done():
                raise ProblemError(Problem.TRY_AGAIN, "the client has gone")
            try:
                return purchase.post.result()
            except ProblemError as error:
                if error.problem is not Problem.UNCLEAR:
                    raise
        await self._journal.reconcile(purchase.owed.key)
        if purchase.activation is None:
            raise ProblemError(Problem.UNCLEAR, "the order list shows no order of this purchase")
        return purchase.activation

    async def _check(
        self, purchase: Purchase, activation: TrackedActivation, wanted: PurchaseRequest
    ) -> None:
        """What was bought is not always what was wished; then it is cancelled, not handed out."""
        order, (service, iso), cap = activation.order, wanted.pair.what, wanted.most
        if not self._codes.dial_fits(wanted.country, order.phone):
            self._closed[service, iso] = None
            log.warning(log_events.WRONG_COUNTRY, order.id, iso)
            await self._journal.give_back(purchase)
            raise ProblemError(Problem.NO_NUMBERS)
        if order.cents is None:
            return
        self._catalogue.charged(service, iso, order.cents)
        if money.is_over(order.cents, cap):
            log.warning(log_events.OVER_MAX_PRICE, order.id)
            await self._journal.give_back(purchase)
        _check_price(order.cents, cap)
        quoted, caps = purchase.quoted, wanted.caps
        if quoted is not None and order.cents > quoted and caps.counts_money:
            left = await self._limit_checks.left(wanted.key, caps)
            if order.cents <= -left:
                log.warning(log_events.OVER_LIMIT, order.id)
                await self._journal.give_back(purchase)
                raise ProblemError(Problem.NO_BALANCE, "charged over the quote")


def _check_price(cents: int, cap: int | None) -> None:
    if money.is_over(cents, cap):
        raise ProblemError(Problem.PRICE_TOO_HIGH, cents=cents)
