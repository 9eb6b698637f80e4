"""Opens the port and runs the app on uvicorn."""

import asyncio
import contextlib
import logging
import signal
import socket as sockets
import ssl
import sys
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from proxy.app import address
from proxy.app.http_connection import BODY_SECONDS, HEAD_SECONDS, Connection, DescriptorLimit
from proxy.runtime import systemd

log = logging.getLogger(__name__)

GRACE = 8
"""Seconds after SIGTERM in which running requests may end."""

KEEP_ALIVE = 75
"""Seconds that a connection may be idle after an answer: nginx's default. A client that uses a
pooled connection while it is being closed loses its request; a long time makes that rare.
"""

RESERVED = 1024
"""Descriptors for the store, the upstream and 500 push sockets; at most half of all."""


class Hangup:
    """The SIGHUPs of this process, from now on. One that comes before `to` is passed on by it."""

    def __init__(self) -> None:
        self._has_come = False
        if hasattr(signal, "SIGHUP"):
            signal.signal(signal.SIGHUP, lambda number, frame: self._remember())

    def to(self, act: Callable[[], None]) -> Callable[[], None]:
        """Returns `act`, which is to be called at each SIGHUP."""
        self._remember = act  # type: ignore[method-assign]
        if self._has_come:
            act()
        return act

    def _remember(self) -> None:
        self._has_come = True


def open_socket(host: str, port: int) -> sockets.socket:
    """Opens and listens at once, before anything else is started. Raises OSError."""
    family = sockets.AF_INET6 if ":" in host else sockets.AF_INET
    return sockets.create_server((host, port), family=family, backlog=2048)


def url(socket: sockets.socket, tls: ssl.SSLContext | None = None) -> str:
    host, port = socket.getsockname()[:2]
    return address.url(host, port, is_tls=tls is not None)


def run(
    app: ASGIApp,
    socket: sockets.socket,
    tls: ssl.SSLContext | None = None,
    *,
    stopping: Callable[[], None] | None = None,
    new_loop: Callable[[], asyncio.AbstractEventLoop] | None = None,
    hangup: Callable[[], None] = lambda: None,
    websockets: bool = False,
    head_seconds: float = HEAD_SECONDS,
    body_seconds: float = BODY_SECONDS,
    keep_alive: float = KEEP_ALIVE,
    grace: float = GRACE,
) -> None:
    """Serves until SIGTERM or SIGINT, and closes the socket. `stopping` is called at the stop: it
    has to end the endless answers. `new_loop` makes another event loop than uvicorn's. `hangup` is
    called at SIGHUP, which would end the process, as when a terminal closes. All times are in
    seconds.
    """
    if hasattr(signal, "SIGHUP"):
        # Until the loop runs.
        signal.signal(signal.SIGHUP, lambda number, frame: hangup())
    descriptors = DescriptorLimit(_client_descriptors())
    # No access log: the query string has the API key.
    config = uvicorn.Config(
        app,
        http=_connection_class(descriptors, head_seconds, body_seconds),
        # uvicorn's types say str, but it also takes the factory itself.
        loop=new_loop or "auto",  # type: ignore[arg-type]
        ws="auto" if websockets else "none",
        proxy_headers=False,
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        # uvicorn's types say int, but the event loop takes any number.
        timeout_keep_alive=keep_alive,  # type: ignore[arg-type]
        timeout_graceful_shutdown=grace,  # type: ignore[arg-type]
        ssl_context_factory=(lambda config, default: tls) if tls else None,
    )
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    _Server(config, head_seconds, stopping, hangup).run(sockets=[_Listener(descriptors, socket)])


class _Server(uvicorn.Server):
    def __init__(
        self,
        config: uvicorn.Config,
        head_seconds: float,
        stopping: Callable[[], None] | None,
        hangup: Callable[[], None],
    ) -> None:
        super().__init__(config)
        self._head_seconds = head_seconds
        self._stopping = stopping
        self._hangup = hangup

    async def startup(self, sockets: list[sockets.socket] | None = None) -> None:
        loop: Any = asyncio.get_running_loop()
        if hasattr(signal, "SIGHUP"):
            loop.add_signal_handler(signal.SIGHUP, self._hangup)
        if self.config.ssl:
            # uvicorn has no setting for this timeout, and the loop's default is 60 seconds.
            loop.create_server = partial(
                loop.create_server, ssl_handshake_timeout=self._head_seconds
            )
        await super().startup(sockets)
        if not self.should_exit:
            systemd.notify("READY=1")
            systemd.watch(loop)

    async def shutdown(self, sockets: list[sockets.socket] | None = None) -> None:
        systemd.notify("STOPPING=1")
        if self._stopping:
            self._stopping()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.should_exit:
            # A second signal kills the process; the store can take that. uvicorn would stop for
            # SIGINT only, and from Python 3.12 on it would wait for the last connection.
            signal.signal(sig, signal.SIG_DFL)
            signal.raise_signal(sig)
        super().handle_exit(sig, frame)


class _Listener(sockets.socket):
    """Refuses clients over the limit at the accept. When no descriptor is left, asyncio's loop
    retries the accept and logs it thousands of times a second. uvloop does not call this `accept`.
    """

    def __init__(self, descriptors: DescriptorLimit, socket: sockets.socket) -> None:
        # With this protocol number asyncio's loop turns Nagle's algorithm off: an answer is written
        # in two parts, and the second one waited 40 ms for an acknowledgement of the first.
        super().__init__(socket.family, socket.type, sockets.IPPROTO_TCP, socket.detach())
        self._descriptors = descriptors

    def accept(self) -> tuple[sockets.socket, Any]:
        """Raises ConnectionAbortedError, which the loop reads as a client that is gone."""
        connection, address = super().accept()
        if self._descriptors.allows(connection.fileno()):
            return connection, address
        connection.close()
        raise ConnectionAbortedError


def _client_descriptors() -> int:
    """Raises this process's limit of descriptors to the maximum, and returns the clients' part."""
    try:
        import resource
    except ImportError:
        return sys.maxsize
    limit, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # macOS reports an unlimited hard limit and refuses it as the soft limit.
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        limit = hard
    return sys.maxsize if limit == resource.RLIM_INFINITY else limit - min(RESERVED, limit // 2)


def _connection_class(limit: DescriptorLimit, head: float, body: float) -> type[asyncio.Protocol]:
    class LimitedConnection(Connection):
        descriptors = limit
        head_seconds = head
        body_seconds = body

    return LimitedConnection
