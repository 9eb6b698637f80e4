"""Writes to a store: those in flight share a commit."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from proxy.store.contract import Away, Doubt, Lost, StoreError, Taken, Unwritable
from proxy.store.schema import Database

Write = Callable[[Database], Any]

log = logging.getLogger(__name__)

AT_ONCE = 500
"""Writes in one commit."""
MOST_LATER = 10_000
"""Writes that are tried again; then the oldest are given up."""


@dataclass(slots=True)
class Wish:
    write: Write
    durable: bool
    """It survives a power cut."""
    erase: bool
    """What it deletes must not stay in the bytes."""
    surely: bool
    """Where it fails, its caller is told, and it is tried again with the writes after it."""
    done: "asyncio.Future[Any]"


class Commits:
    """`commit` carries out a batch, all or nothing, and gives the result of each; or raises what
    one of them raised, StoreError among it.
    """

    def __init__(self, commit: Callable[[Sequence[Wish]], Awaitable[list[Any]]]) -> None:
        self._commit = commit
        self._wishes: list[Wish] = []
        self._later: deque[Wish] = deque()
        self._flushing: asyncio.Task[None] | None = None

    def ask(
        self, write: Write, *, durable: bool = False, erase: bool = False, surely: bool = False
    ) -> "asyncio.Future[Any]":
        done = asyncio.get_running_loop().create_future()
        self._wishes.append(Wish(write, durable, erase, surely, done))
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush())
        return done

    def note(self, write: Write, *, surely: bool = False) -> None:
        """Nobody waits for it to be written."""
        self.ask(write, surely=surely).add_done_callback(_complain)

    async def close(self) -> None:
        """What could not be written is tried once more."""
        while self._flushing:
            await asyncio.wait([self._flushing])
        last, self._later = list(self._later), deque()
        await self._carry_out_in_turn(last)
        if self._later:
            log.error("%d writes are lost: the store cannot be written", len(self._later))

    async def _flush(self) -> None:
        """One commit for all that has gathered while the last one ran."""
        try:
            while self._wishes:
                wishes, self._wishes = [*self._later, *self._wishes], []
                self._later.clear()
                await self._carry_out_in_turn(wishes)
        finally:
            self._flushing = None

    async def _carry_out_in_turn(
        self, wishes: Sequence[Wish], most: int = AT_ONCE
    ) -> StoreError | None:
        """What is wished later is not written before what was wished earlier."""
        for start in range(0, len(wishes), most):
            if error := await self._carry_out(wishes[start : start + most]):
                self._fail_all(wishes[start + most :], error)
                return error
        return None

    async def _carry_out(self, wishes: Sequence[Wish]) -> StoreError | None:
        """What is wrong with the store, if nothing can be written at the moment."""
        try:
            results = await self._commit(wishes)
        except StoreError as error:
            is_away = isinstance(error, Away | Doubt)
            if len(wishes) > 1 and not is_away:
                # What one of them cannot do must not stop the others: there may be money in them.
                return await self._carry_out_in_turn(wishes, 1)
            self._fail_all(wishes, error)
            return error if is_away else None
        except Exception as error:
            log.exception("a bug kept %d writes from the store", len(wishes))
            self._fail_all(wishes, Unwritable(repr(error)))
            return None
        for wish, result in zip(wishes, results, strict=True):
            if not wish.done.done():
                wish.done.set_result(result)
        return None

    def _fail_all(self, wishes: Sequence[Wish], error: StoreError) -> None:
        for wish in wishes:
            self._fail(wish, error)

    def _fail(self, wish: Wish, error: StoreError) -> None:
        if isinstance(error, Unwritable) and wish.surely:
            log.error("this can never be written: %s", error)
        elif wish.surely and not isinstance(error, Lost | Taken):
            self._put_off(wish)
        if not wish.done.done():
            wish.done.set_exception(error)

    def _put_off(self, wish: Wish) -> None:
        if len(self._later) == MOST_LATER:
            log.error("too much waits to be written: the oldest of it is lost")
            self._later.popleft()
        self._later.append(wish)


def _complain(done: "asyncio.Future[Any]") -> None:
    if not done.cancelled() and (error := done.exception()):
        log.warning("not written: %s", error)
