"""smsactivate 1.5, the official Python client of sms-activate."""

import pytest

from tests.clients.journeys.smsactivate import DIALECTS, connect


@pytest.fixture(params=DIALECTS)
def client(request, sandbox, key):
    return connect(sandbox.at(request.param), key)


def test_it_reads_its_balance(client):
    assert client.getBalance() == client.getBalanceAndCashBack() == {"balance": "100.00"}


def test_it_lists_what_there_is(client):
    britain = client.getCountries()["16"]
    assert (britain["id"], britain["eng"], britain["visible"]) == (16, "England", 1)
    assert client.getOperators(country=16)["countryOperators"] == {"16": ["any"]}
    top = client.getTopCountriesByService(service="tg")["0"]
    assert isinstance(top["country"], int)
    assert top["price"] > 0
    assert int(client.getNumbersStatus(country=16)["tg_0"]) > 0


def test_it_reads_prices_as_numbers(client):
    price = client.getPrices(service="tg", country=16)["16"]["tg"]
    assert price["cost"] > 0
    assert isinstance(price["count"], int)
    assert "187" in client.getPrices()


def test_it_sees_what_is_active(client):
    assert client.getActiveActivations() == {"status": "error", "error": "NO_ACTIVATIONS"}
    number = client.getNumberV2(service="tg", country=16)
    (active,) = client.getActiveActivations()["activeActivations"]
    assert active["activationId"] == number["activationId"]
    assert active["phoneNumber"] == number["phoneNumber"]


def test_it_may_cancel_after_two_minutes(client, sandbox):
    id = client.getNumber(service="vk", country=16)["activation_id"]
    assert client.setStatus(id=id, status=8) == "EARLY_CANCEL_DENIED"
    sandbox.push(121)
    assert client.setStatus(id=id, status=8) == "ACCESS_CANCEL"
    assert client.getStatus(id=id)["error"] == "STATUS_CANCEL"
    assert client.getBalance() == {"balance": "100.00"}


def test_it_knows_every_refusal(client):
    assert client.getNumber(service="ok", country=16)["error"] == "NO_NUMBERS"
    assert client.getNumberV2(service="ok", country=16)["error"] == "NO_NUMBERS"
    assert client.getNumber(service="whatsapp", country=16)["error"] == "BAD_SERVICE"
    assert client.getStatus(id=4)["error"] == "NO_ACTIVATION"
    assert client.setStatus(id=4, status=6)["error"] == "NO_ACTIVATION"


@pytest.mark.parametrize(
    "action",
    ["getBalance", "getActiveActivations"],
)
def test_a_bad_key_is_a_word_it_knows(client, action):
    client.api_key = f"bad-{client.api_key}"
    assert getattr(client, action)()["error"] == "BAD_KEY"
    assert client.getNumberV2(service="tg", country=16)["error"] == "BAD_KEY"


@pytest.mark.parametrize("action", ["getRentServicesAndCountries", "getRentList"])
def test_what_the_upstream_has_not_is_refused_in_a_word_it_knows(client, action):
    assert getattr(client, action)()["error"] == "BAD_ACTION"
