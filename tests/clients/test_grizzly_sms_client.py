"""grizzly-sms-client 0.1.1: reads JSON only where the content type says so."""

import pytest
from grizzly_sms.errors import GrizzlySmsError

from tests.clients.journeys.grizzly_sms_client import DIALECTS, connect


@pytest.fixture(params=DIALECTS)
def client(request, sandbox, key):
    with connect(sandbox.at(request.param), key) as client:
        yield client


def test_it_lists_what_there_is(client):
    assert {country.id: country.eng for country in client.get_countries()}[16] == "England"
    assert {service.code: service.name for service in client.get_services()}["tg"] == "Telegram"


def test_it_reads_prices_in_three_versions(client):
    (quote,) = client.find_prices(service="tg", country=16)
    assert quote.cost > 0
    assert quote.count >= 1
    ((price, count),) = client.get_prices_v2(service="tg", country=16)["16"]["tg"].items()
    assert (float(price), count) == (quote.cost, quote.count)
    (offer,) = client.get_prices_v3(service="tg", country=16)["16"]["tg"].values()
    assert (offer["price"], offer["count"]) == (quote.cost, quote.count)


def test_it_buys_by_the_second_version_too(client):
    number = client.get_number_v2("tg", country=16)
    assert number.phone_number.startswith("44")
    assert number.activation_cost > 0
    assert (number.currency, number.country_code, number.can_get_another_sms) == (840, "16", True)
    assert client.get_status(number.activation_id).status == "STATUS_WAIT_CODE"


def test_it_may_cancel_after_two_minutes(client, sandbox):
    id = client.get_number("vk", country=16).activation_id
    with pytest.raises(GrizzlySmsError, match="EARLY_CANCEL_DENIED"):
        client.cancel(id)
    sandbox.push(121)
    assert client.cancel(id, status=-1) == "ACCESS_CANCEL"
    assert client.get_status(id).status == "STATUS_CANCEL"


def refusal(ask, *arguments, **parameters):
    with pytest.raises(GrizzlySmsError) as raised:
        ask(*arguments, **parameters)
    return raised.value.code


def test_it_knows_every_refusal(client, sandbox):
    assert refusal(client.get_number, "ok", country=16) == "NO_NUMBERS"
    assert refusal(client.get_number, "whatsapp", country=16) == "BAD_SERVICE"
    assert refusal(client.get_number, "tg", country=9999) == "BAD_COUNTRY"
    assert refusal(client.get_number, "tg", country=16, max_price=0.01) == "WRONG_MAX_PRICE"
    assert refusal(client.get_number_v2, "ok", country=16) == "NO_NUMBERS"
    assert refusal(client.get_status, 4) == "NO_ACTIVATION"
    assert refusal(client.get_status_v2, 4) == "NO_ACTIVATION"


def test_a_bad_key_is_told_as_such(sandbox, key):
    with connect(sandbox.at(), f"bad-{key}") as client:
        assert refusal(client.get_balance) == "BAD_KEY"
