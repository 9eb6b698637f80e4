"""smsactivateru 1.2.6: cancels with −1 and looks for error words anywhere in an answer."""

import re

import pytest
from smsactivateru import GetBalance, GetFreeSlots, GetNumber, GetStatus, SetStatus, Sms, SmsService
from smsactivateru.errors import ErrorsModel

from tests.clients.stage import WITHIN, eventually

DIALECTS = ("sms-activate", "")


def connect(url, key):
    client = Sms(key)
    client.url = url
    return client


def journey(url, key):
    client = connect(url, key)
    assert GetBalance().request(client) == 100.0
    activation = GetNumber(SmsService().Telegram, country="16", operator="any").request(client)
    assert activation.phone_number.startswith("44")
    activation.was_sent()
    state = GetStatus(activation.id)
    assert state.request(client) == {"status": "STATUS_WAIT_CODE", "code": None}
    first = activation.wait_code(timeout=WITHIN, not_end=True)
    assert re.fullmatch(r"\d{5}", first)
    assert SetStatus(activation.id, "3").request(client) == {"status": "ACCESS_RETRY_GET"}
    again = eventually(lambda: state.request(client), lambda seen: seen["status"] == "STATUS_OK")
    assert again["code"] != first
    assert SetStatus(activation.id, "6").request(client) == {"status": "ACCESS_ACTIVATION"}
    assert GetBalance().request(client) < 100


@pytest.fixture(params=DIALECTS)
def client(request, sandbox, key):
    return connect(sandbox.at(request.param), key)


def test_it_counts_the_free_numbers_of_every_service_it_ever_knew(client):
    free = GetFreeSlots(country="16").request(client)
    assert free.Telegram.count > 0
    assert free.Viber.count > 0
    assert free.YoulaSmsForwarding.count == 0


def test_it_may_cancel_after_two_minutes(client, sandbox):
    activation = GetNumber(SmsService().VkCom, country="16").request(client)
    assert activation.cancel() == {"status": "EARLY_CANCEL_DENIED"}
    sandbox.push(121)
    assert activation.cancel() == {"status": "ACCESS_CANCEL"}
    with pytest.raises(ErrorsModel, match="STATUS_CANCEL"):
        GetStatus(activation.id).request(client)


def test_it_knows_every_refusal(client):
    with pytest.raises(ErrorsModel, match="NO_NUMBERS"):
        GetNumber(SmsService().Odnoklassniki, country="16").request(client)
    with pytest.raises(ErrorsModel, match="NO_ACTIVATION"):
        GetStatus("4").request(client)
    client.key = f"bad-{client.key}"
    with pytest.raises(ErrorsModel, match="BAD_KEY"):
        GetBalance().request(client)
