"""A client that polls its numbers, and what the upstream has counted of it."""

import asyncio

import httpx

from proxy.legacy.activation import candidates
from tests.support.world import BUY, Wire

WAITING = "STATUS_WAIT_CODE"


async def plenty(world):
    """Money and numbers for hundreds."""
    await world.steer("balance", {"key": "key", "balance": 1000})
    await world.steer("offer", {"service": "wa", "country": "GB", "stock": 1000})


async def bought(world):
    answer = await world.ask(BUY)
    assert answer.startswith("ACCESS_NUMBER:"), answer
    return answer.split(":")[1]


def id_of(order):
    return str(next(candidates(order["order_id"])))


async def status(world, id):
    return await world.ask(f"action=getStatus&id={id}")


async def statuses(world, ids):
    return await asyncio.gather(*(status(world, id) for id in ids))


async def at_once(world, query):
    """The answer, which must not have waited for anything."""
    loop = asyncio.get_running_loop()
    before = loop.time()
    answer = await world.ask(query)
    assert loop.time() == before, query
    return answer


async def seconds_until(world, id, answer, every=1.0, most=600):
    """How long a client that polls has to wait for the answer."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    while (said := await status(world, id)) != answer:
        assert loop.time() - begun < most, f"{said}, never {answer}"
        await asyncio.sleep(every)
    return loop.time() - begun


async def text(world, id, text):
    for order in (await world.steer("orders"))["orders"]:
        if id_of(order) == id:
            await world.steer("sms", {"order_id": order["order_id"], "text": text})


async def times(world, call):
    return [line["at"] for line in (await world.steer(f"requests?call={call}"))["requests"]]


async def reads(world):
    return await world.requests("orders"), await world.requests("order")


async def fail(world, **fault):
    await world.steer("faults", {"call": "*", "times": None, **fault})


async def mend(world):
    async with httpx.AsyncClient(transport=Wire(world.sandbox), base_url="http://s") as control:
        await control.delete("/sandbox/faults")


CODE = "Your code is 1111"
GOT = "STATUS_OK:1111"


async def a_moment():
    """What is on its way arrives."""
    await asyncio.sleep(0.05)


async def listened(world):
    """An id whose socket stands since before the last read."""
    id = await bought(world)
    await polled(world, id, 4)
    return id


async def polled(world, id, seconds, answer=WAITING, every=1.0):
    for _ in range(round(seconds / every)):
        assert await status(world, id) == answer
        await asyncio.sleep(every)


async def sockets(world):
    return (await world.steer("sockets"))["count"]
