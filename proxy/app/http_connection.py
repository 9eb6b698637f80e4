"""One client's connection: how long a request may take to arrive, and how much it may send.

uvicorn knows one limit, between an answer and the next byte; a client that sends nothing, or half
a request, would stay for ever.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from proxy.runtime import log_events

log = logging.getLogger(__name__)

HEAD_SECONDS = 10.0
"""From the connect, or from the first byte of a further request, to the end of its head."""

BODY_SECONDS = 10.0
"""From the end of a head to the end of its body."""

MAX_HEAD = 64 * 1024
MAX_REQUEST = 2 * MAX_HEAD
"""Bytes of a head and the longest body that is read."""

MAX_PIPELINE = 32
"""Requests that may wait behind the one that is answered: old clients send none."""

# What the parser cannot read as HTTP, such as raw UTF-8 in a query, gets the protocol's own word
# for a wrong parameter: the status of every answer is 200.
UNREADABLE = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=UTF-8\r\ncontent-length: 9\r\n"
    b"cache-control: no-store\r\nconnection: close\r\n\r\nERROR_SQL"
)

_REFUSED = b"HTTP/1.1 %s\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
TOO_LATE = _REFUSED % b"408 Request Timeout"
TOO_LONG = _REFUSED % b"413 Content Too Large"


class DescriptorLimit:
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
            log.error(log_events.DESCRIPTORS_USED_UP, self.most)
        return False


class Connection(HttpToolsProtocol):
    """Shares uvicorn's timer: armed here while a head or a body is awaited, and by uvicorn itself
    after each answer. Overrides private members of uvicorn: it is pinned below its next minor.
    """

    room: DescriptorLimit
    head_seconds: float
    body_seconds: float

    # Since the last answer.
    _size: int
    _until: float | None
    """The deadline of what is awaited, on the loop's clock."""

    transport: asyncio.Transport
    cycle: Any

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        self._size, self._until = 0, None
        if self.room.has(transport.get_extra_info("socket").fileno()):
            self._set_deadline()
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
        self._unset_keepalive_if_required()
        try:
            self._feed(data)
        except httptools.HttpParserError:
            self._refuse()
        self._set_deadline()

    def _feed(self, data: bytes) -> None:
        """Raises HttpParserError."""
        left = memoryview(data)
        while left:
            try:
                self.parser.feed_data(left)
            except httptools.HttpParserUpgrade as upgrade:
                if self._should_upgrade():
                    self.handle_websocket_upgrade()
                    return
                left = memoryview(self._plain_head() + bytes(left[upgrade.args[0] :]))
            else:
                return

    def _plain_head(self) -> bytes:
        """The head just read, as the parser is to read it: it takes all that is behind a request
        for another protocol, the body included, for that protocol's. Java's HttpClient asks for
        h2c by default, and goes on in HTTP/1.1 where it is not granted (RFC 9110, 7.8).
        """
        method = self.parser.get_method()
        if method == b"CONNECT":
            raise httptools.HttpParserError("CONNECT is for proxies of another kind")
        version = self.parser.get_http_version().encode()
        lines = [b"%s %s HTTP/%s" % (method, self.url, version)]
        lines += [b"%s: %s" % (name, value) for name, value in self.headers if name != b"upgrade"]
        return b"\r\n".join([*lines, b"", b""])

    def on_headers_complete(self) -> None:
        if self.parser.should_upgrade() and not self._should_upgrade():
            # It is read again without.
            return
        if len(self.pipeline) >= MAX_PIPELINE:
            # The parser makes an HttpParserError of it.
            raise OverflowError("too many requests are sent at once")
        self._until = None
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        if not self.parser.should_upgrade():
            super().on_message_complete()
            # uvicorn leaves it so where the answer came first.
            self.cycle.more_body = False

    def on_response_complete(self) -> None:
        self._size, self._until = 0, None
        super().on_response_complete()
        # Of the next request, or what is left of one that was refused unread.
        if self.cycle.more_body and not self.pipeline:
            self._set_deadline()

    def timeout_keep_alive_handler(self) -> None:
        if self._is_body_awaited and not self.cycle.response_started:
            self._say(TOO_LATE)
        # A mere close would wait until the client has fetched what was written.
        self.transport.abort()

    @property
    def _is_head_awaited(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    @property
    def _is_body_awaited(self) -> bool:
        """It is its request's turn, and its body is not there yet."""
        return not self._is_head_awaited and self.cycle.more_body and not self.pipeline

    def _set_deadline(self) -> None:
        """The deadline stands, however many bytes drip in."""
        # A WebSocket is uvicorn's other protocol's, which takes it out of `connections`.
        if self.transport.is_closing() or self not in self.connections:
            return
        if not (self._is_head_awaited or self._is_body_awaited):
            return
        seconds = self.head_seconds if self._is_head_awaited else self.body_seconds
        if self._until is None:
            self._until = self.loop.time() + seconds
        self._unset_keepalive_if_required()
        timer = self.loop.call_at(self._until, self.timeout_keep_alive_handler)
        self.timeout_keep_alive_task = timer

    def _is_too_long(self, data: bytes) -> bool:
        """`data` is in `_size` already."""
        if self._is_head_awaited:
            room = MAX_HEAD - self._size + len(data)
            return data.find(b"\r\n\r\n", 0, max(room, 0)) < 0
        return self._size > MAX_REQUEST

    def _refuse(self) -> None:
        """Says so only where no other answer is awaited, or was given before all was read."""
        if self.cycle is None or (self.cycle.response_complete and not self.cycle.more_body):
            self.transport.write(UNREADABLE)
        elif self._is_body_awaited and not self.cycle.response_started:
            self._say(TOO_LONG)
        self.transport.close()

    def _say(self, answer: bytes) -> None:
        """In the place of the answer that the app was about to make: to it the client is gone."""
        self.transport.write(answer)
        self.cycle.disconnected = True
        self.cycle.message_event.set()
