"""herosms 0.1.1: its way in, and its journey."""

import asyncio
import re

from herosms import HeroSMSClient

from tests.clients.stage import WITHIN

DIALECTS = ("herosms", "")


def asked(url, key, question):
    """The answer to a question, by a client of its own."""

    async def connected():
        async with HeroSMSClient(key, base_url=url, poll_interval=0.5) as client:
            return await question(client)

    return asyncio.run(connected())


async def walk(client, sms):
    assert (await client.get_balance()).amount == 100.0
    activation = await client.activations.create(service="tg", country=16, max_price=9)
    assert activation.phone.startswith("+44")
    assert 0 < activation.cost < 100
    assert await client.get_status_v1(activation.id) == "STATUS_WAIT_CODE"
    sms(activation.phone)
    first = (await activation.wait_for_sms(timeout=WITHIN)).code
    assert re.fullmatch(r"\d{5}", first)
    await activation.request_sms()
    assert await client.get_status_v1(activation.id) == f"STATUS_WAIT_RETRY:{first}"
    sms(activation.phone)
    again = (await activation.wait_for_sms(timeout=WITHIN)).code
    assert again != first
    assert [sms.code for sms in await activation.get_all_sms()] == [first, again]
    await activation.complete()
    assert (await client.get_balance()).amount < 100


def journey(url, key, sms):
    asked(url, key, lambda client: walk(client, sms))
