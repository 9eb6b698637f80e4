"""What a refusal of the upstream means: its Problem, and how long to wait. Pure: no IO."""

import re
from typing import Any, NamedTuple

from proxy.model.errors import Problem
from proxy.upstream import fields
from proxy.upstream.fields import is_row

MAX_PLAIN = 200
"""Bytes of a plain text; a page is longer."""
MAX_WAIT = 3600.0
"""Seconds. No source has a longer hold or pause."""


def refusal_text(status: int, body: bytes) -> str:
    """The error text of the upstream: from JSON, or a plain text of PLAIN_TEXTS. Empty if the text
    may come from a gateway or a CDN.
    """
    return error_text(body) or _plain_text(status, body)


def error_text(body: bytes) -> str:
    """The `error` and `message` of a body; empty if it is no JSON object."""
    data = fields.parsed(body)
    if not isinstance(data, dict):
        return ""
    return " ".join(text for name in ("error", "message") if (text := _text_of(data.get(name))))


def _text_of(value: Any) -> str:
    """A text, or an object with a code and a message."""
    found = [value.get("code"), value.get("message")] if is_row(value) else [value]
    return " ".join(text for text in found if isinstance(text, str) and text)


def _plain_text(status: int, body: bytes) -> str:
    """A plain text that is one of the upstream's own errors; empty for any other."""
    if len(body) > MAX_PLAIN:
        return ""
    data = fields.parsed(body)
    text = (data if isinstance(data, str) else body.decode("utf-8", "replace")).strip()
    error = text.strip(" .!\r\n").lower().replace("_", " ")
    is_own = any(status in row and re.fullmatch(words, error) for row, words in PLAIN_TEXTS)
    return text if is_own else ""


def wait_seconds(body: bytes) -> float | None:
    """Seconds left, from a 425: in a field, in its error text, or in a plain text."""
    data = fields.parsed(body)
    seconds = fields.number(data.get("seconds_remaining")) if isinstance(data, dict) else None
    if seconds is None:
        text = error_text(body) or body.decode("utf-8", "replace")
        found = re.search(r"wait (\d{1,6}) seconds", text)
        seconds = int(found[1]) if found else None
    return None if seconds is None else min(max(float(seconds), 0.0), MAX_WAIT)


def retry_after(value: str, now: float) -> float | None:
    """Seconds of a Retry-After, which may be a date; `now` is on the upstream's clock."""
    if value.isascii() and value.isdigit():
        return min(float(value), MAX_WAIT)
    at = fields.http_date(value)
    return None if at is None else min(max(at - now, 0.0), MAX_WAIT)


def per_minute(limit: str, body: bytes) -> int | None:
    """Requests per minute that a 429 allows: from X-RateLimit-Limit, or from its error text."""
    found = re.match(r"([1-9]\d{0,5})\b", limit)
    words = r"\b([1-9]\d{0,5})( requests?| calls?)? ?(per|a|/) ?min"
    found = found or re.search(words, error_text(body), re.IGNORECASE)
    return int(found[1]) if found else None


class Refusal(NamedTuple):
    """A row: calls (`*` is all), HTTP statuses and a pattern for the error text mean a Problem."""

    calls: str
    statuses: range
    words: str
    problem: Problem


def _only(status: int) -> range:
    return range(status, status + 1)


ANY = range(200, 600)
REFUSED = range(400, 500)
_BELOW_500 = range(200, 500)

_NO_STOCK = r"no.?numbers?\b|out of stock|no stock|no free phones"

_WEBHOOK = "webhook webhook_change webhook_delete webhook_test webhook_deliveries"

