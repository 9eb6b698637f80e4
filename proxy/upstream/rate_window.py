"""A sliding window of requests: those of the last minute, and the queue for the next turn. All
times are on the monotonic clock.
"""

import asyncio
import enum
import math
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from proxy.model import WINDOW
from proxy.model.errors import Problem, ProblemError
from proxy.runtime.clock import monotonic

FIRST_PAUSE, LONGEST_PAUSE = 2.0, 15.0
"""Seconds that a key waits after a 429 without Retry-After: 2, 4, 8, 15."""
LONGEST_RETRY_AFTER = 300.0
PROBE = 5.0
"""After a pause one request goes first; the others wait at most so long for its answer."""


class Urgency(enum.IntEnum):
    PAID = 0
    """Purchases, cancels, and the search for the order of an unclear purchase."""
    ORDER = 1
    """One order with something new to read: an unread SMS, or a hint that one has come."""
    LIST = 2
    """The order list, which has all orders of a key; the balance."""
    CATALOGUE = 3
    ALONE = 4
    """Orders that the list does not show or cannot be read for, one after the other."""
    TURN = 5
    """Orders that the list shows, one after the other, for their messages."""


# The fraction of the limit that each may use; the rest is reserved for more urgent requests.
PRIORITY_FRACTION = MappingProxyType(
    {
        Urgency.PAID: 1.0,
        Urgency.ORDER: 0.92,
        Urgency.LIST: 0.85,
        Urgency.CATALOGUE: 0.85,
        Urgency.ALONE: 0.85,
        Urgency.TURN: 0.7,
    }
)

# Reads of orders one after the other never end. Above the fraction UNPACED of the limit they go at
# an even pace: a fifth of the limit beside the list, so that there is always room for the list, and
# all that they may use in its place.
UNPACED = 0.15
PACED = MappingProxyType({Urgency.TURN: 0.2, Urgency.ALONE: PRIORITY_FRACTION[Urgency.ALONE]})

# For programs that share a key: this fraction of an equal part is reserved for each program that
# has asked in the last minute, so that a busy one leaves room for the others.
GUARANTEED_FRACTION = 0.5


class CountedRequest(NamedTuple):
    at: float
    urgency: Urgency
    call: str
    program: str = ""
    """Empty where no programs share the key."""


@dataclass(slots=True, eq=False)
class _Turn:
    """A request that waits for its turn."""

    urgency: Urgency
    since: float
    call: str
    program: str
    granted: asyncio.Future[CountedRequest]


