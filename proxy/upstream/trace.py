"""The calls of the upstream that a tried request causes, for the console."""

from contextvars import ContextVar
from typing import NamedTuple


class TracedCall(NamedTuple):
    """A call of the upstream, without its key. `status` is 0 where no answer came."""

    call: str
    method: str
    path: str
    body: str
    status: int
    seconds: float


TRACED_CALLS: ContextVar[list[TracedCall] | None] = ContextVar("trial", default=None)
"""Where a request is only tried: the calls of the upstream that it causes."""
