"""virtualsms 1.0.0, the vendor's own client of its legacy endpoint."""

import json
import re

import pytest
from virtualsms.client import NoNumbersError, VirtualSMS, VirtualSMSError

from tests.clients.stage import WITHIN, eventually

DIALECTS = ("sms-activate", "")


def connect(url, key):
    return VirtualSMS(key, base_url=url)


def journey(url, key):
    client = connect(url, key)
    assert client.get_balance() == 100.0
    activation = client.get_number("tg")
    id = activation.activation_id
    assert activation.phone.startswith("1")
    assert client.get_status(id) == ("waiting", None)
    first = client.wait_for_code(id, timeout=WITHIN, poll_interval=1)
    assert re.fullmatch(r"\d{5}", first)
    assert client.set_status(id, 3) == "ACCESS_RETRY_GET"
    again = eventually(lambda: client.get_status(id), lambda seen: seen[0] == "received")[1]
    assert again != first
    assert client.done(id) == "ACCESS_ACTIVATION"
    assert client.get_status(id) == ("cancelled", None)
    assert client.get_balance() < 100


@pytest.fixture(params=DIALECTS)
def client(request, sandbox, key):
    return connect(sandbox.at(request.param), key)


def test_it_reads_prices(client):
    assert json.loads(client.get_prices("tg", 16))["16"]["tg"]["cost"] > 0


def test_it_may_cancel_after_two_minutes(client, sandbox):
    id = client.get_number("vk").activation_id
    assert client.cancel(id) == "EARLY_CANCEL_DENIED"
    sandbox.push(121)
    assert client.cancel(id) == "ACCESS_CANCEL"
    assert client.get_status(id) == ("cancelled", None)


def test_it_knows_every_refusal(client):
    with pytest.raises(NoNumbersError):
        client.get_number("ok", country=16)
    with pytest.raises(VirtualSMSError, match="BAD_SERVICE"):
        client.get_number("whatsapp", country=16)
    assert client.get_status(4) == ("NO_ACTIVATION", None)
    with pytest.raises(VirtualSMSError, match="BAD_KEY"):
        VirtualSMS(f"bad-{client.api_key}", base_url=client.base_url).get_balance()
