"""What sockets make quick: a code at once; and what they never make true, whatever they say."""

import asyncio
import time
from itertools import pairwise

import httpx
import pytest

from proxy.orders.freshness import FASTEST, POLL, PUSHED
from tests.support.polling import (
    CODE,
    GOT,
    a_moment,
    at_once,
    bought,
    fail,
    listened,
    polled,
    reads,
    seconds_until,
    sockets,
    status,
    statuses,
    text,
    times,
)
from tests.support.process import PATIENCE, a_process
from tests.support.world import BUY, PATH

pytestmark = pytest.mark.anyio


async def say(world, frame):
    assert (await world.steer("sockets", {"do": "say", "frame": frame}))["said"] == 1
    await a_moment()


def sms(text):
    return {"type": "sms", "code": "0", "full_text": text}


@pytest.mark.parametrize("frame", ["sms", "sms_received"])
async def test_a_code_is_there_at_once_and_its_order_is_not_read(world, frame):
    await world.steer("switches", {"ws_frame": frame})
    id = await listened(world)
    before = await reads(world)
    await text(world, id, CODE)
    await a_moment()
    assert await at_once(world, f"action=getStatus&id={id}") == GOT
    assert await reads(world) == before
    await polled(world, id, 60, GOT)
    assert (await reads(world))[1] <= 1, "to see that the order itself has it, if at all"


async def test_a_frame_without_a_text_has_the_order_read_at_the_next_poll(world):
    await world.steer("switches", {"ws_frame": "order_status"})
    id = await listened(world)
    await asyncio.sleep(FASTEST)
    await text(world, id, CODE)
    await a_moment()
    assert await at_once(world, f"action=getStatus&id={id}") == GOT
    assert (await reads(world))[1] == 1


async def test_a_code_is_there_at_once_while_the_upstream_is_down(world):
    id = await listened(world)
    await fail(world, kind="broken")
    await text(world, id, CODE)
    await a_moment()
    assert await at_once(world, f"action=getStatus&id={id}") == GOT


async def test_a_code_is_there_at_once_while_the_budget_is_spent(world):
    id = await listened(world)
    for _ in range(52):
        await bought(world)
    await text(world, id, CODE)
    await a_moment()
    assert await at_once(world, f"action=getStatus&id={id}") == GOT


async def test_an_sms_that_comes_just_after_its_socket_broke_is_found_by_the_list(world):
    id = await listened(world)
    await polled(world, id, 30)
    await world.steer("sockets", {"do": "drop"})
    await text(world, id, CODE)
    assert await seconds_until(world, id, GOT, 0.25) <= FASTEST + 1.5
    assert (await reads(world))[1] == 1


async def test_a_socket_that_has_been_mute_for_minutes_does_not_hide_a_code(world):
    id = await listened(world)
    await world.steer("sockets", {"do": "mute"})
    await polled(world, id, 300)
    await text(world, id, CODE)
    assert await seconds_until(world, id, GOT) <= PUSHED + 1


async def test_a_socket_that_has_always_been_mute_does_not_hide_a_code(world):
    await world.steer("switches", {"ws": "silent"})
    id = await bought(world)
    await polled(world, id, 60)
    await text(world, id, CODE)
    assert await seconds_until(world, id, GOT) <= PUSHED + 1


async def test_an_sms_between_the_purchase_and_its_socket_is_not_taken_for_told(world):
    await world.steer("switches", {"ws": "refused"})
    id = await bought(world)
    await a_moment()
    await text(world, id, CODE)
    await world.steer("switches", {"ws": "talks"})
    assert await seconds_until(world, id, GOT, 0.1) <= FASTEST + 0.2
    assert await sockets(world) <= 1


