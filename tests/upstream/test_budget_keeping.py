"""The keeping of the budget: windows that are let go, a store that fails, leases of replicas."""

import asyncio
import logging

import pytest

from proxy.model import ClientKey
from proxy.store import open_store
from proxy.upstream import budget as budget_file
from proxy.upstream.budget import Budget
from proxy.upstream.rate_window import Window
from tests.support.turns import (
    KEY,
    OTHER,
    PAID,
    filled,
    takes,
    waiting,
)

pytestmark = pytest.mark.anyio


async def test_a_store_that_fails_stops_no_request(budget, store, caplog):
    # No call of a store breaks it.
    store._db.execute("drop table spent")
    assert await takes(budget, KEY) == 60
    await asyncio.sleep(1)
    assert "what was spent is not known" in caplog.text
    assert "not written" in caplog.text
    assert KEY.upstream.secret not in {record.getMessage() for record in caplog.records}


async def test_windows_of_idle_keys_are_let_go_and_busy_ones_are_kept(budget, monkeypatch):
    monkeypatch.setattr(budget_file, "MAX_WINDOWS", 3)
    budget.refused(OTHER, "a key that has no window", 10.0, 5)
    await budget.take(KEY, "call", PAID, 0.0, 0.0)
    budget.refused(KEY, "call", 290.0, None)
    for number in range(50):
        await budget.take(ClientKey.of(str(number)), "call", PAID, 0.0, 0.0)
        await asyncio.sleep(62)
        if number == 3:
            assert await takes(budget, KEY) == 0
    # What is let go is seen by nobody but in memory.
    assert len(budget._windows) <= 5
    assert await takes(budget, KEY) == 60
    assert await takes(budget, None) == 1000


async def test_of_many_keys_that_replicas_share_only_those_in_use_are_renewed(
    database, clock, monkeypatch
):
    monkeypatch.setattr(budget_file, "MAX_WINDOWS", 3)
    store = open_store(database, "the secret of the store")
    budget = Budget(60, store, clock)
    for number in range(8):
        await budget.take(ClientKey.of(str(number)), "call", PAID, 0.0, 0.0)
        await asyncio.sleep(62)
    # What is let go is seen by nobody but in memory.
    assert len(budget._windows) <= 5
    assert len(budget._leases._windows) <= 4
    await budget.close()
    await store.close()


async def test_a_window_that_is_closed_or_waited_for_is_not_idle(monkeypatch):
    window, come = Window(1), []
    assert window.is_idle
    await filled(window, 1)
    assert not window.is_idle
    window.refused(100.0)
    await asyncio.sleep(90)
    assert not window.is_idle
    await asyncio.sleep(20)
    assert window.is_idle
    await filled(window, 1)
    waiting(window, "w", come)
    await asyncio.sleep(30)
    assert not window.is_idle


async def test_a_narrow_window_survives_that_idle_ones_are_let_go(budget, monkeypatch):
    monkeypatch.setattr(budget_file, "MAX_WINDOWS", 0)
    await budget.take(KEY, "purchase", PAID, 0.0, 0.0)
    # Its answer, a 429, comes after more than a minute.
    await asyncio.sleep(62)
    budget.refused(KEY, "purchase", None, 10)
    assert await takes(budget, KEY, "purchase") == 0


async def test_after_close_no_timer_is_left(store, clock):
    budget = Budget(2, store, clock)
    come = []
    await takes(budget, KEY, "purchase")
    budget.refused(KEY, "purchase", 30.0, 1)

    class Narrow:
        take = staticmethod(lambda *rest: budget.take(KEY, "purchase", *rest[:3]))

    class Wide:
        take = staticmethod(lambda *rest: budget.take(KEY, "call", *rest[:3]))

    tasks = [waiting(Narrow, "narrow", come), waiting(Wide, "wide", come)]
    await asyncio.sleep(1)
    await budget.close()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    # asyncio shows its timers nowhere else.
    handles = [handle for handle in asyncio.get_running_loop()._scheduled if not handle.cancelled()]
    assert handles == []


async def test_what_is_spent_without_waiting_leaves_no_timer():
    await filled(Window(60), 60)
    # asyncio shows its timers nowhere else.
    assert asyncio.get_running_loop()._scheduled == []


async def test_no_key_is_logged(budget, caplog):
    caplog.set_level(logging.DEBUG)
    secret = ClientKey.of("planted-secret")
    await takes(budget, secret, "purchase")
    budget.refused(secret, "purchase", None, None)
    budget.refused(secret, "purchase", None, 10)
    assert "purchase: the upstream refuses key " in caplog.text
    assert "planted-secret" not in caplog.text


class Replicated:
    """A store of several replicas that gives a part of the requests until it has a bug."""

    is_shared = True
    has_bug = False

    async def lease_requests(self, key, limit, sent, wanted):
        if self.has_bug:
            raise KeyError("planted")
        return wanted

    def unleased_limit(self, limit):
        return 10


async def test_a_part_of_the_requests_is_not_used_past_its_lease(clock, caplog):
    store = Replicated()
    budget = Budget(60, store, clock)
    assert await takes(budget, KEY, most=40, patience=5.0) == 40
    store.has_bug = True
    await asyncio.sleep(62)
    assert await takes(budget, KEY) == 10
    assert "task failed, it starts again in 1 s: leases of requests" in caplog.text
    store.has_bug = False
    await asyncio.sleep(300)
    assert await takes(budget, KEY, most=40, patience=5.0) == 40
    await budget.close()


async def test_a_turn_that_is_given_back_is_ones_own(budget):
    window = Window(60)
    first = await window.take(PAID, 0.0, 0.0, "first")
    await asyncio.sleep(5)
    await window.take(PAID, 0.0, 0.0, "second")
    window.give_back(first)
    assert [spent.call for spent in window.recent()] == ["second"]
