"""pysmshub 0.1.3, blocking and asynchronous: finds the balance by its decimal point."""

import pytest
from pysmshub import AsyncSmsHubApi, Status, SyncSmsHubApi
from pysmshub.exceptions import SmsHubApiException

from tests.clients.journeys.pysmshub import DIALECTS, connect


@pytest.fixture(params=DIALECTS)
def url(request, sandbox):
    return sandbox.at(request.param)


@pytest.fixture(params=[SyncSmsHubApi, AsyncSmsHubApi])
def client(request, url, key):
    return connect(url, key, request.param)


def test_it_reads_stock_and_prices(client):
    assert client.get_prices("tg", country=16)["16"]["tg"]["cost"] > 0
    assert int(client.get_numbers_status(country=16)["tg_0"]) > 0


def test_it_may_cancel_after_two_minutes(client, sandbox):
    id, _ = client.get_number("vk", country=16)
    assert client.set_status(id, Status.CANCEL) == "EARLY_CANCEL_DENIED"
    sandbox.push(121)
    assert client.set_status(id, Status.CANCEL) == "ACCESS_CANCEL"
    assert client.get_status(id) == (Status.CANCEL, None)


def test_it_knows_every_refusal(client):
    with pytest.raises(SmsHubApiException, match="NO_NUMBERS"):
        client.get_number("ok", country=16)
    with pytest.raises(SmsHubApiException, match="BAD_SERVICE"):
        client.get_number("whatsapp", country=16)
    with pytest.raises(SmsHubApiException, match="NO_ACTIVATION"):
        client.get_status(4)


def test_a_price_over_the_cap_is_no_number(url, key):
    with pytest.raises(SmsHubApiException, match="getNumber"):
        connect(url, key).get_number("tg", country=16, max_price=0)


@pytest.mark.parametrize("kind", [SyncSmsHubApi, AsyncSmsHubApi])
def test_a_bad_key_is_told_as_such(url, key, kind):
    client = connect(url, f"bad-{key}", kind)
    with pytest.raises(SmsHubApiException, match="BAD_KEY"):
        client.get_balance()
