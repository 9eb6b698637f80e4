"""Caches answers of the upstream: callers share one read, and get the old answer if it fails."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from cachetools import LRUCache

from proxy.model.errors import ProblemError
from proxy.runtime.clock import monotonic
from proxy.runtime.counters import Counters
from proxy.runtime.tasks import BackgroundTasks

STALE_AFTER = 2.0
"""Seconds to wait for a new answer before the old one is served."""

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(slots=True, eq=False)
class _Entry(Generic[V]):
    value: V
    read_at: float
    until: float
    """When it is no longer fresh. Both times are on the monotonic clock."""


@dataclass(frozen=True, slots=True)
class Cached(Generic[V]):
    value: V
    how: str
    """HIT, MISS or STALE, for the X-Cache header."""
    stands: Callable[[], bool] | None = None
    """Says whether the answer is still fresh; None for an answer that was stale already."""


class Cache(Generic[K, V]):
    """At most `size` answers, fresh for `ttl` seconds. A refusal of the upstream is raised. If the
    upstream fails or is slow, the old answer is served. `name` is the label in the metrics.
    """

    def __init__(
        self, ttl: float, size: int, counters: Counters | None = None, name: str = ""
    ) -> None:
        self._ttl = ttl
        self._counters = counters
        self._name = name
        self._entries: LRUCache[K, _Entry[V]] = LRUCache(size)
        self._reads: dict[K, asyncio.Task[V]] = {}
        self._tasks = BackgroundTasks(ProblemError)

    async def get(
        self, key: K, read: Callable[[], Awaitable[V]], *, stale: bool = True
    ) -> Cached[V]:
        """The fresh answer, or else what `read` returns. An old answer is served only if `stale`.
        Raises ProblemError.
        """
        cached = await self._get(key, read, stale)
        if self._counters:
            self._counters.count("cache_answers", self._name, cached.how)
        return cached

    async def _get(self, key: K, read: Callable[[], Awaitable[V]], stale: bool) -> Cached[V]:
        entry = self._entries.get(key)
        if entry and monotonic() < entry.until:
            return Cached(entry.value, "HIT", lambda: monotonic() < entry.until)
        if not (entry and stale):
            return Cached(await self._shared(key, read), "MISS", self._stands(key))
        try:
            async with asyncio.timeout(STALE_AFTER):
                return Cached(await self._shared(key, read), "MISS", self._stands(key))
        except TimeoutError:
            return Cached(entry.value, "STALE")
        except ProblemError as error:
            if error.problem.is_doubt:
                return Cached(entry.value, "STALE")
            raise

    def peek(self, key: K) -> V | None:
        """The cached answer of any age; None if there is none."""
        entry = self._entries.get(key)
        return entry.value if entry else None

    def put(self, key: K, value: V, age: float = 0.0) -> None:
        """Caches an answer that was read `age` seconds ago."""
        self._expire(key)
        read_at = monotonic() - age
        self._entries[key] = _Entry(value, read_at, read_at + self._ttl)

    def set_ttl(self, ttl: float) -> None:
        """Cached answers have the new age, too."""
        self._ttl = ttl
        for key in list(self._entries):
            entry = self._entries[key]
            self.put(key, entry.value, monotonic() - entry.read_at)

    def is_fresh(self, key: K) -> bool:
        entry = self._entries.get(key)
        return entry is not None and monotonic() < entry.until

    def read_at(self, key: K) -> float:
        """When the cached answer was read, on the monotonic clock; -inf if there is none."""
        entry = self._entries.get(key)
        return entry.read_at if entry else float("-inf")

    async def close(self) -> None:
        """Cancels all reads, also those whose answers `drop` has excluded."""
        await self._tasks.aclose()

    def __len__(self) -> int:
        return len(self._entries)

    def drop(self, key: K) -> None:
        """Deletes the answer. A read that has begun already is not cached either."""
        self._expire(key)
        self._entries.pop(key, None)
        self._reads.pop(key, None)

    def clear(self) -> None:
        for key in list(self._entries):
            self.drop(key)

    def _expire(self, key: K) -> None:
        """Whoever still holds the answer sees that it is not fresh any more."""
        if entry := self._entries.get(key):
            entry.until = float("-inf")

    def _stands(self, key: K) -> Callable[[], bool] | None:
        entry = self._entries.get(key)
        return (lambda: monotonic() < entry.until) if entry else None

    async def _shared(self, key: K, read: Callable[[], Awaitable[V]]) -> V:
        is_shared = key in self._reads
        try:
            return await self._read(key, read)
        except ProblemError as error:
            # A refusal of another caller, perhaps for its wrong key, is no answer to this one.
            if error.problem.is_doubt or not is_shared:
                raise
        return await self._read(key, read)

    async def _read(self, key: K, read: Callable[[], Awaitable[V]]) -> V:
        task = self._reads.get(key)
        if task is None:
            name = f"read of {self._name or 'a value'}"
            task = self._tasks.start(self._fill(key, read), name, of_request=True)
            self._reads[key] = task
        # A caller that is cancelled must not cancel the read of the others.
        return await asyncio.shield(task)

    async def _fill(self, key: K, read: Callable[[], Awaitable[V]]) -> V:
        task = asyncio.current_task()
        try:
            value = await read()
            if self._reads.get(key) is task:
                self.put(key, value)
            return value
        finally:
            if self._reads.get(key) is task:
                del self._reads[key]
