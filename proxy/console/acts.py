"""What can be done with a number from the page: what its own program could do, by its requests."""

from collections.abc import Mapping
from types import MappingProxyType

from proxy.config.programs import Program
from proxy.legacy import status
from proxy.legacy.status import Act, Phase
from proxy.model import NO_KEY, ClientKey
from proxy.model.errors import Problem, ProblemError
from proxy.services import Services

REQUESTS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "finish": {"action": "setStatus", "status": "6"},
        "cancel": {"action": "setStatus", "status": "8"},
        "swap": {"action": "swapNumber"},
    }
)
"""The request of each act, without the id."""

EVENTS: Mapping[str, str] = MappingProxyType(
    {"finish": "finish_clicked", "cancel": "cancel_clicked", "swap": "swap_clicked"}
)
"""The event of each act in the story of the number."""

UNKNOWN_KEY = "the proxy has started since, and has the key only when the program asks again"
NO_PROGRAM = "no program has its key any more"
PAUSED = "its key is paused or has expired"

# By the state of the row: whatever the phase allows.
STATES: Mapping[str, str] = MappingProxyType(
    {
        "unclaimed": "no program has it: it is among the unclaimed numbers",
        "doubt": "nobody knows whether the program has it: it is kept for it, or given back",
        "cancelling": "its cancel is scheduled",
        "cancelled": "it is cancelled",
        "expired": "it has expired",
    }
)
PHASES: Mapping[Phase, str] = MappingProxyType(
    {
        Phase.WAITING: "it waits for its SMS",
        Phase.RECEIVED: "an SMS came: the number is paid for",
        Phase.RETRYING: "an SMS came: the number is paid for",
        Phase.FINISHED: "it is finished",
        Phase.CANCELLED: "it is cancelled",
    }
)
"""Why the phase refuses an act."""


class Acts:
    def __init__(self, services: Services) -> None:
        self._services = services

    def program(self, key: ClientKey) -> Program | None:
        """The program that requests are made for; None if no program has the key, or if the key
        itself is not known.
        """
        programs = self._services.programs
        if named := programs.by_hash(key.hash):
            return named
        is_known = programs.passthrough and key.upstream is not NO_KEY
        return Program("", key, programs.limits) if is_known else None

    def why_not(
        self, key: ClientKey, phase: Phase, state: str, now: float
    ) -> dict[str, str | None]:
        """For each act None, or why it is not possible. `state` is the word of the row, `now` this
        machine's time.
        """
        program = self.program(key)
        if program is None:
            text = UNKNOWN_KEY if self._services.programs.passthrough else NO_PROGRAM
            return dict.fromkeys(REQUESTS, text)
        if state in STATES:
            return dict.fromkeys(REQUESTS, STATES[state])
        return {act: _refused(program, act, now) or _barred(phase, act) for act in REQUESTS}


def _refused(program: Program, act: str, now: float) -> str | None:
    action = REQUESTS[act]["action"]
    try:
        program.check(now, action)
    except ProblemError as error:
        is_paused = error.problem is Problem.PAUSED
        return PAUSED if is_paused else f"its key may not use {action}"
    return None


def _barred(phase: Phase, act: str) -> str | None:
    """By the rules of legacy/status.py."""
    if act == "swap":
        return PHASES[phase] if status.swap_number(phase) else None
    step = status.set_status(phase, int(REQUESTS[act]["status"]))
    is_barred = isinstance(step, Problem) or step.act is Act.NOTHING
    return PHASES[phase] if is_barred else None
