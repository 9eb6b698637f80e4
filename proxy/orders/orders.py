"""The known state of all live orders: all reads and events end here, and getStatus reads it."""

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from proxy.forwarding.targets import Targets
from proxy.legacy.code import FindCode, find_code
from proxy.model import NO_KEY, OVER, ClientKey, Order, OrderState, Sms, merge
from proxy.model.errors import StoreError
from proxy.orders.index import activation_of, apply_order, refund_event
from proxy.orders.open_keys import OpenKeys
from proxy.orders.tracked import TrackedActivation
from proxy.runtime import log_events
from proxy.runtime.clock import monotonic
from proxy.runtime.counters import Counters
from proxy.runtime.tasks import BackgroundTasks
from proxy.store import ActivationRow, Delivery, Entry, Store

log = logging.getLogger(__name__)

GRACE = 5.0
"""Seconds that writes have when the process stops."""


class Orders(OpenKeys):
    """`upstream_now` is the upstream's clock, `wall_clock` this machine's."""

    def __init__(
        self,
        store: Store,
        counters: Counters,
        upstream_now: Callable[[], float],
        wall_clock: Callable[[], float],
        targets: Targets | None = None,
        find: FindCode = find_code,
    ) -> None:
        super().__init__(store, upstream_now, find)
        self._counters = counters
        self._wall_clock = wall_clock
        self._targets = targets
        self._writing = BackgroundTasks()

    async def close(self) -> None:
        await self._writing.aclose(GRACE)
        await super().close()

    def learn(
        self, key: ClientKey, *orders: Order, asked_at: float | None = None, own: bool = False
    ) -> list[TrackedActivation]:
        """Merges orders of a key, by a read that began at `asked_at`, monotonic clock. Returns the
        activations that have changed.

        The order created earlier has the first claim on an id, so that a list read after a restart
        gives the same ids. A key that shares its account learns new orders only with `own`.
        """
        index = self._indexes[key]
        said_at = monotonic() if asked_at is None else asked_at
        changed = []
        for order in sorted(orders, key=lambda order: (order.created_at or 0.0, order.id)):
            known = index.by_order.get(order.id)
            if known is None and not (own or key.is_sole):
                continue
            if known is None:
                known = TrackedActivation(
                    index.free_id(order.id), order, service=order.service, find=self.find
                )
                index.add(known)
                changed.append(known)
            elif self._apply(known, order, asked_at):
                changed.append(known)
            known.seen_at = max(known.seen_at, said_at if order.is_stated else -math.inf)
        return changed

    def adopt(self, key: ClientKey, order: Order) -> TrackedActivation:
        """Adds an order that the key has bought; returns its activation."""
        self.learn(key, order, own=True)
        return self.of(key, order.id)

    async def listed(self, key: ClientKey, orders: Sequence[Order], asked_at: float) -> None:
        """Merges rows of the account's order list for all programs that share the account."""
        await self.open(key)
        await self.open(key.listing)
        new: list[TrackedActivation] = []
        same = [other for other in self._indexes if other.upstream == key.upstream]
        # The key of a purchase may be the one that its program had before a reload.
        for one in same if key in same else [*same, key]:
            changed = self.learn(one, *orders, asked_at=asked_at)
            self._save_soon(one, *changed)
            new += [activation for activation in changed if activation.delivered is None]
        # Other replicas take the list as read: rows of programs that are not open here are saved.
        for hash in await self._owners(new) - self._keys.keys():
            one = ClientKey(key.upstream, hash, is_sole=False)
            await self.open(one)
            self._save_soon(one, *self.learn(one, *orders, asked_at=asked_at))

    async def _owners(self, activations: Sequence[TrackedActivation]) -> set[str]:
        """Hashes of the keys that have bought the activations, by the store."""
        ids = [one.order.id for one in activations if self._store.is_shared]
        try:
            return set((await self._store.owners(ids)).values()) if ids else set()
        except StoreError as error:
            log.warning(log_events.FOREIGN_ORDERS_UNKNOWN, error)
            return set()

    async def detailed(self, key: ClientKey, order: Order, asked_at: float) -> None:
        """Merges a read of the order itself, which has messages. Only this can end an order."""
        await self.open(key)
        self.learn(key, order, asked_at=asked_at)
        activation = self.of(key, order.id)
        if activation.order.id != order.id:
            return  # The order before a swap: its end does not end this one.
        activation.read_at = self._upstream_now()
        refund = None
        if order.state in OVER:
            refund = self._end(key, activation)
        elif order.messages and activation.read_at >= (order.expires_at or math.inf):
            activation.confirmed = True  # It is saved, for other replicas and after a restart.
        work = self._save_end(key, activation, refund)
        self._writing.start(work, f"write of order {order.id}")

    async def pushed(
        self, key: ClientKey, activation: TrackedActivation, text: str, at: float | None = None
    ) -> bool:
        """Adds the SMS of a socket or an event, received `at`, upstream's clock. Returns False if
        only a read of the order can show whether it is new.

        The SMS is saved before a client can read it: a code must not disappear by a restart.
        """
        if not activation.accepts_push(text, at):
            activation.offered = Sms(text, at, pushed=True)
            return False
        sms = Sms(text, at or self._upstream_now(), pushed=True)
        delivered = replace(activation, order=activation.order.with_message(sms))
        await self.save(key, delivered)
        if delivered.delivered:
            activation.delivered = True  # Its SMS is forwarded.
        # A read may have changed the order during the save.
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
        """Gives an activation the order of a swap, with another number and perhaps another id."""
        before, activation.order = activation.order.id, merge(activation.order, order)
        activation.changed_at = monotonic()
        self._counters.happened(order.id, "swapped", self._wall_clock())
        self._indexes[key].by_order[order.id] = activation
        try:
            await self._store.rename(before, self.row(key, activation))
        except StoreError as error:
            log.error(log_events.ORDERS_NOT_SAVED, error)

    async def written(self) -> None:
        """Waits until what reads have shown so far is in the store, or could not be written."""
        await self._writing.wait()

    def _save_soon(self, key: ClientKey, *activations: TrackedActivation) -> None:
        """Saves in the background what a read has shown: no read waits for the disk, and after a
        restart the upstream shows it again.
        """
        if any(one.is_worth_keeping for one in activations):
            self._writing.start(self.save(key, *activations), "write of what was read")

    async def save(self, key: ClientKey, *activations: TrackedActivation) -> None:
        """Saves activations that have to survive a restart. If the store fails, logs the error."""
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
            await self._forward_doubted(key, one)

    async def _forward_doubted(self, key: ClientKey, activation: TrackedActivation) -> None:
        """Queues the SMS of a number in doubt. A forward that shows a number delivers it."""
        if not (activation.in_doubt and self._targets):
            return
        row = self.row(key, replace(activation, delivered=True))
        if not row.forwards:
            return
        try:
            (found,) = await self._store.mark_delivered(row)
        except StoreError as error:
            log.error(log_events.ORDERS_NOT_SAVED, error)
            return
        if found is Delivery.DELIVERED:
            activation.delivered = True
            self._counters.count("purchases", "named")
            self.mark_queued(activation, row)

    def row(self, key: ClientKey, activation: TrackedActivation) -> ActivationRow:
        """The row of an activation with the SMS to forward; after its write call `mark_queued`."""
        forwards = self._targets.forwards(key.hash, activation) if self._targets else ()
        return ActivationRow(
            key.hash, activation.id, activation.order, activation.service, activation.asked_at,
            activation.reference, forwards, **activation.flags(),
        )  # fmt: skip

    def mark_queued(self, activation: TrackedActivation, row: ActivationRow) -> None:
        """Records that the row is in the store, with its SMS to forward."""
        if self._targets and row.forwards:
            activation.forwarded = row.order.texts
            self._targets.queued(row.forwards)

    async def forward(self) -> None:
        """Queues SMS that could not be queued when they came."""
        for key, activation in list(self.young()):
            if activation.in_doubt:
                await self._forward_doubted(key, activation)
            elif self.row(key, activation).forwards:
                await self.save(key, activation)

    def awaiting_sms(self) -> list[tuple[ClientKey, TrackedActivation]]:
        """Delivered numbers and those in doubt that may get an SMS, with their keys."""
        now = self._upstream_now()
        found = ((key, one) for key, one in self.young() if one.delivered or one.doubted)
        return [(key, one) for key, one in found if one.may_get_sms(now)]

    async def holders(self, order_id: str) -> list[tuple[ClientKey, TrackedActivation]]:
        """Keys and activations of an order. A key that is not open is read from the store and has
        only its hash: such an activation can only be used for `pushed`.
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
        return known + [
            (ClientKey(NO_KEY, row.key), activation_of(row, self.find)) for row in others
        ]

    async def cancelled(self, key: ClientKey, activation: TrackedActivation) -> None:
        """Records that the upstream has confirmed the cancel of the order."""
        activation.order = replace(activation.order, state=OrderState.CANCELLED)
        await self._save_end(key, activation, self._end(key, activation))

    def _end(self, key: ClientKey, activation: TrackedActivation) -> Entry | None:
        """Records the end of an order. Without SMS it is refunded: returns the ledger entry."""
        if activation.confirmed:
            return None
        activation.confirmed = True
        order = activation.order
        self._counters.happened(order.id, order.state.value, self._wall_clock())
        if activation.delivered is not None and not any(not sms.pushed for sms in order.messages):
            now, cents, why = self._wall_clock(), order.cents or 0, order.state.value
            self._counters.count("refunded_cents", by=cents)
            self._counters.happened(order.id, refund_event(activation), now, cents)
            log.info("order %s: %s, refunded cents: %d", order.id, why, cents)
            return Entry(now, key.hash, order.id, "refund", cents, why)
        return None

    async def _save_end(
        self, key: ClientKey, activation: TrackedActivation, refund: Entry | None
    ) -> None:
        if refund:
            try:
                await self._store.book(refund)
            except StoreError as error:
                log.error(log_events.REFUND_NOT_BOOKED, refund.order, error)
        await self.save(key, activation)
