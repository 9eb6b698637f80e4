"""simple-smshub-api 1.1.0: repeats whatever is not answered with 2xx, purchases too."""

import pytest
from SMSHubAPI import exceptions

from tests.clients.journeys.simple_smshub_api import DIALECTS, connect


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
