"""Remembers answers of the upstream: one read shared by all who wait, the old answer on failure."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from cachetools import LRUCache

from proxy.model.errors import ProblemError
from proxy.runtime.clock import monotonic
from proxy.runtime.counters import Counters
from proxy.runtime.tasks import BackgroundTasks

HURRY = 2.0
"""Seconds that one waits for a new answer who could have the old one."""

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(slots=True, eq=False)
class _Kept(Generic[V]):
    value: V
    read_at: float
    until: float
    """When it is not fresh any more, on the monotonic clock."""


@dataclass(frozen=True, slots=True)
class Cached(Generic[V]):
    value: V
    how: str
    """HIT, MISS or STALE, for the X-Cache header."""
    stands: Callable[[], bool] | None = None
    """Whether it is still the answer; None for one that is not fresh."""


class Cache(Generic[K, V]):
    """At most `size` answers, fresh for `ttl` seconds. Where the upstream says no, that is raised;
    where it fails or is slow, the old answer is served.
    """

    def __init__(
        self, ttl: float, size: int, counters: Counters | None = None, name: str = ""
    ) -> None:
        self._ttl = ttl
        self._counters = counters
        self._name = name
        self._kept: LRUCache[K, _Kept[V]] = LRUCache(size)
        self._reads: dict[K, asyncio.Task[V]] = {}
        self._tasks = BackgroundTasks(ProblemError)

    async def get(
        self, key: K, read: Callable[[], Awaitable[V]], *, stale: bool = True
    ) -> Cached[V]:
        """The answer; the old one where the upstream fails, unless `stale` ones are of no use."""
        cached = await self._get(key, read, stale)
        if self._counters:
            self._counters.count("cache_answers", self._name, cached.how)
        return cached

    async def _get(self, key: K, read: Callable[[], Awaitable[V]], stale: bool) -> Cached[V]:
        kept = self._kept.get(key)
        if kept and monotonic() < kept.until:
            return Cached(kept.value, "HIT", lambda: monotonic() < kept.until)
        if not (kept and stale):
            return Cached(await self._shared(key, read), "MISS", self._stands(key))
        try:
            async with asyncio.timeout(HURRY):
                return Cached(await self._shared(key, read), "MISS", self._stands(key))
        except TimeoutError:
            return Cached(kept.value, "STALE")
        except ProblemError as error:
            if error.problem.is_doubt:
                return Cached(kept.value, "STALE")
            raise

    def peek(self, key: K) -> V | None:
        """The answer kept, however old."""
        kept = self._kept.get(key)
        return kept.value if kept else None

    def put(self, key: K, value: V, age: float = 0.0) -> None:
        self._expire(key)
        read_at = monotonic() - age
        self._kept[key] = _Kept(value, read_at, read_at + self._ttl)

    def is_fresh(self, key: K) -> bool:
        kept = self._kept.get(key)
        return kept is not None and monotonic() < kept.until

    def read_at(self, key: K) -> float:
        """When the answer kept was read, on the monotonic clock; -inf if there is none."""
        kept = self._kept.get(key)
        return kept.read_at if kept else float("-inf")

    async def close(self) -> None:
        """Ends the reads under way, also those that are not to be kept."""
        await self._tasks.aclose()

    def __len__(self) -> int:
        return len(self._kept)

    def drop(self, key: K) -> None:
        """Forget the answer; a read under way is not kept either: it may have begun before."""
        self._expire(key)
        self._kept.pop(key, None)
        self._reads.pop(key, None)

    def clear(self) -> None:
        """Forget all answers."""
        for key in list(self._kept):
            self.drop(key)

    def _expire(self, key: K) -> None:
        """Where the answer is still held, it stands no longer."""
        if kept := self._kept.get(key):
            kept.until = float("-inf")

    def _stands(self, key: K) -> Callable[[], bool] | None:
        kept = self._kept.get(key)
        return (lambda: monotonic() < kept.until) if kept else None

    async def _shared(self, key: K, read: Callable[[], Awaitable[V]]) -> V:
        is_others = key in self._reads
        try:
            return await self._read(key, read)
        except ProblemError as error:
            # A no to another who asked, perhaps with a wrong key, is no answer to this one.
            if error.problem.is_doubt or not is_others:
                raise
        return await self._read(key, read)

    async def _read(self, key: K, read: Callable[[], Awaitable[V]]) -> V:
        task = self._reads.get(key)
        if task is None:
            name = f"read of {self._name or 'a value'}"
            task = self._tasks.start(self._fill(key, read), name, of_request=True)
            self._reads[key] = task
        # One waiter that gives up must not end the read of the others.
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
