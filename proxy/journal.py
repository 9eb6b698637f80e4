"""The journal of purchases: each intended one, from the intent to the telling.

Money is safe because every step is in the store before the next one: an intent before the POST, a
paid order before anybody hears of it, that a client was told before the answer. What fails between
two steps leaves a row that says what is owed: a purchase of unknown outcome is looked for in the
order list; a paid order that nobody was told about, an orphan, goes to the next who wishes the
same, or is cancelled for a refund.
"""

import asyncio
import logging
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from proxy.cancels import Cancels
from proxy.errors import Problem, ProblemError
from proxy.legacy.activation import Activation
from proxy.legacy.status import Phase
from proxy.model import OVER, Key
from proxy.orders import Orders, kept
from proxy.store import Entry, Owed, OwedKind, SqliteStore, StoreError
from proxy.upstream.client import Upstream

log = logging.getLogger(__name__)

OPEN_SECONDS = 300.0
"""How long an order that a purchase of unknown outcome made may take to be listed."""

RECONCILE_SECONDS = 10.0

GRACE = 8.0
"""Seconds that purchases under way have when the process is told to stop."""

DATE_SLACK = 1.0
"""A Date header and a created_at are whole seconds."""

Pair = tuple[Key, str, str]
"""Whose, which service, which country."""


@dataclass(slots=True)
class Purchase:
    """One intended purchase. Its row `owed` changes with it."""

    owed: Owed
    known: frozenset[str] = frozenset()
    """Orders known before its POST: none of them can be its own."""
    has_client: bool = False
    """Somebody waits for it."""
    unclear: bool = False
    once: bool = False
    """The upstream said that it has no stock, in a 5xx: one look at the list is enough."""
    post: asyncio.Task[Activation] | None = None
    activation: Activation | None = None
    timer: asyncio.Task[None] | None = None

    @property
    def is_under_way(self) -> bool:
        return self.post is not None and not self.post.done()

    @property
    def owned(self) -> Activation:
        assert self.activation is not None
        return self.activation

    @property
    def pair(self) -> Pair:
        return self.owed.key, self.owed.service, self.owed.country


