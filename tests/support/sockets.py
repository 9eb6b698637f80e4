"""`websockets.connect` without a network: it speaks ASGI with an app, on whatever loop runs."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote, urlsplit

from starlette.types import ASGIApp, Message
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.frames import OK_CLOSE_CODES, Close
from websockets.http11 import Response


class Opened:
    """One connection, as its client has it; messages to and from the app wait in queues."""

    def __init__(self) -> None:
        self.to_app: asyncio.Queue[Message] = asyncio.Queue()
        self.from_app: asyncio.Queue[Message] = asyncio.Queue()
        self.closed = False

    async def serve(self, app: ASGIApp, uri: str) -> None:
        self.to_app.put_nowait({"type": "websocket.connect"})
        try:
            await app(_scope(uri), self.to_app.get, self._hear)
        finally:
            self._end({"type": "lost"})

    async def shake_hands(self) -> None:
        answer = await self.from_app.get()
        if answer["type"] == "websocket.accept":
            return
        headers = Headers([(n.decode(), v.decode()) for n, v in answer.get("headers", ())])
        # A close in place of an answer is a 403 under uvicorn.
        status, body, more = answer.get("status", 403), b"", "status" in answer
        while more:
            part = await self.from_app.get()
            body, more = body + part.get("body", b""), part.get("more_body", False)
        raise InvalidStatus(Response(status, HTTPStatus(status).phrase, headers, body))

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        while (message := await self.from_app.get())["type"] == "websocket.send":
            text = message.get("text")
            yield message["bytes"] if text is None else text
        self.from_app.put_nowait(message)  # whoever asks again meets the end again
        if message["type"] == "lost":
            raise ConnectionClosedError(None, None)
        close = Close(message.get("code", 1000), message.get("reason") or "")
        if close.code not in OK_CLOSE_CODES:
            raise ConnectionClosedError(close, close, rcvd_then_sent=True)

    async def close(self) -> None:
        self._end({"type": "websocket.close"})

    async def _hear(self, message: Message) -> None:
        if self.closed:
            raise OSError("the client has gone")
        if message["type"] == "websocket.close":
            self._end(message)
        else:
            self.from_app.put_nowait(message)

    def _end(self, end: Message) -> None:
        if not self.closed:
            self.closed = True
            self.from_app.put_nowait(end)
            self.to_app.put_nowait({"type": "websocket.disconnect", "code": end.get("code", 1000)})


def sockets_to(app: ASGIApp) -> Callable[[str], AbstractAsyncContextManager[Opened]]:
    """A `connect` that leads to the app. What the app raises comes out when the context is left."""

    @asynccontextmanager
    async def connect(uri: str) -> AsyncIterator[Opened]:
        opened = Opened()
        serving = asyncio.create_task(opened.serve(app, uri))
        try:
            await opened.shake_hands()
            yield opened
        finally:
            await opened.close()
            await serving

    return connect


def called(host: str) -> str:
    """The Host by which an app is asked: a sandbox that stands in for the vendor has a short name,
    as a container has, since it does not take the vendor's.
    """
    return "upstream" if host == "virtualsms.io" else host


def _scope(uri: str) -> dict[str, Any]:
    address = urlsplit(uri)
    return {
        "type": "websocket",
        "scheme": address.scheme,
        "path": unquote(address.path),
        "root_path": "",
        "query_string": address.query.encode(),
        "headers": [(b"host", called(address.netloc).encode())],
        "subprotocols": [],
        "extensions": {"websocket.http.response": {}},
    }
