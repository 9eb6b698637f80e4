"""Two replicas of which one is killed, or whose PostgreSQL is: every promise is kept, once."""

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest

from tests import crash
from tests.crash import FAULTS, PER_MINUTE, Load
from tests.support import postgres
from tests.support.pace import slowdown, within
from tests.support.receiver import a_receiver
from tests.support.replicas import a_pair, bought, status
from tests.support.running import NUMBER, an_upstream, until

DAISY = "/daisysms"
HOLD = 8
"""Seconds in which nothing is cancelled: long enough to promise it and to be killed."""


@pytest.mark.parametrize("when", ["before the POST", "during it"])
def test_a_promised_cancel_of_a_killed_replica_is_kept_by_the_other_with_one_post(
    tmp_path, database, when
):
    with (
        an_upstream(tmp_path, hold=HOLD) as upstream,
        a_pair(tmp_path, upstream, database) as pair,
    ):
        id = bought(pair.a.ask("action=getNumber&service=wa", "key", DAISY))
        assert pair.a.ask(f"action=setStatus&status=8&id={id}", "key", DAISY) == "ACCESS_CANCEL"
        assert len(upstream.requests("cancel", "key")) == 1, "too early"
        if when == "during it":
            fault = {"call": "cancel", "kind": "slow", "when": "after", "seconds": 10}
            upstream.steer("faults", fault)
            assert until(lambda: len(upstream.entries("refund", "key")) == 1)
        pair.a.kill()
        assert until(lambda: not pair.rows("select * from owed"))
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
        assert until(lambda: pair.rows("select * from owed where kind = 'orphan'"))
        bought(pair.b.ask(NUMBER, "key"))
        assert len(upstream.requests("purchase", "key")) == 1


HASTY = crash.settings(crash.REUSE)
KEPT = {"PROXY_ORPHAN_REUSE_SECONDS": "8"}
"""Long enough to ask for it."""


def test_a_promise_for_an_orphan_of_the_other_is_said_by_it_when_its_own_refund_was_due(
    tmp_path, database
):
    with (
        an_upstream(tmp_path, hold=3) as upstream,
        a_pair(tmp_path, upstream, database, **HASTY | KEPT) as pair,
    ):
        fault = {"call": "purchase", "kind": "slow", "when": "after", "seconds": 0.5}
        upstream.steer("faults", fault)
        pair.b.ask_and_go(NUMBER, "key")
        assert until(lambda: pair.rows("select * from owed where kind = 'orphan'"))
        id = bought(pair.a.ask(NUMBER, "key"))
        assert pair.a.ask(f"action=setStatus&status=8&id={id}", "key") == "ACCESS_CANCEL"
        pair.a.kill()
        assert until(lambda: not pair.rows("select * from owed"))
        assert status(pair.b, id) == "STATUS_CANCEL"
        assert len(upstream.entries("refund", "key")) == 1
        assert "nobody was told" not in pair.b.log
        pair.a.start()


def test_of_two_in_doubt_one_is_named_at_the_other_replica_and_one_is_given_back(
    tmp_path, database
):
    # On a slow disk the kill comes before the write that follows the answers.
    with (
        an_upstream(tmp_path, hold=1) as upstream,
        a_pair(tmp_path, upstream, database, fsync=1.5, **HASTY) as pair,
        ThreadPoolExecutor(2) as threads,
    ):
        named, _ = threads.map(lambda _: bought(pair.a.ask(NUMBER, "key")), range(2))
        pair.a.kill()
        assert pair.rows("select kind from owed") == [("answering",)] * 2
        assert status(pair.b, named) == "STATUS_WAIT_CODE"
        assert pair.rows("select id from orders where told = 1") == [(int(named),)]
        assert until(lambda: len(upstream.entries("refund", "key")) == 1)
        assert until(lambda: not pair.rows("select * from owed"))
        assert status(pair.b, named) == "STATUS_WAIT_CODE"
        assert len(upstream.requests("cancel", "key")) == 1
        pair.a.start()


@contextmanager
def a_load(pair, upstream):
    """Clients that ask both, while calls fail; in the end every cent is accounted for."""
    load = Load(pair, upstream, seed=1)
    for fault in FAULTS:
        upstream.steer("faults", {**fault, "times": None})
    with crash.clients(load):
        yield load
        was_a_load = until(
            lambda: len(load.held) > 5 and any(it.plan == "cancel" for it in load.held)
        )
    assert was_a_load, "nothing was sold, or nothing cancelled"
    upstream.no_more_faults()
    is_settled = until(lambda: crash.is_settled(load))
    account = crash.account_of(load, 1)
    assert account.wrong == (), f"{account}; owed: {pair.rows('select kind from owed')}"
    assert is_settled, pair.rows("select kind, at, owner from owed")
    assert account.charged - account.refunded == account.told + account.in_doubt
    assert account.held > 5 and account.cancelled > 0


