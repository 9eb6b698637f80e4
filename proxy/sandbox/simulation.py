"""One running sandbox: the world, the faults, the log, the sockets and the webhooks."""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from proxy.sandbox.api.faults import Faults
from proxy.sandbox.deliveries import Deliveries
from proxy.sandbox.http_post import Post
from proxy.sandbox.state.accounts import Order
from proxy.sandbox.state.catalogue import Catalogue
from proxy.sandbox.state.switches import Switches
from proxy.sandbox.wire.frames import frame
from proxy.sandbox.world import World

LOG_LINES = 100_000


@dataclass(slots=True)
class LogLine:
    """One request to the upstream. `status` None: no answer has been given (yet, or ever).

    `counted`: it was admitted and counts against the limit of requests a minute.
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
    """One open socket.

    `told` counts what had been told of the order before, and what has been heard since; `texts`
    are the frames that wait to be sent.
    """

    order: Order
    told: int
    opened_at: float
    dropped: bool = False
    gone: bool = False
    texts: deque[str] = field(default_factory=deque)
    wake: asyncio.Event = field(default_factory=asyncio.Event)

    def say(self, text: str) -> None:
        self.texts.append(text)
        self.wake.set()


class Simulation:
    """Built once per app; `reset` brings everything back to the beginning."""

    def __init__(
        self,
        services: Mapping[str, str],
        switches: Switches,
        clock: Callable[[], float],
        sms_after: float,
        seed: int,
        post: Post,
    ) -> None:
        self.sockets: set[Socket] = set()
        self._services, self._switches = services, switches
        self._clock, self._sms_after, self._seed, self._post = clock, sms_after, seed, post
        self._begin(seed)

    def reset(self, seed: int | None = None) -> None:
        self.deliveries.stop()
        self._begin(self._seed if seed is None else seed)

    def _begin(self, seed: int) -> None:
        catalogue = Catalogue(self._services)
        self.world = World(catalogue, self._switches, self._clock, self._sms_after, seed)
        self.world.changed = self._changed
        self.deliveries = Deliveries(self.world, self._post, random.Random(f"webhooks {seed}"))
        self.faults = Faults(random.Random(seed))
        self.log: deque[LogLine] = deque(maxlen=LOG_LINES)
        self.mute(None, False)
        self.drop(None)

    def drop(self, order: Order | None) -> int:
        """Closes the open sockets of the order, or all; tells how many."""
        dropped = self._open(order)
        for socket in dropped:
            socket.dropped = True
            socket.wake.set()
        return len(dropped)

    def say(self, order: Order | None, text: str) -> int:
        """A frame of exactly this text, also on a mute socket; tells on how many it is sent."""
        sockets = self._open(order)
        for socket in sockets:
            socket.say(text)
        return len(sockets)

    def mute(self, order: Order | None, muted: bool) -> None:
        """None is all, those of later orders too; an order can be an exception from that."""
        if order is None:
            self._all_muted, self._exceptions = muted, set[Order]()
        elif muted == self._all_muted:
            self._exceptions.discard(order)
        else:
            self._exceptions.add(order)

    def is_muted(self, order: Order) -> bool:
        return self._all_muted != (order in self._exceptions)

    def hear(self, socket: Socket) -> None:
        """Gives the socket what has been told of its order; it is lost when the socket is mute.

        That is decided here, when it happens, and not later, when the socket comes to send it.
        """
        switches, order = self.world.switches, socket.order
        is_mute = switches.ws == "silent" or self.is_muted(order)
        for event in order.told[socket.told :]:
            text = frame(switches, order, event)
            if text and not is_mute:
                socket.say(text)
        socket.told = len(order.told)

    def _changed(self, order: Order | None) -> None:
        self.deliveries.wake()
        for socket in self._open(order):
            self.hear(socket)
            socket.wake.set()

    def _open(self, order: Order | None) -> list[Socket]:
        """The open sockets of the order, or all."""
        return [
            socket
            for socket in self.sockets
            if order in (None, socket.order) and not (socket.dropped or socket.gone)
        ]
