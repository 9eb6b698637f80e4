"""`doctor --readings --report`: nothing private is in the file, and its form is kept."""

import json
import re
import stat
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.commands.doctor.answers import Answers
from proxy.commands.doctor.blanking import WORDS, sentence
from proxy.commands.doctor.readings import readings
from proxy.commands.doctor.report import refuse_path, report_of, write
from proxy.model.errors import ConfigError
from proxy.sandbox.report import HEADERS, VERSION, Report, read_report
from proxy.sandbox.state.switches import drawn
from proxy.sandbox.wire.replay import Replay
from proxy.upstream.raw import RawAnswer
from tests.any_json import GOOD, ORDER
from tests.support.examples import examples
from tests.support.first_contact import CODES, KEY, Upstream, contact

ISOS = {country.iso for country in CODES.countries.values()}


def blanked(*answers, trouble=""):
    return report_of(list(answers), {}, trouble, CODES.services, ISOS)


def answer(body, headers=(), status=200, question="order", query=()):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    path = "/customer/order/{id}"
    return RawAnswer(question, "GET", path, dict(query), True, status, dict(headers), raw)


def value_of(body, **how):
    return blanked(answer(body, **how)).answers[0].body.value


# What a person would not want to see in a bug report. None of it consists of words of the list.
names = st.from_regex(r"[B-Z][a-z]{5,9} (van )?[B-Z][a-z]{5,9}", fullmatch=True).filter(
    lambda it: not WORDS & set(it.lower().split())
)
digits = st.from_regex(r"[1-9]{7,14}", fullmatch=True)
PRIVATE = st.one_of(
    st.from_regex(r"vsms_[A-Za-z0-9]{12,24}", fullmatch=True),
    digits,
    digits.map(lambda it: f"+{it[:2]} {it[2:6]} {it[6:]}"),
    digits.map(lambda it: f"+{it}"),
    names,
    names.map(lambda it: it.replace(" ", "_").lower()),
    names.map(lambda it: f"{it}@example.org".replace(" ", ".")),
    st.uuids().map(str),
    digits.map(lambda it: f"txn_{it}"),
    names.map(lambda it: f"Dear {it}, use 86421-97 to log in."),
    names.map(lambda it: f"https://example.org/{it.replace(' ', '-')}?token=86421"),
    st.text("äöüßéñ漢字кириллица", min_size=5, max_size=12),
)
NUMBERS = digits.map(int) | digits.map(lambda it: int(it) / 100)
HIDDEN_IN = st.sampled_from(["", "Order {} was not found", "invalid {}", "{}: error", "a{}z"])


def places(value, path=()):
    """The paths of all values and keys of a JSON."""
    yield path
    children = value.items() if isinstance(value, dict) else ()
    children = enumerate(value) if isinstance(value, list) else children
    for key, child in children:
        yield from places(child, (*path, key))


def planted_at(value, path, secret, how):
    """The same JSON with a secret in place of a value, as a further value, or as a key."""
    if not path:
        return {"value": secret, "key": {secret: value}, "more": {"note": secret, "was": value}}[
            how
        ]
    key, *rest = path
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[key] = planted_at(value[key], rest, secret, how)
    return copy


@st.composite
def planted(draw):
    """An answer with something private in it, and what that is."""
    secret = draw(PRIVATE)
    text = (draw(HIDDEN_IN) or "{}").format(secret)
    errors = {"error": {"code": "x", "message": "y", "details": ["z"]}, "success": False}
    good = draw(st.sampled_from([*GOOD.values(), errors, {"error": "Order not found"}]))
    how = draw(st.sampled_from(["value", "key", "more"]))
    where = draw(st.sampled_from(list(places(good))))
    kind = draw(st.sampled_from(["json", "json", "json", "text", "html", "header", "cut", "query"]))
    body = planted_at(good, where, text, how)
    headers, query = {}, {}
    if kind == "header":
        name = draw(st.sampled_from([*sorted(HEADERS), "x-request-id", "set-cookie"]))
        headers, body = {name: text}, good
    if kind == "query":
        query, body = {"service": text}, good
    if kind == "text":
        body = text.encode()
    if kind == "html":
        body = f"<html>{text}</html>".encode()
    if kind == "cut":
        body = json.dumps(body).encode()[:-1]
    status = draw(st.sampled_from([200, 400, 404, 500]))
    return answer(body, headers, status, query=query), secret


