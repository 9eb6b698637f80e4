"""daisy-sms 1.0.2: its URLs are literals, and a word that it does not know is a success."""

import daisy_sms.client
import pytest
import requests
from daisy_sms import exceptions
from daisy_sms.client import DaisySmsClient
from daisy_sms.models import ActivationStatus
from daisy_sms.service import Service

from tests.clients.journeys.daisy_sms import DIALECTS, repointed
from tests.clients.stage import a_key, eventually


@pytest.fixture
def answers():
    """What the server answered, for what the client does not look at."""
    return []


@pytest.fixture
def client(request, sandbox, key, monkeypatch, answers):
    def get(url):
        answers.append(requests.get(url))
        return answers[-1]

    url = sandbox.at(getattr(request, "param", "daisysms"))
    monkeypatch.setattr(daisy_sms.client, "requests", repointed(url, get))
    return DaisySmsClient(key)


def test_the_price_of_a_rental_is_in_a_header(client, answers):
    client.rent_number(Service.TELEGRAM, max_price=9)
    spent = 100 - client.get_balance()
    assert float(answers[0].headers["X-Price"]) == pytest.approx(spent)


@pytest.mark.parametrize("client", DIALECTS, indirect=True)
def test_it_reads_the_prices_of_the_us(client):
    client.rent_number(Service.TELEGRAM, max_price=9)
    prices = {details.code: details for details in client.get_prices()}
    assert prices["tg"].name == "Telegram"
    assert isinstance(prices["tg"].cost, float)
    assert isinstance(prices["tg"].count, int)
    assert prices["tg"].repeatable is True


def test_it_may_cancel_at_once(client):
    rental = client.rent_number(Service.VKONTAKTE, max_price=9)
    client.cancel_rental(rental.id)
    assert client.get_code(rental.id).status is ActivationStatus.STATUS_CANCEL


def test_after_two_minutes_a_cancel_is_carried_out_at_once(client, sandbox):
    rental = client.rent_number(Service.VKONTAKTE, max_price=9)
    sandbox.push(121)
    client.cancel_rental(rental.id)
    assert client.get_balance() == 100.0


def test_a_rental_with_a_code_cannot_be_cancelled(client):
    rental = client.rent_number(Service.TELEGRAM, max_price=9)
    eventually(lambda: client.get_code(rental.id), lambda seen: seen.code)
    with pytest.raises(exceptions.RentalMissingError):
        client.cancel_rental(rental.id)


def test_it_knows_every_refusal(client, sandbox, key):
    with pytest.raises(exceptions.MaxPriceExceededError):
        client.rent_number(Service.TELEGRAM, max_price=0.01)
    with pytest.raises(exceptions.WrongRentalIdError):
        client.get_code(4)
    with pytest.raises(exceptions.WrongRentalIdError):
        client.mark_rental_as_done(4)
    sandbox.steer("balance", key=key, balance=0.01)
    with pytest.raises(exceptions.NotEnoughBalanceLeftError):
        client.rent_number(Service.TELEGRAM, max_price=9)


def test_no_stock_is_told_as_such(client, sandbox):
    # No other test buys it there.
    sandbox.steer("offer", service="wa", country="US", stock=0)
    with pytest.raises(exceptions.NoNumbersLeftError):
        client.rent_number(Service.WHATSAPP, max_price=9)


@pytest.mark.parametrize("service", [Service.BANK_OF_AMERICA, Service.WESTERN_UNION])
def test_a_code_that_means_another_company_elsewhere_is_never_bought(client, service):
    with pytest.raises(exceptions.BadServiceError):
        client.rent_number(service, max_price=9)
    assert client.get_balance() == 100.0


def test_what_the_upstream_has_not_is_never_a_success(client):
    with pytest.raises(exceptions.BadServiceError):
        client.rent_number_long_term(Service.TELEGRAM)
    with pytest.raises(exceptions.WrongRentalIdError):
        client.change_auto_renew(4, True)
    with pytest.raises((exceptions.RentalMissingError, exceptions.WrongRentalIdError)):
        client.cancel_rental(4)
    with pytest.raises(AttributeError):
        client.rent_multiple_numbers(Service.TELEGRAM, 2, 9)
    assert client.get_balance() == 100.0


@pytest.mark.parametrize("client", DIALECTS, indirect=True)
def test_a_bad_key_is_no_answer_to_anything(client):
    # Its only way to another key is a client of its own, which is not repointed.
    client._api_key = f"bad-{a_key()}"
    for ask in (client.get_balance, lambda: client.rent_number(Service.TELEGRAM, 9)):
        with pytest.raises(IndexError):
            ask()
