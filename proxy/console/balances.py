"""Keeps the balances on the page recent while a page is open, within the request budget."""

import asyncio
from collections.abc import Callable

from proxy.model import ClientKey, UpstreamKey
from proxy.model.errors import ProblemError
from proxy.runtime.clock import monotonic
from proxy.services import Services
from proxy.upstream.rate_window import Urgency

EVERY_SECONDS = 60.0
"""Time between two reads of a known balance."""
AFTER_SECONDS = 5.0
"""Shortest time between two reads, after a purchase or a cancel has dropped the balance."""
MAX_ACCOUNTS = 5
"""The other accounts are shown with the balance that a program last got."""


class Balances:
    """Reads balances while `is_watched` is true."""

    def __init__(self, services: Services, is_watched: Callable[[], bool]) -> None:
        self._services = services
        self._is_watched = is_watched
        self._tried_at: dict[UpstreamKey, float] = {}
        self.failed: dict[UpstreamKey, str] = {}
        """Why the last read failed, by account."""

    async def run(self) -> None:
        """Runs until it is cancelled."""
        while True:
            await asyncio.sleep(AFTER_SECONDS / 5)
            if self._is_watched():
                await self.refresh()

    async def refresh(self, *, at_once: bool = False) -> None:
        accounts = [*dict.fromkeys(key.account for key in self._services.orders.used())]
        del accounts[MAX_ACCOUNTS:]
        keys = {account.upstream for account in accounts}
        for by_account in (self._tried_at, self.failed):
            for key in by_account.keys() - keys:
                del by_account[key]
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
        tried_at = self._tried_at.get(account.upstream, float("-inf"))
        return has_room and monotonic() - tried_at >= wait

    async def _read(self, account: ClientKey) -> None:
        balances, upstream = self._services.balances, self._services.upstream
        try:
            await balances.get(account.upstream, lambda: upstream.balance(account), stale=False)
        except ProblemError as error:
            self.failed[account.upstream] = error.problem.name
        else:
            self.failed.pop(account.upstream, None)
