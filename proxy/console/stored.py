"""Rows of activations that the store knows: of any time, whichever key they have."""

import math
import re
from collections.abc import Iterator

from proxy.console.rows import Found, Row, RowKey, Rows
from proxy.model import NO_KEY, ClientKey
from proxy.orders.index import activation_of
from proxy.orders.tracked import TrackedActivation
from proxy.runtime.counters import StoryEvent
from proxy.services import Services
from proxy.store import ActivationRow

MAX_ROWS = 4000
_ROW = re.compile(r"([0-9a-f]{8})-([1-9][0-9]{0,9})")


class StoredRows:
    """Where a key is in use, its own activation is shown: it may be newer than the store."""

    def __init__(self, services: Services, rows: Rows) -> None:
        self._services = services
        self._rows = rows

    async def between(self, since: float, until: float) -> tuple[list[Row], bool]:
        """The rows of activations bought from `since` to before `until`, this machine's clock,
        newest first, and whether these are all. Raises StoreError.
        """
        ahead = round(self._services.upstream.clock.ahead)
        first, last = since + ahead, until + ahead
        stored = await self._services.store.newest_orders(first, MAX_ROWS + 1, last)
        is_whole = len(stored) <= MAX_ROWS
        found = {one[0]: one for one in self._states(stored[:MAX_ROWS])}
        oldest = first if is_whole else min(_created(one) for one in found.values())
        for one in self._rows.states():
            if oldest <= _created(one) < last:
                found[one[0]] = one
        newest = sorted(found.values(), key=_created, reverse=True)
        return await self._rows.made(newest), is_whole

    async def find(self, row: str) -> Found | None:
        """The activation of a row, of any time. Raises StoreError."""
        if found := self._rows.find(row):
            return found
        if not (parts := _ROW.fullmatch(row)):
            return None
        stored = await self._services.store.found_by(parts[1], int(parts[2]))
        return next(self._states(stored), None)

    async def story(self, activation: TrackedActivation) -> list[StoryEvent]:
        """Its events, oldest first; of one before the start what the store knows. Raises
        StoreError.
        """
        known = self._services.counters.story(activation.order.id)
        return known or await self._services.last_hour.story(activation)

    def _states(self, stored: list[ActivationRow]) -> Iterator[Found]:
        services = self._services
        keys = {key.hash: key for key in services.orders.used()}
        for row in stored:
            key = keys.get(row.key)
            known = services.orders.known(key, row.id) if key else None
            activation = known or activation_of(row, services.orders.find)
            row_key: RowKey = (row.key, row.id)
            state = self._rows.state(key or ClientKey(NO_KEY, row.key), activation)
            yield row_key, activation, state


def _created(found: Found) -> float:
    return found[1].order.created_at or -math.inf
