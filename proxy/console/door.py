"""The answers to whoever may not come in: a page that takes the token, and what to do about a Host
that is refused.
"""

from enum import Enum
from pathlib import Path
from types import MappingProxyType
from urllib.parse import parse_qs

from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import Receive

from proxy.runtime.origin import host_name

MAX_FORM = 4096
"""Bytes."""
PAGE = Path(__file__).parent / "static" / "door.html"

FILES = frozenset({"/console/door.css", "/console/icon.svg"})
"""Served to everybody: they hold nothing."""


# It has no script. Its form may go to the console only. With no-referrer a browser would send
# `Origin: null` with the form.
HEADERS = MappingProxyType(
    {
        "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
        "Referrer-Policy": "same-origin",
    }
)


class Reason(Enum):
    """What the page says first."""

    NO_TOKEN = "Sign in with the token of this proxy."
    WRONG_TOKEN = "This token is wrong. If the proxy was started again, it may have another one."
    OLD_TOKEN = "Sign in again: the proxy was started anew, with another token."


class Door:
    """The page with a form for the token."""

    def __init__(self) -> None:
        self._page = PAGE.read_text()

    def show(self, reason: Reason) -> Response:
        return HTMLResponse(self._page.replace("{{message}}", reason.value), 401, HEADERS)


def unknown_host(request: HTTPConnection) -> Response:
    """Names the setting that allows the host."""
    name = host_name(request.headers.get("host", ""))
    if not name:
        return PlainTextResponse("The Host header is no host name.\n", 403)
    return PlainTextResponse(
        f"The console does not answer under the name {name}, as any page can point a name of its\n"
        "own at this address. If the name is yours, add it to the configuration and start the\n"
        f"proxy again:\n\nconsole:\n  hosts: [{name}]\n\n"
        f"In the environment: PROXY_CONSOLE_HOSTS={name}\n",
        403,
    )


async def sent_token(request: HTTPConnection, receive: Receive) -> str:
    """The token of the form; empty if there is none, or if its client has gone."""
    body = b""
    try:
        async for chunk in Request(request.scope, receive).stream():
            body += chunk
            if len(body) > MAX_FORM:
                return ""
    except ClientDisconnect:
        return ""
    return parse_qs(body.decode("utf-8", "replace")).get("token", [""])[-1]
