"""Access control of the console: Host, token and Origin, in this order.

proxy/runtime/origin.py checks Host and Origin. A POST also needs a header that only a script of
the page itself can set; the form that takes the token sends it to the page's own path.
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
from proxy.console.door import FILES, Door, Reason, sent_token, unknown_host
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
        self._door = Door()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = HTTPConnection(scope)
        answer, cookie = await self._answer(request, receive)
        await answer(scope, receive, _secured(send, cookie))

    async def _answer(self, request: HTTPConnection, receive: Receive) -> tuple[ASGIApp, str]:
        """The console itself or a refusal, and the cookie to set with it, if any."""
        cookie = ""
        if not is_known_host(request.headers, self._hosts):
            return unknown_host(request), ""
        if self._is_sign_in(request):
            return await self._sign_in(request, receive)
        if not self._is_authenticated(request):
            if self._has_url_token(request):
                cookie = self._cookie(request)
            elif request.scope["path"] not in FILES:
                return await self._refuse(request, self._reason(request)), ""
        if not _is_own_origin(request):
            return Response(status_code=403), ""
        return self._app, cookie

    def _is_sign_in(self, request: HTTPConnection) -> bool:
        is_page, method = request.scope["path"] == PAGE, request.scope["method"]
        return self._token is not None and is_page and method == "POST"

    async def _sign_in(self, request: HTTPConnection, receive: Receive) -> tuple[ASGIApp, str]:
        """Takes the token of the form, which is in no address: neither history nor log has it."""
        if not is_same_origin(request.headers):
            return Response(status_code=403), ""
        if not _is_same(await sent_token(request, receive), self._token or ""):
            return await self._refuse(request, Reason.WRONG_TOKEN), ""
        # Relative, for a reverse proxy that serves the console under a path.
        return Response(status_code=303, headers={"Location": PAGE[1:]}), self._cookie(request)

    async def _refuse(self, request: HTTPConnection, reason: Reason) -> Response:
        """The answer to a missing or wrong token. It is late if an address gets many."""
        await self._failed_keys.wait(request.client.host if request.client else "")
        if request.scope["path"] != PAGE or request.scope["method"] == "HEAD":
            return Response(status_code=401)
        return self._door.show(reason)

    def _reason(self, request: HTTPConnection) -> Reason:
        if request.query_params.get("token"):
            return Reason.WRONG_TOKEN
        has_cookie = bool(_cookie(request, _cookie_name(request)))
        return Reason.OLD_TOKEN if has_cookie else Reason.NO_TOKEN

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


def _secured(send: Send, cookie: str) -> Send:
    async def secured(message: Message) -> None:
        if message["type"] == "http.response.start":
            sent = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                sent.setdefault(name, value)
            if cookie:
                sent.append("set-cookie", cookie)
        await send(message)

    return secured


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
