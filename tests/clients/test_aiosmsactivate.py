"""aiosmsactivate 1.5.1: posts an empty body, and reads answers into strict models."""

import asyncio

import pytest
from aiosmsactivate.exceptions import SmsActivateException
from aiosmsactivate.models import SetActivationStatusResponse
from aiosmsactivate.types import ActivationStatus, SetActivationStatus

from tests.clients.journeys.aiosmsactivate import DIALECTS, connect


@pytest.fixture(scope="module")
def run():
    """One event loop: the client's caches refuse a second."""
    with asyncio.Runner() as runner:
        yield runner.run


@pytest.fixture(params=DIALECTS)
def client(request, sandbox, key):
    return connect(sandbox.at(request.param), key)


def test_it_reads_its_balance(run, client):
    assert run(client.get_balance()) == run(client.get_balance_and_cashback()) == 100.0


def test_it_lists_what_there_is(run, client):
    assert run(client.get_countries())["16"]["eng"] == "England"
    assert run(client.get_service_name("tg")) == "Telegram"
    assert run(client.get_operators("16"))["countryOperators"] == {"16": ["any"]}
    assert run(client.get_available_countries("tg", freePrice=True))["0"]["price"] > 0
    assert int(run(client.get_count_numbers("16", "any"))["tg_0"]) > 0


def test_it_reads_prices_in_three_actions(run, client):
    price = run(client.get_prices("tg", 16))["16"]["tg"]["cost"]
    assert price > 0
    assert run(client.get_rank_prices("tg", 16))["16"]["tg"]["cost"] == price
    assert float(run(client.get_prices_verification("tg"))["tg"]["16"]["price"]) == price


def test_it_gathers_all_about_a_service(run, client):
    service = run(client.get_service("tg", 16))
    assert (service.code, service.name, service.country) == ("tg", "Telegram", "16")
    assert service.price > 0
    assert service.free_price_map


def test_it_sees_what_is_active(run, client):
    assert refusal(run, client.get_active_activations()) == "NO_ACTIVATIONS"
    number = run(client.purchase("tg", country=16))
    (active,) = run(client.get_active_activations())["activeActivations"]
    assert active["activationId"] == str(number.activation_id)


def test_it_may_cancel_after_two_minutes(run, client, sandbox):
    id = run(client.purchase("vk", country=16)).activation_id
    early = client.set_activation_status(id, SetActivationStatus.CANCEL)
    assert refusal(run, early) == "EARLY_CANCEL_DENIED"
    sandbox.push(121)
    late = run(client.set_activation_status(id, SetActivationStatus.CANCEL))
    assert late is SetActivationStatusResponse.CANCEL
    assert run(client.get_activation_status_v1(id)) == (ActivationStatus.CANCEL, None)


def refusal(run, asked):
    with pytest.raises(SmsActivateException) as raised:
        run(asked)
    return raised.value.code


def test_it_knows_every_refusal(run, client):
    assert refusal(run, client.purchase("ok", country=16)) == "NO_NUMBERS"
    assert refusal(run, client.get_number("ok", country=16)) == "NO_NUMBERS"
    assert refusal(run, client.purchase("whatsapp", country=16)) == "BAD_SERVICE"
    assert refusal(run, client.purchase("tg", country=16, maxPrice=0.01)) == "WRONG_MAX_PRICE"
    assert refusal(run, client.get_activation_status_v1("4")) == "NO_ACTIVATION"
    assert refusal(run, client.get_activation_status("4")) == "NO_ACTIVATION"
    assert refusal(run, client.set_activation_status("4", 6)) == "NO_ACTIVATION"
    assert refusal(run, client.get_rent_number("tg", 4)) == "BAD_ACTION"


def test_a_bad_key_is_told_as_such(run, sandbox, key):
    client = connect(sandbox.at(), f"bad-{key}")
    assert refusal(run, client.get_balance()) == "BAD_KEY"
    assert refusal(run, client.get_active_activations()) == "BAD_KEY"
    assert refusal(run, client.purchase("tg", country=16)) == "BAD_KEY"
