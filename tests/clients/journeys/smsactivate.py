"""smsactivate 1.5: its way in, and its journey."""

import re

from smsactivate.api import SMSActivateAPI

from tests.clients.stage import eventually

DIALECTS = ("sms-activate", "")


def connect(url, key):
    client = SMSActivateAPI(key)
    client._SMSActivateAPI__api_url = url
    return client


def journey(url, key, sms):
    client = connect(url, key)
    assert client.getBalance() == {"balance": "100.00"}
    number = client.getNumber(service="tg", country=16)
    id = number["activation_id"]
    assert str(number["phone"]).startswith("44")
    assert client.setStatus(id=id, status=1) == "ACCESS_READY"
    assert client.getStatus(id=id) == "STATUS_WAIT_CODE"
    sms(number["phone"])
    first = eventually(lambda: client.getStatus(id=id), re.compile(r"STATUS_OK:\d{5}").fullmatch)
    assert first.removeprefix("STATUS_OK:") in client.getFullSms(id=id)
    assert client.setStatus(id=id, status=3) == "ACCESS_RETRY_GET"
    assert client.getStatus(id=id) == first.replace("OK", "WAIT_RETRY")
    sms(number["phone"])
    again = eventually(lambda: client.getStatus(id=id), re.compile(r"STATUS_OK:\d{5}").fullmatch)
    assert again != first
    assert client.setStatus(id=id, status=6) == "ACCESS_ACTIVATION"
    assert float(client.getBalance()["balance"]) < 100
