"""All exceptions of the proxy, and all problems as one enum. Pure.

upstream/refusals.py turns refusals of the upstream into problems, legacy/dialects/ has the words.
"""

import enum


class Problem(enum.Enum):
    """What went wrong, independent of dialect and upstream."""

    # The client's request.
    NO_KEY = enum.auto()
    BAD_ACTION = enum.auto()
    BAD_COUNTRY = enum.auto()
    BAD_STATUS = enum.auto()
    BAD_PARAMETER = enum.auto()
    BAD_CURRENCY = enum.auto()
    BAD_DATE = enum.auto()
    ORDER_EXISTS = enum.auto()
    UNSUPPORTED_WISH = enum.auto()
    CODE_RECEIVED = enum.auto()
    NOT_ACTIVE = enum.auto()
    """The activation has ended without an SMS: it has no messages to list."""
    # The operator's limits.
    PAUSED = enum.auto()
    TOO_MANY_ACTIVE = enum.auto()
    # Answers of the upstream.
    BAD_KEY = enum.auto()
    BAD_SERVICE = enum.auto()
    NO_ACTIVATION = enum.auto()
    NOTHING_TO_CANCEL = enum.auto()
    """NO_ACTIVATION as the answer to a cancel."""
    NO_BALANCE = enum.auto()
    NO_NUMBERS = enum.auto()
    PRICE_TOO_HIGH = enum.auto()
    EARLY_CANCEL = enum.auto()
    ALREADY_CANCELLED = enum.auto()
    CANNOT_CANCEL = enum.auto()
    RETRY_REFUSED = enum.auto()
    # Uncertain: the client must not read these as final.
    RATE_LIMITED = enum.auto()
    TRY_AGAIN = enum.auto()
    UNCLEAR = enum.auto()
    """The upstream may have carried out the request: a purchase may be paid."""

    @property
    def is_doubt(self) -> bool:
        return self in (Problem.RATE_LIMITED, Problem.TRY_AGAIN, Problem.UNCLEAR)


class ProblemError(Exception):
    """The one failure of a request. `detail` is for the log; it has no key and no SMS text."""

    def __init__(
        self,
        problem: Problem,
        detail: str = "",
        *,
        cents: int | None = None,
        seconds: float | None = None,
        parameter: str = "",
        failed: bool = False,
    ) -> None:
        super().__init__(f"{problem.name}: {detail}" if detail else problem.name)
        self.problem = problem
        self.detail = detail
        self.cents = cents
        """The real price in US cents, with PRICE_TOO_HIGH."""
        self.seconds = seconds
        """How long the upstream asks to wait, with EARLY_CANCEL."""
        self.parameter = parameter
        """The name of the wrong parameter, with BAD_PARAMETER and BAD_DATE."""
        self.may_have_worked = failed or problem is Problem.UNCLEAR
        """The upstream may have carried out the request, even if a 5xx gave a reason."""


class StoreError(Exception):
    """The store cannot be opened, read or written. The text is one line."""


class OwnershipLostError(StoreError):
    """Another replica has taken over the operation: this one must not carry it out."""


class OrderTakenError(StoreError):
    """Another replica has adopted the order for a purchase of its own."""


class StoreUnavailableError(StoreError):
    """The store has failed: nothing can be written at the moment."""


class InvalidRowError(StoreError):
    """The store refuses the row itself: a later try fails, too."""


class CommitUncertainError(StoreError):
    """The connection broke during the commit: it may have been written."""


class ConfigError(ValueError):
    """The configuration is wrong. The text is one line: the place, the error, the fix."""


class YamlFileError(ValueError):
    """A file is wrong. The text is one line: FILE:LINE: the error: the fix. A file that cannot be
    read has no LINE.
    """


class TlsError(ValueError):
    """A certificate or key cannot be used. The text is one line."""


class HttpError(Exception):
    """There is no complete answer; the request may have been carried out. The text is one line
    without address and headers.
    """


class NotSentError(HttpError):
    """No byte of the request was sent: it had no effect."""


class NoConnectionError(NotSentError):
    """No connection could be made."""


class TooLongError(HttpError):
    """The body of the answer is longer than allowed."""


class EncodedError(HttpError):
    """The body has a content coding that was not requested, or cannot be decoded."""


class SocketError(Exception):
    """The socket could not be opened, or broke. The text has no address, as that has the key.
    `status` is that of an HTTP answer in place of a socket, if any.
    """

    def __init__(self, text: str, status: int | None = None) -> None:
        super().__init__(text)
        self.status = status


class QuestionError(ValueError):
    """A question to `explain` cannot be parsed. The text repeats no value, which may be a key."""


class HealthError(Exception):
    """The health check got no HTTP answer. The text is one line."""