async def test_frames_that_come_twice_are_one_message(world):
    id = await listened(world)
    for _ in range(3):
        await world.steer("sockets", {"do": "say", "frame": sms("Welcome!")})
    await a_moment()
    assert await status(world, id) == "STATUS_OK:Welcome!"
    await text(world, id, "Welcome!")
    await polled(world, id, 30, "STATUS_OK:Welcome!")
    listed = await world.answer(f"action=getAllSms&id={id}")
    assert [row["text"] for row in listed.json()["data"]] == ["Welcome!"]


async def test_of_two_codes_at_once_the_second_comes_after_set_status_3(world):
    id = await listened(world)
    await text(world, id, CODE)
    await text(world, id, "Your code is 2222")
    await a_moment()
    assert await at_once(world, f"action=getStatus&id={id}") in (GOT, "STATUS_OK:2222")
    assert await world.ask(f"action=setStatus&status=3&id={id}") == "ACCESS_RETRY_GET"
    assert await seconds_until(world, id, "STATUS_OK:2222") <= POLL + 1
    await polled(world, id, 20, "STATUS_OK:2222")


async def test_a_code_that_overtook_an_earlier_sms_is_not_given_as_a_further_one(world):
    id = await listened(world)
    await world.steer("sockets", {"do": "mute"})
    await text(world, id, CODE)
    await world.steer("sockets", {"do": "unmute"})
    await text(world, id, "Your code is 2222")
    await a_moment()
    assert await at_once(world, f"action=getStatus&id={id}") == "STATUS_OK:2222"
    assert await world.ask(f"action=setStatus&status=3&id={id}") == "ACCESS_RETRY_GET"
    await polled(world, id, 30, "STATUS_WAIT_RETRY:2222")
    await text(world, id, "Your code is 3333")
    assert await seconds_until(world, id, "STATUS_OK:3333") <= POLL + 1


async def test_an_old_code_said_again_is_not_given_as_a_further_one(world):
    id = await listened(world)
    await text(world, id, CODE)
    await a_moment()
    assert await status(world, id) == GOT
    assert await world.ask(f"action=setStatus&status=3&id={id}") == "ACCESS_RETRY_GET"
    for _ in range(10):
        await polled(world, id, 3, "STATUS_WAIT_RETRY:1111")
        await say(world, sms(CODE))
    await text(world, id, "Your code is 2222")
    await a_moment()
    assert await seconds_until(world, id, "STATUS_OK:2222") <= POLL + 1


async def test_a_code_that_no_sms_had_gives_way_to_the_real_one(world):
    id = await listened(world)
    await say(world, sms("Your code is 6666"))
    assert await at_once(world, f"action=getStatus&id={id}") == "STATUS_OK:6666"
    await polled(world, id, 5, "STATUS_OK:6666")
    await text(world, id, CODE)
    assert await seconds_until(world, id, GOT, most=30) <= PUSHED + 1


async def test_a_client_that_asks_on_after_a_code_that_no_sms_had_gets_the_real_one(world):
    id = await listened(world)
    await say(world, sms("Your code is 6666"))
    assert await status(world, id) == "STATUS_OK:6666"
    assert await world.ask(f"action=setStatus&status=3&id={id}") == "ACCESS_RETRY_GET"
    await polled(world, id, 10, "STATUS_WAIT_RETRY:6666")
    await text(world, id, CODE)
    assert await seconds_until(world, id, GOT, most=30) <= PUSHED + 1


@pytest.mark.parametrize(
    "frame",
    [
        {"type": "expired"},
        {"type": "cancelled"},
        {"type": "order_status", "status": "cancelled"},
        {"type": "order_status", "status": "completed"},
        {"type": "news", "full_text": "Your code is 6666"},
        {"type": ["sms"], "full_text": "Your code is 6666"},
        {"type": "sms", "code": "6666"},
        {"type": "sms", "full_text": 6666},
        {"type": "sms", "full_text": ""},
        {"full_text": "Your code is 6666"},
        {},
        [],
        None,
        5,
        "",
        "sms 6666",
        '{"type": "sms", "full_text": "Your code is 66',
        pytest.param("[" * 60_000, id="deep"),
        pytest.param({"type": "news", "text": "6" * 100_000}, id="long"),
    ],
)
async def test_a_frame_that_lies_or_makes_no_sense_changes_nothing(world, frame):
    id = await listened(world)
    await say(world, frame)
    await polled(world, id, 15)
    assert await sockets(world) == 1
    await text(world, id, CODE)
    await a_moment()
    assert await at_once(world, f"action=getStatus&id={id}") == GOT


