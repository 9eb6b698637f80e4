"""What getFullSms, getAllSms, getStatusV2 and getStatus say of an activation that has ended."""

import asyncio

import pytest

from tests.support.world import a_world

pytestmark = pytest.mark.anyio

NOT_ACTIVE = '{"title":"ACTIVATION_NOT_ACTIVE","details":"Activation Not Active","info":null}'
ALL_SMS = {
    "sms-activate": (200, "STATUS_CANCEL"),
    "daisysms": (200, "STATUS_CANCEL"),
    "herosms": (409, NOT_ACTIVE),
}


@pytest.fixture(params=ALL_SMS)
async def world(clock, request):
    async with a_world(clock) as world:
        world.dialect = f"/{request.param}"
        yield world


async def a_number(world) -> str:
    return (await world.ask("action=getNumber&service=wa&country=187")).split(":")[1]


async def cancel(world, id):
    await asyncio.sleep(121)
    assert await world.ask(f"action=setStatus&id={id}&status=8") == "ACCESS_CANCEL"


async def cancel_early(world, id):
    """Scheduled in daisysms; refused in the others, so that it is done again."""
    answer = await world.answer(f"action=setStatus&id={id}&status=8")
    if "EARLY_CANCEL" in answer.text:
        await cancel(world, id)


async def cancel_elsewhere(world, id):
    await world.steer("cancel", {"order_id": await world.newest_order()})
    await asyncio.sleep(30)


async def expire(world, id):
    await asyncio.sleep(21 * 60)


async def expire_watched(world, id):
    for _ in range(22):
        await world.ask(f"action=getStatus&id={id}")
        await asyncio.sleep(60)


async def finish(world, id):
    assert await world.ask(f"action=setStatus&id={id}&status=6") == "ACCESS_ACTIVATION"


ENDS = (cancel, cancel_early, cancel_elsewhere, expire, expire_watched, finish)


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__)
async def test_without_an_sms_all_say_that_it_has_ended(world, end):
    id = await a_number(world)
    await end(world, id)
    for _ in range(2):
        answer = await world.answer(f"action=getAllSms&id={id}")
        assert (answer.status_code, answer.text) == ALL_SMS[world.dialect[1:]]
        for action in ("getFullSms", "getStatusV2", "getStatus"):
            assert await world.ask(f"action={action}&id={id}") == "STATUS_CANCEL"


@pytest.mark.parametrize("end", [expire, finish], ids=lambda end: end.__name__)
async def test_with_an_sms_it_stays_readable(world, end):
    id = await a_number(world)
    await world.sms("Your code is 1111")
    await asyncio.sleep(4)
    assert await world.ask(f"action=getStatus&id={id}") == "STATUS_OK:1111"
    await end(world, id)
    listed = (await world.answer(f"action=getAllSms&id={id}")).json()
    assert [row["code"] for row in listed["data"]] == ["1111"]
    assert await world.ask(f"action=getFullSms&id={id}") == "FULL_SMS:Your code is 1111"
    assert (await world.answer(f"action=getStatusV2&id={id}")).json()["sms"]["code"] == "1111"


async def test_all_sms_come_in_pages_where_a_size_is_sent(world):
    id = await a_number(world)
    for code in range(1111, 1116):
        await world.sms(f"Your code is {code}")
        await asyncio.sleep(4)

    async def page(query: str) -> list[str]:
        body = (await world.answer(f"action=getAllSms&id={id}{query}")).json()
        assert body["meta"]["total"] == 5
        return [row["code"] for row in body["data"]]

    everything = ["1111", "1112", "1113", "1114", "1115"]
    assert await page("") == await page("&page=1") == await page("&size=0") == everything
    assert await page("&size=2") == ["1111", "1112"]
    assert await page("&size=2&page=3") == ["1115"]
    assert await page("&size=2&page=4") == await page("&page=2") == []
