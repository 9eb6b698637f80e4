"""Faults on demand: errors of the next calls, before or after their effect."""

import asyncio
import json
import random
from collections.abc import Callable
from typing import Annotated, Any, Literal

import msgspec
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

# Longer than any client waits, but finite: a stopping server waits for it.
SILENCE_SECONDS = 3600.0

KINDS = {
    "status": "an answer of `status` (500) with `body` (JSON, or text when a string) and `headers`",
    "cdn": "the HTML page of a content network, `status` 403, 502 or 503 (default)",
    "truncated": "the answer's JSON, broken off in the middle",
    "wrong_type": "the answer's JSON with every value of another type",
    "slow": "the right answer, `seconds` late",
    "silence": "no answer until the client gives up",
    "broken": "the connection is closed without an answer",
}


class Fault(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`call` is the name of an endpoint, or *. The fault happens `times` times, with `chance`.

    `when`: before the call takes effect (a purchase then charges nothing), or after it.
    """

    call: str = "*"
    kind: Literal["status", "cdn", "truncated", "wrong_type", "slow", "silence", "broken"]
    when: Literal["before", "after"] = "before"
    times: Annotated[int, msgspec.Meta(ge=1)] | None = 1
    chance: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0
    status: Annotated[int, msgspec.Meta(ge=200, le=599)] | None = None
    body: Any = msgspec.UNSET
    headers: dict[str, str] = {}
    seconds: Annotated[float, msgspec.Meta(ge=0, le=1e6)] = 5.0


class Faults:
    """Pending faults, in the order in which they were added."""

    def __init__(self, rng: random.Random) -> None:
        self.waiting: list[Fault] = []
        self._rng = rng

    def take(self, call: str) -> Fault | None:
        """Returns the fault of this call, if any, and removes it after its last time."""
        for fault in self.waiting:
            if fault.call in ("*", call) and self._rng.random() < fault.chance:
                if fault.times is not None:
                    fault.times -= 1
                if fault.times == 0:
                    self.waiting.remove(fault)
                return fault
        return None


async def apply(fault: Fault, answer: Callable[[], Response]) -> Response:
    """Returns the faulty answer. `answer` carries out the call and returns its real answer."""
    if fault.kind == "slow":
        return await _slow(fault, answer)
    real = answer() if fault.when == "after" else None
    match fault.kind:
        case "status":
            return _status(fault)
        case "cdn":
            return _cdn(fault.status or 503)
        case "truncated":
            body = bytes(real.body) if real else b'{"success": true, "order_id": "0a1b2c3d"}'
            return Response(body[: len(body) * 2 // 3], media_type="application/json")
        case "wrong_type":
            right = json.loads(bytes(real.body)) if real else {"success": True, "order_id": ""}
            return JSONResponse(_with_wrong_types(right))
        case "silence":
            return Silence(status_code=0)
        case "broken":
            return Broken(status_code=0)


class Silence(Response):
    """Sends nothing until the client disconnects."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with asyncio.timeout(SILENCE_SECONDS):
                while (await receive())["type"] != "http.disconnect":
                    pass
        except TimeoutError:
            await Broken()(scope, receive, send)


class Broken(Response):
    """Closes the connection without an answer.

    ASGI has no message for that. With uvicorn, `receive` is bound to the object that holds the
    connection's transport. Raises ConnectionResetError without a server.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        transport = getattr(getattr(receive, "__self__", None), "transport", None)
        if transport is None:
            raise ConnectionResetError("the sandbox has broken the connection")
        transport.abort()
        while (await receive())["type"] != "http.disconnect":
            pass


async def _slow(fault: Fault, answer: Callable[[], Response]) -> Response:
    if fault.when == "before":
        await asyncio.sleep(fault.seconds)
        return answer()
    response = answer()
    await asyncio.sleep(fault.seconds)
    return response


def _status(fault: Fault) -> Response:
    body = fault.body
    if body is msgspec.UNSET:
        body = {"error": "internal_error", "message": "Internal server error"}
    kind = PlainTextResponse if isinstance(body, str) else JSONResponse
    return kind(body, fault.status or 500, fault.headers)


def _cdn(status: int) -> Response:
    titles = {403: "Access denied", 502: "Bad gateway", 503: "Service temporarily unavailable"}
    title = titles.get(status, "Error")
    page = (
        f"<!DOCTYPE html>\n<html><head><title>{status} {title}</title></head>\n"
        f"<body><center><h1>{title}</h1></center><hr><center>cdn</center></body></html>\n"
    )
    return Response(page, status, media_type="text/html")


def _with_wrong_types(value: Any) -> Any:
    """Returns the same keys with values of unexpected types."""
    if isinstance(value, dict):
        return {key: _with_wrong_types(item) for key, item in value.items()}
    if isinstance(value, list):
        return {"0": _with_wrong_types(value[0])} if value else "none"
    return "yes" if isinstance(value, bool | int | float) else [value]
