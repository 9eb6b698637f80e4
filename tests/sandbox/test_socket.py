"""The sandbox behind a real server: its WebSocket, and the faults that need a real connection."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from proxy.sandbox import create_sandbox
from tests.support.sandbox import NEVER, NO_LIMIT, SOON, served

QUIET = 0.1
"""Real seconds in which none may come."""


class Wire:
    """A caller over real connections."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.http = httpx.Client(base_url=f"http://{address}", headers={"X-API-Key": "alice"})

    def buy(self) -> str:
        wish = {"service": "wa", "country": "GB"}
        return str(self.http.post("/api/v1/customer/purchase", json=wish).json()["order_id"])

    def steer(self, what: str, **wish: Any) -> Any:
        response = self.http.post(f"/sandbox/{what}", json=wish)
        assert response.status_code == 200, response.text
        return response.json()

    def watch(self, order: str, key: str = "alice") -> ClientConnection:
        return connect(f"ws://{self.address}/ws/orders?order_id={order}&api_key={key}")

    def sockets(self) -> int:
        return int(self.http.get("/sandbox/sockets").json()["count"])


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with served(create_sandbox(sms_after=NEVER, switches=NO_LIMIT)) as address:
        yield address


@pytest.fixture
def wire(address: str) -> Iterator[Wire]:
    wire = Wire(address)
    with wire.http:
        wire.steer("reset")
        yield wire


def frame(opened: ClientConnection) -> Any:
    return json.loads(opened.recv(SOON))


def refusal(wire: Wire, order: str, key: str = "alice") -> int:
    with pytest.raises(InvalidStatus) as refused, wire.watch(order, key):
        pass
    return int(refused.value.response.status_code)


def is_quiet(opened: ClientConnection) -> bool:
    try:
        opened.recv(QUIET)
    except TimeoutError:
        return True
    return False


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Your code is 471100.", {"code": "471100"}),
        ("Your WhatsApp code: 123-456", {"code": "123456"}),
        ("G-654321 is your code", {"code": "654321"}),
        ("Welcome!", {}),
    ],
)
def test_an_sms_is_pushed_with_its_code(wire: Wire, text: str, code: Any) -> None:
    order = wire.buy()
    with wire.watch(order) as opened:
        wire.steer("sms", order_id=order, text=text)
        assert frame(opened) == {"type": "sms", **code, "full_text": text}


def test_an_sms_is_pushed_when_the_clock_is_pushed_over_it(wire: Wire) -> None:
    order = wire.buy()
    wire.steer("sms", order_id=order, text="Code 1234", after=500)
    with wire.watch(order) as opened:
        assert is_quiet(opened)
        wire.steer("clock", seconds=500)
        assert frame(opened)["code"] == "1234"


def test_an_sms_is_pushed_when_its_time_comes_though_nobody_looks(wire: Wire) -> None:
    order = wire.buy()
    with wire.watch(order) as opened:
        wire.steer("sms", order_id=order, text="Code 1234", after=0.2)
        assert frame(opened)["code"] == "1234"


def test_pushing_the_clock_moves_a_waiting_sms_nearer(wire: Wire) -> None:
    order = wire.buy()
    with wire.watch(order) as opened:
        wire.steer("sms", order_id=order, text="Code 1234", after=500)
        wire.steer("clock", seconds=499.7)
        assert frame(opened)["code"] == "1234"


def test_every_socket_of_the_order_and_no_other_hears_of_it(wire: Wire) -> None:
    mine, other = wire.buy(), wire.buy()
    with wire.watch(mine) as one, wire.watch(mine) as two, wire.watch(other) as three:
        wire.steer("sms", order_id=mine, text="Code 1234")
        assert frame(one) == frame(two)
        assert is_quiet(three)


def test_several_sms_come_in_their_order(wire: Wire) -> None:
    order = wire.buy()
    with wire.watch(order) as opened:
        for text in ("1111", "2222"):
            wire.steer("sms", order_id=order, text=text)
        assert [frame(opened)["code"], frame(opened)["code"]] == ["1111", "2222"]


def test_what_came_before_the_socket_and_a_cancel_are_not_told(wire: Wire) -> None:
    order = wire.buy()
    wire.steer("sms", order_id=order, text="Code 1234")
    cancelled = wire.buy()
    with wire.watch(order) as late, wire.watch(cancelled) as other:
        wire.steer("cancel", order_id=cancelled)
        assert is_quiet(late)
        assert is_quiet(other)


@pytest.mark.parametrize(("key", "status"), [("", 401), ("bad", 401), ("bob", 404)])
def test_a_socket_is_refused_to_others(wire: Wire, key: str, status: int) -> None:
    assert refusal(wire, wire.buy(), key) == status


def test_an_unknown_order_has_no_socket(wire: Wire) -> None:
    assert refusal(wire, "cd613e30-d8f1-4adf-91b7-584a2265b1f5") == 404


