"""Money: what is charged, delivered and refunded when the upstream fails; two real processes."""

import resource
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from types import SimpleNamespace
from typing import NamedTuple

import httpx
import pytest

from tests.support.running import NUMBER, PAIR, Proxy, an_upstream, until

DEADLINE = 12
"""Of a request, in seconds."""

KEPT = 600
"""Seconds in which who asks again finds what was bought before: on any machine."""

REFUNDED = 2
"""Seconds after which what nobody was told is refunded, where nobody asks again."""

TROUBLES = {
    "500": {"kind": "status", "status": 500},
    "502 page": {"kind": "cdn", "status": 502},
    "broken connection": {"kind": "broken"},
    "truncated JSON": {"kind": "truncated"},
    "time-out": {"kind": "slow", "seconds": DEADLINE + 1},
}
CLIENTS = ("waits", "is gone", "is gone and asks again")


class Books(NamedTuple):
    """How many orders were charged, answered to the client, and refunded."""

    charged: int
    told: int
    refunded: int


class Case(NamedTuple):
    trouble: str
    when: str
    client: str

    @property
    def key(self) -> str:
        return "-".join(self).replace(" ", "-")

    @property
    def is_charged(self) -> bool:
        """By the first POST. One that is late is carried out all the same."""
        return self.when == "after" or self.trouble == "time-out"

    @property
    def books(self) -> Books:
        """What has to come out."""
        if "again" in self.client:
            return Books(charged=1, told=1, refunded=0)
        if not self.is_charged:
            return Books(charged=0, told=0, refunded=0)
        is_told = self.client == "waits" and self.trouble != "time-out"
        return Books(charged=1, told=int(is_told), refunded=int(not is_told))


CASES = [Case(*case) for case in product(TROUBLES, ("before", "after"), CLIENTS)]


@pytest.fixture(scope="module")
def upstream(tmp_path_factory):
    with an_upstream(tmp_path_factory.mktemp("upstream"), hold=1) as upstream:
        yield upstream


@pytest.fixture(scope="module")
def proxy(tmp_path_factory, upstream):
    """It keeps what was paid for whom asks again."""
    yield from running(tmp_path_factory.mktemp("proxy"), upstream, KEPT)


@pytest.fixture(scope="module")
def hasty_proxy(tmp_path_factory, upstream):
    """It soon gives back what was paid and nobody was told."""
    yield from running(tmp_path_factory.mktemp("hasty"), upstream, REFUNDED)


@pytest.fixture
def fresh_proxy(tmp_path, upstream):
    """A proxy of the test's own, to be killed or harmed."""
    yield from running(tmp_path, upstream, REFUNDED)


def running(folder, upstream, reuse):
    proxy = Proxy(
        folder,
        upstream.url,
        PROXY_UPSTREAM_TIMEOUT=str(DEADLINE),
        PROXY_ORPHAN_REUSE_SECONDS=str(reuse),
    )
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()


def fail(upstream, **fault):
    """The fault strikes the next call; a test must see to it that the call is its own."""
    upstream.steer("faults", fault)


def ask_until_answered(proxy, key):
    """A client that tries again as long as it is told to."""
    said = []
    until(lambda: said.append(proxy.ask(NUMBER, key)) or said[-1] != "ERROR_SQL")
    return said[-1]


def buy_elsewhere(upstream, key):
    """What another program with the same key does. Returns the order's id."""
    url = f"{upstream.url}/api/v1/customer/purchase"
    answer = httpx.post(url, json=PAIR, headers={"X-API-Key": key}, trust_env=False)
    return answer.json()["order_id"]


def prices_of(upstream, key, answers):
    """What the numbers that were answered cost, in cents, by their order's id."""
    phones = {said.split(":")[2] for said in answers if said.startswith("ACCESS_NUMBER:")}
    return {
        order["order_id"]: round(order["price"] * 100)
        for order in upstream.orders(key)
        if order["phone_number"] in phones
    }


@pytest.fixture(scope="module")
def played(proxy, hasty_proxy, upstream):
    """All cases, each with a key of its own: what the clients were answered, and the ledgers.

    A fault waits for the next purchase, whoever's it is: one begins when the last one has struck.
    """
    with ThreadPoolExecutor(len(CASES)) as pool:
        asked = {case: proxy if "again" in case.client else hasty_proxy for case in CASES}
        first = {case: begun(case, asked[case], upstream, pool) for case in CASES}
        again = {
            case: pool.submit(ask_until_answered, proxy, case.key)
            for case in CASES
            if "again" in case.client
        }
        said = {
            case: [future.result() for future in (first[case], again.get(case)) if future]
            for case in CASES
        }
    for case in CASES:
        until(lambda case=case: len(upstream.entries("refund", case.key)) >= case.books.refunded)
    return {case: outcome(case, upstream, said[case]) for case in CASES}


def begun(case, proxy, upstream, pool):
    fail(upstream, call="purchase", when=case.when, **TROUBLES[case.trouble])
    if case.client == "waits":
        future = pool.submit(proxy.ask, NUMBER, case.key)
    else:
        proxy.ask_and_go(NUMBER, case.key)
        future = None
    assert until(lambda: not upstream.steer("faults")["faults"]), "the purchase was not sent"
    return future


