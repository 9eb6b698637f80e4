"""Webhooks both ways on real ports: the sandbox sends, targets fail, the proxy is killed."""

import json
import re
import socket
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
import pytest

from tests.crash import NEVER, Proxy, Upstream, until
from tests.process import a_process

KEY, SECRET = "planted-key-7a1d", "planted-target-secret"
CODE = "Your code is 4711"
WRONG = ("hang", "redirect", "500", "endless", "garbage", "hang-up")
"""What a target can do wrong; `refuse` is a port that nobody listens on."""


@dataclass
class Receiver:
    """Answers a POST by the last word of its path; by 200 once it is `good`."""

    good: bool = False
    slow: float = 0.0
    asked: list = field(default_factory=list)
    """Path, headers and body of each request, and whether it was told 200."""
    ending: threading.Event = field(default_factory=threading.Event)

    def serve(self, listener):
        while not self.ending.is_set():
            try:
                wire, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(wire,), daemon=True).start()

    def _answer(self, wire):
        with wire, wire.makefile("rb") as lines:
            try:
                while head := lines.readline():
                    path = head.split()[1].decode()
                    headers = self._headers(lines)
                    body = lines.read(length := int(headers["content-length"]))
                    if len(body) < length:
                        return None
                    wrong = "" if self.good else path.rpartition("/")[2]
                    is_good = wrong not in WRONG
                    time.sleep(self.slow)
                    if is_good:
                        wire.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                    self.asked.append((path, headers, body, is_good))
                    if not is_good:
                        return self._fail(wire, wrong)
            except OSError:
                return

    def _headers(self, lines):
        found = {}
        while (line := lines.readline().decode().strip()) != "":
            name, _, value = line.partition(":")
            found[name.lower()] = value.strip()
        return found

    def _fail(self, wire, wrong):
        if wrong == "hang":
            self.ending.wait(30)
        elif wrong == "redirect":
            wire.sendall(b"HTTP/1.1 307 -\r\nLocation: /leak\r\nContent-Length: 0\r\n\r\n")
        elif wrong == "500":
            wire.sendall(b"HTTP/1.1 500 -\r\nContent-Length: 4\r\n\r\noops")
        elif wrong == "garbage":
            wire.sendall(b"this is no HTTP\r\n\r\n")
        elif wrong == "endless":
            wire.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            while not self.ending.is_set():
                wire.sendall(b"and on, " * 1000)

    def to(self, path, *, good=False):
        return [one for one in self.asked if one[0] == path and (one[3] or not good)]


@contextmanager
def a_receiver(port=0, **how):
    receiver = Receiver(**how)
    with socket.create_server(("127.0.0.1", port)) as listener:
        thread = threading.Thread(target=receiver.serve, args=(listener,), daemon=True)
        thread.start()
        try:
            yield receiver, listener.getsockname()[1]
        finally:
            receiver.ending.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(5)


def a_free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@contextmanager
def an_upstream(folder):
    switches = ("--switch", "webhook_urls=any", "--switch", "requests_per_minute=0")
    only = ("sandbox", "--upstream-only", "--port", "0", "--sms-after", NEVER, *switches)
    with a_process(*only, log=folder / "upstream.log") as url:
        upstream = Upstream(url)
        upstream.steer("balance", {"key": KEY, "balance": 1000})
        upstream.steer("offer", {"service": "wa", "country": "GB", "stock": 1000})
        try:
            yield upstream
        finally:
            upstream.close()


@contextmanager
def a_forwarding(folder, upstream, urls):
    """A proxy that subscribes itself, and hears of SMS by events alone."""
    port = a_free_port()
    (folder / "c.yaml").write_text(
        json.dumps(
            {
                "webhooks": {"public_url": f"http://127.0.0.1:{port}"},
                "upstream": {"api_key": KEY, "push": False, "requests_per_minute": 100_000},
                "forward": [{"url": url, "secret": SECRET} for url in urls],
            }
        )
    )
    config = ("--config", str(folder / "c.yaml"))
    proxy = Proxy(folder, upstream.url, *config, port=port, PROXY_LOG_LEVEL="debug")
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()


def bought(proxy, upstream):
    """Its id, and that of its order."""
    answer = proxy.ask("action=getNumber&service=wa&country=16", KEY)
    assert answer.startswith("ACCESS_NUMBER:"), answer
    return answer.split(":")[1], upstream.orders(KEY)[-1]["order_id"]


