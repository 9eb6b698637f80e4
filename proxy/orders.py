"""What is known of each live order. Every source ends in `learn`; getStatus reads from here."""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace

from proxy.errors import Problem, ProblemError
from proxy.legacy.activation import Activation, candidates, code_of
from proxy.legacy.status import Phase
from proxy.model import OVER, Key, Order, OrderState, Sms, merge
from proxy.store import Entry, Kept, SqliteStore, StoreError
from proxy.tally import Tally
from proxy.upstream.cache import Cache

log = logging.getLogger(__name__)

MAX_ACCOUNTS = 10_000
"""So many keys are known before those that nobody uses are let go."""
EMPTY_SECONDS, IDLE_SECONDS = 60.0, 7200.0
SWEEP_SECONDS = 10.0

LONGEST_LIFE = 3600.0
"""Seconds that an order lives at most: 20 minutes live, 60 in a sample of the documentation."""


@dataclass(slots=True)
class _Account:
    """The activations of one key."""

    by_id: dict[int, Activation] = field(default_factory=dict)
    by_order: dict[str, Activation] = field(default_factory=dict)
    by_wish: dict[str, Activation] = field(default_factory=dict)
    places: int = 0
    used_at: float = 0.0
    """On the monotonic clock."""

    def add(self, activation: Activation) -> None:
        self.by_id[activation.id] = self.by_order[activation.order.id] = activation
        self.places += 1
        activation.place = self.places
        if activation.wish:
            self.by_wish[activation.wish] = activation

    def drop(self, activation: Activation) -> None:
        self.by_id.pop(activation.id, None)
        self.by_order.pop(activation.order.id, None)
        self.by_wish.pop(activation.wish, None)


