"""What is known of each live order. Every source ends in `learn`; getStatus reads from here."""

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from proxy.forwarding.targets import Targets
from proxy.model import NO_KEY, OVER, ClientKey, Order, OrderState, Sms, merge
from proxy.model.errors import StoreError
from proxy.orders.index import activation_of, apply_order, refund_event, row_of
from proxy.orders.open_keys import OpenKeys
from proxy.orders.tracked import TrackedActivation
from proxy.runtime import log_events
from proxy.runtime.clock import monotonic
from proxy.runtime.counters import Counters
from proxy.store import ActivationRow, Entry, Store

log = logging.getLogger(__name__)


class Orders(OpenKeys):
    """`upstream_now` is the upstream's clock, `wall_clock` this machine's."""

    def __init__(
        self,
        store: Store,
        counters: Counters,
        upstream_now: Callable[[], float],
        wall_clock: Callable[[], float],
        targets: Targets | None = None,
    ) -> None:
        super().__init__(store, upstream_now)
        self._counters = counters
        self._wall_clock = wall_clock
        self._targets = targets

    def learn(
        self, key: ClientKey, *orders: Order, asked_at: float | None = None, own: bool = False
    ) -> list[TrackedActivation]:
        """Take in what the upstream says of these orders of a key, when it was asked at that time.

        Returns the activations that have changed. The order created earlier has first claim on an
        id, so that a list read after a restart gives the ids that were given before. A key that
        shares its index learns of new orders only where they are its `own`.
        """
        index = self._indexes[key]
        said_at = monotonic() if asked_at is None else asked_at
        changed = []
        for order in sorted(orders, key=lambda order: (order.created_at or 0.0, order.id)):
            known = index.by_order.get(order.id)
            if known is None and not (own or key.is_sole):
                continue
            if known is None:
                known = TrackedActivation(index.free_id(order.id), order, service=order.service)
                index.add(known)
                changed.append(known)
            elif self._apply(known, order, asked_at):
                changed.append(known)
            known.seen_at = max(known.seen_at, said_at if order.is_stated else -math.inf)
        return changed

    def adopt(self, key: ClientKey, order: Order) -> TrackedActivation:
        """The order is the key's own, whatever it shares."""
        self.learn(key, order, own=True)
        return self.of(key, order.id)

    async def listed(self, key: ClientKey, orders: Sequence[Order], asked_at: float) -> None:
        """Rows of the index's order list, which all programs that share it learn from."""
        await self.open(key)
        await self.open(key.listing)
        new: list[TrackedActivation] = []
        for one in [other for other in self._indexes if other.upstream == key.upstream]:
            changed = self.learn(one, *orders, asked_at=asked_at)
            await self.save(one, *changed)
            new += [activation for activation in changed if activation.delivered is None]
        # Replicas of other programs will hear that the list was read, and must be told of theirs.
        for hash in await self._owners(new) - self._keys.keys():
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
        if not activation.accepts_push(text, at):
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

    def _apply(self, known: TrackedActivation, order: Order, asked_at: float | None) -> bool:
        before = len(known.order.messages)
        is_new = apply_order(known, order, asked_at)
        if len(known.order.messages) > before:
            self._counters.happened(order.id, "sms", self._wall_clock())
        return is_new

    async def swapped(self, key: ClientKey, activation: TrackedActivation, order: Order) -> None:
        """The order has another number, perhaps another id; it is the same activation."""
        before, activation.order = activation.order.id, merge(activation.order, order)
        activation.changed_at = monotonic()
        self._counters.happened(order.id, "swapped", self._wall_clock())
        self._indexes[key].by_order[order.id] = activation
        try:
            await self._store.rename(before, self.row(key, activation))
        except StoreError as error:
            log.error(log_events.ORDERS_NOT_SAVED, error)

    async def save(self, key: ClientKey, *activations: TrackedActivation) -> None:
        """Keep what was bought here or named by its client; in memory where the store fails."""
        rows = [(one, self.row(key, one)) for one in activations if one.is_worth_keeping]
        if not rows:
            return
        try:
            await self._store.keep(*(row for _, row in rows))
        except StoreError as error:
            log.error(log_events.ORDERS_NOT_SAVED, error)
            return
        for one, row in rows:
            self.mark_queued(one, row)

    def row(self, key: ClientKey, activation: TrackedActivation) -> ActivationRow:
        """The row of an activation with what is to be forwarded; once written, it is `queued`."""
        forwards = self._targets.forwards(key.hash, activation) if self._targets else ()
        return row_of(key, activation, forwards)

    def mark_queued(self, activation: TrackedActivation, row: ActivationRow) -> None:
        """The row is in the store."""
        if self._targets and row.forwards:
            activation.forwarded = row.order.texts
            self._targets.queued(row.forwards)

    async def forward(self) -> None:
        """Queue what could not be queued when it came."""
        for key, activation in list(self.young()):
            if self.row(key, activation).forwards:
                await self.save(key, activation)

    def awaiting_sms(self) -> list[tuple[ClientKey, TrackedActivation]]:
        """Numbers whose client was told of them, and which may get an SMS."""
        now = self._upstream_now()
        return [found for found in self.young() if found[1].delivered and found[1].may_get_sms(now)]

    async def holders(self, order_id: str) -> list[tuple[ClientKey, TrackedActivation]]:
        """Whose an order is, and of which indexes it is known. One that is open in no index is
        the store's, under the hash of its key; such an activation can only be `pushed` to.
        """
        known = [
            (key, index.by_order[order_id])
            for key, index in self._indexes.items()
            if order_id in index.by_order
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
            self._counters.happened(order.id, refund_event(activation), now, cents)
            log.info("order %s: %s, refunded cents: %d", order.id, why, cents)
            try:
                await self._store.book(Entry(now, key.hash, order.id, "refund", cents, why))
            except StoreError as error:
                log.error(log_events.REFUND_NOT_BOOKED, order.id, error)
