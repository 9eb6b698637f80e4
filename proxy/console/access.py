"""Access control of the console: token, Host and Origin. Pure except for the delay.

proxy/runtime/origin.py checks Host and Origin. A POST also needs a header that only a script of
the page itself can set.
"""

import hashlib
import hmac
from collections.abc import Collection
from types import MappingProxyType

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from proxy.config.programs import FailedKeyThrottle
from proxy.runtime.origin import is_known_host, is_same_origin

PAGE = "/console"
OWN_HEADER = "x-console"

HEADERS = MappingProxyType(
    {
        "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
        "img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
        "X-Frame-Options": "DENY",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "no-store",
    }
)


class AccessMiddleware:
    """Runs before the console. Without a `token` everybody who reaches the port has access."""

    def __init__(self, app: ASGIApp, token: str | None, hosts: Collection[str]) -> None:
        self._app = app
        self._token = token
        self._hosts = frozenset(host.lower() for host in hosts)
        self._failed_keys = FailedKeyThrottle()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                if sets_cookie:
                    headers.append("set-cookie", self._cookie(request))
            await send(message)

        request = HTTPConnection(scope)
        sets_cookie = False
        if not self._is_authenticated(request):
            sets_cookie = self._has_url_token(request)
            if not sets_cookie:
                await self._failed_keys.wait(request.client.host if request.client else "")
                await Response(status_code=401)(scope, receive, secured)
                return
        if not (is_known_host(request.headers, self._hosts) and _is_own_origin(request)):
            sets_cookie = False
            await Response(status_code=403)(scope, receive, secured)
            return
        await self._app(scope, receive, secured)

    def _is_authenticated(self, request: HTTPConnection) -> bool:
        """Checks the cookie and the token in the Authorization header."""
        if self._token is None:
            return True
        kind, _, sent = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and _is_same(sent.strip(), self._token):
            return True
        return _is_same(_cookie(request, _cookie_name(request)), _session(self._token))

    def _has_url_token(self, request: HTTPConnection) -> bool:
        """Checks the token in the address that was printed at the start; sets the cookie."""
        is_page = request.scope["path"] == PAGE
        return is_page and _is_same(request.query_params.get("token", ""), self._token or "")

    def _cookie(self, request: HTTPConnection) -> str:
        secure = "; Secure" if request.scope.get("scheme") == "https" else ""
        value = f"{_cookie_name(request)}={_session(self._token or '')}"
        return f"{value}; Path={PAGE}; HttpOnly; SameSite=Strict{secure}"


def _is_own_origin(request: HTTPConnection) -> bool:
    headers = request.headers
    if request.scope["path"] == PAGE and headers.get("sec-fetch-mode", "navigate") == "navigate":
        # A link on another site may open the page; a frame on another site may not show it.
        return headers.get("sec-fetch-dest", "document") == "document"
    is_change = request.scope["method"] not in ("GET", "HEAD")
    return is_same_origin(headers) and not (is_change and OWN_HEADER not in headers)


def _is_same(sent: str, right: str) -> bool:
    """Compares in constant time."""
    digests = [hashlib.sha256(text.encode("utf-8", "replace")).digest() for text in (sent, right)]
    return hmac.compare_digest(*digests)


def _session(token: str) -> str:
    """Value of the cookie: a hash, so that the browser does not store the token itself."""
    return hashlib.sha256(f"console {token}".encode()).hexdigest()


def _cookie(request: HTTPConnection, name: str) -> str:
    """Raw value of the cookie; ours needs no quotes. http.cookies reads backslashes in quoted
    cookies in quadratic time (CVE-2024-7592): 18 seconds for 64 KiB.
    """
    pairs = (pair.partition("=") for pair in request.headers.get("cookie", "").split(";"))
    return next((value.strip() for before, _, value in pairs if before.strip() == name), "")


def _cookie_name(request: HTTPConnection) -> str:
    """Browsers share cookies between ports, so the name holds the port."""
    server = request.scope.get("server") or ("", None)
    return f"console_{server[1] or 0}"