async def test_a_code_that_the_order_does_not_show_yet_stays_also_after_a_restart(run):
    async with run() as world:
        id = await listened(world)
        await say(world, sms(CODE))
        assert await at_once(world, f"action=getStatus&id={id}") == GOT
    async with run() as world:
        await polled(world, id, 30, GOT)
        before = await reads(world)
        await world.answer(f"action=getAllSms&id={id}")
        assert (await reads(world))[1] == before[1] + 1, "the order itself was read and has no SMS"
        await polled(world, id, 5, GOT)
    async with run() as world:
        assert await at_once(world, f"action=getStatus&id={id}") == GOT
        assert await world.ask(f"action=setStatus&status=3&id={id}") == "ACCESS_RETRY_GET"
        await text(world, id, CODE)
        await polled(world, id, 30, "STATUS_WAIT_RETRY:1111")


@pytest.mark.parametrize(
    "end",
    [
        "action=setStatus&status=8&id={id}",
        "action=setStatus&status=6&id={id}",
        "sandbox expire",
        "sandbox cancel",
        "an SMS",
        "time",
    ],
)
async def test_a_socket_is_closed_when_nothing_more_can_come(world, end):
    await world.steer("switches", {"hold": 0})
    id = await listened(world)
    assert await sockets(world) == 1
    if end == "an SMS":
        await text(world, id, CODE)
    elif end == "time":
        await asyncio.sleep(1200)
    elif end.startswith("sandbox"):
        await world.steer(end.split()[1], {"order_id": await world.newest_order()})
        await seconds_until(world, id, "STATUS_CANCEL")
    else:
        assert "ACCESS" in await world.ask(end.format(id=id))
    await asyncio.sleep(6)
    assert await sockets(world) == 0
    await status(world, id)
    await a_moment()
    assert await sockets(world) == 0, "nor is it opened again"


async def test_a_socket_is_opened_again_for_a_further_code(world):
    id = await listened(world)
    await text(world, id, CODE)
    await asyncio.sleep(6)
    assert await sockets(world) == 0
    assert await world.ask(f"action=setStatus&status=3&id={id}") == "ACCESS_RETRY_GET"
    await polled(world, id, 15, "STATUS_WAIT_RETRY:1111")
    assert await sockets(world) == 1
    await text(world, id, "Your code is 2222")
    await a_moment()
    assert await seconds_until(world, id, "STATUS_OK:2222") <= POLL + 1


async def test_orders_with_a_healthy_socket_are_read_every_ten_seconds(world):
    ids = [await listened(world) for _ in range(2)]
    begun = len(await times(world, "orders"))
    for _ in range(60):
        await statuses(world, ids)
        await asyncio.sleep(1)
    lists = await times(world, "orders")
    assert {later - earlier for earlier, later in pairwise(lists[begun:])} == {PUSHED}
    await world.steer("sockets", {"do": "say", "frame": {"type": "news"},
                                  "order_id": await world.newest_order()})  # fmt: skip
    await a_moment()
    await statuses(world, ids)
    assert len(await times(world, "orders")) == len(lists) + 1, "a hint"
    for _ in range(9):
        await statuses(world, ids)
        await asyncio.sleep(1)
    assert len(await times(world, "orders")) == len(lists) + 1, "the hint was followed"


