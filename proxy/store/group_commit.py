"""Writes to a store: those in flight share a commit."""

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
"""Writes in one commit."""
MOST_LATER = 10_000
"""Writes that are tried again; then the oldest are given up."""


@dataclass(slots=True)
class Write:
    run: Statements
    durable: bool
    """It survives a power cut."""
    erase: bool
    """What it deletes must not stay in the bytes."""
    surely: bool
    """Where it fails, its caller is told, and it is tried again with the writes after it."""
    done: "asyncio.Future[Any]"


class GroupCommit:
    """`commit` carries out a batch, all or nothing, and gives the result of each; or raises what
    one of them raised, StoreError among it.
    """

    def __init__(self, commit: Callable[[Sequence[Write]], Awaitable[list[Any]]]) -> None:
        self._commit = commit
        self._writes: list[Write] = []
        self._later: deque[Write] = deque()
        self._tasks = BackgroundTasks()
        self._flushing: asyncio.Task[None] | None = None

    def ask(
        self, run: Statements, *, durable: bool = False, erase: bool = False, surely: bool = False
    ) -> "asyncio.Future[Any]":
        done = asyncio.get_running_loop().create_future()
        self._writes.append(Write(run, durable, erase, surely, done))
        if self._flushing is None or self._flushing.done():
            self._flushing = self._tasks.start(self._flush(), "writes to the store")
        return done

    def note(self, run: Statements, *, surely: bool = False) -> None:
        """Nobody waits for it to be written."""
        self.ask(run, surely=surely).add_done_callback(_complain)

    async def close(self) -> None:
        """What could not be written is tried once more."""
        while self._flushing and not self._flushing.done():
            await asyncio.wait([self._flushing])
        last, self._later = list(self._later), deque()
        await self._carry_out_in_turn(last)
        if self._later:
            log.error(log_events.WRITES_LOST, len(self._later))

    async def _flush(self) -> None:
        """One commit for all that has gathered while the last one ran."""
        while self._writes:
            writes, self._writes = [*self._later, *self._writes], []
            self._later.clear()
            await self._carry_out_in_turn(writes)

    async def _carry_out_in_turn(
        self, writes: Sequence[Write], most: int = AT_ONCE
    ) -> StoreError | None:
        """What is asked for later is not written before what was asked for earlier."""
        for start in range(0, len(writes), most):
            if error := await self._carry_out(writes[start : start + most]):
                self._fail_all(writes[start + most :], error)
                return error
        return None

    async def _carry_out(self, writes: Sequence[Write]) -> StoreError | None:
        """What is wrong with the store, if nothing can be written at the moment."""
        try:
            results = await self._commit(writes)
        except StoreError as error:
            is_away = isinstance(error, StoreUnavailableError | CommitUncertainError)
            if len(writes) > 1 and not is_away:
                # What one of them cannot do must not stop the others: there may be money in them.
                return await self._carry_out_in_turn(writes, 1)
            self._fail_all(writes, error)
            return error if is_away else None
        except Exception as error:
            if len(writes) > 1:
                return await self._carry_out_in_turn(writes, 1)
            log.exception(log_events.WRITE_BUG)
            self._fail_all(writes, InvalidRowError(repr(error)))
            return None
        for write, result in zip(writes, results, strict=True):
            if not write.done.done():
                write.done.set_result(result)
        return None

    def _fail_all(self, writes: Sequence[Write], error: StoreError) -> None:
        for write in writes:
            self._fail(write, error)

    def _fail(self, write: Write, error: StoreError) -> None:
        if isinstance(error, InvalidRowError) and write.surely:
            log.error(log_events.WRITE_INVALID, error)
        elif write.surely and not isinstance(error, OwnershipLostError | OrderTakenError):
            self._put_off(write)
        if not write.done.done():
            write.done.set_exception(error)

    def _put_off(self, write: Write) -> None:
        if len(self._later) == MOST_LATER:
            log.error(log_events.WRITE_DROPPED)
            self._later.popleft()
        self._later.append(write)


def _complain(done: "asyncio.Future[Any]") -> None:
    if not done.cancelled() and (error := done.exception()):
        log.warning(log_events.WRITE_FAILED, error)
