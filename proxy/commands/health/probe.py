"""Reads /readyz of the proxy that runs with this configuration."""

import asyncio
import os
import socket
import ssl
from typing import NamedTuple

from proxy.app.address import reachable, url
from proxy.config.settings import Listen
from proxy.model.errors import HealthError

SECONDS = 3.0
MAX_BYTES = 16_384


class Health(NamedTuple):
    """The answer of /readyz."""

    status: int
    server: str
    lines: tuple[str, ...]

    @property
    def is_good(self) -> bool:
        return self.status == 200


def address(listen: Listen) -> str:
    """The URL of the proxy on this machine."""
    return url(listen.host, listen.port, is_tls=bool(listen.tls_cert))


async def ask(listen: Listen) -> Health:
    """Reads /readyz in at most SECONDS. Raises HealthError."""
    try:
        async with asyncio.timeout(SECONDS):
            answer = await _answer(listen)
    except TimeoutError as error:
        raise HealthError(f"{address(listen)}: no answer in {SECONDS:g} s") from error
    except OSError as error:
        raise HealthError(f"{address(listen)}: {reason(error)}") from error
    try:
        return _read(answer.decode("latin-1"))
    except (ValueError, IndexError) as error:
        raise HealthError(f"{address(listen)}: the answer is not HTTP") from error


def reason(error: OSError) -> str:
    """The system's text for an error, without the address that Python adds."""
    has_own = isinstance(error, socket.gaierror | ssl.SSLError) or not error.errno
    return (error.strerror or str(error)) if has_own else os.strerror(error.errno or 0)


async def _answer(listen: Listen) -> bytes:
    """The answer, at most MAX_BYTES. With HTTP/1.0 the server closes after its answer."""
    host = reachable(listen.host)
    tls = _unverified() if listen.tls_cert else None
    reader, writer = await asyncio.open_connection(host, listen.port, ssl=tls)
    try:
        writer.write(f"GET /readyz HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
        return await reader.readexactly(MAX_BYTES)
    except asyncio.IncompleteReadError as error:
        return error.partial
    finally:
        writer.close()


def _unverified() -> ssl.SSLContext:
    """A TLS context that accepts the proxy's own certificate, which has another host name."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _read(answer: str) -> Health:
    head, _, body = answer.partition("\r\n\r\n")
    first, *rest = head.split("\r\n")
    if not first.startswith("HTTP/"):
        raise ValueError(first)
    headers = dict(line.lower().split(": ", 1) for line in rest if ": " in line)
    return Health(int(first.split()[1]), headers.get("server", ""), tuple(body.splitlines()))
