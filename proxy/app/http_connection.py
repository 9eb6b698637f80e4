"""A client's connection: deadlines and size limits of its requests.

uvicorn has one limit, from an answer to the next byte. A client that sends nothing, or half a
request, would stay connected for ever.
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
"""From the connect, or from the first byte of a later request, to the end of its head."""

BODY_SECONDS = 10.0
"""From the end of a head to the end of its body."""

MAX_HEAD = 64 * 1024
MAX_REQUEST = 2 * MAX_HEAD
"""Bytes of a head and of the longest body."""

MAX_PIPELINE = 32
"""Requests that may wait behind the one that is being answered: old clients send none."""

# The answer to a request that the parser cannot read, such as raw UTF-8 in a query: the protocol's
# word for a wrong parameter. Its answers have status 200.
UNREADABLE = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=UTF-8\r\ncontent-length: 9\r\n"
    b"cache-control: no-store\r\nconnection: close\r\n\r\nERROR_SQL"
)

_REFUSED = b"HTTP/1.1 %s\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
TOO_LATE = _REFUSED % b"408 Request Timeout"
TOO_LONG = _REFUSED % b"413 Content Too Large"


class DescriptorLimit:
    """Descriptors below `limit` are for clients, the others for the store and the upstream."""

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        self._clock = clock
        self._quiet_until = -1.0

    def allows(self, descriptor: int) -> bool:
        """Whether a client may keep it. The system gives the lowest free one: others are in use."""
        if descriptor < self.limit:
            return True
        if self._clock() >= self._quiet_until:
            self._quiet_until = self._clock() + 60
            log.error(log_events.DESCRIPTORS_USED_UP, self.limit)
        return False


class Connection(HttpToolsProtocol):
    """Uses uvicorn's timer: set here while a head or body is awaited, and by uvicorn after each
    answer. Overrides private members of uvicorn, which is pinned below its next minor version.
    """

    descriptors: DescriptorLimit
    head_seconds: float
    body_seconds: float

    _size: int
    """Bytes received since the last answer."""
    _deadline: float | None
    """The end of the awaited head or body, on the loop's clock."""

    transport: asyncio.Transport
    cycle: Any

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        self._size, self._deadline = 0, None
        if self.descriptors.allows(transport.get_extra_info("socket").fileno()):
            self._set_deadline()
        else:
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        # uvicorn leaves it set after a reset, and it keeps the whole connection in memory.
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
        """The head that was just read, without its upgrade header. After an upgrade request the
        parser takes all further bytes, the body included, for the other protocol's. Java's
        HttpClient asks for h2c by default, and uses HTTP/1.1 if refused (RFC 9110, 7.8).
        """
        method = self.parser.get_method()
        if method == b"CONNECT":
            raise httptools.HttpParserError("CONNECT is not supported")
        version = self.parser.get_http_version().encode()
        lines = [b"%s %s HTTP/%s" % (method, self.url, version)]
        lines += [b"%s: %s" % (name, value) for name, value in self.headers if name != b"upgrade"]
        return b"\r\n".join([*lines, b"", b""])

    def on_headers_complete(self) -> None:
        if self.parser.should_upgrade() and not self._should_upgrade():
            # It will be read again without the upgrade.
            return
        if len(self.pipeline) >= MAX_PIPELINE:
            # The parser turns this into an HttpParserError.
            raise OverflowError("too many requests are sent at once")
        self._deadline = None
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        if not self.parser.should_upgrade():
            super().on_message_complete()
            # uvicorn leaves it True if the answer came first.
            self.cycle.more_body = False

    def on_response_complete(self) -> None:
        self._size, self._deadline = 0, None
        super().on_response_complete()
        # For the next request, or for the rest of a body that was refused.
        if self.cycle.more_body and not self.pipeline:
            self._set_deadline()

    def timeout_keep_alive_handler(self) -> None:
        if self._is_body_awaited and not self.cycle.response_started:
            self._send(TOO_LATE)
        # A close would wait until the client has read everything.
        self.transport.abort()

    @property
    def _is_head_awaited(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    @property
    def _is_body_awaited(self) -> bool:
        """The request is the one to answer, and its body is not complete."""
        return not self._is_head_awaited and self.cycle.more_body and not self.pipeline

    def _set_deadline(self) -> None:
        """Sets the timer. Further bytes of the same head or body do not move the deadline."""
        # After an upgrade to a WebSocket, uvicorn has taken it out of `connections`.
        if self.transport.is_closing() or self not in self.connections:
            return
        if not (self._is_head_awaited or self._is_body_awaited):
            return
        seconds = self.head_seconds if self._is_head_awaited else self.body_seconds
        if self._deadline is None:
            self._deadline = self.loop.time() + seconds
        self._unset_keepalive_if_required()
        timer = self.loop.call_at(self._deadline, self.timeout_keep_alive_handler)
        self.timeout_keep_alive_task = timer

    def _is_too_long(self, data: bytes) -> bool:
        """Whether the head or body is too long. `_size` includes `data`."""
        if self._is_head_awaited:
            left = MAX_HEAD - self._size + len(data)
            return data.find(b"\r\n\r\n", 0, max(left, 0)) < 0
        return self._size > MAX_REQUEST

    def _refuse(self) -> None:
        """Closes the connection, with an answer unless another one was given or is awaited."""
        if self.cycle is None or (self.cycle.response_complete and not self.cycle.more_body):
            self.transport.write(UNREADABLE)
        elif self._is_body_awaited and not self.cycle.response_started:
            self._send(TOO_LONG)
        self.transport.close()

    def _send(self, answer: bytes) -> None:
        """Sends an answer in place of the app's; for the app the client has disconnected."""
        self.transport.write(answer)
        self.cycle.disconnected = True
        self.cycle.message_event.set()
