"""Keeps the balances of the page recent while one is open, without spending much of the budget."""

import asyncio
from collections.abc import Callable

from proxy.model import Key
from proxy.model.errors import ProblemError
from proxy.runtime.clock import monotonic
from proxy.services import Services
from proxy.upstream.rate_window import Urgency

EVERY_SECONDS = 60.0
"""A balance that was not moved is read so often."""
AFTER_SECONDS = 5.0
"""A purchase or a cancel has moved it: not sooner than this after the last read."""
MOST = 5
"""Accounts; the others have the balance that a program was last told."""


class Balances:
    """Works only while `is_watched`."""

    def __init__(self, services: Services, is_watched: Callable[[], bool]) -> None:
        self._services = services
        self._is_watched = is_watched
        self._tried_at: dict[Key, float] = {}

    async def keep(self) -> None:
        """For ever."""
        while True:
            await asyncio.sleep(AFTER_SECONDS / 5)
            if self._is_watched():
                await self.refresh()

    async def refresh(self, *, at_once: bool = False) -> None:
        accounts = list(dict.fromkeys(key.upstream for key in self._services.orders.used()))[:MOST]
        self._tried_at = {key: at for key, at in self._tried_at.items() if key in accounts}
        for account in accounts:
            if at_once:
                self._services.balances.drop(account)
            if at_once or self._is_due(account):
                self._tried_at[account] = monotonic()
                await self._read(account)

    def _is_due(self, account: Key) -> bool:
        is_known = self._services.balances.peek(account) is not None
        wait = EVERY_SECONDS if is_known else AFTER_SECONDS
        has_room = self._services.budget.has_room(account, Urgency.TURN)
        return has_room and monotonic() - self._tried_at.get(account, float("-inf")) >= wait

    async def _read(self, account: Key) -> None:
        upstream = self._services.upstream
        try:
            await self._services.balances.get(account, lambda: upstream.balance(account))
        except ProblemError:
            # A key that is refused, or a time without an upstream: its programs hear of it.
            return
