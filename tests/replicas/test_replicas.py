"""Two replicas, real processes on a real PostgreSQL: any answers any request, none loses money."""

import hashlib
import hmac
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import httpx
import pytest

from tests.support.pace import within
from tests.support.process import PATIENCE
from tests.support.replicas import a_pair, bought, status
from tests.support.running import NUMBER, an_upstream, until


@pytest.fixture
def upstream(tmp_path):
    with an_upstream(tmp_path, hold=0) as upstream:
        yield upstream


@pytest.fixture
def pair(tmp_path, upstream, database):
    with a_pair(tmp_path, upstream, database) as pair:
        yield pair


@pytest.mark.slow
def test_what_one_has_bought_read_or_ended_the_other_shows_within_a_second(pair, upstream):
    ids = [bought(pair.a.ask(NUMBER, "key")) for _ in range(3)]
    for id in ids:
        assert status(pair.b, id) == "STATUS_WAIT_CODE"
    phone = upstream.orders("key")[0]["phone_number"]
    upstream.steer("sms", {"phone": phone, "text": "Your code is 4711"})
    assert until(lambda: status(pair.a, ids[0]) == "STATUS_OK:4711")
    with within(1):
        assert until(lambda: status(pair.b, ids[0]) == "STATUS_OK:4711")
    assert pair.a.ask(f"action=setStatus&status=6&id={ids[0]}", "key") == "ACCESS_ACTIVATION"
    with within(1):
        assert until(lambda: status(pair.b, ids[0]) == "STATUS_CANCEL")
    assert pair.b.ask(f"action=setStatus&status=8&id={ids[1]}", "key") == "ACCESS_CANCEL"
    with within(1):
        assert until(lambda: status(pair.a, ids[1]) == "STATUS_CANCEL")
    assert status(pair.b, 12345) == "NO_ACTIVATION"


@pytest.mark.slow
def test_nobody_waits_long_for_a_list_that_the_other_has_read_a_moment_ago(pair, upstream):
    for buyer, asked in ((pair.a, pair.b), (pair.b, pair.a)):
        id = bought(buyer.ask(NUMBER, "key"))
        with within(1):
            assert status(asked, id) == "STATUS_WAIT_CODE"
    assert len(upstream.requests("orders", "key")) == 1


def test_both_together_read_a_list_as_often_as_one_does_and_have_one_socket(pair, upstream):
    began = time.monotonic()
    id = bought(pair.a.ask(NUMBER, "key"))
    for _ in range(40):
        assert {status(proxy, id) for proxy in pair.proxies} == {"STATUS_WAIT_CODE"}
        time.sleep(0.25)
    # Eight in the ten seconds that it takes where the machine has nothing else to do.
    reads = upstream.requests("orders", "key")
    assert len(reads) <= 0.8 * (time.monotonic() - began)
    assert upstream.requests("order", "key") == []
    assert len(upstream.steer("sockets")["sockets"]) == 1


SHARED = """
upstream: {push: false}
keys:
  one-client-key: {name: one, upstream_key: shared}
  two-client-key: {name: two, upstream_key: shared}
"""


def test_a_code_is_seen_though_another_program_reads_the_list_at_the_other_replica(
    tmp_path, upstream, database
):
    config = tmp_path / "config.yaml"
    config.write_text(SHARED)
    with a_pair(tmp_path, upstream, database, "--config", str(config)) as pair:
        one, two = (
            bought(proxy.ask(NUMBER, key))
            for proxy, key in zip(pair.proxies, ("one-client-key", "two-client-key"), strict=True)
        )
        ended = threading.Event()

        def poll():
            while not ended.wait(0.05):
                status(pair.a, one, "one-client-key")

        polling = threading.Thread(target=poll)
        polling.start()
        try:
            time.sleep(3)
            phone = upstream.orders("shared")[-1]["phone_number"]
            upstream.steer("sms", {"phone": phone, "text": "Your code is 4711"})
            assert until(lambda: status(pair.b, two, "two-client-key") == "STATUS_OK:4711")
        finally:
            ended.set()
            polling.join()


def event(proxy, order, text):
    """The upstream tells one of both of an SMS."""
    now = datetime.now(UTC).isoformat()
    data = {"order_id": order, "full_text": text, "received_at": now}
    body = json.dumps({"id": f"evt_{text[-4:]}", "type": "sms.received", "data": data}).encode()
    signature = hmac.new(b"whsec_planted", body, hashlib.sha256).hexdigest()
    headers = {"X-VirtualSMS-Signature": signature, "X-VirtualSMS-Timestamp": now}
    url = f"{proxy.url}/webhooks/virtualsms"
    answer = httpx.post(url, content=body, headers=headers, trust_env=False, timeout=PATIENCE)
    assert answer.status_code == 200


def test_a_second_code_counts_though_its_event_comes_to_the_replica_that_nobody_asks(
    tmp_path, upstream, database
):
    upstream.steer("faults", {"call": "order", "kind": "cdn", "times": None})
    settings = {"PROXY_UPSTREAM_PUSH": "false", "PROXY_WEBHOOKS_SECRETS": "whsec_planted"}
    with a_pair(tmp_path, upstream, database, **settings) as pair:
        id, order = bought(pair.a.ask(NUMBER, "key")), upstream.orders("key")[0]["order_id"]
        assert status(pair.b, id) == "STATUS_WAIT_CODE"
        event(pair.b, order, "Your code is 1111")
        assert until(lambda: status(pair.a, id) == "STATUS_OK:1111")
        assert pair.a.ask(f"action=setStatus&status=3&id={id}", "key") == "ACCESS_RETRY_GET"
        until(lambda: status(pair.a, id) == "no such word", 7)
        event(pair.b, order, "Your code is 2222")
        assert until(lambda: status(pair.a, id) == "STATUS_OK:2222")


def test_both_together_stay_within_the_requests_of_a_key(pair, upstream):
    with ThreadPoolExecutor(8) as threads:
        said = list(threads.map(lambda _: pair.ask(NUMBER, "key"), range(100)))
    assert 40 <= sum(word.startswith("ACCESS_NUMBER") for word in said) <= 60
    assert {word for word in said if not word.startswith("ACCESS_NUMBER")} == {"ERROR_SQL"}
    seen = upstream.steer("requests?key=key")
    assert seen["busiest_minute"] <= 60
    assert 429 not in {request.get("status") for request in seen["requests"]}


def test_a_wish_with_a_name_is_fulfilled_by_one_of_both(pair):
    with ThreadPoolExecutor(6) as threads:
        said = list(threads.map(lambda _: pair.ask(f"{NUMBER}&orderId=mine", "key"), range(6)))
    assert sum(word.startswith("ACCESS_NUMBER") for word in said) == 1
