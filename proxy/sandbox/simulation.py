"""One running sandbox: world, faults, request log, sockets and webhooks."""

import asyncio
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from proxy.sandbox.api.faults import Faults
from proxy.sandbox.deliveries import Deliveries
from proxy.sandbox.http_post import Post
from proxy.sandbox.state.accounts import Order
from proxy.sandbox.wire.frames import frame
from proxy.sandbox.wire.replay import Replay
from proxy.sandbox.world import World

LOG_LINES = 100_000


@dataclass(slots=True)
class LogLine:
    """One request to the upstream. `status` is None while there is no answer.

    A `counted` request counts against the limit of requests per minute.
    """

    at: float
    call: str
    method: str
    path: str
    account: str | None = None
    status: int | None = None
    counted: bool = False


@dataclass(eq=False, slots=True)
class Socket:
    """One open socket. `position` is the index of the order's next push event for it; `frames` are
    waiting to be sent.
    """

    order: Order
    position: int
    opened_at: float
    dropped: bool = False
    gone: bool = False
    frames: deque[str] = field(default_factory=deque)
    wake: asyncio.Event = field(default_factory=asyncio.Event)

    def queue(self, text: str) -> None:
        self.frames.append(text)
        self.wake.set()


class ProxyBeside(Protocol):
    """The proxy in the same process, with the clock of both."""

    async def advance(self, seconds: float) -> None:
        """Advances the clock; returns when everything that fell due has been done."""

    async def restart(self, between: Callable[[], None]) -> None:
        """Ends the proxy, sets the clock to the real time, calls `between`, starts a new proxy."""

    def report(self) -> dict[str, Any]:
        """What the programs asked for."""

    def clear_report(self) -> None: ...


class Simulation:
    """Lives as long as the app; `reset` starts everything again. `new_world` takes a seed."""

    def __init__(
        self, new_world: Callable[[int], World], seed: int, post: Post, replay: Replay | None = None
    ) -> None:
        self.replay = replay
        self.sockets: set[Socket] = set()
        self.beside: ProxyBeside | None = None
        self._new_world, self._seed, self._post = new_world, seed, post
        self._start(seed)

    def reset(self, seed: int | None = None) -> None:
        self.deliveries.stop()
        self._start(self._seed if seed is None else seed)

    def _start(self, seed: int) -> None:
        self.world = self._new_world(seed)
        self.world.on_change = self._on_change
        self.deliveries = Deliveries(self.world, self._post, random.Random(f"webhooks {seed}"))
        self.faults = Faults(random.Random(seed))
        self.log: deque[LogLine] = deque(maxlen=LOG_LINES)
        self.mute(None, False)
        self.drop(None)

    def drop(self, order: Order | None) -> int:
        """Closes the open sockets of the order, or all (None); returns their number."""
        dropped = self._open(order)
        for socket in dropped:
            socket.dropped = True
            socket.wake.set()
        return len(dropped)

    def send_frame(self, order: Order | None, text: str) -> int:
        """Sends exactly this text, on muted sockets too; returns the number of sockets."""
        sockets = self._open(order)
        for socket in sockets:
            socket.queue(text)
        return len(sockets)

    def mute(self, order: Order | None, muted: bool) -> None:
        """Mutes the order's sockets, or all (None), those of later orders too.

        A single order can be an exception from all.
        """
        if order is None:
            self._all_muted, self._exceptions = muted, set[Order]()
        elif muted == self._all_muted:
            self._exceptions.discard(order)
        else:
            self._exceptions.add(order)

    def is_muted(self, order: Order) -> bool:
        return self._all_muted != (order in self._exceptions)

    def queue_events(self, socket: Socket) -> None:
        """Queues the order's new push events on the socket. A muted socket loses them.

        Whether it is muted counts at the time of the event, not at the time of sending.
        """
        switches, order = self.world.switches, socket.order
        is_mute = switches.ws == "silent" or self.is_muted(order)
        for event in order.push_events[socket.position :]:
            text = frame(switches, order, event)
            if text and not is_mute:
                socket.queue(text)
        socket.position = len(order.push_events)

    def _on_change(self, order: Order | None) -> None:
        self.deliveries.wake()
        for socket in self._open(order):
            self.queue_events(socket)
            socket.wake.set()

    def _open(self, order: Order | None) -> list[Socket]:
        """Returns the open sockets of the order, or all (None)."""
        return [
            socket
            for socket in self.sockets
            if order in (None, socket.order) and not (socket.dropped or socket.gone)
        ]
