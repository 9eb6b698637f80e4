"""Two replicas, real processes on a real PostgreSQL: any answers any request, none loses money."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests import crash, postgres
from tests.crash import CLIENTS, FAULTS, NUMBER, Client, Load, an_upstream, until
from tests.replicas import a_pair

DAISY = "/daisysms"
DEAD = 20
"""Seconds after which a dead replica's promises must be kept by another."""


def bought(said):
    assert said.startswith("ACCESS_NUMBER:"), said
    return said.split(":")[1]


@pytest.fixture
def upstream(tmp_path):
    with an_upstream(tmp_path, hold=0) as upstream:
        yield upstream


@pytest.fixture
def pair(tmp_path, upstream, database):
    with a_pair(tmp_path, upstream, database) as pair:
        yield pair


def status(proxy, id):
    return proxy.ask(f"action=getStatus&id={id}", "key")


def test_what_one_has_bought_read_or_ended_the_other_shows_within_a_second(pair, upstream):
    ids = [bought(pair.a.ask(NUMBER, "key")) for _ in range(3)]
    for id in ids:
        assert status(pair.b, id) == "STATUS_WAIT_CODE"
    phone = upstream.orders("key")[0]["phone_number"]
    upstream.steer("sms", {"phone": phone, "text": "Your code is 4711"})
    assert until(lambda: status(pair.a, ids[0]) == "STATUS_OK:4711", 5)
    assert until(lambda: status(pair.b, ids[0]) == "STATUS_OK:4711", 1)
    assert pair.a.ask(f"action=setStatus&status=6&id={ids[0]}", "key") == "ACCESS_ACTIVATION"
    assert until(lambda: status(pair.b, ids[0]) == "STATUS_CANCEL", 1)
    assert pair.b.ask(f"action=setStatus&status=8&id={ids[1]}", "key") == "ACCESS_CANCEL"
    assert until(lambda: status(pair.a, ids[1]) == "STATUS_CANCEL", 1)
    assert status(pair.b, 12345) == "NO_ACTIVATION"


def test_both_together_read_a_list_as_often_as_one_does_and_have_one_socket(pair, upstream):
    id = bought(pair.a.ask(NUMBER, "key"))
    for _ in range(40):
        assert {status(proxy, id) for proxy in pair.proxies} == {"STATUS_WAIT_CODE"}
        time.sleep(0.25)
    assert len(upstream.requests("orders", "key")) <= 8
    assert upstream.requests("order", "key") == []
    assert len(upstream.steer("sockets")["sockets"]) == 1


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


@pytest.mark.parametrize("when", ["before the POST", "during it"])
def test_a_promised_cancel_of_a_killed_replica_is_kept_by_the_other_with_one_post(
    tmp_path, database, when
):
    with (
        an_upstream(tmp_path, hold=3) as upstream,
        a_pair(tmp_path, upstream, database) as pair,
    ):
        bought_at = time.monotonic()
        id = bought(pair.a.ask("action=getNumber&service=wa", "key", DAISY))
        assert pair.a.ask(f"action=setStatus&status=8&id={id}", "key", DAISY) == "ACCESS_CANCEL"
        assert len(upstream.requests("cancel", "key")) == 1, "too early"
        if when == "during it":
            fault = {"call": "cancel", "kind": "slow", "when": "after", "seconds": 5}
            upstream.steer("faults", fault)
            assert until(lambda: len(upstream.entries("refund", "key")) == 1, 15)
        pair.a.kill()
        killed_at = time.monotonic()
        assert until(lambda: not pair.rows("select * from owed"), DEAD)
        assert time.monotonic() - killed_at < DEAD, time.monotonic() - bought_at
        assert len(upstream.entries("refund", "key")) == 1
        assert len(upstream.requests("cancel", "key")) == 2, "one too early, one that was granted"
        pair.a.start()


def test_an_orphan_of_one_goes_to_who_asks_the_other(tmp_path, database):
    with (
        an_upstream(tmp_path, hold=3) as upstream,
        a_pair(tmp_path, upstream, database) as pair,
    ):
        fault = {"call": "purchase", "kind": "slow", "when": "after", "seconds": 1}
        upstream.steer("faults", fault)
        pair.a.ask_and_go(NUMBER, "key")
        assert until(lambda: pair.rows("select * from owed where kind = 'orphan'"), 10)
        bought(pair.b.ask(NUMBER, "key"))
        assert len(upstream.requests("purchase", "key")) == 1


def test_one_is_killed_under_load_and_the_other_loses_no_money_and_no_number(tmp_path, database):
    settings = {
        "PROXY_UPSTREAM_TIMEOUT": "3",
        "PROXY_ORPHAN_REUSE_SECONDS": "2",
        "PROXY_EARLY_CANCEL": "defer",
    }
    with (
        an_upstream(tmp_path, hold=1) as upstream,
        a_pair(tmp_path, upstream, database, **settings) as pair,
    ):
        load = Load(pair, upstream, seed=1)
        for fault in FAULTS:
            upstream.steer("faults", {**fault, "times": None})
        clients = [Client(load, number) for number in range(CLIENTS)]
        for client in clients:
            client.start()
        for life in range(5):
            time.sleep(1.2)
            load.life = life + 1
            if life == 2:
                pair.a.kill()
        load.stopping.set()
        for client in clients:
            client.join(60)
        upstream.no_more_faults()
        assert until(lambda: crash._is_settled(load), 60), pair.rows("select kind from owed")
        account = crash._account(load, 1)
        assert account.wrong == (), str(account)
        assert account.charged - account.refunded == account.told
        assert account.held > 5 and account.cancelled > 0
        pair.a.start()


def test_while_postgres_is_away_status_goes_on_and_nothing_is_bought(tmp_path):
    with (
        postgres.a_server() as server,
        postgres.a_database(server.url()) as database,
        an_upstream(tmp_path, hold=3) as upstream,
        a_pair(tmp_path, upstream, database) as pair,
    ):
        id = bought(pair.a.ask("action=getNumber&service=wa", "key", DAISY))
        kept = bought(pair.a.ask(NUMBER, "key"))
        assert status(pair.b, kept) == "STATUS_WAIT_CODE"
        assert pair.a.ask(f"action=setStatus&status=8&id={id}", "key", DAISY) == "ACCESS_CANCEL"
        server.stop()
        until_back = time.monotonic() + 12
        while time.monotonic() < until_back:
            for proxy in pair.proxies:
                asked = time.monotonic()
                assert status(proxy, kept) == "STATUS_WAIT_CODE"
                assert time.monotonic() - asked < 3
                assert proxy.ask(NUMBER, "key") == "ERROR_SQL"
            time.sleep(0.5)
        assert len(upstream.requests("purchase", "key")) == 2
        server.start()
        for proxy in pair.proxies:
            assert until(lambda p=proxy: p.ask(NUMBER, "key").startswith("ACCESS_NUMBER"), 10)
        assert until(lambda: not pair.rows("select * from owed"), DEAD)
        assert len(upstream.entries("refund", "key")) == 1
        assert len(upstream.requests("cancel", "key")) == 2