def outcome(case, upstream, said):
    return SimpleNamespace(
        said=said,
        told=prices_of(upstream, case.key, said),
        charges=upstream.entries("charge", case.key),
        refunds=upstream.entries("refund", case.key),
        posts=len(upstream.requests("purchase", case.key)),
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: ", ".join(case))
def test_what_is_charged_and_not_refunded_was_told_to_the_cent(played, case):
    it = played[case]
    assert Books(len(it.charges), len(it.told), len(it.refunds)) == case.books, it.said
    charged = -sum(entry["cents"] for entry in it.charges)
    refunded = sum(entry["cents"] for entry in it.refunds)
    assert charged - refunded == sum(it.told.values())
    assert not {entry["order"] for entry in it.refunds} & it.told.keys()


@pytest.mark.parametrize("case", CASES, ids=lambda case: ", ".join(case))
def test_a_purchase_is_sent_once_and_again_only_where_it_made_no_order(played, case):
    it = played[case]
    assert it.posts == (2 if "again" in case.client and not case.is_charged else 1)


def test_a_foreign_purchase_amid_an_unclear_one_is_neither_handed_out_nor_cancelled(
    proxy, upstream
):
    key = "shared"
    fail(upstream, call="purchase", kind="broken", when="after")
    fail(upstream, call="orders", kind="cdn", times=None)
    answers = [proxy.ask(NUMBER, key)]
    unclear = upstream.orders(key)[0]["order_id"]
    foreign = buy_elsewhere(upstream, key)
    upstream.no_more_faults()
    answers.append(ask_until_answered(proxy, key))
    told = prices_of(upstream, key, answers)
    assert (answers[0], len(told)) == ("ERROR_SQL", 1)
    assert not {unclear, foreign} & told.keys(), "which of the two is ours, nobody knows"
    assert not upstream.requests("cancel", key)
    # The one told gets its SMS; the upstream refunds the others itself when their time is over.
    upstream.steer("sms", {"order_id": next(iter(told)), "text": "Your code is 4711"})
    for order in upstream.orders(key):
        if order["order_id"] not in told:
            upstream.steer("expire", {"order_id": order["order_id"]})
    assert upstream.spent(key) == sum(told.values())


def test_once_another_program_buys_too_what_nobody_explains_is_not_taken(proxy, upstream):
    key = "shared-for-long"
    # An order of the second in which the proxy began could be older than it.
    time.sleep(1.1)
    before = buy_elsewhere(upstream, key)
    assert until(lambda: before_is_seen(proxy, upstream, key))
    fail(upstream, call="purchase", kind="broken", when="before")
    fail(upstream, call="orders", kind="cdn", times=None)
    answers = [proxy.ask(NUMBER, key)]
    foreign = {before, buy_elsewhere(upstream, key)}
    upstream.no_more_faults()
    answers.append(ask_until_answered(proxy, key))
    told = prices_of(upstream, key, answers)
    assert answers[0] == "ERROR_SQL"
    assert len(told) == 1
    assert not foreign & told.keys()
    assert not upstream.requests("cancel", key)


def before_is_seen(proxy, upstream, key):
    proxy.ask("action=getActiveActivations", key)
    return bool(upstream.requests("orders", key))


def test_a_full_disk_buys_nothing_and_reads_go_on(fresh_proxy, upstream):
    proxy, key = fresh_proxy, "full"
    number = proxy.ask(NUMBER, key)
    assert number.startswith("ACCESS_NUMBER:")
    status = f"action=getStatus&id={number.split(':')[1]}"
    limits = resource.prlimit(proxy.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(proxy.pid, resource.RLIMIT_FSIZE, (0, limits[1]))
    assert [proxy.ask(NUMBER, key) for _ in range(3)] == ["ERROR_SQL"] * 3
    assert len(upstream.requests("purchase", key)) == 1
    upstream.steer("sms", {"phone": number.split(":")[2], "text": "Your code is 4711"})
    assert until(lambda: proxy.ask(status, key) == "STATUS_OK:4711")
    assert proxy.ask("action=getBalance", key).startswith("ACCESS_BALANCE:")
    resource.prlimit(proxy.pid, resource.RLIMIT_FSIZE, limits)
    assert proxy.ask(NUMBER, key).startswith("ACCESS_NUMBER:")
    assert len(upstream.requests("purchase", key)) == 2


def test_a_promised_cancel_survives_a_kill_and_is_carried_out_once(fresh_proxy, upstream):
    proxy, key, dialect = fresh_proxy, "promised-secret", "/daisysms"
    upstream.steer("switches", {"hold": 20})
    number = proxy.ask("action=getNumber&service=wa", key, dialect)
    upstream.steer("switches", {"hold": 1})
    id = number.split(":")[1]
    assert proxy.ask(f"action=setStatus&status=8&id={id}", key, dialect) == "ACCESS_CANCEL"
    proxy.kill()
    assert not upstream.entries("refund", key)
    proxy.start()
    assert proxy.ask(f"action=getStatus&id={id}", key, dialect) == "STATUS_CANCEL"
    assert until(lambda: upstream.entries("refund", key))
    assert until(lambda: not proxy.rows("select * from owed"))
    proxy.kill()
    proxy.start()
    assert proxy.ask(f"action=getStatus&id={id}", key, dialect) == "STATUS_CANCEL"
    said = Counter(request["status"] for request in upstream.requests("cancel", key))
    assert said[200] == 1
    assert upstream.spent(key) == 0
    kept = [path.read_bytes() for path in proxy.store.parent.glob("store.db*")]
    assert kept
    assert not any(key.encode() in body for body in kept)
