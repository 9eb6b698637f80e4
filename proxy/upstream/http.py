"""An HTTP client with one pool of connections. The only file that imports httpx."""

import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from functools import partial
from http.cookiejar import CookieJar, DefaultCookiePolicy
from ssl import SSLContext
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.request import getproxies

import httpx

from proxy.model.errors import (
    EncodedError,
    HttpError,
    NoConnectionError,
    NotSentError,
    TooLongError,
)
from proxy.upstream.http_connection import Connection, Origin, Pool, request_head

Transport = httpx.AsyncBaseTransport

Send = Callable[[httpx.Request], Awaitable[httpx.Response]]

POOL = 16
"""Connections. httpcore checks its whole pool at every call: a small one is faster."""

# Raised before a byte of the request was sent.
_NOT_CONNECTED = (httpx.ConnectError, httpx.ConnectTimeout)
_NOT_SENT = (httpx.PoolTimeout, httpx.UnsupportedProtocol)

_HEADERS = MappingProxyType({"Accept": "*/*", "User-Agent": "virtualsms-proxy"})

# httpcore's trace event just before a request is sent.
_SENDING = "send_request_headers.started"


class Reply(NamedTuple):
    status: int
    headers: Mapping[str, str]
    """Names are case-insensitive."""
    content: bytes

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


class Http:
    """`timeout` is in seconds, for each step: the connection, each part sent and each part received
    (`read` if given). A body may have at most `max_bytes`, also after it was decompressed. Without
    `inflates` only plain bodies are asked for, and others are returned as they came. `transport`
    replaces the network in tests.
    """

    def __init__(
        self,
        url: str,
        timeout: float,
        max_bytes: int,
        *,
        read: float | None = None,
        inflates: bool = True,
        verify: SSLContext | bool = True,
        transport: Transport | None = None,
    ) -> None:
        self._url = url.rstrip("/")
        self._max_bytes = max_bytes
        self._inflates = inflates
        accepted = "gzip" if inflates else "identity"
        self._headers = {**_HEADERS, "Accept-Encoding": accepted}
        self._timeouts = httpx.Timeout(timeout, read=read or timeout).as_dict()
        # A transport of a test may have no trace event when it sends.
        self._is_test = transport is not None
        # No proxy of the environment for this machine's own addresses.
        is_proxied = bool(getproxies().keys() - {"no"}) and not is_here(httpx.URL(url).host)
        self._stack = AsyncExitStack()
        if transport or not is_proxied:
            transport = transport or DirectTransport(verify)
            self._stack.push_async_callback(transport.aclose)
            self._send: Send = transport.handle_async_request
        else:
            client = _proxied(verify)
            self._stack.push_async_callback(client.aclose)
            self._send = partial(client.send, stream=True)

    async def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        *,
        sending: Callable[[], None] | None = None,
        **content: Any,
    ) -> Reply:
        """`url` may be relative; `content` is httpx's `params`, `json` or `content`. Calls
        `sending` before the first byte is sent. Does not follow redirects. Raises HttpError if no
        complete answer comes, and NotSentError if the request was not sent.
        """
        try:
            request = self._request(method, url, headers, content)
            if sending:
                self._watch(request, sending)
            response = await self._send(request)
            try:
                return Reply(response.status_code, response.headers, await self._body(response))
            finally:
                await response.aclose()
        except _NOT_CONNECTED as error:
            raise NoConnectionError(_description(error)) from error
        except _NOT_SENT as error:
            raise NotSentError(_description(error)) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise HttpError(_description(error)) from error

    async def close(self) -> None:
        await self._stack.aclose()

    def _request(
        self, method: str, url: str, headers: Mapping[str, str], content: Mapping[str, Any]
    ) -> httpx.Request:
        """Not by httpx's client, which parses the URL four times and looks for cookies."""
        is_whole = url.startswith(("http://", "https://"))
        whole = url if is_whole else f"{self._url}/{url.lstrip('/')}"
        extensions = {"timeout": self._timeouts}
        return httpx.Request(
            method, whole, headers={**self._headers, **headers}, extensions=extensions, **content
        )

    def _watch(self, request: httpx.Request, sending: Callable[[], None]) -> None:
        if self._is_test:
            return sending()

        async def trace(event: str, info: Mapping[str, Any]) -> None:
            if event.endswith(_SENDING):
                sending()

        request.extensions = {**request.extensions, "trace": trace}

    async def _body(self, response: httpx.Response) -> bytes:
        """httpx decodes any number of codings without a limit: 2 KB become 2 GB."""
        body = _Body(self._max_bytes, response.headers.get("Content-Encoding", "") * self._inflates)
        assert isinstance(response.stream, httpx.AsyncByteStream)
        async for part in response.stream:
            body.add(part)
        return body.whole()