class Orders:
    """`now` is the upstream's clock."""

    def __init__(self, store: SqliteStore, tally: Tally, now: Callable[[], float]) -> None:
        self._store = store
        self._tally = tally
        self._now = now
        self._accounts: dict[Key, _Account] = {}
        self._opened: Cache[Key, None] = Cache(0.0, 1)
        self._swept_at = float("-inf")

    async def open(self, key: Key) -> None:
        """Bring the key's activations back from the store, once."""
        account = self._accounts.get(key)
        if account is None:
            self._let_go_of_idle()
            await self._opened.get(key, lambda: self._load(key))
            account = self._accounts[key]
        account.used_at = asyncio.get_running_loop().time()

    def _let_go_of_idle(self) -> None:
        """Whoever sends one wrong key after the other must not fill the memory."""
        now = asyncio.get_running_loop().time()
        if len(self._accounts) < MAX_ACCOUNTS or now - self._swept_at < SWEEP_SECONDS:
            return
        self._swept_at = now
        for key, account in list(self._accounts.items()):
            if now - account.used_at > (IDLE_SECONDS if account.by_id else EMPTY_SECONDS):
                del self._accounts[key]

    def forget(self, before: float) -> None:
        """What was created before that, as the store does."""
        for account in self._accounts.values():
            for activation in list(account.by_id.values()):
                if (activation.order.created_at or 0.0) < before and activation.is_settled:
                    account.drop(activation)

    def states(self) -> dict[str, float]:
        """How many of the last hour are in each phase."""
        found = dict.fromkeys((phase.name.lower() for phase in Phase), 0.0)
        for _, activation in self.young():
            found[activation.phase.name.lower()] += 1
        return found

    def young(self) -> Iterator[tuple[Key, Activation]]:
        """Those of the last hour, of each key the newest first."""
        young = self._now() - LONGEST_LIFE
        for key, account in self._accounts.items():
            for activation in reversed(account.by_id.values()):
                if (activation.order.created_at or 0.0) < young:
                    break
                yield key, activation

    async def _load(self, key: Key) -> None:
        account = _Account()
        try:
            async for row in self._store.orders(key.hash):
                account.add(_activation(row))
        except StoreError as error:
            raise ProblemError(Problem.TRY_AGAIN, f"the store cannot be read: {error}") from error
        self._accounts.setdefault(key, account)

    def learn(
        self, key: Key, *orders: Order, asked_at: float | None = None, own: bool = False
    ) -> list[Activation]:
        """Take in what the upstream says of these orders of a key, when it was asked at that time.

        Returns the activations that have changed. The order created earlier has first claim on an
        id, so that a list read after a restart gives the ids that were given before. A key that
        shares its account learns of new orders only where they are its `own`.
        """
        account = self._accounts[key]
        said_at = asyncio.get_running_loop().time() if asked_at is None else asked_at
        changed = []
        for order in sorted(orders, key=lambda order: (order.created_at or 0.0, order.id)):
            known = account.by_order.get(order.id)
            if known is None and not (own or key.is_sole):
                continue
            if known is None:
                free = (number for number in candidates(order.id) if number not in account.by_id)
                known = Activation(next(free), order, service=order.service)
                account.add(known)
                changed.append(known)
            elif self._take_in(known, order, asked_at):
                changed.append(known)
            known.seen_at = max(known.seen_at, said_at)
        return changed

    def adopt(self, key: Key, order: Order) -> Activation:
        """The order is the key's own, whatever it shares."""
        self.learn(key, order, own=True)
        return self.of(key, order.id)

    async def listed(self, key: Key, orders: Sequence[Order], asked_at: float) -> None:
        """Rows of the account's order list, which all programs that share it learn from."""
        await self.open(key)
        await self.open(key.listing)
        for one in [other for other in self._accounts if other.secret == key.secret]:
            await self.save(one, *self.learn(one, *orders, asked_at=asked_at))

    async def detailed(self, key: Key, order: Order, asked_at: float) -> None:
        """The order itself, with its messages: only this ends an order."""
        await self.open(key)
        self.learn(key, order, asked_at=asked_at)
        activation = self.of(key, order.id)
        activation.read_at = self._now()
        if order.state in OVER:
            await self._end(key, activation)
        await self.save(key, activation)

    async def pushed(self, key: Key, activation: Activation, text: str) -> bool:
        """The first SMS, as a socket tells it. False where only the order itself can tell.

        It is kept before anybody can read it: a code once seen must be seen after a restart.
        """
        if not activation.is_without_sms:
            return False
        told = replace(activation.order, messages=(Sms(text, self._now(), pushed=True),))
        await self.save(key, replace(activation, order=told))
        activation.order = merge(activation.order, told)
        log.info("order %s: its socket tells an SMS", activation.order.id)
        self._tally.happened(activation.order.id, "sms", self._now())
        activation.tried_at = asyncio.get_running_loop().time()
        return True

    def _take_in(self, known: Activation, order: Order, asked_at: float | None) -> bool:
        before = len(known.order.messages)
        is_new = _take_in(known, order, asked_at)
        if len(known.order.messages) > before:
            self._tally.happened(order.id, "sms", self._now())
        return is_new

    async def swapped(self, key: Key, activation: Activation, order: Order) -> None:
        """The order has another number, perhaps another id; it is the same activation."""
        activation.order = merge(activation.order, order)
        activation.changed_at = asyncio.get_running_loop().time()
        self._tally.happened(order.id, "swapped", self._now())
        self._accounts[key].by_order[order.id] = activation
        await self.save(key, activation)

    async def save(self, key: Key, *activations: Activation) -> None:
        """Keep what was bought here, or was spoken of by its client. Where the store fails, what is
        known goes on in memory.
        """
        rows = [kept(key, one) for one in activations if one.is_worth_keeping]
        if not rows:
            return
        try:
            await self._store.keep(*rows)
        except StoreError as error:
            log.error("orders could not be kept: %s", error)

    def used(self) -> Iterator[Key]:
        """Those that have activations."""
        return (key for key, account in self._accounts.items() if account.by_id)

    def places(self, key: Key) -> int:
        """How many activations of an open key have ever been known."""
        return self._accounts[key].places

    def activations(self, key: Key) -> Collection[Activation]:
        """Those that are known of an open key."""
        return self._accounts[key].by_id.values()

    def of(self, key: Key, order_id: str) -> Activation:
        """The activation of an order that was learned."""
        return self._accounts[key].by_order[order_id]

    def known(self, key: Key, id: int) -> Activation | None:
        return self._accounts[key].by_id.get(id)

    def wished(self, key: Key, wish: str) -> Activation | None:
        """What its client called so; of several, the last."""
        return self._accounts[key].by_wish.get(wish)

    def wish(self, key: Key, activation: Activation, wish: str) -> None:
        activation.wish = wish
        if wish:
            self._accounts[key].by_wish[wish] = activation

    def get(self, key: Key, order_id: str) -> Activation | None:
        return self._accounts[key].by_order.get(order_id)

    async def cancelled(self, key: Key, activation: Activation) -> None:
        """The upstream has said that the order is cancelled."""
        activation.order = replace(activation.order, state=OrderState.CANCELLED)
        await self._end(key, activation)
        await self.save(key, activation)

    async def _end(self, key: Key, activation: Activation) -> None:
        """The order itself has said that it is over: unused, it is refunded."""
        if activation.is_confirmed:
            return
        activation.is_confirmed = True
        order = activation.order
        self._tally.happened(order.id, order.state.value, self._now())
        if activation.told is not None and not any(not sms.pushed for sms in order.messages):
            now, cents, why = self._now(), order.cents or 0, order.state.value
            self._tally.count("refunded_cents", by=cents)
            self._tally.happened(order.id, _why_refunded(activation), now, cents)
            log.info("order %s: %s, %d cents are refunded", order.id, why, cents)
            try:
                await self._store.book(Entry(now, key.hash, order.id, "refund", cents, why))
            except StoreError as error:
                log.error("order %s: its refund is not in the ledger: %s", order.id, error)


