"""That tests/support/sockets.py does what the real `websockets.connect` does."""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import httpx
import pytest
import websockets
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from proxy.sandbox import create_sandbox
from tests.support.sandbox import NEVER, NO_LIMIT, SOON, end_of, served
from tests.support.sockets import sockets_to

NOBODYS = "cd613e30-d8f1-4adf-91b7-584a2265b1f5"


class Way(NamedTuple):
    """A way to an app: for its sockets, and for its other requests."""

    host: str
    connect: Callable[[str], Any]
    transport: httpx.ASGITransport | None = None


@contextmanager
def websockets_connect(app: Any) -> Iterator[Way]:
    with served(app) as address:
        yield Way(address, partial(websockets.connect, proxy=None))


@contextmanager
def stand_in(app: Any) -> Iterator[Way]:
    yield Way("sandbox", sockets_to(app), httpx.ASGITransport(app))


either_way = pytest.mark.parametrize("way", [websockets_connect, stand_in])


class Caller:
    """A buyer with one order, who also steers."""

    def __init__(self, way: Way, http: httpx.AsyncClient) -> None:
        self.way, self.http = way, http

    async def buy(self) -> str:
        wish = {"service": "wa", "country": "GB"}
        answer = await self.http.post("/api/v1/customer/purchase", json=wish)
        return str(answer.json()["order_id"])

    async def steer(self, what: str, **wish: Any) -> None:
        (await self.http.post(f"/sandbox/{what}", json=wish)).raise_for_status()

    async def sockets(self) -> int:
        return int((await self.http.get("/sandbox/sockets")).json()["count"])

    def watch(self, order: str) -> Any:
        return self.way.connect(f"ws://{self.way.host}/ws/orders?order_id={order}&api_key=alice")


def in_the_sandbox(way: Any, act: Callable[[Caller], Any]) -> Any:
    """What comes of it, on a real event loop."""

    async def run(way: Way) -> Any:
        url, headers = f"http://{way.host}", {"X-API-Key": "alice"}
        async with httpx.AsyncClient(
            base_url=url, headers=headers, transport=way.transport
        ) as http:
            return await act(Caller(way, http))

    with way(create_sandbox(NO_LIMIT, sms_after=NEVER)) as open_way:
        return asyncio.run(run(open_way))


@either_way
def test_an_sms_is_a_frame_of_text(way: Any) -> None:
    async def act(caller: Caller) -> Any:
        order = await caller.buy()
        async with caller.watch(order) as opened:
            await caller.steer("sms", order_id=order, text="Code 1234")
            async with asyncio.timeout(SOON):
                return await anext(aiter(opened))

    assert in_the_sandbox(way, act) == '{"type":"sms","code":"1234","full_text":"Code 1234"}'


@either_way
def test_a_refusal_is_an_invalid_status(way: Any) -> None:
    async def act(caller: Caller) -> Any:
        async with caller.watch(NOBODYS):
            pass

    with pytest.raises(InvalidStatus) as refused:
        in_the_sandbox(way, act)
    assert str(refused.value) == "server rejected WebSocket connection: HTTP 404"
    response = refused.value.response
    assert (response.status_code, response.reason_phrase) == (404, "Not Found")
    assert response.headers["Content-Type"] == "application/json"
    assert json.loads(response.body) == {"error": "Order not found"}


@either_way
def test_a_drop_is_an_error_as_often_as_one_looks(way: Any) -> None:
    async def act(caller: Caller) -> Any:
        order = await caller.buy()
        async with caller.watch(order) as opened:
            await caller.steer("sms", order_id=order, text="Code 1234")
            await caller.steer("sockets", do="drop")
            return [await end_of(opened), await end_of(opened)]

    (frames, error), again = in_the_sandbox(way, act)
    assert [json.loads(frame)["code"] for frame in frames] == ["1234"]
    assert (type(error), error.rcvd.code, error.sent.code) == (ConnectionClosedError, 1012, 1012)
    assert str(error) == "received 1012 (service restart); then sent 1012 (service restart)"
    assert (again[0], type(again[1])) == ([], ConnectionClosedError)


@either_way
def test_a_client_that_closes_hears_the_end_and_is_forgotten(way: Any) -> None:
    async def act(caller: Caller) -> Any:
        async with caller.watch(await caller.buy()) as opened:
            assert await caller.sockets() == 1
            await opened.close()
            await opened.close()
            ends = [await end_of(opened), await end_of(opened)]
        while await caller.sockets():
            pass
        return ends

    assert in_the_sandbox(way, act) == [([], None), ([], None)]


async def speaks(scope: Any, receive: Any, send: Any) -> None:
    """An app that says and does on its socket what the query says."""
    await receive()
    for message in json.loads(bytes.fromhex(scope["query_string"].decode())):
        await send(message)


ACCEPT, CLOSE = {"type": "websocket.accept"}, {"type": "websocket.close"}


@either_way
@pytest.mark.parametrize(
    ("messages", "frames", "error"),
    [
        ([ACCEPT, {"type": "websocket.send", "text": ""}, CLOSE], [""], None),
        ([ACCEPT, CLOSE], [], None),
        ([ACCEPT, CLOSE | {"code": 1001}], [], None),
        ([ACCEPT, CLOSE | {"code": 1011, "reason": "ill"}], [], "1011 (internal error) ill"),
        ([ACCEPT, CLOSE | {"code": 4000}], [], "4000 (private use)"),
        ([CLOSE], None, "HTTP 403"),
    ],
)
def test_a_close_is_what_it_is_to_the_real_library(
    way: Any, messages: Any, frames: Any, error: Any
) -> None:
    async def act(way: Way) -> Any:
        try:
            query = json.dumps(messages).encode().hex()
            async with way.connect(f"ws://{way.host}/?{query}") as opened:
                return await end_of(opened)
        except InvalidStatus as refused:
            return None, refused

    with way(speaks) as open_way:
        found, end = asyncio.run(act(open_way))
    assert found == frames
    assert error in str(end) if error else end is None


@pytest.mark.anyio
async def test_what_an_app_raises_comes_out_of_the_stand_in() -> None:
    async def fails(scope: Any, receive: Any, send: Any) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        async with sockets_to(fails)("ws://app/"):
            pass


@pytest.mark.anyio
async def test_an_app_that_just_ends_has_lost_its_connection() -> None:
    async def ends(scope: Any, receive: Any, send: Any) -> None:
        await send(ACCEPT)

    async with sockets_to(ends)("ws://app/") as opened:
        _, error = await end_of(opened)
        assert str(error) == "no close frame received or sent"
