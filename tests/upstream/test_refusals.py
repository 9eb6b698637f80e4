"""Every refusal of the upstream as a Problem, every Problem as a word."""

import time

import pytest

from proxy.legacy.dialects import DIALECTS
from proxy.model.errors import Problem, ProblemError
from proxy.upstream.endpoints import ENDPOINTS
from proxy.upstream.refusals import classify, refusal_text, wait_seconds

CDN = b"<!DOCTYPE html><html><title>Attention Required! | Cloudflare</title>no numbers</html>"


@pytest.mark.parametrize(
    ("call", "status", "body", "problem"),
    [
        ("balance", 401, b'{"error":"unauthorized"}', Problem.BAD_KEY),
        ("purchase", 402, b'{"error":"insufficient_balance"}', Problem.NO_BALANCE),
        ("purchase", 402, b'{"error":"x","required":0.9,"current":0.1}', Problem.NO_BALANCE),
        ("purchase", 400, b'{"error":"invalid_service"}', Problem.BAD_SERVICE),
        ("purchase", 400, b'{"error":"invalid_country"}', Problem.NO_NUMBERS),
        ("purchase", 503, b'{"error":"no_numbers","message":"No numbers"}', Problem.NO_NUMBERS),
        ("purchase", 404, b'{"error":"out of stock"}', Problem.NO_NUMBERS),
        ("purchase", 409, b'{"message":"No stock for tg/US"}', Problem.NO_NUMBERS),
        ("purchase", 400, b'{"error":"missing_params"}', Problem.BAD_SERVICE),
        ("purchase", 400, b'{"error":"Our service is under maintenance"}', Problem.TRY_AGAIN),
        ("purchase", 503, b'{"error":"Service temporarily not available"}', Problem.UNCLEAR),
        ("purchase", 404, b'{"error":"not available"}', Problem.NO_NUMBERS),
        ("swap", 404, b'{"error":"No replacement available"}', Problem.NO_NUMBERS),
        ("swap", 425, b'{"error":"hold","seconds_remaining":87}', Problem.EARLY_CANCEL),
        ("retry", 404, b'{"error":"Not found"}', Problem.RETRY_REFUSED),
        ("purchase", 200, b'{"success":false,"error":"no free phones"}', Problem.NO_NUMBERS),
        ("purchase", 500, b'{"error":"internal_error"}', Problem.UNCLEAR),
        ("purchase", 422, b'{"error":"odd"}', Problem.TRY_AGAIN),
        ("price", 404, b'{"success":false,"error":"Service/country combination not available"}',
         Problem.NO_NUMBERS),
        ("order", 404, b'{"error":"order not found"}', Problem.NO_ACTIVATION),
        ("cancel", 425, b'{"error":"Cannot cancel within 120 seconds"}', Problem.EARLY_CANCEL),
        ("cancel", 425, b"", Problem.EARLY_CANCEL),
        ("cancel", 400, b'{"error":"Cannot cancel order with status: cancelled"}',
         Problem.ALREADY_CANCELLED),
        ("cancel", 400, b'{"error":"Cannot cancel order with status: completed"}',
         Problem.CANNOT_CANCEL),
        ("retry", 400, b'{"error":"not supported"}', Problem.RETRY_REFUSED),
        ("orders", 429, b"", Problem.RATE_LIMITED),
    ],
)  # fmt: skip
def test_what_the_upstream_says_is_read_from_one_table(call, status, body, problem):
    assert classify(call, status, refusal_text(status, body)) is problem


OWN_WORDS = [
    ("order", 404, "Order not found", Problem.NO_ACTIVATION),
    ("cancel", 404, "Order not found", Problem.NO_ACTIVATION),
    ("balance", 401, "Invalid or missing API key", Problem.BAD_KEY),
    ("orders", 401, "Invalid API key", Problem.BAD_KEY),
    ("purchase", 402, "Balance too low for this order", Problem.NO_BALANCE),
    ("purchase", 402, "Insufficient balance", Problem.NO_BALANCE),
    ("purchase", 503, "No numbers available", Problem.NO_NUMBERS),
    ("purchase", 404, "Out of stock", Problem.NO_NUMBERS),
    ("swap", 404, "No replacement available", Problem.NO_NUMBERS),
    ("price", 404, "Service/country combination not available", Problem.NO_NUMBERS),
    ("purchase", 400, "Invalid service", Problem.BAD_SERVICE),
    ("cancel", 400, "Cannot cancel order with status: cancelled", Problem.ALREADY_CANCELLED),
    ("cancel", 400, "Cannot cancel order with status: completed", Problem.CANNOT_CANCEL),
    ("cancel", 425, "Cannot cancel within 120 seconds of purchase.", Problem.EARLY_CANCEL),
    ("balance", 401, "Missing or invalid API key", Problem.BAD_KEY),
    ("orders", 401, "API key required", Problem.BAD_KEY),
    ("balance", 401, "The API key is invalid", Problem.BAD_KEY),
    ("balance", 401, "invalid_api_key", Problem.BAD_KEY),
    ("purchase", 402, "insufficient_balance", Problem.NO_BALANCE),
    ("purchase", 402, "Not enough funds", Problem.NO_BALANCE),
    ("purchase", 503, "no_numbers", Problem.NO_NUMBERS),
    ("purchase", 503, "This country is out of stock", Problem.NO_NUMBERS),
    ("purchase", 400, "Service is out of stock", Problem.NO_NUMBERS),
    ("purchase", 400, "Unknown service: whatsapp", Problem.BAD_SERVICE),
    ("purchase", 400, "Missing required parameters: service", Problem.BAD_SERVICE),
    ("purchase", 400, "Unknown country: XX", Problem.NO_NUMBERS),
    ("retry", 400, "Retry is not supported for this order", Problem.RETRY_REFUSED),
    ("retry", 400, "Order must be in waiting/created status", Problem.RETRY_REFUSED),
]


