"""simple-smshub-api 1.1.0: repeats whatever is not answered with 2xx, purchases too."""

import re

import pytest
from SMSHubAPI import exceptions
from SMSHubAPI.api import SMSHubAPI

from tests.clients.stage import WITHIN, eventually

DIALECTS = ("sms-activate", "")


def connect(url, key):
    client = SMSHubAPI(key, raise_for_status=True)
    client.API_URL = url
    return client


def journey(url, key):
    client = connect(url, key)
    assert client.get_balance() == 100.0
    assert client.get_number("tg", country=16, max_price=5).startswith("44")
    assert client.sms_sent() == "ACCESS_READY"
    assert client.get_status() == ("STATUS_WAIT_CODE", None)
    first = client.wait_for_sms(timeout=WITHIN)
    assert re.fullmatch(r"\d{5}", first)
    assert client.sms_retry() == "ACCESS_RETRY_GET"
    assert client.get_status() == ("STATUS_WAIT_RETRY", first)
    again = eventually(client.get_status, lambda seen: seen[0] == "STATUS_OK")[1]
    assert again != first
    assert client.sms_finish() == "ACCESS_ACTIVATION"
    assert client.get_balance() < 100


@pytest.fixture(params=DIALECTS)
def client(request, sandbox, key):
    return connect(sandbox.at(request.param), key)


def test_it_reads_stock_and_prices(client):
    assert client.get_prices("tg", country=16)["16"]["tg"]["cost"] > 0
    assert int(client.get_numbers_status(country=16)["tg_0"]) > 0


def test_it_may_cancel_after_two_minutes(client, sandbox):
    client.get_number("vk", country=16)
    assert client.sms_cancel() == "EARLY_CANCEL_DENIED"
    sandbox.push(121)
    assert client.sms_cancel() == "ACCESS_CANCEL"
    assert client.get_status() == ("STATUS_CANCEL", None)


def test_it_knows_every_refusal(client):
    with pytest.raises(exceptions.NoNumbersException):
        client.get_number("ok", country=16)
    with pytest.raises(exceptions.BadServiceException):
        client.get_number("whatsapp", country=16)
    with pytest.raises(exceptions.BadActionException):
        client.update_api_currency(840)
    client.activation_id = "4"
    with pytest.raises(exceptions.NoActivationException):
        client.get_status()
    client.api_key = f"bad-{client.api_key}"
    with pytest.raises(exceptions.BadApiKeyException):
        client.get_balance()
