"""Writes to a store: those that wait at the same time share one commit."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from proxy.model.errors import (
    CommitUncertainError,
    InvalidRowError,
    OrderTakenError,
    OwnershipLostError,
    StoreError,
    StoreUnavailableError,
)
from proxy.runtime import log_events
from proxy.runtime.tasks import BackgroundTasks
from proxy.store.schema import Database

Statements = Callable[[Database], Any]

log = logging.getLogger(__name__)

AT_ONCE = 500
"""At most so many writes are in one commit."""
LATER_SECONDS = 0.4
"""A write that may wait shares the commit of others; without any it has its own after this time."""
MOST_RETRIES = 10_000
"""At most so many failed writes wait for a retry; the oldest are dropped."""


@dataclass(slots=True)
class Write:
    run: Statements
    durable: bool
    """It must survive a power cut."""
    erase: bool
    """What it deletes must not stay in the bytes of the file."""
    surely: bool
    """Retries later if it fails; the caller still gets the error."""
    done: "asyncio.Future[Any]"


class GroupCommit:
    """`commit` runs a batch of writes in one transaction and returns the result of each. It raises
    StoreError, or whatever a write raises; then nothing is written.
    """

    def __init__(self, commit: Callable[[Sequence[Write]], Awaitable[list[Any]]]) -> None:
        self._commit = commit
        self._writes: list[Write] = []
        self._retries: deque[Write] = deque()
        self._tasks = BackgroundTasks()
        self._flushing: asyncio.Task[None] | None = None
        self._is_due = False
        """A queued write does not wait for others."""
        self._timer: asyncio.TimerHandle | None = None

    def ask(
        self,
        run: Statements,
        *,
        durable: bool = False,
        erase: bool = False,
        surely: bool = False,
        later: bool = False,
    ) -> "asyncio.Future[Any]":
        """Queues a write; the future has its result, or its exception, after the commit. With
        `later` it waits up to LATER_SECONDS for others.
        """
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        self._writes.append(Write(run, durable, erase, surely, done))
        if not later:
            self._begin()
        elif self._timer is None:
            self._timer = loop.call_later(LATER_SECONDS, self._begin)
        return done

    def note(self, run: Statements, *, surely: bool = False) -> None:
        """Queues a write that no caller waits for. A failure is logged."""
        self.ask(run, surely=surely).add_done_callback(_log_failure)

    def _begin(self) -> None:
        """Commits all queued writes, now or after the commit that is running."""
        self._is_due = True
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if self._flushing is None or self._flushing.done():
            self._flushing = self._tasks.start(self._flush(), "writes to the store")

    async def close(self) -> None:
        """Waits for all writes, and retries the failed ones a last time."""
        if self._writes:
            self._begin()
        while self._flushing and not self._flushing.done():
            await asyncio.wait([self._flushing])
        last, self._retries = list(self._retries), deque()
        await self._run_batches(last)
        if self._retries:
            log.error(log_events.WRITES_LOST, len(self._retries))

    async def _flush(self) -> None:
        """Commits together all writes that were queued during the last commit."""
        while self._is_due:
            self._is_due = False
            writes, self._writes = [*self._retries, *self._writes], []
            self._retries.clear()
            await self._run_batches(writes)

    async def _run_batches(self, writes: Sequence[Write], most: int = AT_ONCE) -> StoreError | None:
        """Keeps the order: if the store is unavailable, later writes fail with the earlier ones."""
        for start in range(0, len(writes), most):
            if error := await self._run_batch(writes[start : start + most]):
                self._fail(writes[start + most :], error)
                return error
        return None

    async def _run_batch(self, writes: Sequence[Write]) -> StoreError | None:
        """Returns the error if the store is unavailable: then no other write can succeed now."""
        try:
            results = await self._commit(writes)
        except StoreError as error:
            is_unavailable = isinstance(error, StoreUnavailableError | CommitUncertainError)
            if len(writes) > 1 and not is_unavailable:
                # One bad write must not stop the others: they may be about money.
                return await self._run_batches(writes, 1)
            self._fail(writes, error)
            return error if is_unavailable else None
        except Exception as error:
            if len(writes) > 1:
                return await self._run_batches(writes, 1)
            log.exception(log_events.WRITE_BUG)
            self._fail(writes, InvalidRowError(repr(error)))
            return None
        for write, result in zip(writes, results, strict=True):
            if not write.done.done():
                write.done.set_result(result)
        return None

    def _fail(self, writes: Sequence[Write], error: StoreError) -> None:
        for write in writes:
            if isinstance(error, InvalidRowError) and write.surely:
                log.error(log_events.WRITE_INVALID, error)
            elif write.surely and not isinstance(error, OwnershipLostError | OrderTakenError):
                self._retry_later(write)
            if not write.done.done():
                write.done.set_exception(error)

    def _retry_later(self, write: Write) -> None:
        if len(self._retries) == MOST_RETRIES:
            log.error(log_events.WRITE_DROPPED)
            self._retries.popleft()
        self._retries.append(write)


def _log_failure(done: "asyncio.Future[Any]") -> None:
    if not done.cancelled() and (error := done.exception()):
        log.warning(log_events.WRITE_FAILED, error)