def pieces(secret):
    """The parts by which it could be recognised."""
    return [it for it in re.split(r"[^\w]|_", secret.lower()) if len(it) >= 5] or [secret.lower()]


NAMES = st.text(max_size=6) | st.sampled_from(
    sorted({name for body in GOOD.values() for name in (*body, *ORDER)} | {"error", "count"})
)
KNOWN = {"example", "https", "token"}


@settings(max_examples=examples(150), deadline=None)
@given(planted())
def test_nothing_planted_anywhere_is_in_the_report(case):
    one, secret = case
    text = msgspec.json.encode(blanked(one, trouble=f"order: {secret}")).decode().lower()
    assert not [it for it in pieces(secret) if it in text and it not in KNOWN]


@settings(max_examples=100, deadline=None)
@given(NUMBERS, st.sampled_from(["price", "balance", "count", "id", "phone_number", "note"]))
def test_a_number_that_could_be_a_phone_or_a_code_is_blanked(number, name):
    assert value_of({name: number}) != {name: number}
    assert str(number) not in str(value_of({"list": [{name: number}], "deep": {name: [number]}}))


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ({"price": 0.9, "currency": "USD"}, {"price": 0.9, "currency": "USD"}),
        ({"balance": "49.39"}, {"balance": "49.39"}),
        ({"service": "wa", "country": "GB"}, {"service": "wa", "country": "GB"}),
        (
            {"status": "waiting", "sms_received": False},
            {"status": "waiting", "sms_received": False},
        ),
        ({"messages": None}, {"messages": None}),
        ({"phone_number": "+44 7700 900123"}, {"phone_number": "+00 0000 000000"}),
        ({"phone_number": "447700900123"}, {"phone_number": "000000000000"}),
        ({"created_at": "2026-05-24T15:20:34Z"}, {"created_at": "2000-01-01T00:00:00Z"}),
        (
            {"created_at": "2026-03-14T16:00:00.123+08:00"},
            {"created_at": "2000-01-01T00:00:00.000+08:00"},
        ),
        (
            {"error": "Cannot cancel within 120 seconds of purchase. Please wait 118 seconds."},
            {"error": "Cannot cancel within 0 seconds of purchase. Please wait 0 seconds."},
        ),
        (
            {"error": "insufficient_balance", "required": 0.9, "current": 0.1},
            {"error": "insufficient_balance", "required": 0.9, "current": 0.1},
        ),
        ({"error": {"code": "no_numbers"}}, {"error": {"code": "no_numbers"}}),
        ({"email": "jane@example.org"}, {"email": "name@example.com"}),
        ({"can_swap_number": True}, {"can_swap_number": True}),
        ({"janes_note": "x"}, {"field_1": "text"}),
    ],
)
def test_what_says_how_the_upstream_is_stays(body, shown):
    assert value_of(body) == shown


def test_equal_ids_stay_equal_and_others_differ():
    first, other = "7e44ebb5-9a55-4bd8-a4e9-7f226f9d5ebd", "f3c1cf52-ec0b-4908-83ff-58a2217a6633"
    report = blanked(
        answer({"order_id": first}), answer({"orders": [{"id": other}, {"id": first}]})
    )
    one, two = (it.body.value for it in report.answers)
    assert one["order_id"] == two["orders"][1]["id"] != two["orders"][0]["id"]


def test_a_long_list_is_shortened_to_a_row_of_each_shape_and_its_length_is_said():
    rows = [{"service_id": "wa"}] * 700 + [{"service_id": None}, {"status": "waiting"}]
    body = blanked(answer({"services": rows})).answers[0].body
    assert body.shortened == {"/services": 702}
    assert body.value["services"] == [*rows[:3], *rows[700:]]


def test_the_words_of_an_unknown_error_are_kept_as_far_as_they_are_on_the_list():
    assert sentence("User jane.doe (id 4711) is not allowed") == "User ….… (id 0) is not allowed"


@pytest.mark.parametrize(
    "text",
    [
        "Balance too low for this order",
        "Cannot cancel order with status: cancelled",
        "Invalid order ID",
        "Missing or invalid API key",
        "Missing required parameters: service, country",
        "No numbers available",
        "No replacement available",
        "Order must be in waiting/created status",
        "Order not found",
        "Rate limit exceeded",
        "Retry is not supported for this order",
        "Service/country combination not available",
        "Swap not allowed within 0 minute hold period",
        "This country is out of stock",
        "invalid_api_key",
        "rate_limited",
    ],
)
def test_the_known_errors_of_the_upstream_stay_whole(text):
    assert sentence(text) == text


