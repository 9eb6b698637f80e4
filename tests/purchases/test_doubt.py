"""Numbers in doubt: a process was killed when the client may have had its number."""

import asyncio
import shutil
from functools import partial
from types import SimpleNamespace

import pytest

from proxy.config.settings import ForwardConfig
from proxy.model import ClientKey
from proxy.store import OperationKind, open_read_only
from tests.support.world import BUY, PATH, a_proxy, id_of

pytestmark = pytest.mark.anyio

REUSE = 300
"""Seconds for which `orphan.reuse_seconds` keeps a number."""
MINE = f"{BUY}&orderId=mine"

# Requests of its key that name it.
NAMED_BY = {
    "getStatus": "action=getStatus&id={id}",
    "its order id": "action=getStatus&id={order}",
    "getStatusV2": "action=getStatusV2&id={id}",
    "getFullSms": "action=getFullSms&id={id}",
    "getAllSms": "action=getAllSms&id={id}",
    "setStatus": "action=setStatus&status=1&id={id}",
    "finishActivation": "action=finishActivation&id={id}",
    "getActiveActivations": "action=getActiveActivations",
    "getHistory": "action=getHistory",
    "its orderId": MINE,
    "its orderId in getNumberV2": MINE.replace("getNumber", "getNumberV2"),
}


@pytest.fixture
def doubt(run, clock, sandbox, tmp_path):
    """Runs a proxy on what a kill leaves between an answer and its delivery's write."""
    ids = []

    async def killed(query):
        async with run() as world:
            ids.append(id_of(await world.ask(query)))
            (tmp_path / "killed").mkdir()
            for file in tmp_path.glob("store.db*"):
                shutil.copy(file, tmp_path / "killed")

    return Doubt(
        killed=killed,
        run=partial(run, tmp_path / "killed" / "store.db"),
        forwarding=partial(a_proxy, clock, sandbox, store=f"sqlite:///{tmp_path}/killed/store.db"),
        url=f"sqlite:///{tmp_path}/killed/store.db",
        ids=ids,
    )


class Doubt(SimpleNamespace):
    """`killed` is the first life; `run` and `forwarding` are later ones."""

    @property
    def id(self):
        return self.ids[0]


async def owed(world):
    return [row.kind for row in await world.app.state.services.store.owed()]


async def is_delivered(world, id):
    row = await world.app.state.services.store.order(ClientKey.of("key").hash, id=int(id))
    return row.delivered


async def refunds(world):
    return [row["refunded"] for row in (await world.steer("orders"))["orders"]]


async def purchases(world):
    """The states of pending purchases and the outcomes of all, that are not zero."""
    lines = (await world.client.get("/metrics")).text.splitlines()
    found = [line for line in lines if "purchases" in line and not line.startswith("#")]
    return {line.split('"')[1] for line in found if not line.endswith(" 0.0")}


async def test_a_delivery_is_written_after_the_answer_and_within_a_second(run):
    async with run() as world:
        await world.ask(BUY)
        assert await owed(world) == [OperationKind.ANSWERING]
        await asyncio.sleep(1)
        assert await owed(world) == []


async def test_a_delivery_is_written_before_a_stop_ends(run):
    async with run() as world:
        id = id_of(await world.ask(BUY))
    async with run() as world:
        assert await owed(world) == []
        assert await is_delivered(world, id)


@pytest.mark.parametrize("way", NAMED_BY)
async def test_who_names_it_has_it_and_that_is_written_before_the_answer(doubt, way):
    await doubt.killed(MINE)
    async with doubt.run() as world:
        await asyncio.sleep(1)
        assert await owed(world) == [OperationKind.DOUBT]
        assert await purchases(world) == {"in_doubt"}
        query = NAMED_BY[way].format(id=doubt.id, order=await world.newest_order())
        await world.answer(query)
        assert await is_delivered(world, doubt.id)
        assert await owed(world) == []
        assert await purchases(world) >= {"named"}
        await asyncio.sleep(REUSE + 60)
        assert await refunds(world) == [False]
        assert await world.requests("purchase") == 1
        assert await world.requests("cancel") == 0


@pytest.mark.parametrize("query", [MINE, MINE.replace("getNumber", "getNumberV2")])
async def test_its_order_id_gets_this_same_number_again_and_once(doubt, query):
    await doubt.killed(MINE)
    async with doubt.run() as world:
        assert doubt.id in await world.ask(query)
        assert await world.ask(query) == "ORDER_ALREADY_EXISTS"
        assert await world.requests("purchase") == 1


async def test_its_order_id_for_another_service_neither_gets_nor_names_it(doubt):
    await doubt.killed(MINE)
    async with doubt.run() as world:
        assert await world.ask(MINE.replace("wa", "tg")) == "ORDER_ALREADY_EXISTS"
        assert not await is_delivered(world, doubt.id)
        assert await world.requests("purchase") == 1


@pytest.mark.parametrize("other", ["action=getBalance", "action=getStatus&id=12345", "", "v2"])
async def test_what_does_not_name_it_changes_nothing(doubt, other):
    await doubt.killed(BUY)
    async with doubt.run() as world:
        await world.ask(other or BUY.replace("wa", "tg"))
        await world.answer("api_key=another&action=getActiveActivations")
        await world.answer(f"api_key=another&action=getStatus&id={doubt.id}")
        await asyncio.sleep(1)
        assert await owed(world) == [OperationKind.DOUBT]


async def test_no_other_request_gets_it(doubt):
    await doubt.killed(BUY)
    async with doubt.run() as world:
        assert id_of(await world.ask(BUY)) != doubt.id
        assert await world.requests("purchase") == 2


