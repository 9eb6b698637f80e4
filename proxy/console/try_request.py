"""Sends a request of the page through the proxy, like any other, and records its upstream calls."""

import asyncio
import time
from urllib.parse import urlencode

import msgspec
from starlette.types import ASGIApp, Message, Scope

from proxy.legacy.dialects import DIALECTS
from proxy.runtime.logs import Secrets
from proxy.upstream.trace import TRACED_CALLS, TracedCall

PATH = "/stubs/handler_api.php"
MAX_BODY = 100_000
"""Characters of an answer that are shown."""
SHOWN_HEADERS = ("content-type", "x-cache", "x-matrix", "x-price", "x-text", "x-request-id")


class TryRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`parameters` are those of the protocol, api_key included."""

    parameters: dict[str, str]
    dialect: str = ""

    @property
    def path(self) -> str:
        return f"/{self.dialect}{PATH}" if self.dialect in DIALECTS else PATH


async def send(
    app: ASGIApp, request: TryRequest, scope: Scope, secrets: Secrets
) -> dict[str, object]:
    """Returns the proxy's answer and the upstream calls that it caused, all without keys."""
    calls: list[TracedCall] = []
    token, begun = TRACED_CALLS.set(calls), time.perf_counter()
    try:
        start, body = await _answer(app, _scope(request, scope))
    finally:
        TRACED_CALLS.reset(token)
    headers = {name.decode(): value.decode("latin-1") for name, value in start["headers"]}
    text = body.decode("utf-8", "replace")
    shown = {name: "[key]" if name == "api_key" else v for name, v in request.parameters.items()}
    return {
        "line": secrets.redact(f"GET {request.path}?{urlencode(shown, safe='[]')}"),
        "status": start["status"],
        "headers": {name: headers[name] for name in SHOWN_HEADERS if name in headers},
        "body": secrets.redact(text[:MAX_BODY]),
        "is_cut": len(text) > MAX_BODY,
        "seconds": time.perf_counter() - begun,
        "calls": [
            c._asdict() | {"path": secrets.redact(c.path), "body": secrets.redact(c.body)}
            for c in calls
        ],
    }


def _scope(request: TryRequest, scope: Scope) -> Scope:
    copied = ("asgi", "http_version", "scheme", "server", "client")
    return {
        **{name: scope.get(name) for name in copied},
        "type": "http",
        "method": "GET",
        "path": request.path,
        "raw_path": request.path.encode(),
        "root_path": "",
        "query_string": urlencode(request.parameters).encode(),
        "headers": [(b"host", b"localhost")],
        "state": {},
    }


async def _answer(app: ASGIApp, scope: Scope) -> tuple[Message, bytes]:
    sent: list[Message] = []

    async def receive() -> Message:
        # This client never disconnects before it has its answer.
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent[0], b"".join(message.get("body", b"") for message in sent[1:])