class Window:
    """The requests of the last minute, and those that wait. `limit` is in requests per minute."""

    def __init__(self, limit: float, recent: Iterable[CountedRequest] = ()) -> None:
        self.limit = limit
        self._recent = deque(recent)
        self._waiting: list[_Turn] = []
        self._timer: asyncio.TimerHandle | None = None
        self._closed_until = -math.inf
        self._pause = 0.0
        self._is_probing = False
        self._paced_at = -math.inf
        self._asked: dict[str, float] = {}
        """When each program last asked for a turn, whether or not it got one."""

    def recent(self) -> "deque[CountedRequest]":
        """The requests of the last minute, oldest first."""
        while self._recent and self._recent[0].at <= monotonic() - WINDOW:
            self._recent.popleft()
        return self._recent

    @property
    def left(self) -> float:
        return self.limit - len(self.recent())

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def set_limit(self, limit: float) -> None:
        is_more, self.limit = limit > self.limit, limit
        if is_more:
            self._serve()

    @property
    def is_closed(self) -> bool:
        return monotonic() < self._closed_until

    @property
    def is_idle(self) -> bool:
        return not (self.is_closed or self.recent() or self._waiting)

    def has_room(self, urgency: Urgency, program: str = "") -> bool:
        return monotonic() >= self._opens_at(urgency, program)

    async def take(
        self, urgency: Urgency, since: float, patience: float, call: str, program: str = ""
    ) -> CountedRequest:
        """Waits for a turn. The most urgent goes first, then the program with the fewest requests
        in the last minute, then the earliest `since`. Raises RATE_LIMITED after `patience` seconds.
        """
        self._asked[program] = monotonic()
        self._serve()
        if self.has_room(urgency, program):
            return self._count(urgency, call, program)
        granted: asyncio.Future[CountedRequest] = asyncio.get_running_loop().create_future()
        turn = _Turn(urgency, since, call, program, granted)
        self._waiting.append(turn)
        self._plan()
        try:
            async with asyncio.timeout(patience if patience < math.inf else None):
                return await granted
        except TimeoutError as error:
            # A turn granted in the last moment is used.
            if not granted.cancelled():
                return granted.result()
            raise ProblemError(Problem.RATE_LIMITED, f"{call}: no turn in time") from error
        except asyncio.CancelledError:
            if not granted.cancelled():
                self.give_back(granted.result())
            raise
        finally:
            self._asked[program] = monotonic()
            if turn in self._waiting:
                self._waiting.remove(turn)

    def take_now(self, urgency: Urgency, call: str, program: str) -> CountedRequest | None:
        """Takes a turn if there is one without waiting."""
        self._asked[program] = monotonic()
        self._serve()
        return self._count(urgency, call, program) if self.has_room(urgency, program) else None

    def give_back(self, counted: CountedRequest) -> None:
        """Frees a turn that is not used. An equal one is as good."""
        if counted in self._recent:
            self._recent.remove(counted)
        self._serve()

    def refused(self, seconds: float | None) -> None:
        """After a 429: grants no turn for `seconds`, or for a pause if the answer has no number."""
        if seconds is not None:
            self._pause = max(self._pause, FIRST_PAUSE)
            until = monotonic() + min(seconds, LONGEST_RETRY_AFTER)
            self._closed_until = max(until, -math.inf if self._is_probing else self._closed_until)
        elif self._is_probing or not self._pause:
            self._pause = min(max(FIRST_PAUSE, self._pause * 2), LONGEST_PAUSE)
            self._closed_until = monotonic() + self._pause
        # Else it was sent before the pause and refused for the same reason.
        self._is_probing = False

    def answered(self) -> None:
        """Ends the pause: an answer that is no 429 has come."""
        if self._pause:
            self._pause, self._is_probing, self._closed_until = 0.0, False, -math.inf
            self._serve()

    def close(self) -> None:
        if self._timer:
            self._timer.cancel()

    def _opens_at(self, urgency: Urgency, program: str) -> float:
        """When the next such request may go."""
        if self.limit == math.inf:
            return self._closed_until
        if self.limit <= 0:
            return math.inf
        recent, when = self.recent(), self._closed_until
        fraction = PRIORITY_FRACTION[urgency]
        allowed = math.ceil(fraction * self.limit) - self._reserved_for_others(program)
        if len(recent) >= allowed:
            when = max(when, recent[min(len(recent) - allowed, len(recent) - 1)].at + WINDOW)
        unpaced = math.ceil(UNPACED * self.limit)
        if urgency in PACED and len(recent) >= unpaced:
            next_turn = self._paced_at + 60 / (PACED[urgency] * self.limit)
            when = max(when, min(next_turn, recent[len(recent) - unpaced].at + WINDOW))
        return when

    def _reserved_for_others(self, program: str) -> int:
        used = Counter(request.program for request in self._recent)
        asked = {other for other, at in self._asked.items() if at > monotonic() - WINDOW}
        others = asked - {program}
        guaranteed = math.floor(GUARANTEED_FRACTION * self.limit / (len(others) + 1))
        return sum(max(guaranteed - used[other], 0) for other in others)

    def _count(self, urgency: Urgency, call: str, program: str) -> CountedRequest:
        if self._pause:
            self._is_probing, self._closed_until = True, monotonic() + PROBE
        if urgency in PACED:
            self._paced_at = monotonic()
        counted = CountedRequest(monotonic(), urgency, call, program)
        if self.limit < math.inf:
            self._recent.append(counted)
        return counted

    def _serve(self) -> None:
        """Grants all turns that are possible now."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        while turn := self._next():
            self._waiting.remove(turn)
            turn.granted.set_result(self._count(turn.urgency, turn.call, turn.program))
        self._plan()

    def _next(self) -> _Turn | None:
        """The first request in the queue that may go now."""
        waiting = [turn for turn in self._waiting if not turn.granted.done()]
        if not waiting or monotonic() < self._closed_until:
            return None
        used = Counter(request.program for request in self.recent())
        waiting.sort(key=lambda turn: (turn.urgency, used[turn.program], turn.since))
        return next((turn for turn in waiting if self.has_room(turn.urgency, turn.program)), None)

    def _plan(self) -> None:
        """Sets the timer for the next possible turn."""
        if not self._waiting:
            return
        kinds = {(turn.urgency, turn.program) for turn in self._waiting}
        when = min(self._opens_at(*kind) for kind in kinds)
        if self._timer:
            self._timer.cancel()
        if when < math.inf:
            self._timer = asyncio.get_running_loop().call_at(when, self._serve)
