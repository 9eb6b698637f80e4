"""Webhooks over real connections: what goes through the wire, and what is no answer."""

import asyncio
import http.server
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any

import httpx
import pytest

from proxy.sandbox import Switches, create_sandbox
from proxy.sandbox.http_post import post
from tests.support.sandbox import NEVER, served

SOON = 60.0
BODY = '{"name": "Jalapeño"}'.encode()


class Receiver(http.server.BaseHTTPRequestHandler):
    """Keeps what comes; the path is the status of the answer."""

    protocol_version = "HTTP/1.1"
    came: "SimpleQueue[Any]"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.came.put((self.path, dict(self.headers), body))
        self.send_response(int(self.path[1:4] or 200))
        self.send_header("Location", "/200")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *about: Any) -> None:
        pass


@contextmanager
def a_receiver() -> Iterator[tuple[str, "SimpleQueue[Any]"]]:
    came: SimpleQueue[Any] = SimpleQueue()
    handler = type("Handler", (Receiver,), {"came": came})
    with http.server.HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", came
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def answering(text: bytes) -> Iterator[str]:
    """A server that says this to the first who comes, whatever he wants, and hangs up."""

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            while b"Jalape" not in connection.recv(65536):
                pass
            connection.sendall(text)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        thread.join()


def carried(url: str, headers: dict[str, str] | None = None) -> int:
    return asyncio.run(post(url, headers or {}, BODY))


def test_a_post_arrives_with_its_headers_and_its_bytes() -> None:
    with a_receiver() as (url, came):
        assert carried(f"{url}/200/a b?c=d%20e&f=ä#end", {"X-One": "1"}) == 200
    path, headers, body = came.get(timeout=SOON)
    assert (path, body) == ("/200/a%20b?c=d%20e&f=%C3%A4", BODY)
    assert headers == {
        "Host": url.removeprefix("http://"),
        "X-One": "1",
        "Content-Length": str(len(BODY)),
        "Connection": "close",
    }


def test_an_address_without_a_path_means_the_root() -> None:
    with a_receiver() as (url, came):
        assert carried(url) == 200
    assert came.get(timeout=SOON)[0] == "/"


@pytest.mark.parametrize("status", [201, 404, 500])
def test_the_status_is_told(status: int) -> None:
    with a_receiver() as (url, _):
        assert carried(f"{url}/{status}") == status


def test_a_redirect_is_not_followed() -> None:
    with a_receiver() as (url, came):
        assert carried(f"{url}/302") == 302
    assert came.qsize() == 1


@pytest.mark.parametrize(
    "text",
    [
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.0 204\r\n\r\n",
        b"HTTP/1.1 204 No Content\nA: b\n\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n"
        b"HTTP/1.1 204 No Content\r\n\r\n",
    ],
)
def test_an_answer_may_be_short_or_come_after_others(text: bytes) -> None:
    with answering(text) as url:
        assert carried(url) == 204


@pytest.mark.parametrize(
    "text", [b"", b"\r\n\r\n", b"220 smtp.example ESMTP\r\n", b"HTTP/1.1 two hundred\r\n\r\n"]
)
def test_what_is_no_http_is_an_error(text: bytes) -> None:
    with answering(text) as url, pytest.raises(ValueError):
        carried(url)


def test_nobody_there_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    with pytest.raises(OSError):
        carried(url)


def test_https_is_spoken_with_tls() -> None:
    with a_receiver() as (url, _), pytest.raises(OSError, match="SSL"):
        carried(url.replace("http:", "https:"))


def test_a_running_sandbox_tells_of_an_sms() -> None:
    switches = Switches(webhook_urls="any")
    sandbox = create_sandbox(switches, sms_after=NEVER)
    with a_receiver() as (url, came), served(sandbox) as address:
        alice = {"X-API-Key": "alice"}
        with httpx.Client(base_url=f"http://{address}", headers=alice) as client:
            wish = {"url": f"{url}/200", "events": ["sms.received"]}
            client.post("/api/v1/customer/webhooks", json=wish)
            pair = {"service": "wa", "country": "GB"}
            order = client.post("/api/v1/customer/purchase", json=pair).json()
            text = {"order_id": order["order_id"], "text": "Code 4711"}
            client.post("/sandbox/sms", json=text)
            _, headers, body = came.get(timeout=SOON)
            shown = client.get("/sandbox/webhooks").json()["webhooks"][0]
    assert json.loads(body)["data"]["code"] == "4711"
    assert headers["X-VirtualSMS-Delivery"] == shown["deliveries"][0]["id"]
