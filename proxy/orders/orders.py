"""What is known of each live order. Every source ends in `learn`; getStatus reads from here."""

import logging
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace

from proxy.forwarding.targets import Targets
from proxy.model import NO_KEY, OVER, ClientKey, Order, OrderState, Sms, merge
from proxy.model.errors import StoreError
from proxy.orders.index import (
    ActivationIndex,
    activation_of,
    apply_remote,
    born,
    idle,
    row_of,
    states,
    take_in,
    why_refunded,
)
from proxy.orders.tracked import TrackedActivation
from proxy.runtime import log_events
from proxy.runtime.clock import monotonic
from proxy.runtime.counters import Counters
from proxy.store import ActivationRow, Entry, Store, readable
from proxy.upstream.cache import Cache

log = logging.getLogger(__name__)

MAX_ACCOUNTS = 10_000
"""So many keys are known before those that nobody uses are let go."""
SWEEP_SECONDS = 10.0

LONGEST_LIFE = 3600.0
"""Seconds that an order lives at most: 20 minutes live, 60 in a sample of the documentation."""


class Orders:
    """`upstream_now` is the upstream's clock, `wall_clock` this machine's."""

    def __init__(
        self,
        store: Store,
        counters: Counters,
        upstream_now: Callable[[], float],
        wall_clock: Callable[[], float],
        targets: Targets | None = None,
    ) -> None:
        self._store = store
        self._counters = counters
        self._upstream_now = upstream_now
        self._wall_clock = wall_clock
        self._targets = targets
        self._accounts: dict[ClientKey, ActivationIndex] = {}
        self._keys: dict[str, ClientKey] = {}
        self._heard: dict[str, list[ActivationRow]] = {}
        """What others write of a key while it is being opened: what is read may be older."""
        self._opened: Cache[ClientKey, None] = Cache(0.0, 1)
        self._pins: list[Callable[[], Iterable[ClientKey]]] = []
        self._swept_at = float("-inf")
        self.forgotten = float("-inf")
        """What was created before may be unknown, though it was bought here."""

    async def open(self, key: ClientKey) -> None:
        """Bring the key's activations back from the store, once."""
        account = self._accounts.get(key)
        if account is None:
            self._let_go_of_idle()
            await self._opened.get(key, lambda: self._load(key), stale=False)
            account = self._accounts[key]
        account.used_at = monotonic()

    def pin(self, keys: Callable[[], Iterable[ClientKey]]) -> None:
        """What is known of these keys is not let go: a call to the upstream is owed for them."""
        self._pins.append(keys)

    async def close(self) -> None:
        await self._opened.close()

    def _let_go_of_idle(self) -> None:
        """Whoever sends one wrong key after the other must not fill the memory."""
        if len(self._accounts) < MAX_ACCOUNTS or monotonic() - self._swept_at < SWEEP_SECONDS:
            return
        self._swept_at = monotonic()
        for key in idle(self._accounts, (key for keys in self._pins for key in keys())):
            del self._accounts[key]
            self._keys.pop(key.hash, None)

    def forget(self, before: float) -> None:
        """What was created before that, as the store does."""
        self.forgotten = before
        for account in self._accounts.values():
            account.forget(before)

    def states(self) -> dict[str, float]:
        """How many of the last hour are in each phase."""
        return states(activation for _, activation in self.young())

    def young(self) -> Iterator[tuple[ClientKey, TrackedActivation]]:
        """Those of the last hour, of each key the newest first."""
        for key, account in self._accounts.items():
            for activation in account.young(self._upstream_now() - LONGEST_LIFE):
                yield key, activation

    async def _load(self, key: ClientKey) -> None:
        heard = self._heard[key.hash] = []
        try:
            with readable():
                found = [activation_of(row) async for row in self._store.orders(key.hash)]
        finally:
            self._heard.pop(key.hash, None)
        account = ActivationIndex()
        for activation in sorted(found, key=born):
            account.add(activation)
        for row in heard:
            apply_remote(account, row)
        self._accounts.setdefault(key, account)
        self._keys[key.hash] = key

    async def fetch(
        self, key: ClientKey, *, id: int = 0, order: str = "", reference: str = ""
    ) -> TrackedActivation | None:
        """An activation of an open key that may be known to another replica only."""
        if not self._store.is_shared:
            return self.get(key, order)
        with readable():
            row = await self._store.order(key.hash, id=id, order=order, reference=reference)
        return apply_remote(self._accounts[key], row) if row else None

    @property
    def hashes(self) -> list[str]:
        """Of the keys that are open, or being opened."""
        return [*self._keys, *self._heard]

    def apply_remote(self, row: ActivationRow) -> None:
        """Another replica has written it."""
        self._heard.get(row.key, []).append(row)
        if (key := self._keys.get(row.key)) and key in self._accounts:
            apply_remote(self._accounts[key], row)

    def learn(
        self, key: ClientKey, *orders: Order, asked_at: float | None = None, own: bool = False
    ) -> list[TrackedActivation]:
        """Take in what the upstream says of these orders of a key, when it was asked at that time.

        Returns the activations that have changed. The order created earlier has first claim on an
        id, so that a list read after a restart gives the ids that were given before. A key that
        shares its account learns of new orders only where they are its `own`.
        """
        account = self._accounts[key]
        said_at = monotonic() if asked_at is None else asked_at
        changed = []
        for order in sorted(orders, key=lambda order: (order.created_at or 0.0, order.id)):
            known = account.by_order.get(order.id)
            if known is None and not (own or key.is_sole):
                continue
            if known is None:
                known = TrackedActivation(account.free_id(order.id), order, service=order.service)
                account.add(known)
                changed.append(known)
            elif self._take_in(known, order, asked_at):
                changed.append(known)
            known.seen_at = max(known.seen_at, said_at if order.is_stated else -math.inf)
        return changed

    def adopt(self, key: ClientKey, order: Order) -> TrackedActivation:
        """The order is the key's own, whatever it shares."""
        self.learn(key, order, own=True)
        return self.of(key, order.id)

    async def listed(self, key: ClientKey, orders: Sequence[Order], asked_at: float) -> None:
        """Rows of the account's order list, which all programs that share it learn from."""
        await self.open(key)
        await self.open(key.listing)
        strange: list[TrackedActivation] = []
        for one in [other for other in self._accounts if other.upstream == key.upstream]:
            changed = self.learn(one, *orders, asked_at=asked_at)
            await self.save(one, *changed)
            strange += [activation for activation in changed if activation.delivered is None]
        # Replicas of other programs will hear that the list was read, and must be told of theirs.
        for hash in await self._owners(strange) - self._keys.keys():
            one = ClientKey(key.upstream, hash, is_sole=False)
            await self.open(one)
            await self.save(one, *self.learn(one, *orders, asked_at=asked_at))

    async def _owners(self, activations: Sequence[TrackedActivation]) -> set[str]:
        """The hashes of the keys that have bought them."""
        ids = [one.order.id for one in activations if self._store.is_shared]
        try:
            return set((await self._store.owners(ids)).values()) if ids else set()
        except StoreError as error:
            log.warning(log_events.FOREIGN_ORDERS_UNKNOWN, error)
            return set()

    async def detailed(self, key: ClientKey, order: Order, asked_at: float) -> None:
        """The order itself, with its messages: only this ends an order."""
        await self.open(key)
        self.learn(key, order, asked_at=asked_at)
        activation = self.of(key, order.id)
        if activation.order.id != order.id:
            return  # The order that it was before a swap: its end is not this one's.
        activation.read_at = self._upstream_now()
        if order.state in OVER:
            await self._end(key, activation)
        elif order.messages and activation.read_at >= (order.expires_at or math.inf):
            activation.confirmed = True  # Said by every replica, and after a restart, too.
        await self.save(key, activation)

    async def pushed(
        self, key: ClientKey, activation: TrackedActivation, text: str, at: float | None = None
    ) -> bool:
        """An SMS, as a socket or an event tells it. False where only the order itself can tell.

        It is kept before anybody can read it: a code once seen must be seen after a restart.
        """
        if not activation.may_be_told(text, at):
            activation.offered = Sms(text, at, pushed=True)
            return False
        sms = Sms(text, at or self._upstream_now(), pushed=True)
        delivered = replace(activation, order=activation.order.with_message(sms))
        await self.save(key, delivered)
        # More may be known of the rest by now.
        read = replace(activation.order, messages=delivered.order.messages)
        activation.order = merge(activation.order, read)
        activation.forwarded = max(activation.forwarded, delivered.forwarded, key=len)
        log.info("order %s: an SMS is pushed", activation.order.id)
        self._counters.happened(activation.order.id, "sms", self._wall_clock())
        activation.tried_at = monotonic()
        return True

    def _take_in(self, known: TrackedActivation, order: Order, asked_at: float | None) -> bool:
        before = len(known.order.messages)
        is_new = take_in(known, order, asked_at)
        if len(known.order.messages) > before:
            self._counters.happened(order.id, "sms", self._wall_clock())
        return is_new

    async def swapped(self, key: ClientKey, activation: TrackedActivation, order: Order) -> None:
        """The order has another number, perhaps another id; it is the same activation."""
        before, activation.order = activation.order.id, merge(activation.order, order)
        activation.changed_at = monotonic()
        self._counters.happened(order.id, "swapped", self._wall_clock())
        self._accounts[key].by_order[order.id] = activation
        try:
            await self._store.rename(before, self.kept(key, activation))
        except StoreError as error:
            log.error(log_events.ORDERS_NOT_SAVED, error)

    async def save(self, key: ClientKey, *activations: TrackedActivation) -> None:
        """Keep what was bought here or named by its client; in memory where the store fails."""
        rows = [(one, self.kept(key, one)) for one in activations if one.is_worth_keeping]
        if not rows:
            return
        try:
            await self._store.keep(*(row for _, row in rows))
        except StoreError as error:
            log.error(log_events.ORDERS_NOT_SAVED, error)
            return
        for one, row in rows:
            self.queued(one, row)

    def kept(self, key: ClientKey, activation: TrackedActivation) -> ActivationRow:
        """The row of an activation with what is to be forwarded; once written, it is `queued`."""
        forwards = self._targets.forwards(key.hash, activation) if self._targets else ()
        return row_of(key, activation, forwards)

    def queued(self, activation: TrackedActivation, row: ActivationRow) -> None:
        """The row is in the store."""
        if self._targets and row.forwards:
            activation.forwarded = row.order.texts
            self._targets.queued(row.forwards)

    async def forward(self) -> None:
        """Queue what could not be queued when it came."""
        for key, activation in list(self.young()):
            if self.kept(key, activation).forwards:
                await self.save(key, activation)

    def expecting(self) -> list[tuple[ClientKey, TrackedActivation]]:
        """Numbers whose client was told of them, and which may get an SMS."""
        now = self._upstream_now()
        return [
            found for found in self.young() if found[1].delivered and found[1].is_expecting(now)
        ]

    def used(self) -> Iterator[ClientKey]:
        """Those that have activations."""
        return (key for key, account in self._accounts.items() if account.by_id)

    def places(self, key: ClientKey) -> int:
        """How many activations of an open key have ever been known."""
        return self._accounts[key].places

    def activations(self, key: ClientKey) -> Collection[TrackedActivation]:
        """Those that are known of an open key."""
        return self._accounts[key].by_id.values()

    def of(self, key: ClientKey, order_id: str) -> TrackedActivation:
        """The activation of an order that was learned."""
        return self._accounts[key].by_order[order_id]

    def known(self, key: ClientKey, id: int) -> TrackedActivation | None:
        return self._accounts[key].by_id.get(id)

    def by_reference(self, key: ClientKey, reference: str) -> TrackedActivation | None:
        """What its client called so; of several, the last."""
        return self._accounts[key].by_reference.get(reference)

    def reference(self, key: ClientKey, activation: TrackedActivation, reference: str) -> None:
        self._accounts[key].reference(activation, reference)

    def get(self, key: ClientKey, order_id: str) -> TrackedActivation | None:
        return self._accounts[key].by_order.get(order_id)

    async def holders(self, order_id: str) -> list[tuple[ClientKey, TrackedActivation]]:
        """Whose an order is, and of which accounts it is known. One that is open in no account is
        the store's, under the hash of its key; such an activation can only be `pushed` to.
        """
        known = [
            (key, account.by_order[order_id])
            for key, account in self._accounts.items()
            if order_id in account.by_order
        ]
        if any(activation.delivered for _, activation in known):
            return known
        hashes = {key.hash for key, _ in known}
        others = [row for row in await self._store.holders(order_id) if row.key not in hashes]
        return known + [(ClientKey(NO_KEY, row.key), activation_of(row)) for row in others]

    async def cancelled(self, key: ClientKey, activation: TrackedActivation) -> None:
        """The upstream has said that the order is cancelled."""
        activation.order = replace(activation.order, state=OrderState.CANCELLED)
        await self._end(key, activation)
        await self.save(key, activation)

    async def _end(self, key: ClientKey, activation: TrackedActivation) -> None:
        """The order itself has said that it is over: unused, it is refunded."""
        if activation.confirmed:
            return
        activation.confirmed = True
        order = activation.order
        self._counters.happened(order.id, order.state.value, self._wall_clock())
        if activation.delivered is not None and not any(not sms.pushed for sms in order.messages):
            now, cents, why = self._wall_clock(), order.cents or 0, order.state.value
            self._counters.count("refunded_cents", by=cents)
            self._counters.happened(order.id, why_refunded(activation), now, cents)
            log.info("order %s: %s, refunded cents: %d", order.id, why, cents)
            try:
                await self._store.book(Entry(now, key.hash, order.id, "refund", cents, why))
            except StoreError as error:
                log.error(log_events.REFUND_NOT_BOOKED, order.id, error)
