"""A request that is tried from the page: it goes the way of every other, and is looked at."""

import asyncio
import time
from collections.abc import Mapping
from urllib.parse import urlencode

import msgspec
from starlette.types import ASGIApp, Message, Scope

from proxy.legacy.dialects import DIALECTS
from proxy.runtime.logs import Secrets
from proxy.upstream.trace import TRACED_CALLS, TracedCall

PATH = "/stubs/handler_api.php"
LONGEST = 100_000
"""Characters of an answer that are shown."""
SHOWN_HEADERS = ("content-type", "x-cache", "x-matrix", "x-price", "x-text", "x-request-id")


class Trial(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What is to be tried. The parameters are those of the protocol, api_key among them."""

    parameters: dict[str, str]
    dialect: str = ""

    @property
    def path(self) -> str:
        return f"/{self.dialect}{PATH}" if self.dialect in DIALECTS else PATH


async def tried(app: ASGIApp, trial: Trial, scope: Scope, secrets: Secrets) -> dict[str, object]:
    """The answer of the proxy, and the calls of the upstream that it caused: all without keys."""
    calls: list[TracedCall] = []
    token, begun = TRACED_CALLS.set(calls), time.perf_counter()
    try:
        start, body = await _asked(app, _scope(trial, scope))
    finally:
        TRACED_CALLS.reset(token)
    headers = {name.decode(): value.decode("latin-1") for name, value in start["headers"]}
    text = body.decode("utf-8", "replace")
    return {
        "line": secrets.redact(
            f"GET {trial.path}?{urlencode(_blanked(trial.parameters), safe='[]')}"
        ),
        "status": start["status"],
        "headers": {name: headers[name] for name in SHOWN_HEADERS if name in headers},
        "body": secrets.redact(text[:LONGEST]),
        "is_cut": len(text) > LONGEST,
        "seconds": time.perf_counter() - begun,
        "calls": [_call(call, secrets) for call in calls],
    }


def _call(call: TracedCall, secrets: Secrets) -> dict[str, object]:
    row = call._asdict()
    return row | {"path": secrets.redact(call.path), "body": secrets.redact(call.body)}


def _blanked(parameters: Mapping[str, str]) -> dict[str, str]:
    return {name: "[key]" if name == "api_key" else v for name, v in parameters.items()}


def _scope(trial: Trial, scope: Scope) -> Scope:
    return {
        **{
            name: scope.get(name) for name in ("asgi", "http_version", "scheme", "server", "client")
        },
        "type": "http",
        "method": "GET",
        "path": trial.path,
        "raw_path": trial.path.encode(),
        "root_path": "",
        "query_string": urlencode(trial.parameters).encode(),
        "headers": [(b"host", b"localhost")],
        "state": {},
    }


async def _asked(app: ASGIApp, scope: Scope) -> tuple[Message, bytes]:
    sent: list[Message] = []

    async def receive() -> Message:
        # This client stays until it has its answer.
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent[0], b"".join(message.get("body", b"") for message in sent[1:])