class Journal:
    def __init__(
        self,
        upstream: Upstream,
        orders: Orders,
        cancels: Cancels,
        store: SqliteStore,
        reuse_seconds: float,
    ) -> None:
        self._upstream = upstream
        self._orders = orders
        self._cancels = cancels
        self._store = store
        self._reuse_seconds = reuse_seconds
        self._open: dict[str, Purchase] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._watched: set[Key] = set()

    async def start(self) -> None:
        """Take up what the last run left open."""
        for owed in await self._store.owed():
            await self._orders.open(owed.key)
            purchase = Purchase(owed)
            match owed.kind:
                case OwedKind.PURCHASE:
                    self._open[owed.id] = purchase
                    self.leave(purchase)
                case OwedKind.ORPHAN:
                    self._open[owed.id] = purchase
                    purchase.activation = self._orders.of(owed.key, owed.order)
                    self.release(purchase)
                case OwedKind.CANCEL:
                    self._cancels.resume(owed, self._orders.of(owed.key, owed.order))

    async def close(self) -> None:
        """Purchases under way come to their end; the rest is owed by the next run."""
        posts = [p.post for p in self._open.values() if p.post and p.is_under_way]
        if posts:
            await asyncio.wait(posts, timeout=GRACE)
        tasks = {*self._tasks, *posts, *(p.timer for p in self._open.values() if p.timer)}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def begin(self, pair: Pair) -> Purchase:
        """The intent, in the store. A number that cannot be recorded must not be bought."""
        key, service, iso = pair
        owed = Owed(str(uuid4()), OwedKind.PURCHASE, key, service, iso, self._upstream.now())
        known = frozenset(a.order.id for a in self._orders.activations(key))
        try:
            await self._store.owe(owed)
        except StoreError as error:
            log.error("no purchase: the store cannot be written: %s", error)
            raise ProblemError(Problem.TRY_AGAIN, "the store cannot be written") from error
        purchase = self._open[owed.id] = Purchase(owed, known, has_client=True)
        return purchase

    async def left_over(self, pair: Pair, cap: int | None) -> Purchase | None:
        """What was bought, or is being bought, for the same wish, and nobody waits for."""
        if any(purchase.unclear for purchase in self._unclaimed(pair)):
            await self.reconcile(pair[0])
        for purchase in self._unclaimed(pair):
            if _is_fit(purchase, cap):
                self._claim(purchase)
                await self._orders.look(pair[0], purchase.owned)
                if _is_fit(purchase, cap):
                    return purchase
                self.release(purchase)
        under_way = next((p for p in self._unclaimed(pair) if p.is_under_way), None)
        if under_way:
            self._claim(under_way)
        return under_way

    def _claim(self, purchase: Purchase) -> None:
        purchase.has_client = True
        if purchase.timer:
            purchase.timer.cancel()

    def release(self, purchase: Purchase) -> None:
        """Nobody waits for it any more: its refund is in sight, unless it is claimed before."""
        purchase.has_client = False
        if purchase.activation and purchase.owed.id in self._open:
            purchase.timer = asyncio.create_task(self._expire(purchase))

    async def bought(self, purchase: Purchase, activation: Activation) -> None:
        """The order is paid: it and its money are kept before anybody hears of it."""
        key, service, iso = purchase.pair
        order = activation.order
        activation.told = False
        purchase.unclear, purchase.activation = False, activation
        purchase.owed = replace(purchase.owed, kind=OwedKind.ORPHAN, order=order.id)
        cents, what = order.cents or 0, f"{service}/{iso}"
        charge = Entry(self._upstream.now(), key.hash, order.id, "charge", -cents, what)
        log.info("bought order %s: %s for %s cents, %s", order.id, what, order.cents, key)
        try:
            await self._store.bought(purchase.owed, kept(key, activation), charge)
        except StoreError as error:
            log.error("order %s is paid and could not be kept: %s", order.id, error)
            raise ProblemError(Problem.TRY_AGAIN, "the store cannot be written") from error

    async def tell(self, purchase: Purchase, activation: Activation) -> None:
        """That the client was told is committed last before the answer."""
        activation.told = True
        try:
            await self._store.settle(purchase.owed.id, kept(purchase.owed.key, activation))
        except StoreError as error:
            activation.told = False
            log.error("order %s is not handed out: the store: %s", activation.order.id, error)
            raise ProblemError(Problem.TRY_AGAIN, "the store cannot be written") from error
        self._open.pop(purchase.owed.id, None)

    async def give_back(self, purchase: Purchase) -> None:
        """Cancel what no client gets, as soon as the upstream allows it."""
        await self._cancels.promise(purchase.owed, purchase.owned)
        self._open.pop(purchase.owed.id, None)

    async def drop(self, purchase: Purchase) -> None:
        """It made no order."""
        purchase.unclear = False
        self._open.pop(purchase.owed.id, None)
        try:
            await self._store.settle(purchase.owed.id)
        except StoreError as error:
            log.error("purchase %s stays open in the store: %s", purchase.owed.id, error)

    def leave(self, purchase: Purchase) -> None:
        """The outcome is unknown: the order list is looked at until it is known, or too old."""
        purchase.unclear = True
        key = purchase.owed.key
        if key not in self._watched:
            self._watched.add(key)
            self._task(self._watch(key))

    async def reconcile(self, key: Key) -> None:
        """Adopt from the order list what only an unclear purchase of ours can have made."""
        await self._orders.refresh_anew(key)
        for pair in {purchase.pair for purchase in self._unclear(key)}:
            # Those that somebody waits for come first.
            purchases = sorted(
                (purchase for purchase in self._unclear(key) if purchase.pair == pair),
                key=lambda purchase: (not purchase.has_client, -purchase.owed.at),
            )
            found = self._candidates(pair, purchases)
            if len(found) > len(purchases):
                # One of them is another program's: to guess could hand it out, or cancel it.
                log.warning("%s: %d orders for %d unclear purchases, none is adopted",
                            key, len(found), len(purchases))  # fmt: skip
                continue
            for purchase, activation in zip(purchases, found, strict=False):
                await self.bought(purchase, activation)
                if not purchase.has_client:
                    self.release(purchase)
            for purchase in purchases[len(found) :]:
                if purchase.once:
                    await self.drop(purchase)

    async def _watch(self, key: Key) -> None:
        while self._unclear(key):
            await asyncio.sleep(RECONCILE_SECONDS)
            try:
                await self.reconcile(key)
            except ProblemError as error:
                log.warning("unclear purchases of %s: %s", key, error)
            for purchase in self._unclear(key):
                if self._upstream.now() - purchase.owed.at > OPEN_SECONDS:
                    log.warning("purchase %s made no order", purchase.owed.id)
                    await self.drop(purchase)
        self._watched.discard(key)

    async def _expire(self, purchase: Purchase) -> None:
        now, order = self._upstream.now(), purchase.owned.order
        age = now - (order.created_at or now)
        await asyncio.sleep(max((order.cancel_at or 0.0) - now, self._reuse_seconds - age, 0.0))
        log.warning("order %s: nobody was told about it; it is cancelled", order.id)
        try:
            await self.give_back(purchase)
        except ProblemError as error:
            log.error("order %s: not cancelled: %s", order.id, error)

    def _unclaimed(self, pair: Pair) -> list[Purchase]:
        return [p for p in self._open.values() if p.pair == pair and not p.has_client]

    def _unclear(self, key: Key) -> list[Purchase]:
        return [p for p in self._open.values() if p.unclear and p.owed.key == key]

    def _candidates(self, pair: Pair, purchases: Iterable[Purchase]) -> list[Activation]:
        key, service, iso = pair
        begun = min(purchase.owed.at for purchase in purchases) - DATE_SLACK
        known = frozenset.intersection(*(purchase.known for purchase in purchases))
        return [
            activation
            for activation in self._orders.activations(key)
            if activation.told is None
            and activation.order.id not in known
            and (activation.order.service, activation.order.country) == (service, iso)
            and (activation.order.created_at or 0.0) >= begun
            and activation.order.state not in OVER
        ]

    def _task(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _is_fit(purchase: Purchase, cap: int | None) -> bool:
    """An orphan that can be handed out: still waiting, no SMS yet, within the cap."""
    activation = purchase.activation
    if activation is None or activation.phase is not Phase.WAITING:
        return False
    cents = activation.order.cents
    is_affordable = cap is None or (cents is not None and cents <= cap)
    return is_affordable and activation.is_untouched
