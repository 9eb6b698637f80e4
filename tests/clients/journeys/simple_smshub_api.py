"""simple-smshub-api 1.1.0: its way in, and its journey."""

import re

from SMSHubAPI.api import SMSHubAPI

from tests.clients.stage import WITHIN, eventually

DIALECTS = ("sms-activate", "")


def connect(url, key):
    client = SMSHubAPI(key, raise_for_status=True)
    client.API_URL = url
    return client


def journey(url, key, sms):
    client = connect(url, key)
    assert client.get_balance() == 100.0
    phone = client.get_number("tg", country=16, max_price=5)
    assert phone.startswith("44")
    assert client.sms_sent() == "ACCESS_READY"
    assert client.get_status() == ("STATUS_WAIT_CODE", None)
    sms(phone)
    first = client.wait_for_sms(timeout=WITHIN)
    assert re.fullmatch(r"\d{5}", first)
    assert client.sms_retry() == "ACCESS_RETRY_GET"
    assert client.get_status() == ("STATUS_WAIT_RETRY", first)
    sms(phone)
    again = eventually(client.get_status, lambda seen: seen[0] == "STATUS_OK")[1]
    assert again != first
    assert client.sms_finish() == "ACCESS_ACTIVATION"
    assert client.get_balance() < 100
