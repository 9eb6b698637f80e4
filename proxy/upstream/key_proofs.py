"""Whether the upstream takes a key that a client sent, proven by one read of its balance.

The catalogue is cached for all keys, so an answer of it says nothing about the key.
"""

import asyncio
import enum

from cachetools import TTLCache

from proxy.model import ClientKey, UpstreamKey
from proxy.model.errors import Problem, ProblemError
from proxy.runtime.clock import monotonic
from proxy.upstream.cache import STALE_AFTER, Cache
from proxy.upstream.client import Upstream

PROVEN_SECONDS = 600.0
MAX_PROVEN = 10_000


class Proof(enum.Enum):
    GIVEN = enum.auto()
    PENDING = enum.auto()
    """The read of the balance goes on."""
    DOUBTFUL = enum.auto()
    """The upstream did not say."""


class KeyProofs:
    """All who wait for the proof of a key share one read, with each other and with getBalance. A
    yes is kept for PROVEN_SECONDS; a no as long as the upstream is not sent a refused key again.
    """

    def __init__(self, upstream: Upstream, balances: Cache[UpstreamKey, int]) -> None:
        self._upstream = upstream
        self._balances = balances
        self._proven = TTLCache[UpstreamKey, None](MAX_PROVEN, PROVEN_SECONDS, monotonic)

    async def of(self, key: ClientKey) -> Proof:
        """Waits at most STALE_AFTER seconds for the proof. Raises ProblemError (BAD_KEY)."""
        try:
            async with asyncio.timeout(STALE_AFTER):
                return Proof.GIVEN if await self.wait(key) else Proof.DOUBTFUL
        except TimeoutError:
            return Proof.PENDING

    async def wait(self, key: ClientKey) -> bool:
        """Whether the upstream takes the key; False if it does not say. Raises ProblemError
        (BAD_KEY).
        """
        if self._upstream.is_refused(key):
            self._proven.pop(key.upstream, None)
            raise ProblemError(Problem.BAD_KEY, "refused a moment ago")
        if key.upstream in self._proven:
            return True
        read = self._upstream.balance
        try:
            await self._balances.get(key.upstream, lambda: read(key), stale=False)
        except ProblemError as error:
            if error.problem.is_doubt:
                return False
            raise
        self._proven[key.upstream] = None
        return True
