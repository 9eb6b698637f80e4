"""The calls of the upstream that a tried request causes, for the console."""

from contextvars import ContextVar
from typing import NamedTuple


class Noted(NamedTuple):
    """A call of the upstream, without its key. `status` is 0 where no answer came."""

    call: str
    method: str
    path: str
    body: str
    status: int
    seconds: float


TRIAL: ContextVar[list[Noted] | None] = ContextVar("trial", default=None)
"""Where a request is only tried: the calls of the upstream that it causes."""
