"""pysmshub 0.1.3: its way in, and its journey."""

import asyncio
import re

from pysmshub import AsyncSmsHubApi, Status, SyncSmsHubApi

from tests.clients.stage import eventually

DIALECTS = ("sms-activate", "")


class InTurn:
    """The asynchronous client, each call to its end."""

    def __init__(self, client):
        self.client = client

    def __getattr__(self, name):
        return lambda *args, **kwargs: asyncio.run(getattr(self.client, name)(*args, **kwargs))


def connect(url, key, kind=SyncSmsHubApi):
    client = kind(key)
    client.base_url = url
    return client if kind is SyncSmsHubApi else InTurn(client)


def walk(client, sms):
    assert client.get_balance() == 100.0
    id, phone = client.get_number("tg", country=16)
    assert phone.startswith("44")
    assert client.get_status(id) == (Status.WAIT, None)
    sms(phone)
    sent, first = eventually(lambda: client.get_status(id), lambda seen: seen[0] != Status.WAIT)
    assert sent == Status.SENT
    assert re.fullmatch(r"\d{5}", first)
    assert client.set_status(id, Status.REPEAT) == "ACCESS_RETRY_GET"
    assert client.get_status(id) == (Status.REPEAT, first)
    sms(phone)
    _, again = eventually(lambda: client.get_status(id), lambda seen: seen[0] == Status.SENT)
    assert again != first
    assert client.set_status(id, Status.SUCCESS) == "ACCESS_ACTIVATION"
    assert client.get_balance() < 100


def journey(url, key, sms):
    walk(connect(url, key), sms)


def asynchronous_journey(url, key, sms):
    walk(connect(url, key, AsyncSmsHubApi), sms)
