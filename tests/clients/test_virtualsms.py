"""virtualsms 1.0.0, the vendor's own client of its legacy endpoint."""

import json

import pytest
from virtualsms.client import NoNumbersError, VirtualSMS, VirtualSMSError

from tests.clients.journeys.virtualsms import DIALECTS, connect


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
