"""What is said on the sandbox's sockets, and when, on the fake clock."""

import json
from asyncio import timeout
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosedError

from proxy.sandbox import Switches
from tests.support.sandbox import NEVER, NO_LIMIT, Bench, bench_with, end_of
from tests.support.sockets import sockets_to

pytestmark = pytest.mark.anyio

bench = bench_with(switches=NO_LIMIT, sms_after=NEVER)


def watch(bench: Bench, order: Any) -> Any:
    uri = f"ws://upstream/ws/orders?order_id={order['order_id']}&api_key=alice"
    return sockets_to(bench.app)(uri)


async def heard(opened: Any, seconds: float = 1.0) -> list[str]:
    """The frames that come within the time."""
    frames = []
    with suppress(TimeoutError):
        async with timeout(seconds):
            async for frame in opened:
                frames.append(frame)
    return frames


async def codes(opened: Any) -> list[str]:
    return [json.loads(frame)["code"] for frame in await heard(opened)]


async def text(bench: Bench, order: Any, code: str) -> None:
    await bench.steer("sms", order_id=order["order_id"], text=f"Code {code}")


async def test_an_sms_comes_at_its_time(bench: Bench, clock: Callable[[], float]) -> None:
    order, begun = await bench.buy(), clock()
    async with watch(bench, order) as opened:
        await bench.steer("sms", order_id=order["order_id"], text="Code 1234", after=500)
        async with timeout(501):
            await anext(aiter(opened))
        assert clock() - begun == 500


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        ({"type": "sms", "code": "0000"}, '{"type":"sms","code":"0000"}'),
        ({"type": "Überraschung"}, '{"type":"Überraschung"}'),
        ([], "[]"),
        (None, "null"),
        (7, "7"),
        ('{"type": "sms", ', '{"type": "sms", '),
        ("", ""),
    ],
)
async def test_a_socket_says_any_frame(bench: Bench, frame: Any, said: str) -> None:
    async with watch(bench, await bench.buy()) as opened:
        assert await bench.steer("sockets", do="say", frame=frame) == {"said": 1}
        assert await heard(opened) == [said]


@pytest.mark.parametrize("named", [True, False])
async def test_a_frame_is_said_on_the_sockets_of_one_order_or_on_all(
    bench: Bench, named: bool
) -> None:
    mine, other = await bench.buy(), await bench.buy()
    which = {"order_id": mine["order_id"]} if named else {}
    async with watch(bench, mine) as a, watch(bench, mine) as b, watch(bench, other) as c:
        answer = await bench.steer("sockets", do="say", frame=1, **which)
        assert answer == {"said": 2 if named else 3}
        assert [await heard(a), await heard(b)] == [["1"], ["1"]]
        assert await heard(c) == ([] if named else ["1"])


@pytest.mark.parametrize("mute", [("sockets", {"do": "mute"}), ("switches", {"ws": "silent"})])
async def test_a_mute_socket_says_what_it_is_told_to_say(bench: Bench, mute: Any) -> None:
    order = await bench.buy()
    await bench.steer(mute[0], **mute[1])
    async with watch(bench, order) as opened:
        await text(bench, order, "1111")
        await bench.steer("sockets", do="say", frame=1)
        assert await heard(opened) == ["1"]


async def test_a_dropped_socket_says_no_more_than_before(bench: Bench) -> None:
    order = await bench.buy()
    async with watch(bench, order) as opened:
        await bench.steer("sockets", do="say", frame=1)
        await bench.steer("sockets", do="drop")
        assert await bench.steer("sockets", do="say", frame=2) == {"said": 0}
        assert await bench.steer("sockets", do="drop") == {"dropped": 0}
        await text(bench, order, "1111")
        frames, error = await end_of(opened)
        assert (frames, type(error)) == (["1"], ConnectionClosedError)


async def test_frames_come_in_the_order_in_which_they_were_caused(bench: Bench) -> None:
    order = await bench.buy()
    async with watch(bench, order) as opened:
        await bench.steer("sockets", do="say", frame={"code": "lie"})
        await text(bench, order, "1111")
        await bench.steer("sockets", do="say", frame={"code": "another"})
        await text(bench, order, "2222")
        assert await codes(opened) == ["lie", "1111", "another", "2222"]


async def test_a_socket_is_mute_from_the_call_to_the_call(bench: Bench) -> None:
    order = await bench.buy()
    async with watch(bench, order) as opened:
        for do, code in (("unmute", "1111"), ("mute", "2222"), ("unmute", "3333")):
            await bench.steer("sockets", do=do)
            await text(bench, order, code)
        assert await codes(opened) == ["1111", "3333"]


@pytest.mark.parametrize(
    ("calls", "speaks"),
    [
        (["mute mine"], "other"),
        (["mute mine", "unmute mine"], "mine other"),
        (["mute mine", "unmute"], "mine other"),
        (["mute"], ""),
        (["mute", "unmute mine"], "mine"),
        (["mute", "unmute mine", "mute mine"], ""),
        (["mute", "unmute mine", "unmute other"], "mine other"),
        (["mute", "unmute mine", "mute"], ""),
        (["mute mine", "mute", "unmute mine"], "mine"),
        (["unmute mine", "mute other"], "mine"),
    ],
)
async def test_sockets_are_muted_one_by_one_or_all(
    bench: Bench, calls: list[str], speaks: str
) -> None:
    orders = {"mine": await bench.buy(), "other": await bench.buy()}
    for call in calls:
        do, *names = call.split()
        which = {"order_id": orders[names[0]]["order_id"]} if names else {}
        await bench.steer("sockets", do=do, **which)
    spoke = []
    for name, order in orders.items():
        async with watch(bench, order) as opened:
            await text(bench, order, "1111")
            spoke += [name] * len(await codes(opened))
    assert spoke == speaks.split()


async def test_a_socket_that_drops_at_once_replays_nothing(clock: Callable[[], float]) -> None:
    bench = Bench(clock, switches=Switches(ws="drops", ws_replay="yes"), sms_after=NEVER)
    order = await bench.buy()
    await text(bench, order, "1111")
    async with watch(bench, order) as opened:
        frames, error = await end_of(opened)
        assert (frames, type(error)) == ([], ConnectionClosedError)
