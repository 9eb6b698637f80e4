"""The requests a minute that the upstream allows each key, and whose turn it is to spend one.

The strictest reading of the limit: any 60 seconds. What was spent is noted in the store, so that a
restart does not refill the window.
"""

import asyncio
import enum
import logging
import math
from collections import deque
from collections.abc import Callable, Iterable
from heapq import heappop, heappush
from itertools import count
from types import MappingProxyType
from typing import Any, NamedTuple

from proxy.errors import Problem, ProblemError
from proxy.model import Key
from proxy.store import SqliteStore, StoreError

log = logging.getLogger(__name__)

WINDOW = 61.0
"""A minute, and a second for what was sent quickly after what had been sent slowly."""

FIRST_PAUSE, LONGEST_PAUSE = 2.0, 15.0
"""Seconds that a 429 without Retry-After closes a key for: 2, 4, 8, 15."""
LONGEST_RETRY_AFTER = 300.0
PROBE = 5.0
"""After a pause one request goes first; the others wait so long for its answer."""

MAX_WINDOWS = 10_000


class Urgency(enum.IntEnum):
    PAID = 0
    """Money: purchases, cancels, and the search for what a lost purchase made."""
    ORDER = 1
    """An order of which something has come."""
    LIST = 2
    """The order list, which answers for all orders of a key; the balance."""
    CATALOGUE = 3
    TURN = 4
    """Orders of which the list does not tell enough, one after the other."""


# How much of the window each may fill: the rest is kept for what is more urgent.
SHARES = MappingProxyType(
    {
        Urgency.PAID: 1.0,
        Urgency.ORDER: 0.85,
        Urgency.LIST: 0.85,
        Urgency.CATALOGUE: 0.8,
        Urgency.TURN: 0.75,
    }
)


class Spent(NamedTuple):
    at: float
    """On the monotonic clock."""
    urgency: Urgency
    call: str


class _Turn(NamedTuple):
    since: float
    place: int
    call: str
    come: asyncio.Future[None]