def test_one_is_killed_under_load_and_the_other_loses_no_money_and_no_number(tmp_path, database):
    with (
        an_upstream(tmp_path, hold=1, per_minute=PER_MINUTE) as upstream,
        a_pair(tmp_path, upstream, database, **HASTY) as pair,
    ):
        with a_load(pair, upstream) as load:
            for life in range(5):
                time.sleep(1.2 * slowdown())
                load.life = life + 1
                if life == 2:
                    pair.a.kill()
        pair.a.start()


@contextmanager
def a_server_of_their_own(tmp_path, hold, **settings):
    """A PostgreSQL that can be stopped, the upstream, and two replicas on both."""
    with (
        postgres.a_server() as server,
        postgres.a_database(server.url()) as database,
        an_upstream(tmp_path, hold=hold, per_minute=PER_MINUTE) as upstream,
        a_pair(tmp_path, upstream, database, **settings) as pair,
    ):
        yield server, upstream, pair


def test_postgres_is_killed_under_load_and_no_money_and_no_number_is_lost(tmp_path):
    with a_server_of_their_own(tmp_path, hold=1, **HASTY) as (server, upstream, pair):
        pair.is_sticky = True
        with a_load(pair, upstream) as load:
            for life in range(5):
                time.sleep(1.2 * slowdown())
                load.life = life + 1
                if life == 1:
                    server.stop("immediate")
                if life == 2:
                    server.start()


def told(receiver):
    return [json.loads(body)["code"] for _, _, body, _ in list(receiver.asked)]


def test_each_sms_is_told_to_a_target_once_by_both_and_by_the_other_if_one_is_killed(
    tmp_path, database
):
    with a_receiver(good=True) as (receiver, port), an_upstream(tmp_path, hold=0) as upstream:
        target = {"url": f"http://127.0.0.1:{port}/fine", "secret": "planted-target-secret"}
        (tmp_path / "c.yaml").write_text(json.dumps({"forward": [target]}))
        config = ("--config", str(tmp_path / "c.yaml"))
        with a_pair(tmp_path, upstream, database, *config) as pair:
            codes = [f"47{n:02}" for n in range(6)]
            for n, code in enumerate(codes):
                if n == 3:
                    # Who delivers is not known from without: it may be either. One that is killed
                    # in the middle of it has it done again.
                    assert until(lambda: not pair.rows("select * from forwards"))
                    pair.a.kill()
                id = bought(pair.ask(NUMBER, "key"))
                order = upstream.orders("key")[-1]["order_id"]
                upstream.steer("sms", {"order_id": order, "text": f"Your code is {code}"})
                assert until(lambda i=id, c=code: status(pair.b, i) == f"STATUS_OK:{c}")
            assert until(lambda: set(told(receiver)) == set(codes)), told(receiver)
            assert until(lambda: not pair.rows("select * from forwards"))
            assert sorted(told(receiver)) == codes
            pair.a.start()


def test_while_postgres_is_away_status_goes_on_and_nothing_is_bought(tmp_path):
    with a_server_of_their_own(tmp_path, hold=HOLD) as (server, upstream, pair):
        id = bought(pair.a.ask("action=getNumber&service=wa", "key", DAISY))
        kept = bought(pair.a.ask(NUMBER, "key"))
        assert status(pair.b, kept) == "STATUS_WAIT_CODE"
        assert pair.a.ask(f"action=setStatus&status=8&id={id}", "key", DAISY) == "ACCESS_CANCEL"
        server.stop()
        until_back = time.monotonic() + 12
        while time.monotonic() < until_back:
            for proxy in pair.proxies:
                with within(3):
                    assert status(proxy, kept) == "STATUS_WAIT_CODE"
                assert proxy.ask(NUMBER, "key") == "ERROR_SQL"
            time.sleep(0.5)
        for proxy in pair.proxies:
            ready = httpx.get(f"{proxy.url}/readyz", trust_env=False)
            assert ready.status_code == 200
            assert re.match(r"ok\nstore: PostgreSQL: .*connection", ready.text), ready.text
        assert len(upstream.requests("purchase", "key")) == 2
        server.start()
        for proxy in pair.proxies:
            assert until(lambda p=proxy: p.ask(NUMBER, "key").startswith("ACCESS_NUMBER"))
        assert until(lambda: not pair.rows("select * from owed"))
        assert len(upstream.entries("refund", "key")) == 1
        assert len(upstream.requests("cancel", "key")) == 2
