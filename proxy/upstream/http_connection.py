"""A pool of HTTP/1.1 connections: asyncio carries them, httptools reads the answers.

It stands in for httpcore, which took two thirds of the CPU of a call (docs/performance.md), and it
knows whether a byte of a request was written, which decides whether a purchase may be repeated.
"""

import asyncio
import re
import select
import ssl
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple, cast

import httptools

from proxy.model.errors import HttpError, NoConnectionError, NotSentError
from proxy.runtime.clock import monotonic

Headers = list[tuple[bytes, bytes]]

IDLE_SECONDS = 5.0
"""An idle connection is used again for so long. Common servers close theirs after 5 to 75."""
MOST_BETWEEN = 64 * 1024
"""Bytes of heads, chunk extensions and trailers in a row without a byte of a body."""
MOST_UNREAD = 256 * 1024
"""Bytes of a body that wait to be read before the connection is read no further."""
EYEBALLS_DELAY = 0.25
"""RFC 8305: the next address is tried so many seconds after the one before."""

_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# RFC 9110, 5.5: neither a control character nor a space at an end.
_VALUE = re.compile(rb"(?:[^\x00-\x20\x7f](?:[^\x00-\x08\x0a-\x1f\x7f]*[^\x00-\x20\x7f])?)?")
_TARGET = re.compile(rb"/[!-~]*")


class Origin(NamedTuple):
    host: str
    port: int
    is_tls: bool


class Connection(asyncio.Protocol):
    """One connection, with one request at a time."""

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.used_at = 0.0
        self.status = 0
        """Of the answer to the present request; 0 before its head is complete."""
        self.headers: Headers = []
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._poll = select.poll()
        self._parts: deque[bytes] = deque()
        self._unread = self._between = 0
        self._has_ended = self._ends_by_close = self._is_kept = False
        self._is_full = False
        self._error: str | None = None
        self._waiter: asyncio.Future[None] | None = None

    @property
    def is_reusable(self) -> bool:
        """Whether it is open, nothing of an answer is missing, and nothing came that was not asked
        for: neither an early answer nor the end of the connection.
        """
        return self._has_ended and self._is_kept and not self._error and not self._poll.poll(0)

    async def write(self, head: bytes, body: bytes, seconds: float) -> None:
        """Sends a request. Raises HttpError, and NotSentError where nothing was written."""
        self._parser = httptools.HttpResponseParser(self)
        self.status, self.headers = 0, []
        self._between, self._has_ended, self._ends_by_close = 0, False, False
        if not self._transport:
            raise NotSentError(self._error or "WriteError the connection was closed")
        self._transport.write(head + body)
        while self._is_full:
            await self._wait(seconds, "WriteTimeout")

    async def read_head(self, seconds: float) -> None:
        """Waits for `status` and `headers`, `seconds` for each part of them. Raises HttpError."""
        while not self.status:
            await self._wait(seconds, "ReadTimeout")

    async def read(self, seconds: float) -> bytes:
        """Returns the next part of the body, or no bytes at its end. Raises HttpError."""
        while not self._parts:
            if self._has_ended:
                return b""
            await self._wait(seconds, "ReadTimeout")
        part = self._parts.popleft()
        self._unread -= len(part)
        if self._transport and self._unread < MOST_UNREAD:
            self._transport.resume_reading()
        return part

    def abort(self) -> None:
        if self._transport:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # No check of its class: that of uvloop derives from none of asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport, self._is_kept = None, False
        if self.status and self._ends_by_close and not error:
            self._has_ended = True
        elif not self._has_ended:
            self._error = self._error or _said("ReadError", error or "the connection was closed")
        self._wake()

    def data_received(self, data: bytes) -> None:
        if not self._parser or self._has_ended:
            self._fail("RemoteProtocolError an answer that was not asked for")
            return
        self._between += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            # What stands behind the end of an answer spoils the connection, not the answer.
            self._is_kept = False
            if not self._has_ended:
                self._fail(_said("RemoteProtocolError", error))
        if self._between > MOST_BETWEEN and not self._has_ended:
            self._fail("RemoteProtocolError an answer with too long a head")
        self._wake()

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False
        self._wake()

    # What the parser calls.

    def on_message_begin(self) -> None:
        if self._has_ended:
            self._is_kept = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.status:
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        assert self._parser
        if self._has_ended:
            return
        status = self._parser.get_status_code()
        if status < 200:
            self.headers = []
            return
        names = {name.lower() for name, _ in self.headers}
        self._ends_by_close = not names & {b"content-length", b"transfer-encoding"}
        self._is_kept = self._parser.should_keep_alive()
        self.status, self._between = status, 0

    def on_body(self, part: bytes) -> None:
        if self._has_ended:
            return
        self._parts.append(part)
        self._unread += len(part)
        self._between = 0
        if self._transport and self._unread >= MOST_UNREAD:
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        self._has_ended = bool(self.status)

    # Its own.

    async def _wait(self, seconds: float, name: str) -> None:
        if self._error:
            raise HttpError(self._error)
        self._waiter = self._loop.create_future()
        try:
            async with asyncio.timeout(seconds):
                await self._waiter
        except TimeoutError:
            raise HttpError(name) from None
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, error: str) -> None:
        self._error = self._error or error
        self.abort()


