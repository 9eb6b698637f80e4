"""HTTP as a client: one pool of connections. The only file that imports httpx."""

import zlib
from collections.abc import Callable, Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from ssl import SSLContext
from typing import Any, NamedTuple

import httpx

from proxy.model.errors import EncodedError, HttpError, NotSentError, TooLongError

Transport = httpx.AsyncBaseTransport

# httpx walks its whole pool at every call: a small pool is a fast one.
POOL = 16

# Raised before a byte of the request left.
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)

# What httpcore calls the moment before a request leaves.
_SENDING = "send_request_headers.started"


class Reply(NamedTuple):
    status: int
    headers: Mapping[str, str]
    """By name in any case."""
    content: bytes

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


class Http:
    """`timeout` is for each step: the connection, a part sent, and, unless `read` says otherwise, a
    part received. `most` bytes of a body are taken, and of what it inflates to; where it `inflates`
    nothing, only plain bodies are asked for, and any other is given as it came. `transport` stands
    in for the network in tests.
    """

    def __init__(
        self,
        url: str,
        timeout: float,
        most: int,
        *,
        read: float | None = None,
        inflates: bool = True,
        trusted: SSLContext | bool = True,
        transport: Transport | None = None,
    ) -> None:
        self._most = most
        self._inflates = inflates
        accepted = "gzip" if inflates else "identity"
        # A stand-in may not tell when it sends.
        self._is_stood_in_for = transport is not None
        self._client = httpx.AsyncClient(
            verify=trusted,
            base_url=url,
            headers={"User-Agent": "virtualsms-proxy", "Accept-Encoding": accepted},
            timeout=httpx.Timeout(timeout, read=read or timeout),
            limits=httpx.Limits(max_connections=POOL, max_keepalive_connections=POOL),
            transport=transport,
            # A cookie set for one key must not go out with another.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            # What runs on this machine is not reached through a proxy of the environment.
            trust_env=not is_here(httpx.URL(url).host),
        )

    async def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        *,
        sending: Callable[[], None] | None = None,
        **content: Any,
    ) -> Reply:
        """`url` may be relative; `content` is httpx's `params`, `json` or `content`. `sending` is
        called before the first byte leaves. Redirects are answers like others. HttpError without
        a whole answer.
        """
        request = self._client.build_request(method, url, headers=headers, **content)
        if sending:
            self._watch(request, sending)
        try:
            response = await self._client.send(request, stream=True)
            try:
                return Reply(response.status_code, response.headers, await self._body(response))
            finally:
                await response.aclose()
        except _NOT_SENT as error:
            raise NotSentError(_said(error)) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise HttpError(_said(error)) from error

    async def close(self) -> None:
        await self._client.aclose()

    def _watch(self, request: httpx.Request, sending: Callable[[], None]) -> None:
        if self._is_stood_in_for:
            return sending()

        async def trace(event: str, info: Mapping[str, Any]) -> None:
            if event.endswith(_SENDING):
                sending()

        request.extensions = {**request.extensions, "trace": trace}

    async def _body(self, response: httpx.Response) -> bytes:
        """httpx would undo any codings in any number, each to its whole length: 2 GB of 2 KB."""
        body = _Body(self._most, response.headers.get("Content-Encoding", "") * self._inflates)
        assert isinstance(response.stream, httpx.AsyncByteStream)
        async for part in response.stream:
            body.add(part)
        return body.whole()


class _Body:
    """A body as it comes in, plain or gzip, of at most `most` bytes."""

    def __init__(self, most: int, coding: str) -> None:
        if coding.strip().lower() not in ("", "identity", "gzip", "x-gzip"):
            raise EncodedError("a body in a coding that was not asked for")
        self._most = most
        self._came = 0
        self._parts = bytearray()
        is_gzip = coding.strip().lower().endswith("gzip")
        self._gzip = zlib.decompressobj(16 + zlib.MAX_WBITS) if is_gzip else None

    def add(self, part: bytes) -> None:
        self._came += len(part)
        self._parts += self._inflated(part) if self._gzip else part
        if max(self._came, len(self._parts)) > self._most:
            raise TooLongError(f"a body of more than {self._most} bytes")

    def whole(self) -> bytes:
        if self._gzip and self._came and not self._gzip.eof:
            raise EncodedError("a body in gzip that is cut off")
        return bytes(self._parts)

    def _inflated(self, part: bytes) -> bytes:
        """One byte over the limit at most."""
        assert self._gzip
        try:
            return self._gzip.decompress(part, self._most + 1 - len(self._parts))
        except zlib.error as error:
            raise EncodedError("a body that is not in gzip, as it says") from error


def is_here(host: str | None) -> bool:
    """It is a name of this machine."""
    return host in ("127.0.0.1", "localhost", "::1")


def trusted(url: str) -> SSLContext | bool:
    """The certificates of the system, where the address needs them: to read them takes a while."""
    return httpx.create_ssl_context() if url.startswith("https") else False


def _said(error: Exception) -> str:
    return f"{type(error).__name__} {error}".rstrip()