@pytest.mark.anyio
@pytest.mark.parametrize("seed", range(4))
async def test_the_report_of_a_sandbox_has_every_name_and_nothing_of_the_account(clock, seed):
    upstream = Upstream(clock, **drawn(str(seed)))
    await upstream.fill()
    learnt = await contact(upstream.app)
    text = msgspec.json.encode(learnt.report).decode()
    orders = (await upstream.look("orders"))["orders"]
    private = [KEY, "is your code", "Facebook", "account-"]
    private += [it for order in orders for it in (order["order_id"], order["phone_number"]) if it]
    assert not [it for it in private if str(it) in text]
    assert "field_" not in text
    assert learnt.report.readings == {
        name: it for name, it in learnt.readings.items() if isinstance(it, str | int)
    }


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda it: st.lists(it, max_size=4) | st.dictionaries(NAMES, it, max_size=5),
    max_leaves=20,
)
QUESTIONS = (
    "balance", "services", "services_without_key", "countries", "prices", "price",
    "price_not_offered", "orders", "orders_filtered", "order", "order_unknown", "order_malformed",
    "transactions", "profile", "socket", "purchase", "purchase_no_stock", "cancel", "cancel_early",
    "socket_of_order", "socket_closed", "frame",
)  # fmt: skip


@settings(max_examples=examples(100), deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(QUESTIONS),
            st.sampled_from([0, 101, 200, 201, 302, 400, 401, 404, 425, 429, 500, 999]),
            JSON | st.sampled_from(list(GOOD.values())) | st.binary(max_size=30),
        ),
        max_size=8,
    )
)
def test_whatever_the_upstream_answers_is_read_and_its_report_can_be_read_again(tmp, found):
    """No JSON is a bug: of names that count, too."""
    answers = [
        answer(body, {"date": "x", "retry-after": "5"}, status, question, {"status": "pending"})
        for question, status, body in found
    ]
    read = readings(Answers(answers))
    report = report_of(answers, read, "", CODES.services, ISOS)
    path = tmp / "any.json"
    write(path, report, may_overwrite=True)
    assert read_report(path) == report
    Replay(report).shaped("order", (200, {"order_id": "7"}, {}))


@pytest.fixture(scope="module")
def tmp(tmp_path_factory):
    return tmp_path_factory.mktemp("reports")


# The file.


def test_the_file_is_for_its_owner_only_and_can_be_read_again(tmp_path):
    report = blanked(answer(GOOD["order"]))
    write(tmp_path / "r.json", report, may_overwrite=False)
    assert stat.S_IMODE((tmp_path / "r.json").stat().st_mode) == 0o600
    assert read_report(tmp_path / "r.json") == report
    assert [it.name for it in tmp_path.iterdir()] == ["r.json"]


def a_file(path: Path) -> None:
    path.write_text("mine")


def a_link(path: Path) -> None:
    (path.parent / "target").write_text("mine")
    path.symlink_to(path.parent / "target")


def a_dead_link(path: Path) -> None:
    path.symlink_to(path.parent / "nowhere")


def a_folder(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize(
    ("there", "may_overwrite", "says"),
    [
        (a_file, False, "exists: name another, or add --overwrite"),
        (a_link, False, "it is a symbolic link"),
        (a_link, True, "it is a symbolic link"),
        (a_dead_link, True, "it is a symbolic link"),
        (a_folder, True, "it is no plain file"),
    ],
)
def test_a_report_never_takes_the_place_of_what_it_must_not(tmp_path, there, may_overwrite, says):
    path = tmp_path / "r.json"
    there(path)
    for act in (
        lambda: refuse_path(path, may_overwrite=may_overwrite),
        lambda: write(path, Report(proxy="1"), may_overwrite=may_overwrite),
    ):
        with pytest.raises(ConfigError, match=says):
            act()
    assert not path.is_file() or path.read_text() == "mine"


def test_an_old_report_is_overwritten_when_asked(tmp_path):
    path = tmp_path / "r.json"
    path.write_text("old")
    path.chmod(0o644)
    write(path, Report(proxy="1"), may_overwrite=True)
    assert read_report(path).version == VERSION
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_folder_that_is_not_there_is_said_before_anything_is_asked(tmp_path):
    with pytest.raises(ConfigError, match="no folder that can be written"):
        refuse_path(tmp_path / "none" / "r.json", may_overwrite=False)