async def test_what_nobody_names_is_given_back_in_time_counted_from_the_start(doubt):
    await doubt.killed(BUY)
    await asyncio.sleep(REUSE + 100)
    async with doubt.run() as world:
        await asyncio.sleep(REUSE - 10)
        assert await refunds(world) == [False]
        await asyncio.sleep(20)
        assert await refunds(world) == [True]
        assert await owed(world) == []
        assert await world.ask(f"action=getStatus&id={doubt.id}") == "STATUS_CANCEL"
        assert not await is_delivered(world, doubt.id)


async def test_each_start_begins_the_time_anew_and_it_is_found_once(doubt, caplog):
    await doubt.killed(BUY)
    for _ in range(3):
        async with doubt.run() as world:
            await asyncio.sleep(REUSE - 10)
            assert await refunds(world) == [False]
    assert len([line for line in caplog.messages if "it is in doubt" in line]) == 1


async def test_while_it_is_given_back_who_names_it_reads_nothing_final(doubt):
    await doubt.killed(BUY)
    async with doubt.run() as world:
        slow = {"call": "cancel", "kind": "slow", "when": "after", "seconds": 5}
        await world.steer("faults", slow)
        await asyncio.sleep(REUSE + 2)
        assert await owed(world) == [OperationKind.CANCEL]
        assert await world.ask(f"action=getStatus&id={doubt.id}") == "ERROR_SQL"
        rows = (await world.answer("action=getActiveActivations")).json()
        assert doubt.id not in str(rows)
        await asyncio.sleep(10)
        assert await world.ask(f"action=getStatus&id={doubt.id}") == "STATUS_CANCEL"
        assert not await is_delivered(world, doubt.id)


@pytest.mark.parametrize("is_read", [True, False], ids=["and was seen", "and nobody saw it"])
async def test_an_sms_that_came_first_keeps_the_charge_and_the_ledger_says_so(doubt, is_read):
    await doubt.killed(BUY)
    async with doubt.run() as world:
        await world.sms("Your code is 1111")
        if is_read:
            order = await world.newest_order()
            await world.app.state.services.reads.read_anew(ClientKey.of("key"), order)
        await asyncio.sleep(REUSE + 30)
        assert await refunds(world) == [False]
        assert await owed(world) == []
        assert await purchases(world) >= {"charged_in_doubt"}
        assert await world.requests("cancel") == (0 if is_read else 1)
    with open_read_only(doubt.url) as seen:
        assert seen.in_doubt() == {await world.newest_order()}
    async with doubt.run() as world:
        assert await world.ask(f"action=getStatus&id={doubt.id}") == "STATUS_OK:1111"
        assert await is_delivered(world, doubt.id)
    with open_read_only(doubt.url) as seen:
        assert seen.in_doubt() == set()


async def test_a_forward_that_shows_it_delivers_it(doubt):
    await doubt.killed(BUY)
    target = "http://target.example/sms"
    async with doubt.forwarding(forward=(ForwardConfig(url=target),)) as world:
        await world.sms("Your code is 1111")
        await asyncio.sleep(60)
        assert [str(row["activationId"]) for row in world.targets.to(target)] == [doubt.id]
        assert await is_delivered(world, doubt.id)
        assert await owed(world) == []


async def test_a_list_leaves_out_an_unclaimed_number(run):
    async with run() as world:
        await world.steer("faults", {"call": "purchase", "kind": "slow", "seconds": 14})
        assert await world.ask(BUY) == "ERROR_SQL"
        await asyncio.sleep(5)
        assert await owed(world) == [OperationKind.ORPHAN]
        for action in ("getActiveActivations", "getHistory"):
            assert "447" not in (await world.answer(f"action={action}")).text
        id_of(await world.ask(BUY))
        assert await world.requests("purchase") == 1
        assert "447" in (await world.answer("action=getActiveActivations")).text


async def answered(world, at_body):
    """A getNumber whose connection calls `at_body` when the body is sent."""
    gone = asyncio.Event()

    async def receive():
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message):
        if message["type"] == "http.response.body":
            await at_body(gone)

    scope = {"type": "http", "method": "GET", "path": PATH, "headers": [], "root_path": "",
             "query_string": f"api_key=key&{BUY}".encode(), "client": ("127.0.0.1", 1)}  # fmt: skip
    await world.app(scope, receive, send)


async def test_who_disconnects_before_the_answer_is_handed_over_leaves_an_unclaimed_number(run):
    async def hang_up(gone):
        gone.set()
        await asyncio.sleep(0.1)

    async with run() as world:
        await answered(world, hang_up)
        await asyncio.sleep(1)
        assert await owed(world) == [OperationKind.ORPHAN]
        id_of(await world.ask(BUY))
        assert await world.requests("purchase") == 1


async def test_a_disconnect_after_the_answer_was_handed_over_changes_nothing(run):
    async def hang_up(gone):
        gone.set()

    async with run() as world:
        await answered(world, hang_up)
        await asyncio.sleep(1)
        assert await owed(world) == []


@pytest.mark.parametrize("error", [OSError, asyncio.CancelledError])
async def test_an_answer_that_fails_on_its_way_leaves_a_number_in_doubt(run, error):
    async def fail(gone):
        raise error("in the middle")

    async with run() as world:
        with pytest.raises(error):
            await answered(world, fail)
        await asyncio.sleep(1)
        assert await owed(world) == [OperationKind.DOUBT]
        id_of(await world.ask(BUY))
        assert await world.requests("purchase") == 2
        await asyncio.sleep(REUSE + 10)
        assert await refunds(world) == [True, False]
