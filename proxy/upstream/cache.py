"""Remembers answers of the upstream: one read shared by all who wait, the old answer on failure."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from cachetools import LRUCache

from proxy.errors import ProblemError

HURRY = 2.0
"""Seconds that one waits for a new answer who could have the old one."""

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Cached(Generic[V]):
    value: V
    how: str
    """HIT, MISS or STALE, for the X-Cache header."""


class Cache(Generic[K, V]):
    """At most `size` answers, fresh for `ttl` seconds. Where the upstream says no, that is raised;
    where it fails or is slow, the old answer is served.
    """

    def __init__(self, ttl: float, size: int) -> None:
        self._ttl = ttl
        self._kept: LRUCache[K, tuple[float, V]] = LRUCache(size)
        self._reads: dict[K, asyncio.Task[V]] = {}

    async def get(
        self, key: K, read: Callable[[], Awaitable[V]], *, stale: bool = True
    ) -> Cached[V]:
        """The answer; the old one where the upstream fails, unless `stale` ones are of no use."""
        kept = self._kept.get(key)
        if kept and self._fresh(kept):
            return Cached(kept[1], "HIT")
        if not (kept and stale):
            return Cached(await self._shared(key, read), "MISS")
        try:
            async with asyncio.timeout(HURRY):
                return Cached(await self._shared(key, read), "MISS")
        except TimeoutError:
            return Cached(kept[1], "STALE")
        except ProblemError as error:
            if error.problem.is_doubt:
                return Cached(kept[1], "STALE")
            raise

    def peek(self, key: K) -> V | None:
        """The answer kept, however old."""
        kept = self._kept.get(key)
        return kept[1] if kept else None

    def put(self, key: K, value: V, age: float = 0.0) -> None:
        self._kept[key] = asyncio.get_running_loop().time() - age, value

    def is_fresh(self, key: K) -> bool:
        return self._fresh(self._kept.get(key))

    def read_at(self, key: K) -> float:
        """When the answer kept was read, on the monotonic clock; -inf if there is none."""
        kept = self._kept.get(key)
        return kept[0] if kept else float("-inf")

    def __len__(self) -> int:
        return len(self._kept)

    def drop(self, key: K) -> None:
        """Forget the answer; a read under way is not kept either: it may have begun before."""
        self._kept.pop(key, None)
        self._reads.pop(key, None)

    def _fresh(self, kept: tuple[float, V] | None) -> bool:
        return kept is not None and asyncio.get_running_loop().time() - kept[0] < self._ttl

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
            task = self._reads[key] = asyncio.ensure_future(self._fill(key, read))
            task.add_done_callback(_retrieve)
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


def _retrieve(task: asyncio.Task[V]) -> None:
    """Where every waiter gave up, nobody else takes the failure: asyncio would complain of it."""
    if not task.cancelled():
        task.exception()
