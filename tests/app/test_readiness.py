"""/readyz: ready while clients can be answered, whatever troubles the upstream or the store."""

import sqlite3

import httpx
import pytest

from proxy.app.build import create_app
from tests.support.world import NOTHING_LEFT, a_world

pytestmark = pytest.mark.anyio


async def ready(app):
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://p") as client:
        answer = await client.get("/readyz")
        return answer.status_code, answer.text


@pytest.fixture
async def world(clock):
    async with a_world(clock) as world:
        yield world


async def test_it_is_ready_between_its_start_and_its_stop(clock):
    app = create_app(NOTHING_LEFT, clock=clock)
    assert await ready(app) == (503, "starting\n")
    async with app.router.lifespan_context(app):
        assert await ready(app) == (200, "ok\n")
    assert await ready(app) == (503, "stopping\n")


async def test_trouble_upstream_is_named_until_the_upstream_answers_again(world):
    fault = {"kind": "status", "status": 503, "call": "balance", "body": {"error": "on\nfire"}}
    await world.steer("faults", fault)
    assert await world.ask("action=getBalance&api_key=planted-key") == "ERROR_SQL"
    status, said = await ready(world.app)
    assert (status, said) == (200, "ok\nupstream: balance: HTTP 503 on fire\n")
    await world.ask("action=getBalance&api_key=planted-key")
    assert await ready(world.app) == (200, "ok\n")


@pytest.mark.parametrize("kind", ["broken", "silence", "truncated", "cdn"])
async def test_every_way_to_fail_is_trouble(world, kind):
    await world.steer("faults", {"kind": kind, "call": "balance"})
    await world.ask("action=getBalance")
    status, said = await ready(world.app)
    assert status == 200
    assert said.startswith("ok\nupstream: ")
    assert said.count("\n") == 2


async def test_a_refusal_and_a_spent_minute_are_no_trouble(world):
    assert await world.ask("action=getBalance&api_key=bad") == "BAD_KEY"
    assert await ready(world.app) == (200, "ok\n")
    await world.steer("faults", {"kind": "status", "status": 429, "call": "balance"})
    assert await world.ask("action=getBalance") == "ERROR_SQL"
    assert await ready(world.app) == (200, "ok\n")


async def test_trouble_in_the_store_is_named_until_it_can_be_written_again(world, monkeypatch):
    store = world.app.state.services.store

    def full(batch):
        raise sqlite3.OperationalError("database or disk is full")

    # A full disk cannot be made.
    monkeypatch.setattr(store, "_committed", full)
    assert await world.ask("action=getNumber&service=wa&country=16") == "ERROR_SQL"
    status, said = await ready(world.app)
    assert (status, said) == (200, "ok\nstore: database or disk is full\n")
    monkeypatch.undo()
    assert "ACCESS" in await world.ask("action=getNumber&service=wa&country=16")
    assert await ready(world.app) == (200, "ok\n")