def _why_refunded(activation: Activation) -> str:
    if not activation.told:
        return "refunded_orphan"
    return "refunded_promise" if activation.cancelling else "refunded"


def kept(key: Key, activation: Activation) -> Kept:
    return Kept(
        key=key.hash,
        id=activation.id,
        order=activation.order,
        service=activation.service,
        told=bool(activation.told),
        finished=activation.finished,
        cancelling=activation.cancelling,
        confirmed=activation.is_confirmed,
        asked_at=activation.asked_at,
        wish=activation.wish,
    )


def _activation(row: Kept) -> Activation:
    return Activation(
        row.id,
        row.order,
        row.service,
        told=row.told,
        finished=row.finished,
        cancelling=row.cancelling,
        is_confirmed=row.confirmed,
        asked_at=row.asked_at,
        wish=row.wish,
    )


def _take_in(known: Activation, order: Order, asked_at: float | None) -> bool:
    """Whether anything is known now that was not before."""
    if order.id != known.order.id:
        # The id that the order had before a swap.
        return False
    if asked_at is not None and asked_at < known.changed_at:
        order = replace(order, phone="", expires_at=None, cancel_at=None)
    merged = merge(known.order, order)
    if merged == known.order:
        # The same object goes on, and with it all answers that stand on it.
        return False
    if known.asked_at and merged.messages != known.order.messages:
        known.asked_at = _asked_after(known, merged.messages)
    if len(merged.messages) > len(known.order.messages):
        log.info("order %s: %d SMS", order.id, len(merged.messages))
    known.order = merged
    return True


def _asked_after(known: Activation, messages: Sequence[Sms]) -> int | None:
    """How many messages had come when a further one was asked for, where only a socket had told
    of the one before: the order itself may list others, too, or not that one.
    """
    told = [code_of(sms) for sms in known.order.messages if sms.pushed]
    if not told:
        return known.asked_at
    codes = [code_of(sms) for sms in messages]
    return codes.index(told[0]) + 1 if told[0] in codes else 0
