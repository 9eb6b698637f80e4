"""Refuses requests of pages of other sites: they could control the sandbox, and reach local ports
through its webhooks. Unlike the console it needs no header of its own, so that curl works.
"""

from collections.abc import Collection
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from proxy.runtime.origin import is_from_browser, is_known_host, is_same_origin

SHOWN = 100
"""Characters of a header that a refusal shows."""


class Guard:
    """Runs before all paths, WebSockets included. `hosts` are accepted names."""

    def __init__(self, app: ASGIApp, hosts: Collection[str] = ()) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = None if scope["type"] == "lifespan" else self._refusal(Headers(scope=scope))
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, headers: Headers) -> JSONResponse | None:
        if not is_known_host(headers, self._hosts, takes_short=True):
            fix = "add the name to console.hosts (PROXY_CONSOLE_HOSTS)"
            return _refused(HTTPStatus.FORBIDDEN, f"Host {_shown(headers, 'host')}: {fix}")
        if not is_same_origin(headers):
            page = _shown(headers, "origin")
            text = f"a page of another site sent this (Origin {page}): no setting allows it"
            fix = "open the console at the sandbox's own address, or send it from a program"
            return _refused(HTTPStatus.FORBIDDEN, f"{text}; {fix}")
        if is_from_browser(headers) and _has_body(headers) and not _is_json(headers):
            text = f"Content-Type {_shown(headers, 'content-type')} is not JSON"
            fix = "no setting allows it to a browser: send application/json"
            return _refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"{text}; {fix}")
        return None


def _refused(status: HTTPStatus, text: str) -> JSONResponse:
    return JSONResponse({"error": text}, status)


def _shown(headers: Headers, name: str) -> str:
    return headers.get(name, "not given")[:SHOWN] or "empty"


def _has_body(headers: Headers) -> bool:
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers


def _is_json(headers: Headers) -> bool:
    """Any page may send the types of forms, or none, without a preflight."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/json" or (
        kind.startswith("application/") and kind.endswith("+json")
    )
