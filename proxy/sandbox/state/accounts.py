"""An account of the simulated upstream: its orders, and its webhooks with their deliveries."""

import asyncio
import hashlib
import heapq
import uuid
from collections import defaultdict, deque
from dataclasses import dataclass, field
from itertools import count
from typing import Literal, get_args

OPENING_CENTS = 10_000


@dataclass(eq=False, slots=True)
class Account:
    """The account of one API key, which is never shown: its name stands for it.

    `requests` are the times of the last minute's counted requests by call; "*" has all of them.
    """

    name: str
    created_at: float
    cents: int = 0
    orders: list["Order"] = field(default_factory=list)
    bought_by_idempotency_key: dict[str, "Order"] = field(default_factory=dict)
    requests: defaultdict[str, deque[float]] = field(default_factory=lambda: defaultdict(deque))
    webhooks: dict[str, "Webhook"] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The upstream's own id of the account."""
        return str(uuid.uuid5(uuid.NAMESPACE_OID, self.name))


def account_name(key: str) -> str:
    """Returns a hash of the key as a name: people may use their real key in the sandbox."""
    return "account-" + hashlib.sha256(key.encode()).hexdigest()[:8]


# Seen live, except `pending`, which the documentation shows after a swap, and `created` and
# `sms_received` of OpenAPI 1.2.0.
Live = Literal["created", "waiting", "pending"]
Status = Literal[Live, "sms_received", "completed", "expired", "cancelled"]
LIVE: tuple[Live, ...] = get_args(Live)


@dataclass(frozen=True, slots=True)
class Message:
    sender: str
    text: str
    at: float


@dataclass(eq=False, slots=True)
class Order:
    """`first_id` stays the same after swaps; the ledger uses it. Sockets send `push_events`."""

    id: str
    first_id: str
    account: Account
    service: str
    country: str
    phone: str
    cents: int
    created_at: float
    expires_at: float
    cancel_at: float
    swap_at: float
    status: Status = "waiting"
    refunded: bool = False
    sms_count: int = 0
    messages: list[Message] = field(default_factory=list)
    push_events: list[Message | Literal["expired"]] = field(default_factory=list)

    @property
    def awaits_first_sms(self) -> bool:
        return self.status in LIVE and not self.messages

    def takes_sms(self, further: bool, now: float) -> bool:
        """Tells whether the order takes an SMS now; with `further`, also after its first."""
        if self.status in ("expired", "cancelled") or now >= self.expires_at:
            return False
        return further or self.status in LIVE


# Seconds between attempts: "5 attempts, 1m, 5m, 30m, 2h, 12h" (vendor's README). The first attempt
# is made at once, so five pauses would make six attempts: see the switch webhook_attempts.
BACK_OFF = (60.0, 300.0, 1800.0, 7200.0, 43_200.0)
PAUSE_AFTER = 20
DELIVERIES_KEPT = 10_000


@dataclass(eq=False, slots=True)
class Delivery:
    """One event for one subscription. `due` is the time of the next attempt, or of the last one.

    A `forged` delivery is signed with a wrong secret; its timestamp is `age` seconds old.
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
    """One subscription. `deliveries` are newest first; `wake` is set when something changes."""

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
        """Returns None if no delivery is queued, or the webhook is off."""
        return self._queue[0][0] if self._queue and self.is_on else None

    def take_due(self, now: float) -> Delivery | None:
        due = self.next_due()
        return None if due is None or due > now else heapq.heappop(self._queue)[2]

    def mark_delivered(self, delivery: Delivery, now: float) -> None:
        delivery.status, delivery.delivered_at = "delivered", now
        self.failures, self.last_delivered_at = 0, now

    def mark_failed(self, delivery: Delivery, code: str, now: float, attempts: int) -> None:
        self.failures += 1
        self.last_error_at, self.last_error_code = now, code
        self.paused = self.paused or self.failures >= PAUSE_AFTER
        if delivery.attempt >= attempts:
            delivery.status = "failed"
        else:
            # Counted from when it was due: one advance of the clock then sends all that is due.
            delivery.due += BACK_OFF[delivery.attempt - 1]
            self._enqueue(delivery)

    def _enqueue(self, delivery: Delivery) -> None:
        heapq.heappush(self._queue, (delivery.due, next(self._numbers), delivery))
