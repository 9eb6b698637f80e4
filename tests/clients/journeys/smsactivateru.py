"""smsactivateru 1.2.6: its way in, and its journey."""

import re

from smsactivateru import GetBalance, GetNumber, GetStatus, SetStatus, Sms, SmsService

from tests.clients.stage import WITHIN, eventually

DIALECTS = ("sms-activate", "")


def connect(url, key):
    client = Sms(key)
    client.url = url
    return client


def journey(url, key, sms):
    client = connect(url, key)
    assert GetBalance().request(client) == 100.0
    activation = GetNumber(SmsService().Telegram, country="16", operator="any").request(client)
    assert activation.phone_number.startswith("44")
    activation.was_sent()
    state = GetStatus(activation.id)
    assert state.request(client) == {"status": "STATUS_WAIT_CODE", "code": None}
    sms(activation.phone_number)
    first = activation.wait_code(timeout=WITHIN, not_end=True)
    assert re.fullmatch(r"\d{5}", first)
    assert SetStatus(activation.id, "3").request(client) == {"status": "ACCESS_RETRY_GET"}
    sms(activation.phone_number)
    again = eventually(lambda: state.request(client), lambda seen: seen["status"] == "STATUS_OK")
    assert again["code"] != first
    assert SetStatus(activation.id, "6").request(client) == {"status": "ACCESS_ACTIVATION"}
    assert GetBalance().request(client) < 100
