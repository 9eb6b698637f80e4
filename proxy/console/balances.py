"""Keeps the balances of the page recent while one is open, without spending much of the budget."""

import asyncio
from collections.abc import Callable

from proxy.model import ClientKey, UpstreamKey
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
        self._tried_at: dict[UpstreamKey, float] = {}

    async def keep(self) -> None:
        """For ever."""
        while True:
            await asyncio.sleep(AFTER_SECONDS / 5)
            if self._is_watched():
                await self.refresh()

    async def refresh(self, *, at_once: bool = False) -> None:
        accounts = list(dict.fromkeys(key.account for key in self._services.orders.used()))[:MOST]
        keys = {account.upstream for account in accounts}
        self._tried_at = {key: at for key, at in self._tried_at.items() if key in keys}
        for account in accounts:
            if at_once:
                self._services.balances.drop(account.upstream)
            if at_once or self._is_due(account):
                self._tried_at[account.upstream] = monotonic()
                await self._read(account)

    def _is_due(self, account: ClientKey) -> bool:
        is_known = self._services.balances.peek(account.upstream) is not None
        wait = EVERY_SECONDS if is_known else AFTER_SECONDS
        has_room = self._services.budget.has_room(account, Urgency.TURN)
        return (
            has_room and monotonic() - self._tried_at.get(account.upstream, float("-inf")) >= wait
        )

    async def _read(self, account: ClientKey) -> None:
        upstream = self._services.upstream
        try:
            read = self._services.balances.get
            await read(account.upstream, lambda: upstream.balance(account))
        except ProblemError:
            # A key that is refused, or a time without an upstream: its programs hear of it.
            return