@pytest.mark.parametrize("named", [True, False])
def test_sockets_are_dropped(wire: Wire, named: bool) -> None:
    order, other = wire.buy(), wire.buy()
    with wire.watch(order) as opened, wire.watch(other) as second:
        answer = wire.steer("sockets", do="drop", **({"order_id": order} if named else {}))
        assert answer == {"dropped": 1 if named else 2}
        with pytest.raises(ConnectionClosed) as closed:
            opened.recv(SOON)
        assert closed.value.rcvd and closed.value.rcvd.code == 1012
        if named:
            assert is_quiet(second)


@pytest.mark.parametrize("named", [True, False])
def test_muted_sockets_stay_open_and_lose_what_is_said(wire: Wire, named: bool) -> None:
    order = wire.buy()
    which = {"order_id": order} if named else {}
    with wire.watch(order) as before:
        wire.steer("sockets", do="mute", **which)
        with wire.watch(order) as after:
            wire.steer("sms", order_id=order, text="Code 1111")
            assert is_quiet(before) and is_quiet(after)
            wire.steer("sockets", do="unmute", **which)
            wire.steer("sms", order_id=order, text="Code 2222")
            assert frame(before)["code"] == frame(after)["code"] == "2222"


def test_a_reset_drops_every_socket(wire: Wire) -> None:
    with wire.watch(wire.buy()) as opened:
        wire.steer("reset")
        with pytest.raises(ConnectionClosed):
            opened.recv(SOON)


def test_a_socket_that_its_client_closes_is_forgotten(wire: Wire) -> None:
    with wire.watch(wire.buy()):
        assert wire.sockets() == 1
    assert any(wire.sockets() == 0 for _ in range(1000))


def test_a_socket_stands_in_the_log_without_its_key(wire: Wire) -> None:
    order = wire.buy()
    with wire.watch(order):
        (line,) = wire.http.get("/sandbox/requests?call=socket").json()["requests"]
    assert (line["path"], line["status"]) == (f"/ws/orders?order_id={order}", 101)


@pytest.mark.parametrize(
    ("position", "seen"),
    [
        ("sms", {"type": "sms", "code": "1234", "full_text": "Code 1234"}),
        ("sms_received", {"type": "sms_received", "code": "1234", "message": "Code 1234"}),
        ("order_status", {"type": "order_status", "status": "completed"}),
        (
            "order_status_sms",
            {
                "type": "order_status",
                "status": "completed",
                "code": "1234",
                "full_text": "Code 1234",
            },
        ),
    ],
)
def test_switch_ws_frame(wire: Wire, position: str, seen: Any) -> None:
    wire.steer("switches", ws_frame=position)
    order = wire.buy()
    with wire.watch(order) as opened:
        wire.steer("sms", order_id=order, text="Code 1234")
        got = frame(opened)
        assert got.pop("order_id", order) == order
        assert got == seen


@pytest.mark.parametrize("position", ["absent", "sent"])
def test_switch_ws_expired(wire: Wire, position: str) -> None:
    wire.steer("switches", ws_expired=position)
    order = wire.buy()
    with wire.watch(order) as opened:
        wire.steer("clock", seconds=1200)
        if position == "sent":
            assert frame(opened) == {"type": "expired"}
        else:
            assert is_quiet(opened)


@pytest.mark.parametrize("position", ["no", "yes"])
def test_switch_ws_replay(wire: Wire, position: str) -> None:
    wire.steer("switches", ws_replay=position)
    order = wire.buy()
    wire.steer("sms", order_id=order, text="Code 1234")
    with wire.watch(order) as opened:
        if position == "yes":
            assert frame(opened)["code"] == "1234"
        assert is_quiet(opened)


def test_switch_ws_silent(wire: Wire) -> None:
    wire.steer("switches", ws="silent")
    order = wire.buy()
    with wire.watch(order) as opened:
        wire.steer("sms", order_id=order, text="Code 1234")
        assert is_quiet(opened)


def test_switch_ws_drops(wire: Wire) -> None:
    wire.steer("switches", ws="drops")
    with wire.watch(wire.buy()) as opened, pytest.raises(ConnectionClosed):
        opened.recv(SOON)


def test_switch_ws_refused(wire: Wire) -> None:
    wire.steer("switches", ws="refused")
    assert refusal(wire, wire.buy()) == 503


def test_a_broken_connection_is_one_for_a_real_client(wire: Wire) -> None:
    wire.steer("faults", kind="broken", call="purchase", when="after")
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        wire.buy()
    assert wire.http.get("/api/v1/customer/orders").json()["count"] == 1


def test_silence_lasts_until_a_real_client_gives_up(wire: Wire) -> None:
    wire.steer("faults", kind="silence", call="balance")
    with pytest.raises(httpx.ReadTimeout):
        wire.http.get("/api/v1/customer/balance", timeout=QUIET)
    assert wire.http.get("/api/v1/customer/balance").status_code == 200


def test_a_real_answer_has_one_date(wire: Wire) -> None:
    assert len(wire.http.get("/api/v1/customer/balance").headers.get_list("date")) == 1
