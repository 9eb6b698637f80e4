"""async-sms-activate 0.1.2: buys by getNumberV2 alone, and reads JSON whatever was said."""

import pytest
from async_sms_activate.errors import NoBalance, NoNumbers

from tests.clients.journeys.async_sms_activate import DIALECTS, asked


@pytest.fixture(params=DIALECTS)
def ask(request, sandbox, key):
    return lambda question, key=key: asked(sandbox.at(request.param), key, question)


def test_it_lists_what_there_is(ask):
    countries = {c.id: c.english_name for c in ask(lambda client: client.get_countries_list())}
    assert countries[16] == "England"
    top = ask(lambda client: client.top_countries_by_service("tg"))
    assert {c.country_id for c in top} >= {"16", "187"}
    assert all(c.numbers_count > 0 for c in top)
    assert 187 in ask(lambda client: client.get_country_codes_by_service("tg"))


def test_it_buys_without_a_country(ask):
    activation = ask(lambda client: client.buy_number_free_price("tg", 5))
    assert activation.phone_number.startswith("1")
    assert activation.country_code == "187"


def test_it_may_cancel_after_two_minutes(ask, sandbox):
    id = ask(lambda client: client.buy_number_by_country("vk", 16)).activation_id
    cancel = lambda client: client.update_activation_status(id, 8)  # noqa: E731
    assert ask(cancel) == "EARLY_CANCEL_DENIED"
    sandbox.push(121)
    assert ask(cancel) == "ACCESS_CANCEL"
    assert ask(lambda client: client.get_activation_status(id)) == "STATUS_CANCEL"


def test_it_knows_two_refusals(ask, sandbox, key):
    with pytest.raises(NoNumbers):
        ask(lambda client: client.buy_number_by_country("ok", 16))
    ask(lambda client: client.get_balance())
    sandbox.steer("balance", key=key, balance=0.1)
    with pytest.raises(NoBalance):
        ask(lambda client: client.buy_number_by_country("tg", 16))


def test_any_other_refusal_is_no_number(ask, key):
    with pytest.raises(ValueError, match="Expecting value"):
        ask(lambda client: client.buy_number_by_country("whatsapp", 16))
    with pytest.raises(ValueError, match="Expecting value"):
        ask(lambda client: client.buy_number_by_country("tg", 16), key=f"bad-{key}")
    with pytest.raises(ValueError, match="BAD_KEY"):
        ask(lambda client: client.get_balance(), key=f"bad-{key}")
    assert ask(lambda client: client.get_activation_status("4")) == "NO_ACTIVATION"
