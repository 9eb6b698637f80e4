"""The sockets of waiting orders, and what their frames do.

A socket is fast but not reliable. Its SMS is shown until a read of the order has it; all other
frames are hints to read. Orders with a socket stay in the shared reads of the list.
"""

import asyncio
import logging
import math
import random
from collections import Counter
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial

from proxy.model import OVER, ClientKey, Frame, UpstreamKey
from proxy.model.errors import SocketError, StoreError
from proxy.orders.orders import Orders
from proxy.orders.tracked import TrackedActivation
from proxy.runtime import log_events
from proxy.runtime.clock import monotonic
from proxy.runtime.counters import Counters
from proxy.runtime.tasks import BackgroundTasks
from proxy.store import Store
from proxy.upstream.order_socket import SocketClient

log = logging.getLogger(__name__)

OPENED_AFTER = 0.03
"""Seconds: the client gets its number first, as opening a socket takes more CPU."""
OPENING = 8
"""Sockets that may be opened at the same time."""

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds before a broken socket is opened again: 1, 2, 4 … 60, each times 0.5 to 1 at random."""
HEALTHY_SECONDS = 30.0
"""Seconds after which an open socket resets the pauses."""
MAX_REFUSALS = 5
"""Failed openings in a row, after which no socket is opened for a while."""
FIRST_GLOBAL_PAUSE, LONGEST_GLOBAL_PAUSE = 60.0, 600.0
"""Seconds of that while: 60, 120 … 600."""

CLAIM_SECONDS = 5.0
"""Seconds between two tries to claim the socket of an order from another replica."""

SWEEP_SECONDS = 5.0
"""Between two searches for sockets of orders that have ended."""
IDLE_SECONDS = 60.0
"""Seconds without a request, after which a socket may be closed for another order."""
FULL_SECONDS = 1.0
"""Between two searches for an idle socket, so that not every request makes one."""


@dataclass(slots=True, eq=False)
class _Socket:
    """The socket of one order, open or not."""

    key: ClientKey
    activation: TrackedActivation
    task: asyncio.Task[None] | None = None


@dataclass(eq=False)
class OrderSockets:
    """At most `max_sockets`, which may be 0. `upstream_now` is the upstream's clock."""

    client: SocketClient
    orders: Orders
    store: Store
    counters: Counters
    upstream_now: Callable[[], float]
    max_sockets: int

    def __post_init__(self) -> None:
        self._sockets: dict[tuple[ClientKey, int], _Socket] = {}
        self._of_key: Counter[UpstreamKey] = Counter()
        self._opening = asyncio.Semaphore(OPENING)
        self._refusals = 0
        self._paused_until = float("-inf")
        self._full_until = float("-inf")
        self._tasks = BackgroundTasks()
        self._sweep: asyncio.Task[None] | None = None

    def watch(self, key: ClientKey, activation: TrackedActivation) -> None:
        """Records a request for the activation; opens a socket if one is of use and has room."""
        activation.asked_for_at = monotonic()
        is_open = (key, activation.id) in self._sockets
        if not is_open and self._is_waiting(activation) and self._has_room(key):
            self._open(_Socket(key, activation))

    @property
    def states(self) -> dict[str, float]:
        """For the metric: numbers of sockets that are open, and that are not open yet or again."""
        count = sum(socket.activation.open_at < math.inf for socket in self._sockets.values())
        return {"open": count, "closed": len(self._sockets) - count}

    async def close(self) -> None:
        await self._tasks.aclose()

    def _has_room(self, key: ClientKey) -> bool:
        """One key may have all sockets that others leave. Where all are taken, the key that has
        most gives one to a key that has fewer, else an idle one goes.
        """
        if len(self._sockets) < self.max_sockets:
            return True
        if not self._sockets:
            return False
        richest, most = self._of_key.most_common(1)[0]
        is_fair = most <= self._of_key[key.upstream] + 1
        if is_fair and monotonic() < self._full_until:
            return False
        sockets = self._sockets.values()
        longest_idle = min(
            (s for s in sockets if is_fair or s.key.upstream == richest),
            key=lambda socket: socket.activation.asked_for_at,
        )
        idle_seconds = monotonic() - longest_idle.activation.asked_for_at
        if is_fair and idle_seconds < IDLE_SECONDS:
            self._full_until = monotonic() + FULL_SECONDS
            return False
        self._drop(longest_idle)
        return True

    def _open(self, socket: _Socket) -> None:
        self._sockets[socket.key, socket.activation.id] = socket
        self._of_key[socket.key.upstream] += 1
        name = f"socket of order {socket.activation.order.id}"
        socket.task = self._tasks.loop(partial(self._keep_open, socket), name)
        if self._sweep is None or self._sweep.done():
            self._sweep = self._tasks.loop(self._sweep_all, "sweep of sockets")

    def _drop(self, socket: _Socket) -> None:
        if self._sockets.pop((socket.key, socket.activation.id), None) is None:
            return
        self._of_key[socket.key.upstream] -= 1
        self._of_key += Counter()  # removes zeros
        socket.activation.open_at = math.inf
        if socket.task and socket.task is not asyncio.current_task():
            socket.task.cancel()
        if self.store.is_shared:
            order = socket.activation.order.id
            self._tasks.start(self._release(order), f"release of the socket of order {order}")

    def _is_waiting(self, activation: TrackedActivation) -> bool:
        """Whether an SMS may still come that its client can use."""
        order = activation.order
        is_over = order.state in OVER or (order.expires_at or math.inf) < self.upstream_now()
        return not (is_over or activation.is_settled)

    async def _sweep_all(self) -> None:
        """Closes sockets of ended orders, whatever has recorded the end."""
        while self._sockets:
            await asyncio.sleep(SWEEP_SECONDS)
            for socket in list(self._sockets.values()):
                if not self._is_waiting(socket.activation):
                    self._drop(socket)

    async def _keep_open(self, socket: _Socket) -> None:
        pause, order = FIRST_PAUSE, socket.activation.order.id
        await asyncio.sleep(OPENED_AFTER)
        while self._is_waiting(socket.activation):
            if not await self._is_ours(order):
                await asyncio.sleep(CLAIM_SECONDS)
                continue
            try:
                await self._follow(socket)
            except SocketError as error:
                log.info("order %s: its socket: %s", order, error)
            except Exception:
                log.exception(log_events.SOCKET_BUG, order)
            stood, socket.activation.open_at = monotonic() - socket.activation.open_at, math.inf
            if stood < 0:
                self._count_refusal()
            pause = FIRST_PAUSE if stood > HEALTHY_SECONDS else pause
            await asyncio.sleep(pause * random.uniform(0.5, 1))
            pause = min(pause * 2, LONGEST_PAUSE)
        self._drop(socket)

    async def _is_ours(self, order: str) -> bool:
        """Claims the order's socket: one replica opens it for all."""
        try:
            return await self.store.claim(f"socket {order}")
        except StoreError:
            return False

    async def _release(self, order: str) -> None:
        try:
            await self.store.release(f"socket {order}")
        except StoreError as error:
            log.info("order %s: its socket is not given up: %s", order, error)

    def _count_refusal(self) -> None:
        """Counts a failed opening; after MAX_REFUSALS in a row all openings pause."""
        self._refusals += 1
        if self._refusals >= MAX_REFUSALS and monotonic() >= self._paused_until:
            pause = FIRST_GLOBAL_PAUSE * 2 ** ((self._refusals - MAX_REFUSALS) // MAX_REFUSALS)
            self._paused_until = monotonic() + min(pause, LONGEST_GLOBAL_PAUSE)
            log.warning(log_events.SOCKETS_UNREACHABLE)

    async def _follow(self, socket: _Socket) -> None:
        """One connection, until it ends or its order does."""
        order = socket.activation.order.id
        async with aclosing(self.client.frames(socket.key, order)) as frames:
            async with self._opening:
                await asyncio.sleep(self._paused_until - monotonic())
                await anext(frames)
            socket.activation.open_at, self._refusals = monotonic(), 0
            async for frame in frames:
                if frame:
                    await self._handle(socket, frame)
                if not self._is_waiting(socket.activation):
                    return

    async def _handle(self, socket: _Socket, frame: Frame) -> None:
        text, activation = frame.text, socket.activation
        is_told = bool(text) and await self.orders.pushed(socket.key, activation, text)
        self.counters.count("frames", "sms" if is_told else "hint")
        if not is_told:
            activation.hinted_at = monotonic()
