"""Every failure there is: one enum, one exception, and the table that reads upstream refusals.

Pure: x in, y out. How a dialect words a Problem stands in its own file under legacy/dialects/.
"""

import enum
import re
from typing import NamedTuple


class Problem(enum.Enum):
    """What went wrong, in the project's own terms."""

    # The client's request.
    NO_KEY = enum.auto()
    BAD_ACTION = enum.auto()
    BAD_COUNTRY = enum.auto()
    BAD_STATUS = enum.auto()
    BAD_PARAMETER = enum.auto()
    BAD_DATE = enum.auto()
    ORDER_EXISTS = enum.auto()
    UNSUPPORTED_WISH = enum.auto()
    CODE_RECEIVED = enum.auto()
    # The operator's ceilings.
    PAUSED = enum.auto()
    TOO_MANY_ACTIVE = enum.auto()
    # The upstream's own word.
    BAD_KEY = enum.auto()
    BAD_SERVICE = enum.auto()
    NO_ACTIVATION = enum.auto()
    NOTHING_TO_CANCEL = enum.auto()
    """NO_ACTIVATION, said to a cancel."""
    NO_BALANCE = enum.auto()
    NO_NUMBERS = enum.auto()
    PRICE_TOO_HIGH = enum.auto()
    EARLY_CANCEL = enum.auto()
    ALREADY_CANCELLED = enum.auto()
    CANNOT_CANCEL = enum.auto()
    RETRY_REFUSED = enum.auto()
    # Doubt: nothing final may be said.
    RATE_LIMITED = enum.auto()
    TRY_AGAIN = enum.auto()
    UNCLEAR = enum.auto()
    """The request may have had its effect: for a purchase, money may be gone."""

    @property
    def is_doubt(self) -> bool:
        return self in _DOUBTS


_DOUBTS = frozenset({Problem.RATE_LIMITED, Problem.TRY_AGAIN, Problem.UNCLEAR})


class ProblemError(Exception):
    """The one exception. `detail` is for the log: it never holds a key or an SMS text."""

    def __init__(
        self,
        problem: Problem,
        detail: str = "",
        *,
        cents: int | None = None,
        seconds: float | None = None,
        failed: bool = False,
    ) -> None:
        super().__init__(f"{problem.name}: {detail}" if detail else problem.name)
        self.problem = problem
        self.detail = detail
        self.cents = cents
        """The real price in US cents, for PRICE_TOO_HIGH."""
        self.seconds = seconds
        """How long the upstream asks to wait, for EARLY_CANCEL."""
        self.may_have_worked = failed or problem is Problem.UNCLEAR
        """The request may have had its effect, even if the upstream spoke of a reason in a 5xx."""


class Refusal(NamedTuple):
    """A row: which call, which HTTP statuses, which words in the body mean which Problem."""

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

# Ordered: the first row that fits wins; no row means UNCLEAR. Sources: facts of the vendor's
# VERIFICATION.md (2026-05-24), its API introduction, and the vendor SDK 2.0.0. The wording of
# "no stock" is settled nowhere: SDK 2.0.0 sniffs it in any status, other clients know "no free
# phones" and "not available". A body in HTML is a CDN speaking, not the upstream: it says nothing,
# so it fits no row. A body that is no JSON at all may be anybody's.
REFUSALS = (
    Refusal("*", _only(401), r".", Problem.BAD_KEY),
    Refusal("*", _only(429), r"", Problem.RATE_LIMITED),
    Refusal("purchase", _only(402), r".", Problem.NO_BALANCE),
    Refusal("purchase", ANY, r"insufficient.?balance", Problem.NO_BALANCE),
    Refusal("purchase", ANY, _NO_STOCK, Problem.NO_NUMBERS),
    Refusal("purchase", _BELOW_500, r"not available", Problem.NO_NUMBERS),
    Refusal("purchase", _only(400), r"(invalid|unknown|no such|missing).{0,9}service|service.{0,12}"
            r"(invalid|unknown|required|not found)|missing_params", Problem.BAD_SERVICE),
    # A country of the tables that the upstream does not sell: for the client, no numbers there.
    Refusal("purchase", _only(400), r"country", Problem.NO_NUMBERS),
    # A 4xx is an answer, and no order was made.
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
    # Some accounts have no webhooks at all: the sources disagree.
    Refusal("webhooks webhook_create", _only(404), r".", Problem.BAD_ACTION),
    Refusal(_WEBHOOK, _only(404), r".", Problem.NO_ACTIVATION),
    Refusal(f"webhook_create {_WEBHOOK}", _only(400), r".", Problem.BAD_PARAMETER),
)  # fmt: skip


# What the upstream says in plain text, word for word: its live log quotes errors as bare strings.
# Whatever else is no JSON is a gateway's word, and a bare status phrase may be: "Not Found",
# "Unauthorized", "404 page not found", "no available server".
PLAIN_TEXTS: tuple[tuple[range, str], ...] = (
    (_only(401), r"(invalid or missing|invalid|missing|unknown|expired|revoked) api.?key"),
    (_only(402), r"(insufficient.(balance|funds)|balance too low)( for this (order|purchase))?"),
    (_only(400), r"cannot (cancel|swap|retry) order with status: \w+"),
    (_only(400), r"(invalid|unknown) (service|country|order.id)( code)?"),
    (_only(404), r"(order|webhook) (was )?not found|(no such|unknown) order"),
    (_only(404), r"service/country combination not available|no replacement available"),
    (range(400, 600), r"no.numbers?( are)?( available)?|out of stock|no stock|no free phones"),
    (_only(425), r"(cannot cancel|swap not allowed) within .{1,150}"),
)


def is_own_word(status: int, text: str) -> bool:
    """Whether a plain text is the upstream's own word, as nobody else would say it."""
    said = text.strip(" .!\r\n").lower()
    return any(status in statuses and re.fullmatch(words, said) for statuses, words in PLAIN_TEXTS)


MAX_SAID = 1000
"""Characters of a refusal that are looked through: more is no refusal, and would take long."""


def classify(call: str, status: int, said: str) -> Problem:
    """The Problem that an upstream refusal means.

    `call` is the endpoint's name in upstream.client.ENDPOINTS, `said` what the JSON of the body
    says, empty for a body of anything else.
    """
    for row in REFUSALS:
        fits = (row.calls == "*" or call in row.calls.split()) and status in row.statuses
        if fits and re.search(row.words, said[:MAX_SAID], re.IGNORECASE | re.DOTALL):
            return row.problem
    return Problem.UNCLEAR


class StoreError(Exception):
    """The store cannot be opened, read or written. The text is one line."""


class OwnershipLostError(StoreError):
    """Another replica has taken over what is owed: it is no longer this one's to carry out."""


class OrderTakenError(StoreError):
    """Another replica has found the order to be its own purchase's."""


class StoreUnavailableError(StoreError):
    """The store itself is in trouble: nothing can be written at the moment."""


class InvalidRowError(StoreError):
    """It is what is to be written that is wrong: no later try will do."""


class CommitUncertainError(StoreError):
    """The connection broke in the commit `xid`: it may be written all the same."""

    def __init__(self, text: str, xid: str) -> None:
        super().__init__(text)
        self.xid = xid
