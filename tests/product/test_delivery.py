"""Webhooks both ways on real ports: the sandbox sends, targets fail, the proxy is killed."""

import json
import re
from contextlib import contextmanager

import httpx
import pytest

from tests.support.process import a_process
from tests.support.receiver import WRONG, a_free_port, a_receiver
from tests.support.running import NEVER, Proxy, Upstream, until

KEY, SECRET = "planted-key-7a1d", "planted-target-secret"
CODE = "Your code is 4711"


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
            assert until(lambda: upstream.steer("webhooks")["count"])
            id, order = bought(proxy, upstream)
            upstream.steer("sms", {"order_id": order, "text": CODE})
            assert until(lambda: {path for path, *_ in receiver.asked} >= set(paths))
            events = metric(proxy, "webhook_events_total")
            assert {kind: count for kind, count in events.items() if count} == {"sms": 1}
            assert not upstream.requests("orders", KEY), "the event alone told it"
            assert until(lambda: metric(proxy, "forward_attempts_total").get("delivered") == 1)
            # It is killed while a target hangs; after that they mend their ways.
            before = {path: receiver.to(path) for path in paths}
            assert len(receiver.to("/fine", good=True)) == 1
            proxy.kill()
            receiver.good = True
            with a_receiver(refused, good=True) as (late, _):
                proxy.start()
                assert until(lambda: all(receiver.to(p, good=True) for p in paths))
                assert until(lambda: late.to("/refuse", good=True))
                assert until(lambda: metric(proxy, "forwards") == {"waiting": 0, "dead": 0})
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
            assert until(lambda: upstream.steer("webhooks")["count"])
            numbers = [bought(proxy, upstream) for _ in range(12)]
            told = len(receiver.asked)
            for n, (_, order) in enumerate(numbers):
                codes.append(str(1000 + life * 100 + n))
                text = {"order_id": order, "text": f"Your code is {codes[-1]}"}
                upstream.steer("sms", text)
            until(lambda told=told: len(receiver.asked) > told)
            proxy.kill()
            proxy.start()
            for id, _ in numbers:
                # What came while nobody listened is found by a client.
                proxy.ask(f"action=getStatus&id={id}", KEY)
        assert until(lambda: set(codes) == names(receiver).keys()), names(receiver)
        assert until(lambda: metric(proxy, "forwards") == {"waiting": 0, "dead": 0})
        assert all(len(known) == 1 for known in names(receiver).values())


def names(receiver):
    """By code, how its deliveries were called: what comes twice has one name."""
    known = {}
    for _, headers, body, _ in list(receiver.asked):
        known.setdefault(json.loads(body)["code"], set()).add(headers["x-delivery"])
    return known
