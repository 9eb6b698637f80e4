"""The requests per minute that the upstream allows each key.

The limit holds for any 60 seconds, its strictest meaning. Requests are recorded in the store, so
that a restart does not refill the window.
"""

import logging
import math
from collections.abc import Callable, Iterable
from typing import Any

from proxy.model import WINDOW, ClientKey, UpstreamKey
from proxy.model.errors import StoreError
from proxy.runtime import log_events
from proxy.runtime.clock import monotonic
from proxy.upstream.leases import Leases, RequestStore
from proxy.upstream.rate_window import PRIORITY_FRACTION, CountedRequest, Urgency, Window

log = logging.getLogger(__name__)

MAX_WINDOWS = 2000
"""Above this number of windows, 1.4 KB each, those of idle keys are dropped."""
SWEEP_SECONDS = 5.0

NEARLY_FULL = 0.9
RATE_SECONDS = 15.0
ORDER_RATE_SECONDS = 30.0
"""Seconds in which the rate of requests is counted; reads of single orders come in bursts."""


class Budget:
    """One window for each key, and a narrow one for each call with a lower limit of its own, as a
    429 has shown. Requests without a key are not counted, but a 429 to one of them makes all of
    them wait. `per_minute` is the limit of a key; `clock` is this machine's wall clock.
    """

    def __init__(self, per_minute: int, store: RequestStore, clock: Callable[[], float]) -> None:
        self._per_minute = per_minute
        self._store = store
        self._clock = clock
        self._windows: dict[UpstreamKey | None, Window] = {None: Window(math.inf)}
        self._leases = Leases(store, per_minute)
        self._narrow: dict[tuple[UpstreamKey | None, str], Window] = {}
        self._swept_at = -math.inf

    async def take(
        self, key: ClientKey | None, call: str, urgency: Urgency, since: float, patience: float
    ) -> None:
        """Waits for a request's turn: among equally urgent ones the earliest `since` is first.
        Raises RATE_LIMITED if the turn does not come within `patience` seconds. Monotonic clock.
        """
        account, program = (key.upstream, key.program) if key else (None, "")
        deadline = monotonic() + patience
        window = self._windows.get(account) or await self._open(account)
        narrow, counted = self._narrow.get((account, call)), None
        if narrow:
            counted = await narrow.take(Urgency.PAID, since, deadline - monotonic(), call, program)
        # Other replicas may have unused requests.
        if account and self._store.is_shared and not window.has_room(urgency, program):
            self._leases.ask(account)
        try:
            await window.take(urgency, since, deadline - monotonic(), call, program)
        except BaseException:
            if narrow and counted:
                narrow.give_back(counted)
            raise
        self._record(account)

    async def take_now(self, key: ClientKey, call: str, urgency: Urgency) -> bool:
        """Takes a turn if there is one without waiting; else returns False."""
        window = self._windows.get(key.upstream) or await self._open(key.upstream)
        narrow = self._narrow.get((key.upstream, call))
        counted = narrow.take_now(Urgency.PAID, call, key.program) if narrow else None
        if narrow and not counted:
            return False
        if not window.take_now(urgency, call, key.program):
            if narrow and counted:
                narrow.give_back(counted)
            return False
        self._record(key.upstream)
        return True

    def _record(self, account: UpstreamKey | None) -> None:
        if account and not self._store.is_shared:
            self._store.record_request(account.hash, self._clock())

    def has_room(self, key: ClientKey, urgency: Urgency) -> bool:
        window = self._windows.get(key.upstream)
        return window is None or window.has_room(urgency, key.program)

    def spare(self, key: ClientKey) -> float:
        """How many order lists per minute can be read beside all other requests."""
        window = self._windows.get(key.upstream)
        if window is None:
            return self._per_minute
        # The lease may still be small: a replica can have an equal part of the limit.
        equal_part = 2 * self._store.unleased_limit(self._per_minute)
        limit = min(max(window.limit, equal_part), self._per_minute)
        whole, recent = PRIORITY_FRACTION[Urgency.LIST] * limit, window.recent()
        if len(recent) > NEARLY_FULL * whole:
            return 0.0
        others = [it for it in recent if it.urgency not in (Urgency.LIST, Urgency.PAID)]
        # The rate of the last seconds may go on for the whole minute.
        orders = [it for it in others if it.urgency is Urgency.ORDER]
        steady = [it for it in others if it.urgency is not Urgency.ORDER]
        rate = _rate(orders, ORDER_RATE_SECONDS) + _rate(steady, RATE_SECONDS)
        paid = sum(it.urgency is Urgency.PAID for it in recent)
        return NEARLY_FULL * whole - max(len(others), rate) - paid

    def refused(
        self, key: ClientKey | None, call: str, seconds: float | None, per_minute: int | None
    ) -> None:
        """A call was answered by 429. `seconds` is how long to wait and `per_minute` the limit, if
        the answer says so.
        """
        account = key.upstream if key else None
        window = self._windows.get(account)
        if window is None:
            return
        if per_minute is not None and per_minute < window.limit:
            if (account, call) not in self._narrow:
                log.warning(log_events.LIMIT_LOWERED, call, account, per_minute)
                recent = [it for it in window.recent() if it.call == call]
                self._narrow[account, call] = Window(per_minute, recent)
            window = self._narrow[account, call]
        log.warning(log_events.RATE_LIMITED, call, account or "the catalogue")
        window.refused(seconds)

    def answered(self, key: ClientKey | None, call: str) -> None:
        """A call was answered by anything but 429."""
        account = key.upstream if key else None
        for window in (self._windows.get(account), self._narrow.get((account, call))):
            if window:
                window.answered()

    @property
    def states(self) -> dict[str, float]:
        """Requests left to the key that has the fewest; number of keys that wait after a 429."""
        windows = [window for key, window in self._windows.items() if key]
        left = min((window.left for window in windows), default=self._per_minute)
        return {"left": left, "paused": sum(window.is_closed for window in windows)}

    async def close(self) -> None:
        await self._leases.close()
        for window in (*self._windows.values(), *self._narrow.values()):
            window.close()

    def _drop_idle_windows(self) -> None:
        """At most once in SWEEP_SECONDS: a check of all windows for each new key is too slow."""
        is_full = len(self._windows) + len(self._narrow) > MAX_WINDOWS
        if is_full and monotonic() - self._swept_at >= SWEEP_SECONDS:
            self._swept_at = monotonic()
            self._leases.drop(_drop_idle(self._windows))
            _drop_idle(self._narrow)

    async def _open(self, key: UpstreamKey | None) -> Window:
        """The window of a key, with the requests recorded before a restart."""
        self._drop_idle_windows()
        if key and self._store.is_shared:
            return self._windows.setdefault(key, await self._leases.open(key))
        recent: list[CountedRequest] = []
        if key:
            now, wall = monotonic(), self._clock()
            try:
                times = await self._store.requests(key.hash, wall - WINDOW)
            except StoreError as error:
                log.error(log_events.SPENDING_UNKNOWN, key, error)
                times = []
            ages = (max(wall - at, 0.0) for at in times)
            recent = [CountedRequest(now - age, Urgency.TURN, "") for age in ages]
        return self._windows.setdefault(key, Window(self._per_minute, recent))


def _drop_idle(windows: "dict[Any, Window]") -> list[Any]:
    """Deletes the windows of idle keys, and returns the keys."""
    idle = [key for key, window in windows.items() if window.is_idle and key]
    for key in idle:
        del windows[key]
    return idle


def _rate(requests: Iterable[CountedRequest], seconds: float) -> float:
    """Requests per minute, as in the last `seconds`."""
    since = monotonic() - seconds
    return sum(request.at > since for request in requests) * 60 / seconds
