"""The bare servers: what one answer costs where nothing is done for it, on the proxy's own uvicorn.

fixed      raw ASGI, one text
parsed     raw ASGI, the query string taken apart and the action looked up in a dict
starlette  a route of Starlette with a PlainTextResponse
"""

from collections.abc import Mapping
from urllib.parse import parse_qsl

import click
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from proxy.app import server
from tests.support.running import PATH

WORD = b"STATUS_WAIT_CODE"
HEADERS = [
    (b"content-type", b"text/plain; charset=utf-8"),
    (b"content-length", str(len(WORD)).encode()),
]


async def fixed(scope: Scope, receive: Receive, send: Send) -> None:
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": WORD})


async def parsed(scope: Scope, receive: Receive, send: Send) -> None:
    assert scope["type"] == "http"
    wish = dict(parse_qsl(scope["query_string"].decode()))
    body = ACTIONS[wish["action"]](wish).encode()
    length = str(len(body)).encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", length)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _status(wish: Mapping[str, str]) -> str:
    return "STATUS_WAIT_CODE" if wish["id"] else "NO_ACTIVATION"


ACTIONS = {
    "getBalance": lambda wish: "ACCESS_BALANCE:100.00",
    "getNumber": lambda wish: "NO_NUMBERS",
    "getStatus": _status,
    "setStatus": lambda wish: "BAD_STATUS",
}


async def route(request: Request) -> PlainTextResponse:
    return PlainTextResponse("STATUS_WAIT_CODE")


KINDS: Mapping[str, ASGIApp] = {
    "fixed": fixed,
    "parsed": parsed,
    "starlette": Starlette(routes=[Route(PATH, route)]),
}


@click.command()
@click.argument("kind", type=click.Choice(list(KINDS)))
def main(kind: str) -> None:
    opened = server.open_socket("127.0.0.1", 0)
    click.echo(f"listening on {server.url(opened)}")
    server.run(KINDS[kind], opened)


if __name__ == "__main__":
    main()
