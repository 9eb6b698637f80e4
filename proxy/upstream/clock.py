"""The upstream's wall clock, calculated from this machine's and from the Date of its answers."""

from collections.abc import Callable

from proxy.upstream import fields

EARLIEST, LATEST = 1_577_836_800.0, 4_102_444_800.0
"""2020-01-01 and 2100-01-01: a Date outside of them is ignored."""

MAX_STEP = 300.0
"""Seconds. A larger step needs a second answer with the same Date: one page of a proxy or a CDN in
between must not move the clock.
"""


class UpstreamClock:
    """Times of the upstream are compared with this clock only. Money, limits and ages of rows use
    `wall_clock`, this machine's.
    """

    def __init__(self, wall_clock: Callable[[], float]) -> None:
        self._wall_clock = wall_clock
        self.ahead = 0.0
        """Seconds that it is ahead of this machine's clock, without an unconfirmed step."""
        self.last_ahead: float | None = None
        """The same, by the last Date alone."""
        self._unconfirmed: float | None = None

    def now(self) -> float:
        return self._wall_clock() + self.ahead

    def earliest(self) -> float:
        """The earliest of all readings of the time, an unconfirmed step included."""
        return self._wall_clock() + min(0.0, self.ahead, self.last_ahead or 0.0)

    def latest(self) -> float:
        """The latest of all readings of the time, an unconfirmed step included."""
        return self._wall_clock() + max(0.0, self.ahead, self.last_ahead or 0.0)

    def to_wall(self, at: float | None) -> float | None:
        """Converts a time of the upstream to this machine's clock. A Date has whole seconds."""
        return None if at is None else at - round(self.ahead)

    def take_in(self, date: str) -> None:
        """Sets the clock from the Date header of an answer."""
        at = fields.http_date(date)
        if at is None or not EARLIEST <= at < LATEST:
            return
        ahead = self.last_ahead = at - self._wall_clock()
        is_step = abs(ahead - self.ahead) > MAX_STEP
        before = self._unconfirmed
        is_confirmed = before is not None and abs(ahead - before) <= MAX_STEP
        if is_step and not is_confirmed:
            self._unconfirmed = ahead
        else:
            self.ahead, self._unconfirmed = ahead, None
