"""virtualsms 1.0.0: its way in, and its journey."""

import re

from virtualsms.client import VirtualSMS

from tests.clients.stage import WITHIN, eventually

DIALECTS = ("sms-activate", "")


def connect(url, key):
    return VirtualSMS(key, base_url=url)


def journey(url, key, sms):
    client = connect(url, key)
    assert client.get_balance() == 100.0
    activation = client.get_number("tg")
    id = activation.activation_id
    assert activation.phone.startswith("1")
    assert client.get_status(id) == ("waiting", None)
    sms(activation.phone)
    first = client.wait_for_code(id, timeout=WITHIN, poll_interval=1)
    assert re.fullmatch(r"\d{5}", first)
    assert client.set_status(id, 3) == "ACCESS_RETRY_GET"
    sms(activation.phone)
    again = eventually(lambda: client.get_status(id), lambda seen: seen[0] == "received")[1]
    assert again != first
    assert client.done(id) == "ACCESS_ACTIVATION"
    assert client.get_status(id) == ("cancelled", None)
    assert client.get_balance() < 100