@pytest.mark.parametrize(("call", "status", "text", "problem"), OWN_WORDS)
@pytest.mark.parametrize(
    "form",
    ["%s", "%s.\n", '"%s"', '{"error":"%s"}', '{"error":{"code":"x","message":"%s"}}',
     '{"error":{"code":"%s"}}', '{"success":false,"error":null,"message":"%s"}'],
)  # fmt: skip
def test_a_refusal_means_the_same_in_every_form(call, status, text, problem, form):
    body = (form % text).encode()
    assert classify(call, status, refusal_text(status, body)) is problem


ANYBODYS = [
    "Not Found", "404 page not found", "Unauthorized", "Bad Request", "Payment Required",
    "Forbidden", "Bad Gateway", "Service Unavailable", "no available server",
    "no healthy upstream", "upstream connect error", "default backend - 404", "error code: 1020",
    "<html>Order not found</html>", "Order not found " * 20, "Is the order not found here?",
    "Invalid request", "OK", "Too Many Requests",
]  # fmt: skip


@pytest.mark.parametrize("call", ["order", "cancel", "balance", "purchase", "price", "swap"])
@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 500, 502, 503])
@pytest.mark.parametrize("text", ANYBODYS)
def test_what_a_gateway_says_is_a_doubt(call, status, text):
    for body in (text.encode(), f'"{text}"'.encode()):
        assert classify(call, status, refusal_text(status, body)).is_doubt


@pytest.mark.parametrize(("call", "status", "text", "problem"), OWN_WORDS[:9])
def test_the_upstreams_own_words_with_another_status_are_a_doubt(call, status, text, problem):
    assert classify(call, 200, refusal_text(200, text.encode())) is Problem.UNCLEAR


@pytest.mark.parametrize("call", ENDPOINTS)
@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 500, 502, 503, 520])
@pytest.mark.parametrize(
    "body",
    [CDN, b"\xef\xbb\xbf" + CDN, b"", b"null", b"[]", b'{"a":1}', b'"x"', b"404 page not found"],
)
def test_a_page_of_a_cdn_or_a_body_that_says_nothing_proves_nothing(call, status, body):
    assert classify(call, status, refusal_text(status, body)).is_doubt


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
def test_a_dialect_has_a_word_for_every_problem(dialect):
    assert [problem.name for problem in Problem if problem not in dialect.words] == []


def test_the_word_for_a_price_carries_the_real_price():
    refused = DIALECTS["sms-activate"].refuse(ProblemError(Problem.PRICE_TOO_HIGH, cents=1205))
    assert refused.body == b"WRONG_MAX_PRICE:12.05"


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        (
            b'{"error":"Cannot cancel within 120 seconds of purchase. Please wait 118 seconds."}',
            118,
        ),
        (b'{"error":"Swap not allowed within 2 minute hold period","seconds_remaining":87}', 87),
        (b"Cannot cancel within 120 seconds of purchase. Please wait 5 seconds.", 5),
        (b'{"error":"too early"}', None),
        (b'{"error":"x","seconds_remaining":%s}' % (b"9" * 400), None),
        (b'{"error":"x","seconds_remaining":1e308}', None),
        (b'{"error":"x","seconds_remaining":-3}', 0),
        (b'{"error":"Please wait 999999 seconds"}', 3600),
        (b"<html>", None),
    ],
)
def test_how_long_to_wait_is_read_from_all_forms_of_a_425(body, seconds):
    assert wait_seconds(body) == seconds


@pytest.mark.slow
def test_what_an_upstream_says_at_length_costs_no_time():
    begun = time.thread_time()
    classify("order", 400, "invalid " * 10_000)
    assert time.thread_time() - begun < 0.5
