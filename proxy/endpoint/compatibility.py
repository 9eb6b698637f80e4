"""Records what programs ask for and do not get as they mean it; the sandbox shows it. Pure.

The memory is bounded whatever a program sends: there are at most MAX_ROWS rows, and names that look
like no name are not kept. Values are never kept, because any of them may be a key.
"""

import re
from dataclasses import dataclass
from typing import Literal, NamedTuple

from proxy.endpoint.actions import ACTIONS
from proxy.endpoint.actions.parameters import ignored, row_of
from proxy.legacy.dialects import Dialect
from proxy.legacy.dialects.dialect import Word
from proxy.legacy.request import Request
from proxy.model.errors import Problem, ProblemError
from proxy.runtime.logs import REQUEST, Secrets

Kind = Literal["ignored", "unknown", "refused", "action", "problem"]

MAX_ROWS = 500
MAX_UNKNOWN = 20
"""Unknown parameters of one request that are looked at."""

# A key is longer, or has more digits in it.
_NAME = re.compile(r"[A-Za-z_][A-Za-z_.\[\]-]{0,31}[0-9]{0,2}", re.ASCII)

# The program would meet them on the real upstream, too: they are no matter of stock or money.
INCOMPATIBLE = frozenset(
    {
        Problem.NO_KEY, Problem.BAD_ACTION, Problem.BAD_SERVICE, Problem.BAD_COUNTRY,
        Problem.BAD_PARAMETER, Problem.BAD_CURRENCY, Problem.BAD_DATE, Problem.UNSUPPORTED_WISH,
    }
)  # fmt: skip


class Incompatibility(NamedTuple):
    """An ignored, unknown or refused parameter, an action that is not served, or the name of a
    problem. `action` is "other" if it is not served.
    """

    kind: Kind
    dialect: str
    action: str
    name: str


@dataclass(slots=True)
class Occurrences:
    """`word` is the answer to a refusal, `problem` its name, `says` why. `request` is the id of the
    last request.
    """

    count: int = 0
    word: str = ""
    says: str = ""
    problem: str = ""
    request: str = ""


class Compatibility:
    """`secrets` hides keys in names."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self.rows: dict[Incompatibility, Occurrences] = {}
        self.dropped = 0
        """How often something had no row left."""

    def clear(self) -> None:
        self.rows.clear()
        self.dropped = 0

    def record_request(self, dialect: Dialect, request: Request) -> None:
        """Records a request whose key is right, before it is answered."""
        action = request.action
        if action not in ACTIONS:
            word = dialect.refused.get(action, dialect.words[Problem.BAD_ACTION])
            name = self._shown(action, request)
            self._record("action", dialect, "other", name, _text(word))
            return
        for name in ignored(request, dialect):
            row = row_of(action, name)
            self._record("ignored", dialect, action, name, says=row.says if row else "")
        unknown = (n for n in request.parameters if n not in ("api_key", "action"))
        left = MAX_UNKNOWN
        for name in unknown:
            if row_of(action, name) is None and left:
                left -= 1
                self._record("unknown", dialect, action, self._shown(name, request))

    def record_refusal(self, dialect: Dialect, action: str, error: ProblemError) -> None:
        """Records a problem that a client gets."""
        problem = error.problem
        if problem not in INCOMPATIBLE or (problem is Problem.BAD_ACTION and action not in ACTIONS):
            return
        known = action if action in ACTIONS else "other"
        word = dialect.word(problem, action)
        kind: Kind = "refused" if error.parameter else "problem"
        name = error.parameter or problem.name
        self._record(kind, dialect, known, name, word, error.detail, problem.name)

    def _record(
        self,
        kind: Kind,
        dialect: Dialect,
        action: str,
        name: str,
        word: str = "",
        says: str = "",
        problem: str = "",
    ) -> None:
        key = Incompatibility(kind, dialect.name, action, name)
        row = self.rows.get(key)
        if row is None:
            if len(self.rows) >= MAX_ROWS:
                self.dropped += 1
                return
            row = self.rows[key] = Occurrences(word=word, says=says, problem=problem)
        row.count += 1
        row.request = REQUEST.get()

    def _shown(self, name: str, request: Request) -> str:
        """The name that a program sent, if it can be shown."""
        key = request.text("api_key")
        is_name = _NAME.fullmatch(name) and not (key and (key in name or name in key))
        if is_name and self._secrets.redact(name) == name:
            return name
        return "(none)" if not name else "(not a name)"


def _text(word: str | Word) -> str:
    return (word.text if isinstance(word, Word) else word).partition(":")[0]
