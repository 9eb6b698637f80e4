"""A legacy request, as it comes in every form that real clients send."""

import time
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from proxy.legacy.request import MAX_BODY, parse
from proxy.model.errors import Problem, ProblemError

FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("query", "body", "content_type", "parameters"),
    [
        (b"action=getBalance&api_key=k", b"", "", {"action": "getBalance", "api_key": "k"}),
        # SMSActivate-AIO: POST, everything in the query, no body.
        (b"action=getBalance", b"", FORM, {"action": "getBalance"}),
        # Old PHP scripts: everything in the body.
        (b"", b"action=getBalance&id=7", FORM, {"action": "getBalance", "id": "7"}),
        (b"", b"id=7", FORM + "; charset=UTF-8", {"id": "7"}),
        (b"", b"id=7", "", {"id": "7"}),
        (b"id=1&status=8", b"id=2", FORM, {"id": "2", "status": "8"}),
        (b"id=1&id=2", b"", "", {"id": "2"}),
        (b"country%20=16&service+=tg", b"", "", {"country": "16", "service": "tg"}),
        (b"service=%20tg%0A", b"", "", {"service": "tg"}),
        (b"ref=&operator=", b"", "", {"ref": "", "operator": ""}),
        (b"id=%FF%FE&x=\xff", b"", "", {"id": "\ufffd\ufffd", "x": "ÿ"}),
        (b"&&=&a", b"", "", {"": "", "a": ""}),
        # PHP's curl, given an array.
        (
            b"",
            b'--B\r\nContent-Disposition: form-data; name="id"\r\n\r\n7\r\n'
            b'--B\r\nContent-Disposition: form-data; name="x"\r\n\r\n\xd1\x8f\r\n--B--\r\n',
            "multipart/form-data; boundary=B",
            {"id": "7", "x": "я"},
        ),
        (b"id=1", b"garbage", "multipart/form-data", {"id": "1"}),
        (b"", b"id=7", "text/plain", {"id": "7"}),
        # Not a form: never read as one.
        (b"id=1", b'{"id":2}', "application/json", {"id": "1"}),
    ],
)
def test_query_and_form_are_one_set_of_parameters(query, body, content_type, parameters):
    assert parse(query, body, content_type).parameters == parameters


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (b"16", 16),
        (b"0", 0),
        (b"", None),
        (b"-5", None),
        (b"%2B5", None),
        (b"1e3", None),
        (b"1.0", None),
        (b"%D9%A1%D9%A6", None),  # ١٦, Arabic digits
        (b"%C2%B2", None),  # ², which str.isdigit takes
        (b"9" * 13, None),
        (b"16%00", None),
    ],
)
def test_a_number_is_ascii_digits_only(text, number):
    assert parse(b"country=" + text).number("country") == number


@pytest.mark.parametrize(
    ("text", "cents"),
    [
        ("0.50", 50),
        ("0,5", 50),
        ("12", 1200),
        ("1.", 100),
        ("0.509", 50),
        ("0.09999999999999999", 10),
        ("1.1549999999999998", 115),
        ("0.0999999994", 9),
        ("007", 700),
        ("9" * 40, int("9" * 40) * 100),
        ("0." + "9" * 38, 100),
        ("%20 0.5", 50),
        ("+0.5", 50),  # a space
        (".5", 50),
        ("0", 0),
        ("", None),
        ("maxPrice", None),
        ("max_price", None),
    ],
)
@pytest.mark.parametrize("name", ["maxPrice", "max_price"])
def test_a_price_cap_is_whole_cents(name, text, cents):
    assert parse(f"{name}={text}".encode()).max_price == cents


@pytest.mark.parametrize(
    "text",
    [
        *("-1", "%2B1", ".", ",", "abc", "1e3", "1E-2", "0x10", "1.2.3", "1,2.3", "1,000.5", "1_0"),
        *("NaN", "inf", "None", "null", "9" * 41, "0." + "1" * 39, "5%00", "5 0", "$5", "5USD"),
        *("%D9%A1", "%EF%BC%95", "%C2%B2", "%E2%85%A7"),  # ١, fullwidth 5, ², roman 8
    ],
)
@pytest.mark.parametrize("name", ["maxPrice", "max_price", "minPrice"])
def test_a_price_that_is_no_plain_decimal_is_refused_by_its_name(name, text):
    request = parse(f"{name}={text}".encode())
    with pytest.raises(ProblemError) as refused:
        _ = request.max_price, request.min_price
    assert refused.value.problem is Problem.BAD_PARAMETER
    assert refused.value.parameter == name


@given(
    price=st.decimals(Decimal("0.01"), 999, places=2),
    factor=st.floats(0.01, 1000, allow_subnormal=False),
)
def test_a_computed_cap_buys_exactly_what_it_covers(price, factor):
    """`0.7 * 1.65` is 1.1549999999999998: rounded to nine decimals, then down to cents."""
    cap = float(price) * factor
    assume(0.01 <= cap < 1e6)
    billionths = floor(Fraction(repr(cap)) * 10**9 + Fraction(1, 2))
    cents = parse(f"maxPrice={cap!r}".encode()).max_price
    assert cents == billionths // 10**7
    at_least = parse(f"minPrice={cap!r}".encode()).min_price
    assert at_least == ceil(Fraction(billionths, 10**7))


@given(cents=st.integers(1, 99_999_999), parts=st.sampled_from([3, 7, 10, 30, 100]))
def test_a_price_that_was_taken_apart_and_put_together_again_covers_itself(cents, parts):
    """A sum of floats is often a little less or more than the price."""
    dollars = cents / 100
    for computed in (dollars / parts * parts, dollars * 1.1 / 1.1, dollars + 0.1 - 0.1):
        request = parse(f"maxPrice={computed!r}&minPrice={computed!r}".encode())
        assert (request.min_price, request.max_price) == (cents, cents)


