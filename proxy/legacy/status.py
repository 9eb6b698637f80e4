"""The activation's state machine: the words of getStatus, the effects of setStatus. Pure.

Every rule between states is here; actions/statuses.py carries it out.
Source: sms-activate's documentation of 2025 ("simple logic"); three clones have the same text.
"""

import enum
from typing import NamedTuple

from proxy.model.errors import Problem


class Phase(enum.Enum):
    WAITING = enum.auto()
    """The client has the number; no SMS has come."""
    RECEIVED = enum.auto()
    RETRYING = enum.auto()
    """The client has asked for another SMS, and it has not come."""
    FINISHED = enum.auto()
    CANCELLED = enum.auto()
    """Cancelled, or expired without an SMS: not charged."""


class Act(enum.Enum):
    """The effect of a setStatus."""

    NOTHING = enum.auto()
    RETRY = enum.auto()
    FINISH = enum.auto()
    CANCEL = enum.auto()


class Step(NamedTuple):
    """An allowed setStatus: its effect, and the word of its answer."""

    act: Act
    word: str


READY = Step(Act.NOTHING, "ACCESS_READY")
RETRY = Step(Act.RETRY, "ACCESS_RETRY_GET")
FINISH = Step(Act.FINISH, "ACCESS_ACTIVATION")
CANCEL = Step(Act.CANCEL, "ACCESS_CANCEL")

# A repeated setStatus gets the same answer again: the client may have missed the first one.
SET_STATUS: dict[Phase, dict[int, Step | Problem]] = {
    Phase.WAITING: {1: READY, 6: FINISH, 8: CANCEL},
    Phase.RECEIVED: {1: READY, 3: RETRY, 6: FINISH, 8: Problem.CODE_RECEIVED},
    Phase.RETRYING: {1: READY, 3: RETRY, 6: FINISH, 8: Problem.CODE_RECEIVED},
    Phase.FINISHED: {6: FINISH._replace(act=Act.NOTHING), 8: Problem.CODE_RECEIVED},
    Phase.CANCELLED: {8: CANCEL._replace(act=Act.NOTHING)},
}

# -1 is the cancel of the oldest clients (smsactivateru, Grizzly, 5sim scripts).
ALIASES = {-1: 8}


def is_cancel(status: int | None) -> bool:
    return status in (8, -1)


def set_status(phase: Phase, status: int | None) -> Step | Problem:
    """The step that a setStatus means in this phase, or the problem that refuses it."""
    if status is None:
        return Problem.BAD_STATUS
    return SET_STATUS[phase].get(ALIASES.get(status, status), Problem.BAD_STATUS)


def swap_number(phase: Phase) -> Problem | None:
    """The problem that refuses another number for the activation; None if it may have one."""
    return None if phase is Phase.WAITING else Problem.BAD_STATUS


def get_status(phase: Phase, code: str) -> str:
    """The answer of getStatus in a phase; `code` is the last code, safe for the wire."""
    match phase:
        case Phase.WAITING:
            return "STATUS_WAIT_CODE"
        case Phase.RECEIVED:
            return f"STATUS_OK:{code}"
        case Phase.RETRYING:
            return f"STATUS_WAIT_RETRY:{code}"
        # sms-activate's documentation: "cancelled or completed".
        case Phase.FINISHED | Phase.CANCELLED:
            return "STATUS_CANCEL"
