"""Scheduled events of orders."""

import heapq
from dataclasses import dataclass, field
from itertools import count
from typing import Literal

from proxy.sandbox.state.accounts import Message, Order


@dataclass(order=True, frozen=True, slots=True)
class ScheduledEvent:
    """`phone` is the order's number at that time: a swap voids the old number's events."""

    due: float
    number: int
    what: Literal["sms", "expire", "refund", "withdraw", "await"] = field(compare=False)
    order: Order = field(compare=False)
    phone: str = field(compare=False)
    message: Message | None = field(compare=False)


class Schedule:
    """Events in the order of their times; events with equal times stay in the order of `add`."""

    def __init__(self) -> None:
        self._heap: list[ScheduledEvent] = []
        self._numbers = count()

    def add(
        self,
        due: float,
        what: Literal["sms", "expire", "refund", "withdraw", "await"],
        order: Order,
        message: Message | None = None,
    ) -> None:
        number = next(self._numbers)
        heapq.heappush(self._heap, ScheduledEvent(due, number, what, order, order.phone, message))

    def take_due(self, now: float) -> ScheduledEvent | None:
        return heapq.heappop(self._heap) if self._heap and self._heap[0].due <= now else None

    def next_due(self, order: Order | None = None) -> float | None:
        """Returns the time of the next event, of one order or of any (None)."""
        if order is None:
            return self._heap[0].due if self._heap else None
        return min((it.due for it in self._heap if it.order is order), default=None)