def metric(proxy, name):
    page = httpx.get(f"{proxy.url}/metrics", trust_env=False).text
    rows = re.findall(rf'^virtualsms_proxy_{name}{{\w+="(\w+)"}} (\S+)$', page, re.MULTILINE)
    return {label: float(value) for label, value in rows}


@pytest.fixture
def upstream(tmp_path):
    with an_upstream(tmp_path) as upstream:
        yield upstream


def test_whatever_a_target_does_an_sms_is_told_it_in_the_end(tmp_path, upstream):
    with a_receiver() as (receiver, port):
        refused = a_free_port()
        paths = [f"/{wrong}" for wrong in (*WRONG, "fine")]
        urls = [f"http://127.0.0.1:{port}{path}" for path in paths]
        urls.append(f"http://127.0.0.1:{refused}/refuse")
        with a_forwarding(tmp_path, upstream, urls) as proxy:
            assert until(lambda: upstream.steer("webhooks")["count"], 5)
            id, order = bought(proxy, upstream)
            upstream.steer("sms", {"order_id": order, "text": CODE})
            assert until(lambda: {path for path, *_ in receiver.asked} >= set(paths), 5)
            assert metric(proxy, "webhook_events_total") == {"sms": 1}
            assert not upstream.requests("orders", KEY), "the event alone told it"
            assert until(lambda: metric(proxy, "forward_attempts_total").get("delivered") == 1, 5)
            # It is killed while a target hangs; after that they mend their ways.
            before = {path: receiver.to(path) for path in paths}
            assert len(receiver.to("/fine", good=True)) == 1
            proxy.kill()
            receiver.good = True
            with a_receiver(refused, good=True) as (late, _):
                proxy.start()
                assert until(lambda: all(receiver.to(p, good=True) for p in paths), 10)
                assert until(lambda: late.to("/refuse", good=True), 10)
                assert until(lambda: metric(proxy, "forwards") == {"waiting": 0, "dead": 0}, 5)
            assert proxy.ask(f"action=getStatus&id={id}", KEY) == "STATUS_OK:4711"
    assert not receiver.to("/leak"), "a redirect was followed"
    for path in paths:
        (_, headers, body, _) = receiver.to(path, good=True)[-1]
        assert {one[2] for one in before[path]} == {body}
        assert {one[1]["x-delivery"] for one in before[path]} == {headers["x-delivery"]}
        assert json.loads(body)["code"] == "4711"
        assert str(json.loads(body)["activationId"]) == id
        assert re.fullmatch("sha256=[0-9a-f]{64}", headers["x-signature"])
    assert len(receiver.to("/fine", good=True)) == 1, "it was told twice"
    for planted in (KEY, SECRET, "4711", "whsec_"):
        assert planted not in proxy.log


def test_killed_while_it_delivers_it_loses_no_sms(tmp_path, upstream):
    with (
        a_receiver(good=True, slow=0.15) as (receiver, port),
        a_forwarding(tmp_path, upstream, [f"http://127.0.0.1:{port}/fine"]) as proxy,
    ):
        codes = []
        for life in range(3):
            assert until(lambda: upstream.steer("webhooks")["count"], 5)
            numbers = [bought(proxy, upstream) for _ in range(12)]
            told = len(receiver.asked)
            for n, (_, order) in enumerate(numbers):
                codes.append(str(1000 + life * 100 + n))
                text = {"order_id": order, "text": f"Your code is {codes[-1]}"}
                upstream.steer("sms", text)
            until(lambda told=told: len(receiver.asked) > told, 5)
            proxy.kill()
            proxy.start()
            for id, _ in numbers:
                # What came while nobody listened is found by a client.
                proxy.ask(f"action=getStatus&id={id}", KEY)
        assert until(lambda: set(codes) == names(receiver).keys(), 15), names(receiver)
        assert until(lambda: metric(proxy, "forwards") == {"waiting": 0, "dead": 0}, 5)
        assert all(len(known) == 1 for known in names(receiver).values())


def names(receiver):
    """By code, how its deliveries were called: what comes twice has one name."""
    known = {}
    for _, headers, body, _ in list(receiver.asked):
        known.setdefault(json.loads(body)["code"], set()).add(headers["x-delivery"])
    return known
