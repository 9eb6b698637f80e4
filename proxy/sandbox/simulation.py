"""One running sandbox: the world, the faults, the request log and the open sockets."""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from proxy.sandbox.catalogue import Catalogue
from proxy.sandbox.faults import Faults
from proxy.sandbox.orders import Order
from proxy.sandbox.switches import Switches
from proxy.sandbox.world import World

LOG_LINES = 100_000


@dataclass(slots=True)
class LogLine:
    """One request to the upstream. `status` None: no answer has been given (yet, or ever)."""

    at: float
    call: str
    method: str
    path: str
    account: str | None = None
    status: int | None = None


@dataclass(eq=False, slots=True)
class Socket:
    """One open socket; `told` counts what was said of the order before or has been sent since."""

    order: Order
    told: int
    opened_at: float
    dropped: bool = False
    gone: bool = False
    wake: asyncio.Event = field(default_factory=asyncio.Event)


class Simulation:
    """Built once per app; `reset` brings everything back to the beginning."""

    def __init__(
        self,
        services: Mapping[str, str],
        switches: Switches,
        clock: Callable[[], float],
        sms_after: float,
        limit: int | None,
        seed: int,
    ) -> None:
        self.limit = limit
        self.sockets: set[Socket] = set()
        self._services, self._switches = services, switches
        self._clock, self._sms_after, self._seed = clock, sms_after, seed
        self.reset()

    def reset(self) -> None:
        catalogue = Catalogue(self._services)
        self.world = World(catalogue, self._switches, self._clock, self._sms_after, self._seed)
        self.world.changed = self._wake
        self.faults = Faults(random.Random(self._seed))
        self.log: deque[LogLine] = deque(maxlen=LOG_LINES)
        self.muted: set[Order | None] = set()
        self.drop(None)

    def drop(self, order: Order | None) -> int:
        """Closes the open sockets of the order, or all; tells how many."""
        dropped = [s for s in self.sockets if order is None or s.order is order]
        for socket in dropped:
            socket.dropped = True
            socket.wake.set()
        return len(dropped)

    def is_muted(self, order: Order) -> bool:
        """`muted` holds orders, or None for all."""
        return None in self.muted or order in self.muted

    def _wake(self, order: Order | None) -> None:
        for socket in self.sockets:
            if order is None or socket.order is order:
                socket.wake.set()
