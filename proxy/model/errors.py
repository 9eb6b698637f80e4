"""Every exception of the proxy, and what went wrong, as one enum. Pure.

The table that reads upstream refusals is upstream/refusals.py; the words of each dialect stand in
legacy/dialects/.
"""

import enum


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


class ConfigError(ValueError):
    """The configuration is wrong. The text is one line that says where, what, and the fix."""


class YamlFileError(ValueError):
    """A file is wrong. The text is one line: FILE:LINE: what is wrong: the fix; without the line
    where the file itself could not be read.
    """


class TlsError(ValueError):
    """A certificate or key cannot be used. The text is one line."""


class HttpError(Exception):
    """There is no whole answer; the request may have had its effect. The text is one line without
    an address or a header.
    """


class NotSentError(HttpError):
    """Nothing of the request left: it had no effect."""


class TooLongError(HttpError):
    """The body of the answer is longer than was allowed."""


class EncodedError(HttpError):
    """The body of the answer is in a coding that was not asked for, or is not what it says."""


class SocketError(Exception):
    """The socket could not be opened, or broke. Its text holds no address: that has the key.
    `status` is what HTTP answered in the place of a socket, if anything.
    """

    def __init__(self, text: str, status: int | None = None) -> None:
        super().__init__(text)
        self.status = status


class QuestionError(ValueError):
    """It cannot be understood. The text repeats no value: it might be a key."""


class HealthError(Exception):
    """Nobody answered, or not in HTTP. The text is one line."""
