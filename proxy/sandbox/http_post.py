"""Sends one webhook: a POST with the standard library; follows no redirects."""

import asyncio
import string
from collections.abc import Awaitable, Callable
from urllib.parse import SplitResult, quote, urlsplit

# Posts the bytes and returns the status of the answer; may raise anything.
Post = Callable[[str, dict[str, str], bytes], Awaitable[int]]

PORTS = {"http": 80, "https": 443}


async def post(url: str, headers: dict[str, str], body: bytes) -> int:
    """Posts to an http or https address; returns the status without reading the answer's body.

    Has no timeout. Raises OSError without a connection, ValueError if the address or the answer
    is not HTTP.
    """
    to = urlsplit(url)
    port, tls = to.port or PORTS[to.scheme], to.scheme == "https"
    reader, writer = await asyncio.open_connection(to.hostname, port, ssl=tls or None)
    try:
        writer.write(_head(to, headers, body) + body)
        await writer.drain()
        return await _status(reader)
    finally:
        # A TLS shutdown could take longer than the answer.
        writer.transport.abort()


def _head(to: SplitResult, headers: dict[str, str], body: bytes) -> bytes:
    target = to._replace(scheme="", netloc="", fragment="", path=to.path or "/").geturl()
    all_headers = {
        "Host": to.netloc.rpartition("@")[2],
        **headers,
        "Content-Length": str(len(body)),
        "Connection": "close",
    }
    lines = [f"POST {quote(target, safe=string.punctuation)} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in all_headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("ascii")


async def _status(reader: asyncio.StreamReader) -> int:
    """Returns the status of the answer; reads its headers, skips interim answers (1xx)."""
    while True:
        words = (await reader.readline()).split(None, 2)
        if len(words) < 2 or not words[0].startswith(b"HTTP/"):
            raise ValueError("the answer is not HTTP")
        while (await reader.readline()).strip():
            pass
        if (status := int(words[1])) >= 200:
            return status
