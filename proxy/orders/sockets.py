"""The sockets of waiting orders: which are open, and what they say.

A socket makes things quick, never true: what it says of an SMS is shown until the order itself has
it, everything else is a hint to read; and every order stays in the shared list read.
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

PER_KEY = 0.2
"""The share of all sockets that one key may have."""

OPENED_AFTER = 0.03
"""Seconds: the client gets its number first. To open a socket costs more than to answer."""
OPENING = 8
"""Sockets that are being opened at the same time."""

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds before a broken socket is opened again: 1, 2, 4 … 60, each drawn between half and all."""
HEALTHY_SECONDS = 30.0
"""A socket that stood so long begins its pauses anew."""

MAX_REFUSALS = 5
FIRST_GLOBAL_PAUSE, LONGEST_GLOBAL_PAUSE = 60.0, 600.0
"""Where none can be opened any more, all wait: 60, 120 … 600 seconds."""

CLAIM_SECONDS = 5.0
"""How often it is looked whether the replica that has the socket of an order has given it up."""

SWEEP_SECONDS = 5.0
IDLE_SECONDS = 60.0
"""A socket of an order that nobody has asked about for so long gives its place to another."""


@dataclass(slots=True, eq=False)
class _Socket:
    """One order that has a socket, or is to have one."""

    key: ClientKey
    activation: TrackedActivation
    task: asyncio.Task[None] | None = None


class OrderSockets:
    """At most `most` sockets; none at all if that is 0. `upstream_now` is the upstream's clock."""

    def __init__(
        self,
        client: SocketClient,
        orders: Orders,
        store: Store,
        counters: Counters,
        upstream_now: Callable[[], float],
        max_sockets: int,
    ) -> None:
        self._store = store
        self._client = client
        self._orders = orders
        self._counters = counters
        self._upstream_now = upstream_now
        self._max_sockets = max_sockets
        self._sockets: dict[tuple[ClientKey, int], _Socket] = {}
        self._of_key: Counter[UpstreamKey] = Counter()
        self._opening = asyncio.Semaphore(OPENING)
        self._refusals = 0
        self._paused_until = float("-inf")
        self._tasks = BackgroundTasks()
        self._sweep: asyncio.Task[None] | None = None

    def watch(self, key: ClientKey, activation: TrackedActivation) -> None:
        """Somebody asks about the activation: a socket is opened if one helps and has room."""
        activation.asked_for_at = monotonic()
        is_open = (key, activation.id) in self._sockets
        if not is_open and self._is_waiting(activation) and self._has_room(key):
            self._open(_Socket(key, activation))

    @property
    def states(self) -> dict[str, float]:
        """How many sockets are open, and how many are to be."""
        still_open = sum(socket.activation.open_at < math.inf for socket in self._sockets.values())
        return {"open": still_open, "closed": len(self._sockets) - still_open}

    async def close(self) -> None:
        await self._tasks.aclose()

    def _has_room(self, key: ClientKey) -> bool:
        if (
            self._of_key[key.upstream] < max(self._max_sockets * PER_KEY, 1)
            and len(self._sockets) < self._max_sockets
        ):
            return True
        is_own = self._of_key[key.upstream] >= self._max_sockets * PER_KEY
        sockets = (
            socket
            for socket in self._sockets.values()
            if not is_own or socket.key.upstream == key.upstream
        )
        idle = min(sockets, key=lambda socket: socket.activation.asked_for_at, default=None)
        if idle is None or monotonic() - idle.activation.asked_for_at < IDLE_SECONDS:
            return False
        self._drop(idle)
        return True

    def _open(self, socket: _Socket) -> None:
        self._sockets[socket.key, socket.activation.id] = socket
        self._of_key[socket.key.upstream] += 1
        name = f"socket of order {socket.activation.order.id}"
        socket.task = self._tasks.loop(partial(self._keep_open, socket), name)
        if self._sweep is None or self._sweep.done():
            self._sweep = self._tasks.loop(self._sweep_all, "end of sockets")

    def _drop(self, socket: _Socket) -> None:
        if self._sockets.pop((socket.key, socket.activation.id), None) is None:
            return
        self._of_key[socket.key.upstream] -= 1
        self._of_key += Counter()  # forgets those that have none
        socket.activation.open_at = math.inf
        if socket.task and socket.task is not asyncio.current_task():
            socket.task.cancel()
        if self._store.is_shared:
            order = socket.activation.order.id
            self._tasks.start(self._release(order), f"release of the socket of order {order}")

    def _is_waiting(self, activation: TrackedActivation) -> bool:
        """An SMS can still come that would tell its client something."""
        order = activation.order
        is_over = order.state in OVER or (order.expires_at or math.inf) < self._upstream_now()
        return not (is_over or activation.is_settled)

    async def _sweep_all(self) -> None:
        """An order's end is told by many; this sees them all."""
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
        """One socket for an order is enough for all replicas."""
        try:
            return await self._store.claim(f"socket {order}")
        except StoreError:
            return False

    async def _release(self, order: str) -> None:
        try:
            await self._store.release(f"socket {order}")
        except StoreError as error:
            log.info("order %s: its socket is not given up: %s", order, error)

    def _count_refusal(self) -> None:
        """Where sockets cannot be had, they are not asked for all the time."""
        self._refusals += 1
        if self._refusals >= MAX_REFUSALS and monotonic() >= self._paused_until:
            pause = FIRST_GLOBAL_PAUSE * 2 ** ((self._refusals - MAX_REFUSALS) // MAX_REFUSALS)
            self._paused_until = monotonic() + min(pause, LONGEST_GLOBAL_PAUSE)
            log.warning(log_events.SOCKETS_UNREACHABLE)

    async def _follow(self, socket: _Socket) -> None:
        """One connection, from its opening to its end."""
        order = socket.activation.order.id
        async with aclosing(self._client.frames(socket.key, order)) as frames:
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
        is_told = bool(text) and await self._orders.pushed(socket.key, activation, text)
        self._counters.count("frames", "sms" if is_told else "hint")
        if not is_told:
            activation.hinted_at = monotonic()
