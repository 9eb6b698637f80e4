"""smsactivateru 1.2.6: cancels with −1 and looks for error words anywhere in an answer."""

import pytest
from smsactivateru import GetBalance, GetFreeSlots, GetNumber, GetStatus, SmsService
from smsactivateru.errors import ErrorsModel

from tests.clients.journeys.smsactivateru import DIALECTS, connect


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
