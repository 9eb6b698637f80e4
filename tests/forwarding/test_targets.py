"""What targets are told of an SMS: bodies as the old services posted them, once for each SMS."""

import json

import pytest
from herosms import WebhookSMSIncoming

from proxy.config.mappings import load_codes
from proxy.config.programs import load_programs
from proxy.config.settings import Config, ForwardConfig, ProgramConfig
from proxy.forwarding.targets import load_targets
from proxy.legacy.activation import Activation
from proxy.legacy.dialects import DIALECTS
from proxy.model import Order, Sms
from proxy.model.errors import ConfigError

CODES = load_codes()
URL = "http://target/sms"
AT = 1_672_574_400.0
"""2023-01-01 12:00:00 UTC."""
SMS = Sms("Your code is 12345", AT, "Google")
WORDS = Sms("Hello from Google", AT + 1)


def an_activation(*messages, country="GB", **more):
    order = Order("o-1", "447700900123", "go", country, created_at=AT - 60, messages=messages)
    return Activation(123456, order, "go", **({"delivered": True} | more))


def targets(*wanted, keys=None, environ=None):
    config = Config(forward=wanted, keys=keys or {})
    programs = load_programs(config, environ or {}, CODES, ())
    return load_targets(config, environ or {}, programs, CODES, lambda: AT + 5)


def one(dialect="sms-activate", **more):
    return targets(ForwardConfig(url=URL, dialect=dialect, **more))


def bodies(activation, dialect="sms-activate"):
    return [forward.body for forward in one(dialect).forwards("key", activation)]


# The bodies, to the byte. Sources: the documentation of each service.


@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        (
            "sms-activate",
            '{"activationId":123456,"service":"go","text":"Your code is 12345","code":"12345",'
            '"country":16,"receivedAt":"2023-01-01 12:00:00"}',
        ),
        (
            "daisysms",
            '{"activationId":123456,"messageId":120237404,"service":"go",'
            '"text":"Your code is 12345","code":"12345","country":16,'
            '"receivedAt":"2023-01-01 12:00:00"}',
        ),
        (
            "herosms",
            '{"activationId":"123456","phoneFrom":"Google","service":"go",'
            '"text":"Your code is 12345","code":"12345","country":16,'
            '"receivedAt":"2023-01-01T12:00:00+00:00"}',
        ),
    ],
)
def test_the_body_is_the_old_services(dialect, body):
    assert bodies(an_activation(SMS), dialect) == [body.encode()]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_has_a_body(dialect):
    (body,) = map(json.loads, bodies(an_activation(WORDS), dialect))
    assert body["text"] == WORDS.text
    assert body["code"] == (None if dialect == "herosms" else "Hello from Google")


def test_the_client_of_herosms_reads_its_body():
    for sms in (SMS, WORDS):
        (body,) = bodies(an_activation(sms), "herosms")
        read = WebhookSMSIncoming.model_validate_json(body)
        assert (read.activation_id, read.text) == ("123456", sms.text)
        assert read.received_at.timestamp() == sms.received_at


def test_a_number_of_the_us_is_of_country_0_at_daisysms():
    countries = {
        dialect: json.loads(bodies(an_activation(SMS, country="US"), dialect)[0])["country"]
        for dialect in DIALECTS
    }
    assert countries == {"sms-activate": 187, "daisysms": 0, "herosms": 187}


def test_each_sms_has_a_message_id_of_its_own_that_stays():
    activation = an_activation(SMS, WORDS, Sms("12345 is your code", AT + 9))
    ids = [json.loads(body)["messageId"] for body in bodies(activation, "daisysms")]
    assert len(set(ids)) == 3
    assert [json.loads(body)["messageId"] for body in bodies(activation, "daisysms")] == ids
    assert all(0 < id < 2**31 for id in ids)


def test_what_came_without_a_time_came_with_its_number():
    (body,) = bodies(an_activation(Sms("Code 1111")))
    assert json.loads(body)["receivedAt"] == "2023-01-01 11:59:00"


# Once for each SMS.


def ids(activation, of=None):
    return [forward.id for forward in (of or one()).forwards("key", activation)]


def test_the_same_sms_has_the_same_id_whoever_told_it():
    told = ids(an_activation(Sms("Your code is 12345", AT, pushed=True)))
    assert ids(an_activation(SMS)) == told
    assert ids(an_activation(SMS), one("herosms")) == told
    assert ids(an_activation(WORDS)) != told


def test_two_sms_with_one_code_are_two():
    again = Sms(SMS.text, AT + 60)
    assert len(set(ids(an_activation(SMS, again)))) == 2


@pytest.mark.parametrize(
    ("forwarded", "fresh"),
    [
        ((), [SMS, WORDS]),
        ((SMS.text,), [WORDS]),
        ((SMS.text, WORDS.text), []),
        ((SMS.text, SMS.text), [WORDS]),
        # A socket may word it otherwise.
        (("<b>Your code is 12345</b>",), [WORDS]),
        (("Your code is 99999",), [SMS, WORDS]),
    ],
)
def test_what_was_queued_is_not_queued_again(forwarded, fresh):
    activation = an_activation(SMS, WORDS, forwarded=forwarded)
    assert activation.unforwarded == fresh
    assert len(bodies(activation)) == len(fresh)


@pytest.mark.parametrize(
    "state", [{"delivered": False}, {"delivered": None}, {"delivered": True, "cancelling": True}]
)
def test_what_no_client_sees_is_not_forwarded(state):
    assert bodies(an_activation(SMS, **state)) == []


def test_what_is_queued_is_due_at_once():
    (forward,) = one().forwards("key", an_activation(SMS))
    assert (forward.target, forward.at, forward.due, forward.tries) == (URL, AT + 5, AT + 5, 0)


# Whose.

KEYS = {name: ProgramConfig(name=name, upstream_key=f"up-{name}") for name in ("shop", "bank")}


def test_a_target_may_be_of_some_programs_only():
    wanted = ForwardConfig(url=URL, programs=("shop",)), ForwardConfig(url=f"{URL}/all")
    found = targets(*wanted, keys=KEYS)
    programs = load_programs(Config(keys=KEYS), {}, CODES, ())
    urls = {
        program.name: [f.target for f in found.forwards(program.key.hash, an_activation(SMS))]
        for program in programs
    }
    assert urls == {"shop": [URL, f"{URL}/all"], "bank": [f"{URL}/all"]}


def test_a_secret_may_stand_elsewhere(tmp_path):
    (tmp_path / "secret").write_text("from-file\n")
    environ = {"HOOK": "from-env"}
    for wanted, secret in (
        ("env:HOOK", "from-env"), (f"file:{tmp_path}/secret", "from-file"), ("plain", "plain"),
        (None, ""),
    ):  # fmt: skip
        (target,) = targets(ForwardConfig(url=URL, secret=wanted), environ=environ)
        assert target.secret == secret


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ([{"programs": ("shpo",)}], "forward: programs: shpo is none of `keys`: write shop"),
        ([{"secret": "env:GONE"}], "forward: secret: the environment has no GONE: set it"),
        ([{}, {}], f"forward: {URL} is here twice: take one of them away"),
    ],
)
def test_a_target_that_cannot_be_is_named(wanted, says):
    with pytest.raises(ConfigError) as wrong:
        targets(*(ForwardConfig(url=URL, **more) for more in wanted), keys=KEYS)
    assert str(wrong.value) == says
