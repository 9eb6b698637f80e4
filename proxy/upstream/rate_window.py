"""A sliding window of requests: what was spent in the last minute, and whose turn is next."""

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
"""Seconds that a 429 without Retry-After closes a key for: 2, 4, 8, 15."""
LONGEST_RETRY_AFTER = 300.0
PROBE = 5.0
"""After a pause one request goes first; the others wait so long for its answer."""


class Urgency(enum.IntEnum):
    PAID = 0
    """Money: purchases, cancels, and the search for what a lost purchase made."""
    ORDER = 1
    """An order of which something has come."""
    LIST = 2
    """The order list, which answers for all orders of a key; the balance."""
    CATALOGUE = 3
    ALONE = 4
    """Orders that no list tells of, one after the other, in the place of the list."""
    TURN = 5
    """Orders of which the list does not tell enough, one after the other."""


# How much of the window each may fill: the rest is kept for what is more urgent.
SHARES = MappingProxyType(
    {
        Urgency.PAID: 1.0,
        Urgency.ORDER: 0.92,
        Urgency.LIST: 0.85,
        Urgency.CATALOGUE: 0.85,
        Urgency.ALONE: 0.85,
        Urgency.TURN: 0.7,
    }
)


# There is no end of turns: once a little of the window is full, they go evenly. They take a fifth
# of a minute's requests beside the list, so that there is always room for it, and all that they may
# have in its place.
UNPACED = 0.15
PACED = MappingProxyType({Urgency.TURN: 0.2, Urgency.ALONE: SHARES[Urgency.ALONE]})


# Programs that share a key: each that has asked in the last minute has half of its equal share kept
# for it, so that a busy one leaves room for the others.
GUARANTEED = 0.5


class Spent(NamedTuple):
    at: float
    """On the monotonic clock."""
    urgency: Urgency
    call: str
    owner: str = ""
    """The program that shares the key with others."""


@dataclass(slots=True, eq=False)
class _Turn:
    """A place in the queue."""

    urgency: Urgency
    since: float
    call: str
    owner: str
    come: asyncio.Future[Spent]