def test_of_two_caps_the_lower_one_counts():
    assert parse(b"maxPrice=5&max_price=0.5").max_price == 50
    assert parse(b"maxPrice=0.5&max_price=5").max_price == 50
    assert parse(b"maxPrice=maxPrice&max_price=5").max_price == 500


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        (b"", Problem.NO_KEY),
        (b"api_key=", Problem.NO_KEY),
        (b"api_key=%D0%BA", Problem.BAD_KEY),
        (b"api_key=a%0D%0Ab", Problem.BAD_KEY),
        (b"api_key=" + b"k" * 257, Problem.BAD_KEY),
    ],
)
def test_a_key_that_no_header_can_carry_is_refused_here(query, problem):
    with pytest.raises(ProblemError) as refused:
        _ = parse(query).key
    assert refused.value.problem is problem


def test_the_first_name_with_a_value_counts():
    assert parse(b"id=&activationId=7").text("id", "activationId") == "7"


@pytest.mark.parametrize(("text", "status"), [("8", 8), ("-1", -1), ("-2", None), ("", None)])
def test_minus_one_is_a_status(text, status):
    assert parse(f"status={text}".encode()).status == status


B = "multipart/form-data; boundary=B"


def a_part(disposition, value=b"7", head=b""):
    return (
        b"--B\r\nContent-Disposition: " + disposition + b"\r\n" + head + b"\r\n" + value + b"\r\n"
    )


@pytest.mark.parametrize(
    ("body", "content_type", "parameters"),
    [
        (a_part(b'form-data; name="id"') + b"--B--", B, {"id": "7"}),
        (a_part(b"form-data; name=id") + b"--B--\r\nepilogue", B, {"id": "7"}),
        (b"preamble\r\n" + a_part(b'form-data; name="id"') + b"--B--", B, {"id": "7"}),
        # Without an end: what came counts.
        (a_part(b'form-data; name="id"'), B, {"id": "7"}),
        (a_part(b'form-data; name="id"') * 2 + b"--B--", B, {"id": "7"}),
        # A file's name is no name; a browser escapes quotes.
        (a_part(b'form-data; filename="x"; name="id"') + b"--B--", B, {"id": "7"}),
        (a_part(b'form-data; name="i\\"d\\\\"') + b"--B--", B, {'i"d\\': "7"}),
        (a_part(b'form-data; filename="x"') + b"--B--", B, {}),
        (a_part(b'form-data; name="id"', b"") + b"--B--", B, {"id": ""}),
        (a_part(b'form-data; name="id"', b"a--B\r\n--C") + b"--B--", B, {"id": "a--B\r\n--C"}),
        (a_part(b'form-data; name="id"', head=b"Content-Type: text/plain\r\n") + b"--B--", B,
         {"id": "7"}),
        (b'--B\nContent-Disposition: form-data; name="id"\n\n7\n--B--\n', B, {"id": "7"}),
        (a_part(b'form-data; name="id"') + b"--B--", 'multipart/form-data; Boundary="B"',
         {"id": "7"}),
        (a_part(b'form-data; name="id"') + b"--B--", "multipart/form-data; boundary=C", {}),
        (a_part(b'form-data; name="id"', head=b"X: " + b"x" * 1024 + b"\r\n") + b"--B--", B, {}),
        (a_part(b'form-data; name="id"') + b"--B--", B + "; x=" + "x" * 1024, {}),
        (a_part(b"form-data; name*=utf-8''id") + b"--B--", B, {}),
        (b"--B\r\nContent-Type: multipart/mixed; boundary=C\r\n\r\n--C--\r\n--B--", B, {}),
    ],
)  # fmt: skip
def test_a_multipart_form_is_read_part_by_part(body, content_type, parameters):
    assert parse(b"", body, content_type).parameters == parameters


def cpu(body, content_type):
    """The best of three."""
    spent = []
    for _ in range(3):
        begun = time.thread_time()
        parse(b"", body, content_type)
        spent.append(time.thread_time() - begun)
    return min(spent)


HEAD = b"--B\r\nContent-Disposition: form-data; name="
PIECES = (
    b'"', b";", b"\\", b" ", b"\r\n", b"\n", b"\r", b"--B\r\n", b"\r\n--B", b"\r\n--B ", b"%41",
    b"&",
    b"a=&", b"=", b"%", b"\xe9%41", b"+", b"content-disposition:", b";name=", b'"\\', HEAD,
    HEAD + b'"', HEAD + b"a\r\n\r\n", b"Content-Type: message/rfc822\r\n\r\n", b"\x00", b"name*=",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("before", [b"", HEAD, HEAD + b'"'], ids=["", "name", "quote"])
@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize("content_type", [B, FORM])
def test_twice_as_long_a_body_takes_about_twice_as_long_to_read(before, piece, content_type):
    whole = before + piece * (MAX_BODY // len(piece))
    half = cpu(whole[: MAX_BODY // 2], content_type)
    assert cpu(whole[:MAX_BODY], content_type) < 4 * half + 0.01


@pytest.mark.slow
@settings(deadline=None, max_examples=200)
@given(
    pieces=st.lists(st.sampled_from(PIECES) | st.binary(max_size=8), min_size=1, max_size=6),
    content_type=st.sampled_from([B, FORM, ""]) | st.text("mulipartfo/-d;=\"' B", max_size=60),
)
def test_whatever_a_body_holds_it_is_read_in_milliseconds(pieces, content_type):
    whole = b"".join(pieces) * MAX_BODY
    # Fifty milliseconds of an idle machine's; this one may be slower.
    assert cpu(whole[:MAX_BODY], content_type) < 0.1
