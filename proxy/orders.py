"""What is known of each live order. Every source ends in `learn`; getStatus reads from here."""

import asyncio
import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from proxy.errors import Problem, ProblemError
from proxy.legacy.activation import MAX_ID, Activation, candidates
from proxy.model import OVER, Key, Order, OrderState, merge
from proxy.store import Entry, Kept, SqliteStore, StoreError
from proxy.upstream.cache import Cache
from proxy.upstream.client import Upstream

log = logging.getLogger(__name__)

POLL = 3.0
"""Seconds that one read of the order list, or of one order, serves all who ask."""

CAPS = (50, 200)
"""Rows that the upstream lists at most; sources differ."""

LONGEST_LIFE = 3600.0
"""Seconds that an order lives at most: 20 minutes live, 60 in a sample of the documentation."""

MAX_KEYS = 10_000
MAX_DETAILS = 50_000

_ID = re.compile(r"[1-9][0-9]{0,9}")
_ORDER = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


@dataclass(slots=True)
class _Account:
    """The activations of one key."""

    by_id: dict[int, Activation] = field(default_factory=dict)
    by_order: dict[str, Activation] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Listing:
    """One read of the order list. Cut off, it may lack orders that still live."""

    ids: frozenset[str]
    is_cut_off: bool


class Orders:
    def __init__(self, upstream: Upstream, store: SqliteStore, patience: float) -> None:
        self._upstream = upstream
        self._store = store
        self._patience = patience
        self._accounts: dict[Key, _Account] = {}
        self._opened: Cache[Key, None] = Cache(0.0, 1)
        self._lists: Cache[Key, _Listing] = Cache(POLL, MAX_KEYS)
        self._details: Cache[tuple[Key, str], None] = Cache(POLL, MAX_DETAILS)

    async def open(self, key: Key) -> None:
        """Bring the key's activations back from the store, once."""
        if key not in self._accounts:
            await self._opened.get(key, lambda: self._load(key))

    async def _load(self, key: Key) -> None:
        account = _Account()
        try:
            kept = await self._store.orders(key.hash)
        except StoreError as error:
            raise ProblemError(Problem.TRY_AGAIN, f"the store cannot be read: {error}") from error
        for row in kept:
            activation = _activation(row)
            account.by_id[row.id] = account.by_order[row.order.id] = activation
        self._accounts.setdefault(key, account)

    def learn(self, key: Key, *orders: Order, asked_at: float | None = None) -> list[Activation]:
        """Take in what the upstream says of these orders of a key, when it was asked at that time.

        Returns the activations that have changed. The order created earlier has first claim on an
        id, so that a list read after a restart gives the ids that were given before.
        """
        account = self._accounts[key]
        changed = []
        for order in sorted(orders, key=lambda order: (order.created_at or 0.0, order.id)):
            known = account.by_order.get(order.id)
            if known:
                if _take_in(known, order, asked_at):
                    changed.append(known)
                continue
            free = (number for number in candidates(order.id) if number not in account.by_id)
            activation = Activation(next(free), order, service=order.service)
            account.by_id[activation.id] = account.by_order[order.id] = activation
            changed.append(activation)
        return changed

    async def swapped(self, key: Key, activation: Activation, order: Order) -> None:
        """The order has another number, perhaps another id; it is the same activation."""
        activation.order = merge(activation.order, order)
        activation.changed_at = asyncio.get_running_loop().time()
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

    def activations(self, key: Key) -> Iterable[Activation]:
        """Those that are known of an open key."""
        return self._accounts[key].by_id.values()

    async def all(self, key: Key) -> list[Activation]:
        """Every activation of a key, newest first, by one shared read; known ones on a doubt."""
        await self.open(key)
        try:
            await self.refresh(key)
        except ProblemError as error:
            if not error.problem.is_doubt or not self._accounts[key].by_id:
                raise
            log.warning("the activations known stand: %s", error)
        found = self._accounts[key].by_id.values()
        return sorted(found, key=lambda found: found.order.created_at or 0.0, reverse=True)

    def of(self, key: Key, order_id: str) -> Activation:
        """The activation of an order that was learned."""
        return self._accounts[key].by_order[order_id]

    async def find(self, key: Key, text: str) -> Activation:
        """The activation that a client means: by its id, or by the upstream's order id.

        An id unknown here is looked for in the upstream's list. NO_ACTIVATION is said when that
        was read and has it not, or when the text cannot be an id at all.
        """
        await self.open(key)
        if _ORDER.fullmatch(text):
            return await self._find_order(key, text.lower())
        if not _ID.fullmatch(text) or int(text) > MAX_ID:
            raise ProblemError(Problem.NO_ACTIVATION)
        known = self._accounts[key].by_id.get(int(text))
        if known is None:
            await self._read_list_surely(key)
            known = self._accounts[key].by_id.get(int(text))
        if known is None:
            raise ProblemError(Problem.NO_ACTIVATION)
        return known

    async def look(self, key: Key, activation: Activation, *, at_all: bool = False) -> None:
        """Bring an activation up to date, by one shared read at most, where that can tell anything.

        `at_all`, even if only further messages can come. While the upstream fails, what is known
        stands.
        """
        if activation.is_settled and not (at_all and activation.order.messages):
            return
        try:
            async with asyncio.timeout(self._patience):
                await self._refresh(key, activation)
        except TimeoutError:
            log.warning(
                "order %s: the upstream is slow, its last state stands", activation.order.id
            )
        except ProblemError as error:
            if not error.problem.is_doubt:
                raise
            log.warning("order %s: its last state stands: %s", activation.order.id, error)

    async def read(self, key: Key, order_id: str) -> None:
        """Read one order, with its messages."""
        await self._details.get((key, order_id), lambda: self._read_order(key, order_id))

    async def read_anew(self, key: Key, order_id: str) -> None:
        self._details.drop((key, order_id))
        await self.read(key, order_id)

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
        if activation.told is not None and not order.messages:
            now, cents, why = self._upstream.now(), order.cents or 0, order.state.value
            try:
                await self._store.book(Entry(now, key.hash, order.id, "refund", cents, why))
            except StoreError as error:
                log.error("order %s: its refund is not in the ledger: %s", order.id, error)

    async def refresh(self, key: Key) -> None:
        """Read the order list, shared with all who ask at the time."""
        await self._lists.get(key, lambda: self._read_list(key))

    async def refresh_anew(self, key: Key) -> None:
        """Read the order list by a request that begins now."""
        self._lists.drop(key)
        await self.refresh(key)

    async def _refresh(self, key: Key, activation: Activation) -> None:
        if activation.is_untouched:
            listed = await self._lists.get(key, lambda: self._read_list(key))
            if activation.order.id in listed.value.ids and activation.is_untouched:
                return
        await self.read(key, activation.order.id)

    async def _find_order(self, key: Key, order_id: str) -> Activation:
        if order_id not in self._accounts[key].by_order:
            await self._read_order(key, order_id)
        return self.of(key, order_id)

    async def _read_list_surely(self, key: Key) -> None:
        listed = await self._lists.get(key, lambda: self._read_list(key), stale=False)
        if listed.value.is_cut_off:
            raise ProblemError(Problem.TRY_AGAIN, "the order list ends among live orders")

    async def _read_list(self, key: Key) -> "_Listing":
        asked_at = asyncio.get_running_loop().time()
        orders = await self._upstream.orders(key)
        await self.open(key)
        await self.save(key, *self.learn(key, *orders, asked_at=asked_at))
        oldest = min((order.created_at or 0.0 for order in orders), default=0.0)
        is_cut_off = len(orders) in CAPS and oldest > self._upstream.now() - LONGEST_LIFE
        return _Listing(frozenset(order.id for order in orders), is_cut_off)

    async def _read_order(self, key: Key, order_id: str) -> None:
        asked_at = asyncio.get_running_loop().time()
        order = await self._upstream.order(key, order_id)
        await self.open(key)
        self.learn(key, order, asked_at=asked_at)
        activation = self.of(key, order.id)
        activation.read_at = self._upstream.now()
        if order.state in OVER:
            await self._end(key, activation)
        await self.save(key, activation)


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
    before, known.order = known.order, merge(known.order, order)
    return known.order != before
