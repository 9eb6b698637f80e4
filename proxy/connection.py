"""One client's connection: how long a request may take to arrive, and how much it may send.

uvicorn knows one limit, between an answer and the next byte; a client that sends nothing, or half
a request, would stay for ever.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

log = logging.getLogger(__name__)

HEAD_SECONDS = 10.0
"""From the connect, or from the first byte of a further request, to the end of its head."""

MAX_HEAD = 64 * 1024
MAX_REQUEST = 2 * MAX_HEAD
"""Bytes of a head and the longest body that is read."""

# What the parser cannot read as HTTP, such as raw UTF-8 in a query, gets the protocol's own word
# for a wrong parameter: the status of every answer is 200.
UNREADABLE = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=UTF-8\r\ncontent-length: 9\r\n"
    b"cache-control: no-store\r\nconnection: close\r\n\r\nERROR_SQL"
)


class Room:
    """The descriptors below `most` are for clients, the rest for the store and the upstream."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.most = most
        self._clock = clock
        self._quiet_until = -1.0

    def has(self, descriptor: int) -> bool:
        """The system gives the lowest free number: one over the limit says that all below are
        taken, by whatever it is.
        """
        if descriptor < self.most:
            return True
        if self._clock() >= self._quiet_until:
            self._quiet_until = self._clock() + 60
            log.error("all descriptors for clients are taken: %d; more are closed", self.most)
        return False


class Connection(asyncio.Protocol):
    """Goes before either of uvicorn's protocols among the bases of a class, and shares their timer:
    armed while a head is awaited, and by uvicorn itself after each answer.
    """

    # With two more attributes an instance would have a whole dict of its own: 1.3 KiB.
    __slots__ = ("_size", "_until")

    room: Room
    head_seconds: float

    # Since the last answer.
    _size: int
    _until: float | None

    # uvicorn's.
    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    connections: set[object]
    cycle: Any
    timeout_keep_alive_task: asyncio.TimerHandle | None
    _unset_keepalive_if_required: Callable[[], None]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._size, self._until = 0, None
        if self.room.has(transport.get_extra_info("socket").fileno()):
            self._await_head()
        else:
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        # uvicorn leaves it armed after a reset, and all of the connection stays in memory for it.
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > MAX_HEAD and self._is_too_long(data):
            self._refuse()
            return
        super().data_received(data)
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            self._await_head()

    def on_response_complete(self) -> None:
        self._size, self._until = 0, None
        super().on_response_complete()  # type: ignore[misc]

    def send_400_response(self, msg: str) -> None:
        self.transport.write(UNREADABLE)
        self.transport.close()

    def timeout_keep_alive_handler(self) -> None:
        # A mere close would wait until the client has fetched what was written.
        self.transport.abort()

    def _await_head(self) -> None:
        """The deadline stands, however many bytes drip in."""
        # A WebSocket is uvicorn's other protocol's, which takes it out of `connections`.
        if self.transport.is_closing() or self not in self.connections:
            return
        if self._until is None:
            self._until = self.loop.time() + self.head_seconds
        timer = self.loop.call_at(self._until, self.timeout_keep_alive_handler)
        self.timeout_keep_alive_task = timer  # type: ignore[misc]

    def _is_too_long(self, data: bytes) -> bool:
        """`data` is in `_size` already."""
        if self.cycle is None or self.cycle.response_complete:
            room = MAX_HEAD - self._size + len(data)
            return data.find(b"\r\n\r\n", 0, max(room, 0)) < 0
        return self._size > MAX_REQUEST

    def _refuse(self) -> None:
        """Says so only where no other answer is awaited, or was given before all was read."""
        if self.cycle is None or (self.cycle.response_complete and not self.cycle.more_body):
            self.send_400_response("")
        else:
            self.transport.close()
