"""A subscription to webhooks, and the deliveries on their way to it."""

import asyncio
import heapq
from collections import deque
from dataclasses import dataclass, field
from itertools import count
from typing import Literal

from proxy.sandbox.ledger import Account

# 5 attempts, "1m, 5m, 30m, 2h, 12h" (vendor's README): the times from each to the next, the first
# at once. Five pauses make six attempts when they are all used, see the switch.
BACK_OFF = (60.0, 300.0, 1800.0, 7200.0, 43_200.0)
PAUSE_AFTER = 20
DELIVERIES_KEPT = 10_000


@dataclass(eq=False, slots=True)
class Delivery:
    """One event for one subscription. `due` is the time of the next attempt, or of the last.

    A forged one is signed with a wrong secret; `age` is by how much its timestamp lies back.
    """

    id: str
    event_id: str
    event_type: str
    body: bytes
    created_at: float
    due: float
    forged: bool = False
    age: float = 0.0
    attempt: int = 0
    status: Literal["pending", "delivered", "failed"] = "pending"
    response_status: int | None = None
    error: str | None = None
    delivered_at: float | None = None


@dataclass(eq=False, slots=True)
class Webhook:
    """One subscription. `deliveries` are the newest first; `wake` says that there is news."""

    id: str
    account: Account
    secret: str
    created_at: float
    url: str = ""
    events: list[str] = field(default_factory=list)
    description: str | None = None
    threshold: float | None = None
    active: bool = True
    paused: bool = False
    failures: int = 0
    last_delivered_at: float | None = None
    last_error_at: float | None = None
    last_error_code: str | None = None
    updated_at: float = 0.0
    deliveries: deque[Delivery] = field(default_factory=lambda: deque(maxlen=DELIVERIES_KEPT))
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    worker: asyncio.Task[None] | None = None
    _queue: list[tuple[float, int, Delivery]] = field(default_factory=list)
    _numbers: "count[int]" = field(default_factory=count)

    @property
    def is_on(self) -> bool:
        return self.active and not self.paused

    def add(self, delivery: Delivery) -> None:
        self.deliveries.appendleft(delivery)
        self._enqueue(delivery)
        self.wake.set()

    def next_due(self) -> float | None:
        """None when nothing is to be sent, or nothing may be."""
        return self._queue[0][0] if self._queue and self.is_on else None

    def take_due(self, now: float) -> Delivery | None:
        due = self.next_due()
        return None if due is None or due > now else heapq.heappop(self._queue)[2]

    def arrived(self, delivery: Delivery, now: float) -> None:
        delivery.status, delivery.delivered_at = "delivered", now
        self.failures, self.last_delivered_at = 0, now

    def failed(self, delivery: Delivery, code: str, now: float, attempts: int) -> None:
        self.failures += 1
        self.last_error_at, self.last_error_code = now, code
        self.paused = self.paused or self.failures >= PAUSE_AFTER
        if delivery.attempt >= attempts:
            delivery.status = "failed"
        else:
            # From when it was due, not from now: so one push of the clock sends all that is due.
            delivery.due += BACK_OFF[delivery.attempt - 1]
            self._enqueue(delivery)

    def _enqueue(self, delivery: Delivery) -> None:
        heapq.heappush(self._queue, (delivery.due, next(self._numbers), delivery))
