"""The requests a minute that the upstream allows each key.

The strictest reading of the limit: any 60 seconds. What was spent is noted in the store, so that a
restart does not refill the window.
"""

import logging
import math
from collections.abc import Callable
from typing import Any

from proxy.model import WINDOW, ClientKey, UpstreamKey
from proxy.model.errors import StoreError
from proxy.runtime import log_events
from proxy.runtime.clock import monotonic
from proxy.upstream.leases import Leases, RequestStore
from proxy.upstream.rate_window import SHARES, Spent, Urgency, Window

log = logging.getLogger(__name__)

MAX_WINDOWS = 2000
"""So many keys have a window, 1.4 KB each, before those that rest are let go."""
SWEEP_SECONDS = 5.0

NEARLY_FULL = 0.9
LATE_SECONDS = 15.0


class Budget:
    """One window for each key, and one more for a call that an answer showed to be allowed less.

    Requests without a key are not counted; a 429 to one of them makes the others wait.
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
        """Waits for the turn of a request. RATE_LIMITED if it does not come in time."""
        account, owner = (key.upstream, key.program) if key else (None, "")
        deadline = monotonic() + patience
        window = self._windows.get(account) or await self._open(account)
        narrow, spent = self._narrow.get((account, call)), None
        if narrow:
            spent = await narrow.take(Urgency.PAID, since, deadline - monotonic(), call, owner)
        self._ask(account, window, urgency, owner)
        try:
            await window.take(urgency, since, deadline - monotonic(), call, owner)
        except BaseException:
            if narrow and spent:
                narrow.give_back(spent)
            raise
        self._note(account)

    async def take_now(self, key: ClientKey, call: str, urgency: Urgency) -> bool:
        """A turn that need not be waited for; False if there is none."""
        window = self._windows.get(key.upstream) or await self._open(key.upstream)
        narrow = self._narrow.get((key.upstream, call))
        spent = narrow.take_now(Urgency.PAID, call, key.program) if narrow else None
        if narrow and not spent:
            return False
        if not window.take_now(urgency, call, key.program):
            if narrow and spent:
                narrow.give_back(spent)
            return False
        self._note(key.upstream)
        return True

    def _ask(
        self, account: UpstreamKey | None, window: Window, urgency: Urgency, owner: str
    ) -> None:
        """Other replicas may have room to spare."""
        if account and self._store.is_shared and not window.has_room(urgency, owner):
            self._leases.ask(account)

    def _note(self, account: UpstreamKey | None) -> None:
        if account and not self._store.is_shared:
            self._store.spend(account.hash, self._clock())

    def has_room(self, key: ClientKey, urgency: Urgency) -> bool:
        window = self._windows.get(key.upstream)
        return window is None or window.has_room(urgency, key.program)

    def spare(self, key: ClientKey) -> float:
        """How many order lists a minute can be read beside everything else."""
        window = self._windows.get(key.upstream)
        if window is None:
            return self._per_minute
        # Where replicas share the key, this one may have asked for a small part, so far.
        fair = 2 * self._store.safe_share(self._per_minute)
        limit = min(max(window.limit, fair), self._per_minute)
        whole, spent = SHARES[Urgency.LIST] * limit, window.spent()
        if len(spent) > NEARLY_FULL * whole:
            return 0.0
        others = [s for s in spent if s.urgency not in (Urgency.LIST, Urgency.PAID)]
        # What went on of late may go on all the minute; an order that got its SMS is read once.
        lasting = (one for one in others if one.urgency is not Urgency.ORDER)
        of_late = sum(one.at > monotonic() - LATE_SECONDS for one in lasting)
        paid = sum(one.urgency is Urgency.PAID for one in spent) - (limit - whole)
        return whole - max(len(others), of_late * 60 / LATE_SECONDS) - max(paid, 0.0)

    def refused(
        self, key: ClientKey | None, call: str, seconds: float | None, per_minute: int | None
    ) -> None:
        """A 429, with what it says of the time to wait and of the limit."""
        account = key.upstream if key else None
        window = self._windows.get(account)
        if window is None:
            return
        if per_minute is not None and per_minute < window.limit:
            if (account, call) not in self._narrow:
                log.warning(log_events.LIMIT_LOWERED, call, account, per_minute)
                spent = [spent for spent in window.spent() if spent.call == call]
                self._narrow[account, call] = Window(per_minute, spent)
            window = self._narrow[account, call]
        log.warning(log_events.RATE_LIMITED, call, account or "the catalogue")
        window.refused(seconds)

    def answered(self, key: ClientKey | None, call: str) -> None:
        """The upstream answered, and not by a 429."""
        account = key.upstream if key else None
        for window in (self._windows.get(account), self._narrow.get((account, call))):
            if window:
                window.answered()

    @property
    def states(self) -> dict[str, float]:
        """Of the key that has the least left: how many requests; and how many keys must pause."""
        windows = [window for key, window in self._windows.items() if key]
        left = min((window.left for window in windows), default=self._per_minute)
        return {"left": left, "paused": sum(window.is_closed for window in windows)}

    async def close(self) -> None:
        await self._leases.close()
        for window in (*self._windows.values(), *self._narrow.values()):
            window.close()

    def _let_go_of_idle(self) -> None:
        """A look at all of them for each new key would cost more than what it is asked for."""
        is_full = len(self._windows) + len(self._narrow) > MAX_WINDOWS
        if is_full and monotonic() - self._swept_at >= SWEEP_SECONDS:
            self._swept_at = monotonic()
            self._leases.drop(_drop_idle(self._windows))
            _drop_idle(self._narrow)

    async def _open(self, key: UpstreamKey | None) -> Window:
        """The window of a key, with what was spent before a restart."""
        self._let_go_of_idle()
        if key and self._store.is_shared:
            return self._windows.setdefault(key, await self._leases.open(key))
        spent: list[Spent] = []
        if key:
            now, wall = monotonic(), self._clock()
            try:
                times = await self._store.requests(key.hash, wall - WINDOW)
            except StoreError as error:
                log.error(log_events.SPENDING_UNKNOWN, key, error)
                times = []
            spent = [Spent(now - max(wall - at, 0.0), Urgency.TURN, "") for at in times]
        return self._windows.setdefault(key, Window(self._per_minute, spent))


def _drop_idle(windows: "dict[Any, Window]") -> list[Any]:
    """Whose they were."""
    idle = [key for key, window in windows.items() if window.is_idle and key]
    for key in idle:
        del windows[key]
    return idle
