"""async-sms-activate 0.1.2: its way in, and its journey."""

import asyncio
import re

from async_sms_activate.client import SmsActivateClient

from tests.clients.stage import WITHIN, awaited

DIALECTS = ("sms-activate", "")


def asked(url, key, question):
    """The answer to a question, by a client of its own."""

    async def connected():
        client = SmsActivateClient(key)
        client.api_url = url
        try:
            return await question(client)
        finally:
            await client.close()

    return asyncio.run(connected())


async def walk(client, sms):
    assert await client.get_balance() == 100.0
    activation = await client.buy_number_by_country("tg", 16)
    assert activation.phone_number.startswith("44")
    assert (await activation.get_country_info()).english_name == "England"
    assert await activation.sms_sent() == "ACCESS_READY"
    assert await client.get_activation_status(activation.activation_id) == "STATUS_WAIT_CODE"
    sms(activation.phone_number)
    first = await activation.wait_for_code(timeout=WITHIN)
    assert re.fullmatch(r"\d{5}", first)
    assert await activation.request_another_sms() == "ACCESS_RETRY_GET"
    # Here it gives the word back: waiting is left to the program.
    assert await activation.wait_for_code() == f"STATUS_WAIT_RETRY:{first}"
    sms(activation.phone_number)
    again = await awaited(activation.wait_for_code, re.compile(r"\d{5}").fullmatch)
    assert again != first
    assert await activation.complete_activation() == "ACCESS_ACTIVATION"
    assert await client.get_balance() < 100


def journey(url, key, sms):
    asked(url, key, lambda client: walk(client, sms))
