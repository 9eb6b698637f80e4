"""herosms 0.1.1: typed errors from HTTP statuses, waiting with getStatusV2."""

import pytest
from herosms.exceptions import (
    ActivationNotFoundError,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    InsufficientFundsError,
    ResponseFormatError,
)

from tests.clients.journeys.herosms import DIALECTS, asked


@pytest.fixture
def ask(sandbox, key):
    """In its own dialect unless told otherwise."""
    return lambda question, dialect="herosms", key=key: asked(sandbox.at(dialect), key, question)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_it_lists_what_there_is(ask, dialect):
    countries = ask(lambda client: client.get_countries(), dialect)
    assert "16" in {str(country.id) for country in countries if country.is_available}
    assert ask(lambda client: client.get_operators(country=16), dialect) == {"16": ["any"]}
    top = ask(lambda client: client.get_top_countries(service="tg", by_rank=True), dialect)
    assert top["0"]["price"] > 0
    # As models it cannot read them, from the original neither.
    services = ask(lambda client: client.get_services(response_format="json"), dialect)
    assert {"code": "tg", "name": "Telegram"} in services["services"]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_it_reads_prices_as_models(ask, dialect):
    price = ask(lambda client: client.get_prices(service="tg", country=16), dialect)["16"]["tg"]
    assert price.cost > 0
    assert price.count > 0


def test_it_sees_what_is_active_and_what_was(ask):
    assert ask(lambda client: client.activations.list_active()) == []
    bought = ask(lambda client: client.activations.create(service="tg", country=16))
    (active,) = ask(lambda client: client.activations.list_active())
    assert (active.activation_id, active.service_code) == (bought.id, "tg")
    assert active.phone_number == bought.phone_number
    (past,) = ask(lambda client: client.activations.get_history())
    assert (past.id, past.phone) == (str(bought.id), bought.phone_number)
    assert past.cost == bought.cost


def test_it_may_cancel_after_two_minutes(ask, sandbox):
    id = ask(lambda client: client.activations.create(service="vk", country=16)).id
    for cancel in (
        lambda client: client.activations.cancel(id),
        lambda client: client.activations.attach(id).cancel(),
    ):
        with pytest.raises(ConflictError) as refused:
            ask(cancel)
        assert refused.value.title == "EARLY_CANCEL_DENIED"
    sandbox.push(121)
    ask(lambda client: client.activations.cancel(id))
    assert ask(lambda client: client.get_status_v1(id)) == "STATUS_CANCEL"
    assert ask(lambda client: client.get_balance()).amount == 100.0


def test_it_finishes_by_the_action_of_that_name(ask):
    id = ask(lambda client: client.activations.create(service="vk", country=16)).id
    ask(lambda client: client.activations.finish(id))
    assert ask(lambda client: client.get_status_v1(id)) == "STATUS_CANCEL"


def test_it_knows_refusals_by_their_status(ask, sandbox, key):
    with pytest.raises(AuthenticationError) as refused:
        ask(lambda client: client.get_balance(), key=f"bad-{key}")
    assert refused.value.title == "BAD_KEY"
    with pytest.raises(AuthenticationError):
        ask(lambda client: client.activations.list_active(), key=f"bad-{key}")
    for question in (
        lambda client: client.get_status_v1(4),
        lambda client: client.activations.finish(4),
        lambda client: client.activations.attach(4).wait_for_sms(),
    ):
        with pytest.raises(ActivationNotFoundError) as refused:
            ask(question)
        assert refused.value.title == "NOT_FOUND"
    with pytest.raises(BadRequestError):
        ask(lambda client: client.activations.create(service="whatsapp", country=16))
    with pytest.raises(BadRequestError) as refused:
        ask(lambda client: client.activations.create(service="tg", country=16, max_price=0.01))
    assert refused.value.title == "WRONG_MAX_PRICE"
    sandbox.steer("balance", key=key, balance=0.01)
    with pytest.raises(InsufficientFundsError):
        ask(lambda client: client.activations.create(service="tg", country=16))


@pytest.mark.parametrize("dialect", DIALECTS)
def test_no_numbers_is_still_a_word(ask, dialect):
    create = lambda client: client.activations.create(  # noqa: E731
        service="ok", country=16, response_format="raw"
    )
    assert ask(create, dialect) == "NO_NUMBERS"


def test_at_the_default_path_it_knows_no_refusal_by_type(ask, key):
    with pytest.raises(ResponseFormatError, match="BAD_KEY"):
        ask(lambda client: client.get_balance(), "", f"bad-{key}")
    assert ask(lambda client: client.get_status_v1(4), "") == "NO_ACTIVATION"
    bought = ask(lambda client: client.activations.create(service="vk", country=16), "")
    assert ask(lambda client: client.get_status_v1(bought.id), "") == "STATUS_WAIT_CODE"