class Window:
    """What was spent in the last minute, and who waits for the next turn."""

    def __init__(self, limit: float, spent: Iterable[Spent] = ()) -> None:
        self.limit = limit
        self._spent = deque(spent)
        self._waiting: list[_Turn] = []
        self._timer: asyncio.TimerHandle | None = None
        self._closed_until = -math.inf
        self._pause = 0.0
        self._is_probing = False
        self._turned_at = -math.inf
        self._asked: dict[str, float] = {}
        """When each program last asked for a turn, whether or not it got one."""

    def spent(self) -> "deque[Spent]":
        """In the last minute, oldest first."""
        while self._spent and self._spent[0].at <= monotonic() - WINDOW:
            self._spent.popleft()
        return self._spent

    @property
    def left(self) -> float:
        return self.limit - len(self.spent())

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def allow(self, limit: float) -> None:
        """So many a minute, from now on."""
        is_more, self.limit = limit > self.limit, limit
        if is_more:
            self._serve()

    @property
    def is_closed(self) -> bool:
        return monotonic() < self._closed_until

    @property
    def is_idle(self) -> bool:
        return not (self.is_closed or self.spent() or self._waiting)

    def has_room(self, urgency: Urgency, owner: str = "") -> bool:
        return monotonic() >= self._opens_at(urgency, owner)

    async def take(
        self, urgency: Urgency, since: float, patience: float, call: str, owner: str = ""
    ) -> Spent:
        """The next turn. Among the equally urgent, the program that has had the fewest goes first,
        and then who waits `since` the earliest. RATE_LIMITED if none comes within the patience.
        """
        self._asked[owner] = monotonic()
        self._serve()
        if self.has_room(urgency, owner):
            return self._spend(urgency, call, owner)
        come: asyncio.Future[Spent] = asyncio.get_running_loop().create_future()
        turn = _Turn(urgency, since, call, owner, come)
        self._waiting.append(turn)
        self._plan()
        try:
            async with asyncio.timeout(patience if patience < math.inf else None):
                return await come
        except TimeoutError as error:
            # One that comes in the last moment is used.
            if not come.cancelled():
                return come.result()
            raise ProblemError(Problem.RATE_LIMITED, f"{call}: no turn in time") from error
        except asyncio.CancelledError:
            if not come.cancelled():
                self.give_back(come.result())
            raise
        finally:
            self._asked[owner] = monotonic()
            if turn in self._waiting:
                self._waiting.remove(turn)

    def take_now(self, urgency: Urgency, call: str, owner: str) -> Spent | None:
        """A turn that need not be waited for."""
        self._asked[owner] = monotonic()
        self._serve()
        return self._spend(urgency, call, owner) if self.has_room(urgency, owner) else None

    def give_back(self, spent: Spent) -> None:
        """A turn that is not used."""
        # Others may have had theirs since. An equal one is as good.
        if spent in self._spent:
            self._spent.remove(spent)
        self._serve()

    def refused(self, seconds: float | None) -> None:
        """A 429: nobody's turn comes for a while."""
        if seconds is not None:
            self._pause = max(self._pause, FIRST_PAUSE)
            until = monotonic() + min(seconds, LONGEST_RETRY_AFTER)
            self._closed_until = max(until, -math.inf if self._is_probing else self._closed_until)
        elif self._is_probing or not self._pause:
            self._pause = min(max(FIRST_PAUSE, self._pause * 2), LONGEST_PAUSE)
            self._closed_until = monotonic() + self._pause
        # Else it was sent before the pause, and is refused for the same reason.
        self._is_probing = False

    def answered(self) -> None:
        """Anything but a 429."""
        if self._pause:
            self._pause, self._is_probing, self._closed_until = 0.0, False, -math.inf
            self._serve()

    def close(self) -> None:
        if self._timer:
            self._timer.cancel()

    def _opens_at(self, urgency: Urgency, owner: str) -> float:
        if self.limit == math.inf:
            return self._closed_until
        if self.limit <= 0:
            return math.inf
        spent, when = self.spent(), self._closed_until
        allowed = math.ceil(SHARES[urgency] * self.limit) - self._kept_for_others(owner)
        if len(spent) >= allowed:
            when = max(when, spent[min(len(spent) - allowed, len(spent) - 1)].at + WINDOW)
        unpaced = math.ceil(UNPACED * self.limit)
        if urgency in PACED and len(spent) >= unpaced:
            next_turn = self._turned_at + 60 / (PACED[urgency] * self.limit)
            when = max(when, min(next_turn, spent[len(spent) - unpaced].at + WINDOW))
        return when

    def _kept_for_others(self, owner: str) -> int:
        had = Counter(spent.owner for spent in self._spent)
        recent = {other for other, at in self._asked.items() if at > monotonic() - WINDOW}
        others = recent - {owner}
        guaranteed = math.floor(GUARANTEED * self.limit / (len(others) + 1))
        return sum(max(guaranteed - had[other], 0) for other in others)

    def _spend(self, urgency: Urgency, call: str, owner: str) -> Spent:
        if self._pause:
            self._is_probing, self._closed_until = True, monotonic() + PROBE
        if urgency in PACED:
            self._turned_at = monotonic()
        spent = Spent(monotonic(), urgency, call, owner)
        if self.limit < math.inf:
            self._spent.append(spent)
        return spent

    def _serve(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        while turn := self._next():
            self._waiting.remove(turn)
            turn.come.set_result(self._spend(turn.urgency, turn.call, turn.owner))
        self._plan()

    def _next(self) -> _Turn | None:
        """Who waits, and has room, in the order of their turns."""
        waiting = [turn for turn in self._waiting if not turn.come.done()]
        if not waiting or monotonic() < self._closed_until:
            return None
        had = Counter(spent.owner for spent in self.spent())
        waiting.sort(key=lambda turn: (turn.urgency, had[turn.owner], turn.since))
        return next((turn for turn in waiting if self.has_room(turn.urgency, turn.owner)), None)

    def _plan(self) -> None:
        """Look again when the next turn can come."""
        if not self._waiting:
            return
        kinds = {(turn.urgency, turn.owner) for turn in self._waiting}
        when = min(self._opens_at(*kind) for kind in kinds)
        if self._timer:
            self._timer.cancel()
        if when < math.inf:
            self._timer = asyncio.get_running_loop().call_at(when, self._serve)
