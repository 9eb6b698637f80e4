"""Whether the upstream answers: what the log says of an outage, and what the console shows."""

import logging

import httpx
import pytest

from proxy.upstream.health import MAX_SILENT, QUIET_SECONDS, Health
from tests.support.world import NOTHING_LEFT, Wire, a_life, a_world

pytestmark = pytest.mark.anyio


def said(caplog):
    lines = (record for record in caplog.records if record.name == "proxy.upstream.health")
    return [(record.levelname, record.getMessage()) for record in lines]


@pytest.fixture
def time():
    return [1000.0]


@pytest.fixture
def health(time, caplog):
    caplog.set_level(logging.INFO)
    return Health(lambda: time[0])


def fail(health, times=1, is_connected=True):
    for _ in range(times):
        health.failed_call("orders: HTTP 502", is_connected=is_connected)


def test_one_slow_call_is_no_outage(health, caplog):
    fail(health, MAX_SILENT - 1)
    health.answered()
    fail(health, MAX_SILENT - 1)
    assert (said(caplog), health.is_out) == ([], False)


def test_a_connection_that_fails_is_an_outage_at_once(health, caplog):
    fail(health, is_connected=False)
    assert health.is_out
    assert [level for level, _ in said(caplog)] == ["WARNING"]


def test_an_outage_is_one_warning_and_its_end_one_line(health, caplog, time):
    fail(health, 50)
    time[0] += 90
    health.answered()
    health.answered()
    warning = "the upstream does not answer: orders: HTTP 502: run virtualsms-proxy doctor"
    end = "the upstream answers again, after 90 s and 50 failed calls"
    assert said(caplog) == [("WARNING", warning), ("INFO", end)]


def test_an_upstream_that_comes_and_goes_warns_every_five_minutes(health, caplog, time):
    for _ in range(100):
        fail(health, MAX_SILENT)
        time[0] += QUIET_SECONDS / 10
        health.answered()
    assert [level for level, _ in said(caplog)] == ["WARNING", "INFO"] * 10


def test_an_outage_that_was_not_said_is_said_when_it_lasts(health, caplog, time):
    fail(health, MAX_SILENT)
    health.answered()
    fail(health, MAX_SILENT)
    assert len(said(caplog)) == 2
    time[0] += QUIET_SECONDS
    fail(health)
    assert [level for level, _ in said(caplog)] == ["WARNING", "INFO", "WARNING"]


def test_the_console_gets_since_when_and_in_how_many_calls(health, time):
    health.answered()
    time[0] += 10
    fail(health, 2)
    time[0] += 10
    fail(health, 5)
    expected = {
        "answered_at": 1000.0,
        "failing_since": 1010.0,
        "failed": 7,
        "cause": "orders: HTTP 502",
        "is_out": True,
    }
    assert health.row() == expected


async def test_an_upstream_that_cannot_be_reached_is_named_in_the_log(clock, caplog):
    async def dead(scope, receive, send):
        raise httpx.ConnectError("all connection attempts failed")

    caplog.set_level(logging.INFO)
    async with a_life(clock, None, NOTHING_LEFT, transport=Wire(dead)) as world:
        for _ in range(5):
            assert await world.ask("action=getBalance") == "ERROR_SQL"
    ((level, text),) = said(caplog)
    assert (level, "ConnectError" in text, "doctor" in text) == ("WARNING", True, True)


async def test_a_key_that_is_not_sent_again_says_nothing_of_the_upstream(clock):
    async with a_world(clock) as world:
        health = world.app.state.services.upstream.health
        assert await world.ask("action=getBalance&api_key=bad") == "BAD_KEY"
        answered_at = health.answered_at
        await world.steer("faults", {"kind": "cdn", "call": "balance"})
        await world.ask("action=getBalance")
        assert (health.failed, health.answered_at) == (1, answered_at)
        assert await world.ask("action=getBalance&api_key=bad") == "BAD_KEY"
        assert (health.failed, health.answered_at) == (1, answered_at)
