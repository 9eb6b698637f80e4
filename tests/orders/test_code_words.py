"""The words for codes reach every answer; a text without a code costs no more reads than before."""

import asyncio

import pytest

from tests.support.world import BUY, a_world, id_of

pytestmark = pytest.mark.anyio

OWN = "code: {ours: [Losung]}\nlink: {ours: [gleich]}\n"
TEXT = "Losung gleich WXYZQ"


@pytest.fixture
def config(tmp_path):
    tables = tmp_path / "tables"
    tables.mkdir()
    (tables / "sms_words.yaml").write_text(OWN)
    return {"store": f"sqlite:///{tmp_path}/proxy.db", "mappings": str(tables)}


async def test_own_words_find_the_code_in_every_answer(clock, config):
    async with a_world(clock, **config) as world:
        id = id_of(await world.ask(BUY))
        await world.sms(TEXT)
        await asyncio.sleep(4)
        assert await world.ask(f"action=getStatus&id={id}") == "STATUS_OK:WXYZQ"
        for action in ("getAllSms", "getStatusV2", "getHistory", "getActiveActivations"):
            assert '"WXYZQ"' in (await world.ask(f"action={action}&id={id}")).replace("\\", "")


@pytest.mark.parametrize("text", ["Get 50% off: use code SAVE2026", "Parcel 8812091 comes today"])
async def test_a_text_without_a_code_costs_as_many_reads_as_a_welcome(clock, text):
    async def reads(text):
        async with a_world(clock) as world:
            id = id_of(await world.ask(BUY))
            await world.sms(text)
            for _ in range(20):
                await asyncio.sleep(3)
                answer = await world.ask(f"action=getStatus&id={id}")
            assert answer == f"STATUS_OK:{text.replace(':', ' ').replace('  ', ' ')}"
            return await world.requests("order") + await world.requests("orders")

    assert await reads(text) <= await reads("Welcome to our service!") <= 10
