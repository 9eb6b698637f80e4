"""The problems that programs got, for the page: what was sent, and what would be right."""

import asyncio
import difflib
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from proxy.console.advice import PROBLEMS
from proxy.console.endpoint import Endpoint, Kind
from proxy.console.rows import Row
from proxy.runtime.problems import Group, GroupKey, ProblemGroups

MAX_SEARCHES = 4
"""Right values that are searched for one answer, in a thread: each takes up to 50 ms."""

KINDS: Mapping[str, Kind] = MappingProxyType({"BAD_SERVICE": "service", "BAD_COUNTRY": "country"})


class Problems:
    def __init__(self, groups: ProblemGroups, endpoint: Endpoint) -> None:
        self._groups = groups
        self._endpoint = endpoint
        self._right: dict[GroupKey, str | None] = {}
        """The nearest right value of each group that was searched for."""

    async def rows(self) -> list[Row]:
        """Newest first."""
        groups = self._groups.newest()
        await self._search([group.last.key for group in groups])
        return [self._row(group) for group in groups]

    async def _search(self, keys: list[GroupKey]) -> None:
        """Adds a few right values; the next answers have the others."""
        self._right = {key: self._right[key] for key in keys if key in self._right}
        missing = [key for key in keys if key not in self._right][:MAX_SEARCHES]
        if missing:
            self._right |= await asyncio.to_thread(self._found, missing)

    def _found(self, keys: Iterable[GroupKey]) -> dict[GroupKey, str | None]:
        return {key: self._nearest(key) for key in keys}

    def _nearest(self, key: GroupKey) -> str | None:
        value = key.sent.partition("=")[2]
        if not value:
            return None
        if kind := KINDS.get(key.problem):
            return self._endpoint.nearest(kind, value, key.dialect)
        if key.problem == "BAD_ACTION":
            by_lower = {action.lower(): action for action in self._endpoint.actions}
            close = difflib.get_close_matches(value.lower(), by_lower, n=1)
            return by_lower[close[0]] if close and by_lower[close[0]] != value else None
        return None

    def _row(self, group: Group) -> Row:
        last = group.last
        return {
            "program": last.key.program,
            "problem": last.key.problem,
            "word": last.word,
            "dialect": last.key.dialect,
            "action": last.key.action,
            "sent": last.sent,
            "count": group.count,
            "first_at": group.first_at,
            "last_at": last.at,
            "request_id": last.request,
            "detail": last.detail,
            "advice": PROBLEMS[last.key.problem],
            "use": self._right.get(last.key),
            "explain": {"service": last.pair[0], "country": last.pair[1]} if last.pair else None,
        }