def _proxied(verify: SSLContext | bool) -> httpx.AsyncClient:
    """Goes through the proxy that the environment names."""
    return httpx.AsyncClient(
        verify=verify,
        limits=httpx.Limits(max_connections=POOL, max_keepalive_connections=POOL),
        # A cookie that was set for one key must not be sent with another.
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        trust_env=True,
    )


class DirectTransport(httpx.AsyncBaseTransport):
    """To the server itself, through a pool of our own. Raises HttpError and NotSentError."""

    def __init__(self, verify: SSLContext | bool) -> None:
        self._verify = verify
        self._pool = Pool(POOL, self._context)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url, timeout = request.url, request.extensions["timeout"]
        head = request_head(request.method.encode(), url.raw_path, request.headers.raw)
        is_tls = url.scheme == "https"
        origin = Origin(url.raw_host.decode(), url.port or (443 if is_tls else 80), is_tls)
        connection = await self._pool.take(origin, timeout["connect"])
        try:
            if trace := request.extensions.get("trace"):
                await trace(f"http11.{_SENDING}", {})
            await connection.write(head, await request.aread(), timeout["write"])
            await connection.read_head(timeout["read"])
        except BaseException:
            self._pool.give_back(connection)
            raise
        stream = _Stream(self._pool, connection, timeout["read"])
        return httpx.Response(connection.status, headers=connection.headers, stream=stream)

    async def aclose(self) -> None:
        await self._pool.close()

    def _context(self) -> SSLContext:
        """Loads the certificates at the first connection: it takes long."""
        if not isinstance(self._verify, SSLContext):
            self._verify = httpx.create_ssl_context(self._verify)
        self._verify.set_alpn_protocols(["http/1.1"])
        return self._verify


class _Stream(httpx.AsyncByteStream):
    def __init__(self, pool: Pool, connection: Connection, timeout: float) -> None:
        self._pool, self._connection, self._timeout = pool, connection, timeout

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while part := await self._connection.read(self._timeout):
            yield part

    async def aclose(self) -> None:
        self._pool.give_back(self._connection)


class _Body:
    """A plain or gzip body of at most `max_bytes`. Raises EncodedError or TooLongError."""

    def __init__(self, max_bytes: int, coding: str) -> None:
        if coding.strip().lower() not in ("", "identity", "gzip", "x-gzip"):
            raise EncodedError("a body in a coding that was not asked for")
        self._max_bytes = max_bytes
        self._came = 0
        self._parts = bytearray()
        is_gzip = coding.strip().lower().endswith("gzip")
        self._gzip = zlib.decompressobj(16 + zlib.MAX_WBITS) if is_gzip else None

    def add(self, part: bytes) -> None:
        self._came += len(part)
        self._parts += self._inflated(part) if self._gzip else part
        if max(self._came, len(self._parts)) > self._max_bytes:
            raise TooLongError(f"a body of more than {self._max_bytes} bytes")

    def whole(self) -> bytes:
        if self._gzip and self._came and not self._gzip.eof:
            raise EncodedError("a body in gzip that is cut off")
        return bytes(self._parts)

    def _inflated(self, part: bytes) -> bytes:
        """Returns at most one byte over the limit."""
        assert self._gzip
        try:
            return self._gzip.decompress(part, self._max_bytes + 1 - len(self._parts))
        except zlib.error as error:
            raise EncodedError("a body that is not in gzip, as it says") from error


def is_here(host: str | None) -> bool:
    """Whether the host is this machine."""
    return host in ("127.0.0.1", "localhost", "::1")


def certificates(url: str) -> SSLContext | bool:
    """The certificates of the system, only for https: it takes long to load them."""
    return httpx.create_ssl_context() if url.startswith("https") else False


def _description(error: Exception) -> str:
    return f"{type(error).__name__} {error}".rstrip()
