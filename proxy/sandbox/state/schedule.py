"""What is going to happen to orders, and when."""

import heapq
from dataclasses import dataclass, field
from itertools import count
from typing import Literal

from proxy.sandbox.state.accounts import Message, Order


@dataclass(order=True, frozen=True, slots=True)
class ScheduledEvent:
    """`phone`: the number it was meant for; a swapped order is spared what its old one was due."""

    due: float
    number: int
    what: Literal["sms", "expire", "refund", "withdraw"] = field(compare=False)
    order: Order = field(compare=False)
    phone: str = field(compare=False)
    message: Message | None = field(compare=False)


class Schedule:
    """Happenings in the order of their times; of equal times, in that of their planning."""

    def __init__(self) -> None:
        self._heap: list[ScheduledEvent] = []
        self._numbers = count()

    def plan(
        self,
        due: float,
        what: Literal["sms", "expire", "refund", "withdraw"],
        order: Order,
        message: Message | None = None,
    ) -> None:
        number = next(self._numbers)
        heapq.heappush(self._heap, ScheduledEvent(due, number, what, order, order.phone, message))

    def take_due(self, now: float) -> ScheduledEvent | None:
        return heapq.heappop(self._heap) if self._heap and self._heap[0].due <= now else None

    def next_due(self, order: Order | None = None) -> float | None:
        """When the next happening is due: the order's, or any."""
        if order is None:
            return self._heap[0].due if self._heap else None
        return min((it.due for it in self._heap if it.order is order), default=None)
