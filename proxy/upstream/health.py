"""Whether the upstream answers: its last answer, since when calls fail. The log says it once."""

import logging
from collections.abc import Callable

from proxy.runtime import log_events
from proxy.runtime.plural import counted

log = logging.getLogger(__name__)

MAX_SILENT = 3
"""Calls in a row that may fail before it counts as an outage: one may be slow or broken. A call
whose connection fails counts at once.
"""
QUIET_SECONDS = 300.0
"""Between two warnings: an upstream that comes and goes does not fill the log."""


class Health:
    """Times are on this machine's clock, `now`, in seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._warned_at = float("-inf")
        self._is_warned = False
        self._is_unconnected = False
        self.trouble = ""
        """Why the last call failed; empty if the upstream answered, by success or refusal."""
        self.answered_at: float | None = None
        """The last answer; None if there was none since the start."""
        self.failing_since: float | None = None
        """The first failure since the last answer; None if there is none."""
        self.failed = 0
        """Calls that have failed since the last answer."""

    @property
    def is_out(self) -> bool:
        """Whether the upstream does not answer at all."""
        return self.failed >= MAX_SILENT or self._is_unconnected

    def answered(self) -> None:
        now = self._now()
        if self._is_warned and self.failing_since is not None:
            seconds = now - self.failing_since
            failed = counted(self.failed, "failed call")
            log.info("the upstream answers again, after %.0f s and %s", seconds, failed)
        self._is_warned = self._is_unconnected = False
        self.trouble, self.failed, self.failing_since, self.answered_at = "", 0, None, now

    def failed_call(self, cause: str, *, is_connected: bool) -> None:
        """Records a call without a usable answer. `cause` is one line."""
        now = self._now()
        self.failed += 1
        self.trouble = cause
        self.failing_since = now if self.failing_since is None else self.failing_since
        self._is_unconnected = self._is_unconnected or not is_connected
        if self.is_out and not self._is_warned and now - self._warned_at >= QUIET_SECONDS:
            self._is_warned, self._warned_at = True, now
            log.warning(log_events.UPSTREAM_OUT, cause)

    def row(self) -> dict[str, object]:
        """For the console."""
        return {
            "answered_at": self.answered_at,
            "failing_since": self.failing_since,
            "failed": self.failed,
            "cause": self.trouble,
            "is_out": self.is_out,
        }
