"""The activations of one key, and how answers and rows of other replicas update them."""

import itertools
import logging
from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from proxy.legacy.activation import candidates
from proxy.legacy.code import FindCode, find_code
from proxy.model import ActivationFlags, Order, Sms, last_asked, merge
from proxy.model.order import asked_after
from proxy.orders.tracked import TrackedActivation
from proxy.runtime.clock import monotonic
from proxy.store import ActivationRow

log = logging.getLogger(__name__)

EMPTY_SECONDS, IDLE_SECONDS = 60.0, 7200.0
"""Seconds after which an unused index may be dropped: without activations, and with some."""


@dataclass(slots=True)
class ActivationIndex:
    """`used_at` is on the monotonic clock; `places` counts all activations ever added."""

    by_id: dict[int, TrackedActivation] = field(default_factory=dict)
    by_order: dict[str, TrackedActivation] = field(default_factory=dict)
    by_reference: dict[str, TrackedActivation] = field(default_factory=dict)
    by_age: list[TrackedActivation] = field(default_factory=list)
    """Sorted by creation, oldest first; they are added in any order."""
    places: int = 0
    used_at: float = 0.0
    find: FindCode = find_code
    """Finds the codes of its activations."""

    def add(self, activation: TrackedActivation) -> None:
        self.by_id[activation.id] = self.by_order[activation.order.id] = activation
        insort(self.by_age, activation, key=created)
        self.places += 1
        activation.place = self.places
        self.set_reference(activation, activation.reference)

    def free_id(self, order_id: str) -> int:
        """The first candidate id of the order that is free in this index."""
        return next(number for number in candidates(order_id) if number not in self.by_id)

    def set_reference(self, activation: TrackedActivation, reference: str) -> None:
        """Sets the client's reference; empty removes it."""
        self._forget_reference(activation)
        activation.reference = reference
        if reference:
            self.by_reference[reference] = activation

    def _forget_reference(self, activation: TrackedActivation) -> None:
        if self.by_reference.get(activation.reference) is activation:
            del self.by_reference[activation.reference]

    @property
    def is_idle(self) -> bool:
        return monotonic() - self.used_at > (IDLE_SECONDS if self.by_id else EMPTY_SECONDS)

    def forget(self, before: float) -> None:
        """Forgets settled activations created before that time, upstream's clock."""
        old = bisect_left(self.by_age, before, key=created)
        self.remove([activation for activation in self.by_age[:old] if activation.is_settled])

    def remove(self, gone: Sequence[TrackedActivation]) -> None:
        for activation in gone:
            self.by_id.pop(activation.id, None)
            self.by_order.pop(activation.order.id, None)
            self._forget_reference(activation)
        if gone:
            self.by_age = [one for one in self.by_age if one.id in self.by_id]

    def young(self, since: float) -> Iterator[TrackedActivation]:
        """Yields activations created since then, upstream's clock, newest first."""
        return itertools.takewhile(lambda one: created(one) >= since, reversed(self.by_age))


def created(activation: TrackedActivation) -> float:
    return activation.order.created_at or 0.0


def apply_order(known: TrackedActivation, order: Order, asked_at: float | None) -> bool:
    """Merges a read that began at `asked_at`, monotonic clock. Returns whether it changed any."""
    if order.id != known.order.id:
        return False  # An answer about the order before a swap.
    if asked_at is not None and asked_at < known.changed_at:
        order = replace(order, phone="", expires_at=None, cancel_at=None)
    merged = merge(known.order, order)
    if merged == known.order:
        # Keep the object: cached answers compare its identity.
        return False
    if known.asked_at and merged.messages != known.order.messages:
        known.asked_at = _asked_after(known, merged.messages)
    if len(merged.messages) > len(known.order.messages):
        log.info("order %s: %d SMS", order.id, len(merged.messages))
    known.order = merged
    return True


def _asked_after(known: TrackedActivation, messages: Sequence[Sms]) -> int | None:
    """`asked_at`, counted in `messages`, which are about to replace the known ones."""
    before = known.asked_at
    return before and asked_after(known.order.messages, before, messages, known.code_of)


def apply_remote(index: ActivationIndex, row: ActivationRow) -> TrackedActivation:
    """Merges a row that another replica has written; returns its activation."""
    known = index.by_order.get(row.order.id) or index.by_id.get(row.id)
    if known is None:
        known = activation_of(row, index.find)
        index.add(known)
        return known
    is_older = (row.order.created_at or 0.0) < created(known) or row.order.id in index.by_order
    if row.order.id != known.order.id and is_older:
        return known  # A row of the order before a swap.
    merged, asked_at = merge(known.order, row.order), known.asked_at
    if asked_at and merged.messages != known.order.messages:
        asked_at = _asked_after(known, merged.messages)
    known.asked_at = last_asked(known.order, asked_at, row.order, row.asked_at)
    if merged.phone != known.order.phone:
        known.changed_at = monotonic()
    if merged != known.order:
        known.order = merged
        index.by_order[merged.id] = known
    known.merge_flags(row)
    known.service = row.service
    # The replica that wrote the row has queued its messages for forwarding.
    known.forwarded = row.order.texts
    if row.reference:
        index.set_reference(known, row.reference)
    return known


def refund_event(flags: ActivationFlags) -> str:
    """The event of a refund in an order's story."""
    if not flags.delivered:
        return "refunded_orphan"
    return "refunded_promise" if flags.cancelling else "refunded"


def activation_of(row: ActivationRow, find: FindCode) -> TrackedActivation:
    # Its messages were queued with the row; messages older than a target are not forwarded.
    return TrackedActivation(
        row.id, row.order, row.service, asked_at=row.asked_at, reference=row.reference,
        forwarded=row.order.texts, find=find, **row.flags(),
    )  # fmt: skip