class Pool:
    """At most `size` connections at once, to any origins."""

    def __init__(self, size: int, context: Callable[[], ssl.SSLContext]) -> None:
        self._size = size
        self._context = context
        self._turns = asyncio.Semaphore(size)
        self._idle: list[Connection] = []
        """The one used last comes last."""
        self._busy: set[Connection] = set()

    async def take(self, origin: Origin, seconds: float) -> Connection:
        """Returns a connection for one request; `give_back` has to follow. Raises NotSentError if
        none is free or opened within `seconds`, for each of both.
        """
        try:
            async with asyncio.timeout(seconds):
                await self._turns.acquire()
        except TimeoutError:
            raise NotSentError("PoolTimeout") from None
        try:
            connection = self._take_idle(origin) or await self._opened(origin, seconds)
        except BaseException:
            self._turns.release()
            raise
        self._busy.add(connection)
        return connection

    def give_back(self, connection: Connection) -> None:
        """Ends the request on it: whatever of its answer is unread is lost."""
        if connection not in self._busy:
            return
        self._busy.remove(connection)
        self._turns.release()
        if connection.is_reusable:
            connection.used_at = monotonic()
            self._idle.append(connection)
        else:
            connection.abort()

    async def close(self) -> None:
        for connection in [*self._idle, *self._busy]:
            connection.abort()
        self._idle.clear()
        # The event loop closes the sockets in its next turn.
        await asyncio.sleep(0)

    def _take_idle(self, origin: Origin) -> Connection | None:
        oldest = monotonic() - IDLE_SECONDS
        usable = [c for c in self._idle if c.used_at > oldest and c.is_reusable]
        for connection in set(self._idle).difference(usable):
            connection.abort()
        self._idle = usable
        for connection in reversed(usable):
            if connection.origin == origin:
                usable.remove(connection)
                return connection
        if usable and len(usable) + len(self._busy) >= self._size:
            usable.pop(0).abort()
        return None

    async def _opened(self, origin: Origin, seconds: float) -> Connection:
        loop = asyncio.get_running_loop()
        # uvloop has no such option: it tries one address after the other.
        options: dict[str, Any] = {}
        if isinstance(loop, asyncio.BaseEventLoop):
            options["happy_eyeballs_delay"] = EYEBALLS_DELAY
        context = self._context() if origin.is_tls else None
        try:
            async with asyncio.timeout(seconds):
                connected = await loop.create_connection(
                    partial(Connection, origin), origin.host, origin.port, ssl=context, **options
                )
        except TimeoutError:
            raise NoConnectionError("ConnectTimeout") from None
        except (OSError, ssl.SSLError, UnicodeError) as error:
            raise NoConnectionError(_said("ConnectError", error)) from error
        return connected[1]


def request_head(method: bytes, target: bytes, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Raises NotSentError if a part could end the line that it stands in."""
    lines = [b"%b %b HTTP/1.1" % (method, target)]
    whole = _NAME.fullmatch(method) and _TARGET.fullmatch(target)
    for name, value in headers:
        whole = whole and _NAME.fullmatch(name) and _VALUE.fullmatch(value)
        lines.append(b"%b: %b" % (name, value))
    if not whole:
        raise NotSentError("LocalProtocolError a request with a character that HTTP cannot carry")
    return b"\r\n".join([*lines, b"", b""])


def _said(name: str, error: Exception | str) -> str:
    return f"{name} {error}".rstrip()
