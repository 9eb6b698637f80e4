"""The activations of one key, and what is taken in of each: from the upstream and from replicas."""

import itertools
import logging
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from proxy.legacy.activation import Activation, candidates, code_of
from proxy.legacy.status import Phase
from proxy.model import ClientKey, Order, Sms, asked_after, last_asked, merge
from proxy.orders.tracked import TrackedActivation
from proxy.runtime.clock import monotonic
from proxy.store import ActivationRow, Forward

log = logging.getLogger(__name__)

EMPTY_SECONDS, IDLE_SECONDS = 60.0, 7200.0
"""After which an index that nobody uses may be let go, without activations and with some."""


@dataclass(slots=True)
class ActivationIndex:
    """`used_at` is on the monotonic clock; `places`, how many have ever been known."""

    by_id: dict[int, TrackedActivation] = field(default_factory=dict)
    by_order: dict[str, TrackedActivation] = field(default_factory=dict)
    by_reference: dict[str, TrackedActivation] = field(default_factory=dict)
    by_age: list[TrackedActivation] = field(default_factory=list)
    """The oldest first: they are learned of in any order."""
    places: int = 0
    used_at: float = 0.0

    def add(self, activation: TrackedActivation) -> None:
        self.by_id[activation.id] = self.by_order[activation.order.id] = activation
        insort(self.by_age, activation, key=created)
        self.places += 1
        activation.place = self.places
        self.set_reference(activation, activation.reference)

    def free_id(self, order_id: str) -> int:
        """The first of an order's ids that no other order has."""
        return next(number for number in candidates(order_id) if number not in self.by_id)

    def set_reference(self, activation: TrackedActivation, reference: str) -> None:
        """Its client calls it so; empty: nobody does."""
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
        """What was created before that, and cannot change any more."""
        old = bisect_left(self.by_age, before, key=created)
        gone = [activation for activation in self.by_age[:old] if activation.is_settled]
        for activation in gone:
            self.by_id.pop(activation.id, None)
            self.by_order.pop(activation.order.id, None)
            self._forget_reference(activation)
        if gone:
            self.by_age = [one for one in self.by_age if one.id in self.by_id]

    def young(self, since: float) -> Iterator[TrackedActivation]:
        """Those created since then, the newest first."""
        return itertools.takewhile(lambda one: created(one) >= since, reversed(self.by_age))


def idle(
    indexes: Mapping[ClientKey, ActivationIndex], owing: Iterable[ClientKey]
) -> list[ClientKey]:
    """Keys that nobody has used for a while, without those that a call is still owed for."""
    pinned = {one for key in owing for one in (key, key.listing)}
    return [key for key, index in indexes.items() if key not in pinned and index.is_idle]


def created(activation: TrackedActivation) -> float:
    return activation.order.created_at or 0.0


def states(activations: Iterable[TrackedActivation]) -> dict[str, float]:
    found = Counter(activation.phase for activation in activations)
    return {phase.name.lower(): float(found[phase]) for phase in Phase}


def apply_order(known: TrackedActivation, order: Order, asked_at: float | None) -> bool:
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


def _asked_after(known: TrackedActivation, messages: Sequence[Sms]) -> int | None:
    """After how many messages a further one was asked for, now that these are known."""
    before = known.asked_at
    return before and asked_after(known.order.messages, before, messages, code_of)


def apply_remote(index: ActivationIndex, row: ActivationRow) -> TrackedActivation:
    """Another replica has written that of an activation."""
    known = index.by_order.get(row.order.id) or index.by_id.get(row.id)
    if known is None:
        known = activation_of(row)
        index.add(known)
        return known
    is_older = (row.order.created_at or 0.0) < created(known) or row.order.id in index.by_order
    if row.order.id != known.order.id and is_older:
        # The order that it was before a swap.
        return known
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
    # Who wrote it has queued what is to be forwarded of it.
    known.forwarded = row.order.texts
    if row.reference:
        index.set_reference(known, row.reference)
    return known


def refund_event(activation: TrackedActivation) -> str:
    if not activation.delivered:
        return "refunded_orphan"
    return "refunded_promise" if activation.cancelling else "refunded"


def row_of(
    key: ClientKey, activation: Activation, forwards: tuple[Forward, ...] = ()
) -> ActivationRow:
    return ActivationRow(
        key.hash,
        activation.id,
        activation.order,
        activation.service,
        asked_at=activation.asked_at,
        reference=activation.reference,
        forwards=forwards,
        **activation.flags(),
    )


def activation_of(row: ActivationRow) -> TrackedActivation:
    return TrackedActivation(
        row.id,
        row.order,
        row.service,
        asked_at=row.asked_at,
        reference=row.reference,
        # What was kept was queued with it; what came before there was a target is old news.
        forwarded=row.order.texts,
        **row.flags(),
    )
