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
"""Seconds that requests in flight have after SIGTERM."""

KEEP_ALIVE = 75
"""Seconds that a connection may be idle after an answer: nginx's own number. A client with a pool
that takes up a connection while it is being closed loses that request: the longer, the rarer.
"""

SPARE = 1024
"""Descriptors kept from clients, for the store, the upstream and 500 push sockets; at most half."""


def tls_context(cert: str | None, key: str | None) -> ssl.SSLContext | None:
    """None where neither is configured. Raises TlsError."""
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
    """Listens at once, so that a taken port is known before anything else happens."""
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
    websockets: bool = False,
    head_seconds: float = HEAD_SECONDS,
    body_seconds: float = BODY_SECONDS,
    keep_alive: float = KEEP_ALIVE,
    grace: float = GRACE,
) -> None:
    """Serves until SIGTERM or SIGINT; then `stopping` is called, to end answers that would go on
    for ever. Takes the socket over. SIGHUP is noted and does nothing.
    """
    if hasattr(signal, "SIGHUP"):
        # Until the loop runs, and says so.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    room = DescriptorLimit(_most_descriptors())
    # Its access log holds the query string, and that the API key.
    config = uvicorn.Config(
        app,
        http=_protocol(room, head_seconds, body_seconds),
        ws="auto" if websockets else "none",
        proxy_headers=False,
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        # Its types say int; the event loop that they go to takes any number.
        timeout_keep_alive=keep_alive,  # type: ignore[arg-type]
        timeout_graceful_shutdown=grace,  # type: ignore[arg-type]
        ssl_context_factory=(lambda config, default: tls) if tls else None,
    )
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    _Server(config, head_seconds, stopping).run(sockets=[_Listener(room, socket)])


class _Server(uvicorn.Server):
    def __init__(
        self, config: uvicorn.Config, head_seconds: float, stopping: Callable[[], None] | None
    ) -> None:
        super().__init__(config)
        self._head_seconds = head_seconds
        self._stopping = stopping

    async def startup(self, sockets: list[sockets.socket] | None = None) -> None:
        if hasattr(signal, "SIGHUP"):
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, _note_hangup)
        if self.config.ssl:
            # uvicorn has no setting for it, and the loop's own is 60 seconds.
            loop: Any = asyncio.get_running_loop()
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
            # The second one ends it as a kill would, for which the store is made. uvicorn would
            # stop for SIGINT only, and from Python 3.12 on wait for the last connection.
            signal.signal(sig, signal.SIG_DFL)
            signal.raise_signal(sig)
        super().handle_exit(sig, frame)


class _Listener(sockets.socket):
    """Turns clients away as they come. Where no descriptor is left, the plain asyncio loop tries to
    accept and logs that it cannot, thousands of times a second; uvloop does its own accepting.
    """

    def __init__(self, room: DescriptorLimit, socket: sockets.socket) -> None:
        # By the name of its protocol the plain loop knows to switch Nagle's delay off: an answer is
        # written in two parts, and the second waited 40 ms for an acknowledgement of the first.
        super().__init__(socket.family, socket.type, sockets.IPPROTO_TCP, socket.detach())
        self._room = room

    def accept(self) -> tuple[sockets.socket, Any]:
        """Raises ConnectionAbortedError, which the loop takes for a client that is gone."""
        connection, address = super().accept()
        if self._room.has(connection.fileno()):
            return connection, address
        connection.close()
        raise ConnectionAbortedError


def _most_descriptors() -> int:
    """Raises the limit of this process as far as it may."""
    try:
        import resource
    except ImportError:
        return sys.maxsize
    limit, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # macOS gives no limit as the hard one, and does not take it for the soft one.
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        limit = hard
    return sys.maxsize if limit == resource.RLIM_INFINITY else limit - min(SPARE, limit // 2)


def _note_hangup() -> None:
    """It would end the process: a terminal that closes, or a reload that other servers know."""
    log.warning(log_events.SIGHUP_IGNORED)


def _protocol(among: DescriptorLimit, head: float, body: float) -> type[asyncio.Protocol]:
    class Bounded(Connection):
        room = among
        head_seconds = head
        body_seconds = body

    return Bounded
