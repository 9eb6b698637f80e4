"""The console after a start: what the store knows, before any program asks."""

import asyncio
import sqlite3
import time
from contextlib import asynccontextmanager, closing

import pytest

from proxy.config.settings import Config, ConsoleConfig, ProgramConfig, StoreConfig
from proxy.model import ClientKey, Order
from proxy.model.errors import StoreError
from proxy.sandbox import create_sandbox
from proxy.store import ActivationRow, Entry, open_store
from tests.support.console import API, OWN, TOKEN, a_browser, activations, summary
from tests.support.pace import is_quick
from tests.support.sockets import sockets_to
from tests.support.stored import SEALED_WITH
from tests.support.world import BUY, SERVICES, a_life, id_of

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["sqlite", "postgres"])
def url(request, tmp_path):
    """Of an empty store."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.db'}"
    return request.getfixturevalue("database")


@pytest.fixture
async def sandbox(clock):
    sandbox = create_sandbox(clock=clock, sms_after=1e9, services=SERVICES)
    async with sandbox.router.lifespan_context(sandbox):
        yield sandbox


@asynccontextmanager
async def a_run(clock, sandbox, url, **more):
    """One life of the proxy on the store, and its console."""
    store = StoreConfig(url=url, secret=SEALED_WITH if url.startswith("postgres") else None)
    config = Config(store=store, console=ConsoleConfig(enabled=True, token=TOKEN), **more)
    async with (
        a_life(clock, sandbox, config, connect=sockets_to(sandbox)) as world,
        a_browser(world.app) as console,
    ):
        console.headers.update(OWN | {"Authorization": f"Bearer {TOKEN}"})
        yield world, console


async def rows_of(world, console, count):
    """The rows, once the store is read."""
    last_hour = world.app.state.services.last_hour
    await last_hour.read()
    rows = await activations(console)
    assert len(rows) == count
    return rows


async def story_of(console, row):
    story = (await console.get(f"{API}/activations/{row['row']}")).json()["story"]
    return [(event["what"], event["text"]) for event in story]


async def test_numbers_stories_and_counters_are_there_before_any_program_asks(clock, sandbox, url):
    async with a_run(clock, sandbox, url) as (world, console):
        coded, cancelled, waiting = [id_of(await world.ask(BUY)) for _ in range(3)]
        await world.steer("sms", {"order_id": await world.newest_order(), "text": "Code 4711"})
        await asyncio.sleep(125)
        await world.ask(f"action=getStatus&id={waiting}")
        await world.ask(f"action=setStatus&status=8&id={cancelled}")
        await world.ask(f"action=setStatus&status=6&id={coded}")
        before = {row["id"]: row for row in await rows_of(world, console, 3)}
        money = (await summary(console))["money"]
        metric = (await world.client.get("/metrics")).text
    sent = (await world.steer("requests"))["count"]
    async with a_run(clock, sandbox, url) as (world, console):
        rows = {row["id"]: row for row in await rows_of(world, console, 3)}
        assert {id: row["state"] for id, row in rows.items()} == {
            int(coded): "finished", int(cancelled): "cancelled", int(waiting): "received",
        }  # fmt: skip
        for same in ("row", "phone", "program", "state", "cents", "sms", "bought_at"):
            assert [row[same] for row in rows.values()] == [before[id][same] for id in rows]
        assert {row["has_key"] for row in rows.values()} == {False}
        assert await story_of(console, rows[int(cancelled)]) == [
            ("bought", "Bought for 0.90 USD"),
            ("cancelled", "The upstream cancelled it"),
            ("refunded", "0.90 USD came back"),
        ]
        assert [what for what, _ in await story_of(console, rows[int(waiting)])] == [
            "bought", "sms",
        ]  # fmt: skip
        name = rows[int(waiting)]["row"]
        (sms,) = (await console.get(f"{API}/activations/{name}/messages")).json()["messages"]
        assert sms["code"] == "4711"
        again = (await summary(console))["money"]
        assert (again["charged"], again["refunded"]) == (money["charged"], money["refunded"])
        states = "virtualsms_proxy_activations"
        lines = [line for line in metric.splitlines() if line.startswith(states)]
        assert set(lines) <= set((await world.client.get("/metrics")).text.splitlines())
        assert (await world.steer("requests"))["count"] == sent, "the upstream was not asked"


async def test_a_program_that_asks_has_its_numbers_once(clock, sandbox, url):
    async with a_run(clock, sandbox, url) as (world, console):
        id = id_of(await world.ask(BUY))
        (before,) = await rows_of(world, console, 1)
        assert before["has_key"]
    async with a_run(clock, sandbox, url) as (world, console):
        (unknown,) = await rows_of(world, console, 1)
        events = world.app.state.console.streams
        seen = {}
        assert [len(part) for part in await events._changes(seen)] == [1, 0]
        await world.ask(f"action=getStatus&id={id}")
        ((changed,), gone) = await events._changes(seen)
        assert (changed["row"], changed["has_key"], gone) == (unknown["row"], True, [])
        await rows_of(world, console, 1)
        whats = [what for what, _ in await story_of(console, changed)]
        assert whats == ["bought", "asked"]


async def test_another_replicas_numbers_are_shown_too(clock, sandbox, database):
    async with (
        a_run(clock, sandbox, database) as (world, _),
        a_run(clock, sandbox, database) as (_, console),
    ):
        await world.ask(BUY)
        await asyncio.sleep(61)
        assert [row["has_key"] for row in await activations(console)] == [False]


async def test_a_store_that_cannot_be_read_is_said_in_its_place(clock, sandbox, tmp_path):
    path = tmp_path / "store.db"
    async with a_run(clock, sandbox, f"sqlite:///{path}") as (world, _):
        await world.ask(BUY)
    run_sql(path, "alter table ledger rename to gone")
    async with a_run(clock, sandbox, f"sqlite:///{path}") as (world, console):
        await asyncio.sleep(1)
        told = await summary(console)
        assert told["store"]["reads"] == "no such table: ledger"
        assert (told["money"]["charged"], told["money"]["trouble"]) == (
            None, "no such table: ledger",
        )  # fmt: skip
        with pytest.raises(StoreError):
            await world.app.state.services.last_hour.read()
        run_sql(path, "alter table gone rename to ledger")
        await asyncio.sleep(6)
        told = await summary(console)
        assert told["store"]["reads"] == ""
        assert told["money"]["charged"] == 90
        assert len(await activations(console)) == 1


def run_sql(path, sql):
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute(sql)


@pytest.mark.slow
async def test_thousands_of_numbers_are_read_without_holding_up_the_loop(clock, sandbox, tmp_path):
    url, now = f"sqlite:///{tmp_path / 'store.db'}", clock()
    store = open_store(url)
    hashes = [ClientKey.of(f"key-{n}").hash for n in range(20)]
    for begin in range(0, 5000, 500):
        orders = [
            Order(f"o-{n}", f"4477{n:08d}", "wa", "GB", cents=90, created_at=now - n / 2,
                  expires_at=now + 900)
            for n in range(begin, begin + 500)
        ]  # fmt: skip
        await store.keep(
            *(ActivationRow(hashes[n % 20], n + 1, order, "wa", delivered=True)
              for n, order in enumerate(orders, begin))
        )  # fmt: skip
        await store.book(*(Entry(now, "hash", order.id, "charge", -90) for order in orders))
    await store.close()
    async with a_run(clock, sandbox, url) as (world, console):
        # CPU time of the loop's thread, of which a quarter is enough; its store has others.
        begun = time.thread_time()
        await world.app.state.services.last_hour.read()
        is_quick(time.thread_time() - begun, 0.6)
        rows = await rows_of(world, console, 4000)
        assert [row["id"] for row in rows if row["id"] > 4000] == [], "the newest are shown"


async def test_with_the_key_of_the_configuration_a_number_can_be_acted_on_at_once(
    clock, sandbox, tmp_path
):
    url, ci = f"sqlite:///{tmp_path / 'store.db'}", {"ci-key": a_program("ci")}
    async with a_run(clock, sandbox, url, keys=ci) as (world, console):
        await world.ask(f"{BUY}&api_key=ci-key")
        await asyncio.sleep(130)
    async with a_run(clock, sandbox, url, keys=ci) as (world, console):
        (row,) = await rows_of(world, console, 1)
        assert row["acts"] == {"finish": None, "cancel": None, "swap": None}
        answer = await console.post(f"{API}/activations/{row['row']}/cancel")
        assert answer.json()["word"] == "ACCESS_CANCEL"
        (row,) = await rows_of(world, console, 1)
        assert row["state"] == "cancelled"
    async with a_run(clock, sandbox, url, keys={"other": a_program("other")}) as (world, console):
        (row,) = await rows_of(world, console, 1)
        assert set(row["acts"].values()) == {"no program has its key any more"}
        answer = await console.post(f"{API}/activations/{row['row']}/cancel")
        assert answer.status_code == 409


def a_program(name):
    return ProgramConfig(name=name, upstream_key="upstream-key")


# What is older than the last hour.


async def span(console, **times):
    answer = await console.get(f"{API}/activations", params=times)
    return answer.json()["activations"], answer.json()["is_whole"]


async def test_a_span_of_time_is_read_from_the_store(clock, sandbox, url):
    async with a_run(clock, sandbox, url) as (world, console):
        begun = clock()
        ids = []
        for _ in range(3):
            ids.append(int(id_of(await world.ask(BUY))))
            await asyncio.sleep(2 * 3600)
        assert await activations(console) == []
        rows, is_whole = await span(console, since=begun)
        assert ([row["id"] for row in rows], is_whole) == (ids[::-1], True)
        assert {row["state"] for row in rows} == {"expired"}
        middle = {"since": begun + 3600, "until": begun + 3 * 3600}
        assert [row["id"] for row in (await span(console, **middle))[0]] == ids[1:2]
        last = id_of(await world.ask(BUY))
        await world.sms("Your code is 4711")
        await asyncio.sleep(4)
        await world.ask(f"action=getStatus&id={last}")
        assert [row["code"] for row in (await span(console, since=begun))[0]][:1] == ["4711"]
        assert (await span(console, until=begun)) == ([], True)
    await asyncio.sleep(24 * 3600)
    async with a_run(clock, sandbox, url) as (world, console):
        rows, _ = await span(console, since=begun)
        assert [row["id"] for row in rows] == [int(last), *ids[::-1]]
        assert [row["code"] for row in rows] == ["4711", None, None, None]
        assert {row["has_key"] for row in rows} == {False}
        why = "the proxy has started since, and has the key only when the program asks again"
        assert {text for row in rows for text in row["acts"].values()} == {why}


async def test_a_link_to_an_old_number_shows_its_story_and_messages(clock, sandbox, url):
    async with a_run(clock, sandbox, url) as (world, console):
        id = id_of(await world.ask(BUY))
        await world.sms("Your code is 4711")
        await asyncio.sleep(4)
        await world.ask(f"action=getStatus&id={id}")
        (row,) = await activations(console)
        await asyncio.sleep(3 * 3600)
        answer = await console.post(f"{API}/activations/{row['row']}/finish")
        assert answer.json()["word"] == "ACCESS_ACTIVATION"
    async with a_run(clock, sandbox, url) as (world, console):
        assert await activations(console) == []
        told = (await console.get(f"{API}/activations/{row['row']}")).json()
        assert (told["activation"]["id"], told["activation"]["state"]) == (int(id), "finished")
        assert [event["what"] for event in told["story"]] == ["bought", "sms"]
        address = f"{API}/activations/{row['row']}/messages"
        (sms,) = (await console.get(address)).json()["messages"]
        assert sms["code"] == "4711"
        for wrong in ("ffffffff-1", f"{row['row'][:8]}-9999999999", f"{row['row']}0", "x", "%00"):
            assert (await console.get(f"{API}/activations/{wrong}")).status_code == 404


@pytest.mark.parametrize("since", ["", "x", "nan", "inf", "1e999", "-inf"])
async def test_a_time_that_is_none_is_refused(clock, sandbox, since):
    async with a_run(clock, sandbox, "sqlite://") as (_, console):
        answer = await console.get(f"{API}/activations", params={"since": since})
        assert answer.status_code == 400


async def test_of_many_numbers_the_newest_4000_are_shown_and_it_says_so(clock, sandbox, url):
    made = clock() - 7200
    orders = [
        Order(f"o-{n}", "wa", "GB", f"44{n:010}", created_at=made + n / 10, expires_at=made + 1200)
        for n in range(4001)
    ]
    store = open_store(url, SEALED_WITH if url.startswith("postgres") else None)
    await store.keep(*(ActivationRow(ClientKey.of("key").hash, n + 1, order, "wa", delivered=True)
                       for n, order in enumerate(orders)))  # fmt: skip
    await store.close()
    async with a_run(clock, sandbox, url) as (_, console):
        rows, is_whole = await span(console, since=made - 1)
        assert (len(rows), rows[0]["id"], rows[-1]["id"], is_whole) == (4000, 4001, 2, False)
        rows, is_whole = await span(console, since=made + 1)
        assert (len(rows), is_whole) == (3991, True)


async def test_a_span_that_cannot_be_read_is_no_empty_one(clock, sandbox, monkeypatch):
    async with a_run(clock, sandbox, "sqlite://") as (world, console):

        async def fails(*_):
            raise StoreError("disk I/O error")

        monkeypatch.setattr(world.app.state.services.store, "newest_orders", fails)
        answer = await console.get(f"{API}/activations", params={"since": 0})
        assert answer.status_code == 503
        assert answer.json() == {"error": "the store cannot be read: disk I/O error"}
