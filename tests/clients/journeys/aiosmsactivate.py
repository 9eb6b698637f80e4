"""aiosmsactivate 1.5.1: its way in, and its journey."""

import asyncio
import re

from aiosmsactivate import SmsActivate
from aiosmsactivate.models import SetActivationStatusResponse
from aiosmsactivate.types import ActivationStatus, SetActivationStatus

from tests.clients.stage import WITHIN, awaited

DIALECTS = ("sms-activate", "")


def connect(url, key):
    return SmsActivate(key, base_url=url)


async def walk(client, sms):
    assert await client.get_balance() == 100.0
    number = await client.purchase("tg", country=16)
    id = number.activation_id
    assert number.phone_number.startswith("44")
    assert 0 < number.activation_cost < 100
    assert await client.get_activation_status_v1(id) == (ActivationStatus.WAIT, None)
    assert (await client.get_activation_status(id)).sms is None
    sms(number.phone_number)
    # Sees the code, and asks for another one by itself.
    first = await client.wait_sms_code(number, timeout=WITHIN, per_attempt=1)
    assert re.fullmatch(r"\d{5}", first)
    assert await client.get_activation_status_v1(id) == (ActivationStatus.RETRY, first)
    sms(number.phone_number)
    second = (await awaited(lambda: client.get_activation_status(id), lambda seen: seen.sms)).sms
    assert second.code != first
    assert second.code in second.text
    finished = await client.set_activation_status(id, SetActivationStatus.COMPLETE)
    assert finished is SetActivationStatusResponse.ACTIVATED
    assert await client.get_balance() < 100


def journey(url, key, sms):
    asyncio.run(walk(connect(url, key), sms))