class Window:
    """What was spent in the last minute, and who waits for the next turn."""

    def __init__(self, limit: float, spent: Iterable[Spent] = ()) -> None:
        self.limit = limit
        self._spent = deque(spent)
        self._waiting: dict[Urgency, list[_Turn]] = {urgency: [] for urgency in Urgency}
        self._places = count()
        self._timer: asyncio.TimerHandle | None = None
        self._closed_until = -math.inf
        self._pause = 0.0
        self._is_probing = False

    def spent(self) -> "deque[Spent]":
        """In the last minute, oldest first."""
        while self._spent and self._spent[0].at <= _now() - WINDOW:
            self._spent.popleft()
        return self._spent

    @property
    def is_idle(self) -> bool:
        is_closed = _now() < self._closed_until
        return not (is_closed or self.spent() or any(self._waiting.values()))

    def has_room(self, urgency: Urgency) -> bool:
        return _now() >= self._closed_until and len(self.spent()) < SHARES[urgency] * self.limit

    async def take(self, urgency: Urgency, since: float, patience: float, call: str) -> None:
        """The next turn; among equals, who waits `since` the earliest. RATE_LIMITED if none comes
        within the patience.
        """
        self._serve()
        if self.has_room(urgency):
            return self._spend(urgency, call)
        come = asyncio.get_running_loop().create_future()
        heappush(self._waiting[urgency], _Turn(since, next(self._places), call, come))
        self._plan()
        try:
            async with asyncio.timeout(patience):
                await come
        except TimeoutError as error:
            raise ProblemError(Problem.RATE_LIMITED, f"{call}: no turn in time") from error

    def refused(self, seconds: float | None) -> None:
        """A 429: nobody's turn comes for a while."""
        if seconds is not None:
            self._pause = max(self._pause, FIRST_PAUSE)
            until = _now() + min(seconds, LONGEST_RETRY_AFTER)
            self._closed_until = max(until, -math.inf if self._is_probing else self._closed_until)
        elif self._is_probing or not self._pause:
            self._pause = min(max(FIRST_PAUSE, self._pause * 2), LONGEST_PAUSE)
            self._closed_until = _now() + self._pause
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

    def _spend(self, urgency: Urgency, call: str) -> None:
        if self._pause:
            self._is_probing, self._closed_until = True, _now() + PROBE
        if self.limit < math.inf:
            self._spent.append(Spent(_now(), urgency, call))

    def _serve(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        for urgency, waiting in self._waiting.items():
            while waiting and (waiting[0].come.done() or self.has_room(urgency)):
                turn = heappop(waiting)
                if not turn.come.done():
                    self._spend(urgency, turn.call)
                    turn.come.set_result(None)
        self._plan()

    def _plan(self) -> None:
        """Look again when a pause ends, or the oldest request is a minute old."""
        if self._timer or not any(self._waiting.values()):
            return
        when = self._closed_until
        if when <= _now() and self._spent:
            when = self._spent[0].at + WINDOW
        self._timer = asyncio.get_running_loop().call_at(when, self._serve)


class Budget:
    """One window for each key, and one more for a call that an answer showed to be allowed less.

    Requests without a key are not counted; a 429 to one of them makes the others wait.
    """

    def __init__(self, per_minute: int, store: SqliteStore, clock: Callable[[], float]) -> None:
        self._per_minute = per_minute
        self._store = store
        self._clock = clock
        self._windows: dict[Key | None, Window] = {None: Window(math.inf)}
        self._narrow: dict[tuple[Key | None, str], Window] = {}

    async def take(
        self, key: Key | None, call: str, urgency: Urgency, since: float, patience: float
    ) -> None:
        """Waits for the turn of a request. RATE_LIMITED if it does not come in time."""
        if narrow := self._narrow.get((key, call)):
            await narrow.take(Urgency.PAID, since, patience, call)
        window = self._windows.get(key) or await self._open(key)
        await window.take(urgency, since, patience, call)
        if key:
            self._store.spend(key.hash, self._clock())

    def has_room(self, key: Key, urgency: Urgency) -> bool:
        window = self._windows.get(key)
        return window is None or window.has_room(urgency)

    def spare(self, key: Key) -> float:
        """How many order lists a minute can be read beside everything else."""
        window = self._windows.get(key)
        if window is None:
            return self._per_minute
        whole = SHARES[Urgency.LIST] * self._per_minute
        urgencies = [spent.urgency for spent in window.spent()]
        paid = urgencies.count(Urgency.PAID)
        kept_for_paid = self._per_minute - whole
        others = len(urgencies) - paid - urgencies.count(Urgency.LIST)
        return whole - others - max(0.0, paid - kept_for_paid)

    def refused(
        self, key: Key | None, call: str, seconds: float | None, per_minute: int | None
    ) -> None:
        """A 429, with what it says of the time to wait and of the limit."""
        window = self._windows.get(key)
        if window is None:
            return
        if per_minute is not None and per_minute < window.limit:
            if (key, call) not in self._narrow:
                log.warning("%s: %d requests a minute are allowed to %s", call, per_minute, key)
                spent = [spent for spent in window.spent() if spent.call == call]
                self._narrow[key, call] = Window(per_minute, spent)
                _let_go_of_idle(self._narrow)
            window = self._narrow[key, call]
        log.warning("%s: the upstream refuses %s: too many requests", call, key or "the catalogue")
        window.refused(seconds)

    def answered(self, key: Key | None, call: str) -> None:
        """The upstream answered, and not by a 429."""
        for window in (self._windows.get(key), self._narrow.get((key, call))):
            if window:
                window.answered()

    def close(self) -> None:
        for window in (*self._windows.values(), *self._narrow.values()):
            window.close()

    async def _open(self, key: Key | None) -> Window:
        """The window of a key, with what was spent before a restart."""
        spent: list[Spent] = []
        if key:
            now, wall = _now(), self._clock()
            try:
                times = await self._store.spent(key.hash, wall - WINDOW)
            except StoreError as error:
                log.error("%s: what was spent is not known: %s", key, error)
                times = []
            spent = [Spent(now - max(wall - at, 0.0), Urgency.TURN, "") for at in times]
        _let_go_of_idle(self._windows)
        return self._windows.setdefault(key, Window(self._per_minute, spent))


def _let_go_of_idle(windows: "dict[Any, Window]") -> None:
    if len(windows) > MAX_WINDOWS:
        for key in [key for key, window in windows.items() if window.is_idle and key]:
            del windows[key]


def _now() -> float:
    return asyncio.get_running_loop().time()
