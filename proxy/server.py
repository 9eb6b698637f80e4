"""Opens the port and runs the app on uvicorn."""

import asyncio
import logging
import socket as sockets
import ssl
from typing import Any

import uvicorn
from starlette.types import ASGIApp

GRACE = 8
"""Seconds that requests in flight have after SIGTERM."""

# What the parser cannot read as HTTP, such as raw UTF-8 in a query, gets the protocol's own word
# for a wrong parameter: the status of every answer is 200.
UNREADABLE = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=UTF-8\r\ncontent-length: 9\r\n"
    b"cache-control: no-store\r\nconnection: close\r\n\r\nERROR_SQL"
)


class TlsError(ValueError):
    """A certificate or key cannot be used. The text is one line."""


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
    name = f"[{host}]" if ":" in host else host
    return f"{'https' if tls else 'http'}://{name}:{port}"


def run(app: ASGIApp, socket: sockets.socket, tls: ssl.SSLContext | None = None) -> None:
    # Its access log holds the query string, and that the API key.
    config = uvicorn.Config(
        app,
        http=_protocol(),
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=GRACE,
        ssl_context_factory=(lambda config, default: tls) if tls else None,
    )
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    uvicorn.Server(config).run(sockets=[socket])


def _protocol() -> type[asyncio.Protocol]:
    """uvicorn's own, the fast one where it is installed."""
    base: Any
    try:
        from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol as base
    except ImportError:
        from uvicorn.protocols.http.h11_impl import H11Protocol as base

    class Protocol(base):  # type: ignore[misc]
        def send_400_response(self, msg: str) -> None:
            self.transport.write(UNREADABLE)
            self.transport.close()

    return Protocol