async def test_a_wait_for_a_further_code_with_a_healthy_socket_is_read_every_ten_seconds(world):
    id = await listened(world)
    await text(world, id, CODE)
    await a_moment()
    assert await status(world, id) == GOT
    assert await world.ask(f"action=setStatus&status=3&id={id}") == "ACCESS_RETRY_GET"
    await polled(world, id, 10, "STATUS_WAIT_RETRY:1111")
    since = len(await times(world, "order"))
    await polled(world, id, 60, "STATUS_WAIT_RETRY:1111")
    details = (await times(world, "order"))[since:]
    gaps = [later - earlier for earlier, later in pairwise(details)]
    assert len(gaps) >= 4
    assert all(PUSHED <= gap <= PUSHED + 1.01 for gap in gaps)


async def test_an_order_that_was_swapped_is_told_of_on_its_socket(world):
    await world.steer("switches", {"hold": 0, "swap_id": "new"})
    id = await listened(world)
    assert "ACCESS" in await world.ask(f"action=swapNumber&id={id}")
    await world.sms(CODE)
    await a_moment()
    assert await status(world, id) == GOT


KEY = "planted-key-5f1c"


def test_over_a_real_network_a_code_comes_by_socket_and_no_key_is_logged(tmp_path):
    logs = [tmp_path / "up", tmp_path / "proxy"]
    only = "sandbox", "--upstream-only", "--port", "0", "--sms-after", "1000"
    with a_process(*only, log=logs[0], PROXY_LOG_LEVEL="debug") as up:
        environ = {"PROXY_UPSTREAM_URL": f"{up}/api/v1", "PROXY_LOG_LEVEL": "debug"}
        with (
            a_process("--port", "0", log=logs[1], **environ) as proxy,
            httpx.Client(trust_env=False, timeout=PATIENCE) as http,
        ):

            def ask(query):
                return http.get(f"{proxy}{PATH}?api_key={KEY}&{query}").text

            def wait(call, what):
                end = time.monotonic() + PATIENCE
                while not what(http.get(f"{up}/sandbox/{call}").json()):
                    assert time.monotonic() < end
                    time.sleep(0.05)

            id = ask(BUY).split(":")[1]
            wait("sockets", lambda said: said["count"] == 1)
            too_long = {"do": "say", "frame": {"type": "sms", "full_text": "6" * 100_000}}
            http.post(f"{up}/sandbox/sockets", json=too_long)
            wait("requests?call=socket", lambda said: said["count"] == 2)
            wait("sockets", lambda said: said["count"] == 1)
            order = http.get(f"{up}/sandbox/orders").json()["orders"][0]["order_id"]
            # No list brings it.
            slow = {"kind": "slow", "call": "orders", "seconds": 600, "times": None}
            http.post(f"{up}/sandbox/faults", json=slow)
            http.post(f"{up}/sandbox/sms", json={"order_id": order, "text": CODE})
            end = time.monotonic() + PATIENCE
            while ask(f"action=getStatus&id={id}") != GOT:
                assert time.monotonic() < end
            assert http.get(f"{up}/sandbox/requests?call=order").json()["count"] == 0
            http.delete(f"{up}/sandbox/faults")
            http.post(f"{up}/sandbox/switches", json={"ws": "refused"})
            ask(BUY)
            wait("requests?call=socket", lambda said: said["count"] >= 4)
    said = "".join(log.read_text() for log in logs)
    assert "its socket" in said, "the log is not empty"
    assert KEY not in said


async def test_a_bug_costs_an_order_its_socket_for_a_second_only(world, monkeypatch, caplog):
    store, bugs = world.app.state.services.store, [KeyError("planted")]

    async def claim(name, seconds=None):
        if bugs:
            raise bugs.pop()
        return True

    monkeypatch.setattr(store, "claim", claim)
    await bought(world)
    await asyncio.sleep(2)
    assert world.app.state.services.sockets.states == {"open": 1, "closed": 0}
    assert "task failed, it starts again in 1 s: socket of order" in caplog.text
