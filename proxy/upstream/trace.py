"""The upstream calls of a trial request, for the console."""

from contextvars import ContextVar
from typing import NamedTuple


class TracedCall(NamedTuple):
    """An upstream call, without its key. `status` is 0 if no answer came."""

    call: str
    method: str
    path: str
    body: str
    status: int
    seconds: float


TRACED_CALLS: ContextVar[list[TracedCall] | None] = ContextVar("trial", default=None)
"""Collects the upstream calls of a trial request; None for all other requests."""
