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
from proxy.model.errors import TlsError
from proxy.runtime import log_events

log = logging.getLogger(__name__)

GRACE = 8
"""Seconds after SIGTERM in which running requests may end."""

KEEP_ALIVE = 75
"""Seconds that a connection may be idle after an answer: nginx's default. A client that uses a
pooled connection while it is being closed loses its request; a long time makes that rare.
"""

RESERVED = 1024
"""Descriptors for the store, the upstream and 500 push sockets; at most half of all."""


def tls_context(cert: str | None, key: str | None) -> ssl.SSLContext | None:
    """The TLS context of a certificate and its key; None without both. Raises TlsError."""
    if cert is None and key is None:
        return None
    if cert is None or key is None:
        raise TlsError("listen.tls_cert and listen.tls_key: one is missing: set both or neither")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(cert, key)
    except OSError as error:
        why = error.strerror or "not a certificate and its key in PEM form"
        text = f"{cert}, {key}: cannot be read: {why}"
        raise TlsError(f"listen.tls_cert, listen.tls_key: {text}") from error
    return context


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
    websockets: bool = False,
    head_seconds: float = HEAD_SECONDS,
    body_seconds: float = BODY_SECONDS,
    keep_alive: float = KEEP_ALIVE,
    grace: float = GRACE,
) -> None:
    """Serves until SIGTERM or SIGINT, and closes the socket. `stopping` is called at the stop: it
    has to end the endless answers. `new_loop` makes another event loop than uvicorn's. SIGHUP is
    only logged. All times are in seconds.
    """
    if hasattr(signal, "SIGHUP"):
        # Until the loop runs, which logs it.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
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
    _Server(config, head_seconds, stopping).run(sockets=[_Listener(descriptors, socket)])


class _Server(uvicorn.Server):
    def __init__(
        self, config: uvicorn.Config, head_seconds: float, stopping: Callable[[], None] | None
    ) -> None:
        super().__init__(config)
        self._head_seconds = head_seconds
        self._stopping = stopping

    async def startup(self, sockets: list[sockets.socket] | None = None) -> None:
        loop: Any = asyncio.get_running_loop()
        if hasattr(signal, "SIGHUP"):
            # SIGHUP would end the process, when a terminal closes or someone expects a reload.
            loop.add_signal_handler(signal.SIGHUP, lambda: log.warning(log_events.SIGHUP_IGNORED))
        if self.config.ssl:
            # uvicorn has no setting for this timeout, and the loop's default is 60 seconds.
            loop.create_server = partial(
                loop.create_server, ssl_handshake_timeout=self._head_seconds
            )
        await super().startup(sockets)

    async def shutdown(self, sockets: list[sockets.socket] | None = None) -> None:
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
