"""Who may come in: the token, the Host, and where a request comes from. Pure but for the delay.

Host and Origin are judged as in proxy/origin.py; a change also needs a header that only an own
script can set.
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
    """Before the console. Without a `token` whoever reaches the port comes in."""

    def __init__(
        self,
        app: ASGIApp,
        token: str | None,
        hosts: Collection[str],
        failed_keys: FailedKeyThrottle,
    ) -> None:
        self._app = app
        self._token = token
        self._hosts = frozenset(host.lower() for host in hosts)
        self._failed_keys = failed_keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                if is_introduced:
                    headers.append("set-cookie", self._cookie(request))
            await send(message)

        request = HTTPConnection(scope)
        is_introduced = False
        if not self._is_known(request):
            is_introduced = self._is_introduced(request)
            if not is_introduced:
                await self._failed_keys.wait(request.client.host if request.client else "")
                await Response(status_code=401)(scope, receive, guarded)
                return
        if not (is_known_host(request.headers, self._hosts) and _is_own_origin(request)):
            is_introduced = False
            await Response(status_code=403)(scope, receive, guarded)
            return
        await self._app(scope, receive, guarded)

    def _is_known(self, request: HTTPConnection) -> bool:
        """By the cookie, or by the token in a header."""
        if self._token is None:
            return True
        kind, _, sent = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and _is_same(sent.strip(), self._token):
            return True
        return _is_same(_cookie(request, _cookie_name(request)), _session(self._token))

    def _is_introduced(self, request: HTTPConnection) -> bool:
        """By the address that was printed at the start: then a cookie goes with the page."""
        is_page = request.scope["path"] == PAGE
        return is_page and _is_same(request.query_params.get("token", ""), self._token or "")

    def _cookie(self, request: HTTPConnection) -> str:
        secure = "; Secure" if request.scope.get("scheme") == "https" else ""
        value = f"{_cookie_name(request)}={_session(self._token or '')}"
        return f"{value}; Path={PAGE}; HttpOnly; SameSite=Strict{secure}"


def _is_own_origin(request: HTTPConnection) -> bool:
    headers = request.headers
    if request.scope["path"] == PAGE and headers.get("sec-fetch-mode", "navigate") == "navigate":
        # A link from elsewhere may lead here, a frame may not.
        return headers.get("sec-fetch-dest", "document") == "document"
    is_change = request.scope["method"] not in ("GET", "HEAD")
    return is_same_origin(headers) and not (is_change and OWN_HEADER not in headers)


def _is_same(sent: str, right: str) -> bool:
    """In a time that tells nothing."""
    digests = [hashlib.sha256(text.encode("utf-8", "replace")).digest() for text in (sent, right)]
    return hmac.compare_digest(*digests)


def _session(token: str) -> str:
    """What the cookie holds: the token does not stand in the browser's files."""
    return hashlib.sha256(f"console {token}".encode()).hexdigest()


def _cookie(request: HTTPConnection, name: str) -> str:
    """As it was sent; ours needs no quotes. Python's own reader of quoted cookies is quadratic in
    their backslashes (CVE-2024-7592): 64 KiB took it 18 seconds.
    """
    pairs = (pair.partition("=") for pair in request.headers.get("cookie", "").split(";"))
    return next((value.strip() for before, _, value in pairs if before.strip() == name), "")


def _cookie_name(request: HTTPConnection) -> str:
    """Cookies do not know ports: another proxy on this machine has its own."""
    server = request.scope.get("server") or ("", None)
    return f"console_{server[1] or 0}"