# The first row that fits counts; no row means UNCLEAR. Sources: the vendor's VERIFICATION.md
# (2026-05-24), its API introduction, and SDK 2.0.0. No source defines the words for "no stock": SDK
# 2.0.0 looks for them in any status, other clients know "no free phones" and "not available". A
# body in HTML comes from a CDN: its error text is empty, and no row fits.
REFUSALS = (
    Refusal("*", _only(401), r".", Problem.BAD_KEY),
    Refusal("*", _only(429), r"", Problem.RATE_LIMITED),
    Refusal("purchase", _only(402), r".", Problem.NO_BALANCE),
    Refusal("purchase", ANY, r"insufficient.?balance", Problem.NO_BALANCE),
    Refusal("purchase", ANY, _NO_STOCK, Problem.NO_NUMBERS),
    Refusal("purchase", _BELOW_500, r"not available", Problem.NO_NUMBERS),
    Refusal("purchase", _only(400), r"(invalid|unknown|no such|missing).{0,9}service|service.{0,12}"
            r"(invalid|unknown|required|not found)|missing.(required.)?param", Problem.BAD_SERVICE),
    # The upstream does not sell this country of the tables: no numbers there, for the client.
    Refusal("purchase", _only(400), r"country", Problem.NO_NUMBERS),
    # After a 4xx it is certain that no order was made.
    Refusal("purchase", REFUSED, r".", Problem.TRY_AGAIN),
    Refusal("price", _BELOW_500, r"not available", Problem.NO_NUMBERS),
    Refusal("price prices", _only(400), r"service", Problem.BAD_SERVICE),
    Refusal("cancel swap", _only(425), r"", Problem.EARLY_CANCEL),
    Refusal("cancel", _only(400), r"status: cancelled", Problem.ALREADY_CANCELLED),
    Refusal("cancel swap", _only(400), r"status: \w", Problem.CANNOT_CANCEL),
    Refusal("swap", ANY, r"no replacement|" + _NO_STOCK, Problem.NO_NUMBERS),
    Refusal("order cancel swap", _only(404), r".", Problem.NO_ACTIVATION),
    Refusal("order cancel", _only(400), r"invalid.*\bid\b", Problem.NO_ACTIVATION),
    Refusal("retry", REFUSED, r".", Problem.RETRY_REFUSED),
    # Some accounts may have no webhooks at all: sources disagree.
    Refusal("webhooks webhook_create", _only(404), r".", Problem.BAD_ACTION),
    Refusal(_WEBHOOK, _only(404), r".", Problem.NO_ACTIVATION),
    Refusal(f"webhook_create {_WEBHOOK}", _only(400), r".", Problem.BAD_PARAMETER),
)  # fmt: skip

_WRONG = r"(invalid|missing|unknown|expired|revoked|required|not found)"

# The upstream's errors in plain text: its live log quotes errors as bare strings. All other plain
# texts may come from a gateway, like "Not Found", "Unauthorized", "no available server".
PLAIN_TEXTS: tuple[tuple[range, str], ...] = (
    (_only(401), rf"{_WRONG}( or {_WRONG})? api.?key( provided)?|(the )?api.?key( is)? {_WRONG}"),
    (_only(402), r"((insufficient|not enough) (balance|funds)|(balance|funds) too low)"
                 r"( for this (order|purchase))?"),
    (_only(400), r"cannot (cancel|swap|retry) order with status: \w+"),
    (_only(400), r"(invalid|unknown) (service|country|order.id)( code)?(: ?\S{1,40})?"),
    (_only(400), r"(missing|required) (required )?param(eter)?s?(: ?[\w, ]{1,80})?"),
    (_only(400), r"order must be in [\w/ ]{1,40} status"),
    (range(400, 500), r"retry (is )?not supported( for this order)?"),
    (_only(404), r"(order|webhook) (was )?not found|(no such|unknown) order"),
    (_only(404), r"service/country combination not available|no replacement available"),
    (range(400, 600), r"no.numbers?( are)?( available)?|no free phones( available)?|no stock|"
                      r"((this |the )?(service|country|pair) is )?out of stock"),
    (_only(425), r"(cannot cancel|swap not allowed) within .{1,150}"),
)  # fmt: skip


MAX_TEXT = 1000
"""Characters of the error text that are searched: a longer text is no refusal and takes long."""


def classify(call: str, status: int, text: str) -> Problem:
    """The Problem of a refusal. `call` is a name in ENDPOINTS; `text` is from `refusal_text`."""
    for row in REFUSALS:
        fits = (row.calls == "*" or call in row.calls.split()) and status in row.statuses
        if fits and re.search(row.words, text[:MAX_TEXT], re.IGNORECASE | re.DOTALL):
            return row.problem
    return Problem.UNCLEAR
