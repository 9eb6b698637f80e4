"""Opens the port and runs the app on uvicorn."""

import logging
import socket as sockets

import uvicorn
from starlette.types import ASGIApp

GRACE = 8
"""Seconds that requests in flight have after SIGTERM."""


def open_socket(host: str, port: int) -> sockets.socket:
    """Listens at once, so that a taken port is known before anything else happens."""
    family = sockets.AF_INET6 if ":" in host else sockets.AF_INET
    return sockets.create_server((host, port), family=family, backlog=2048)


def url(socket: sockets.socket, tls: str | None = None) -> str:
    host, port = socket.getsockname()[:2]
    name = f"[{host}]" if ":" in host else host
    return f"{'https' if tls else 'http'}://{name}:{port}"


def run(
    app: ASGIApp, socket: sockets.socket, cert: str | None = None, key: str | None = None
) -> None:
    # Its access log holds the query string, and that the API key.
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=GRACE,
        ssl_certfile=cert,
        ssl_keyfile=key,
    )
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    uvicorn.Server(config).run(sockets=[socket])
