"""The monotonic clock for deadlines, pauses and ages, which is the event loop's, and a clock that
can be advanced.
"""

import asyncio
import selectors
import time
from asyncio import Future
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from typing import Any, TypeVar, TypeVarTuple, Unpack

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

IDLE_SECONDS = 0.001
"""Real seconds without any event after which a process counts as idle. Its own connections to
itself need none: what is written on loopback can be read at once.
"""

AT_WORK_SECONDS = 0.05
"""Real seconds between two looks whether a thread has ended; its end also wakes the loop."""

BUSY_SECONDS = 0.25
"""Real seconds after which the clock advances by a step although the process is not idle: clients
that ask without a pause would stop it.
"""

STEPS = 100
LEAST_STEP = 0.5
"""An advance is made of at most so many steps, and of none shorter than these seconds: the server
has a timer every 0.1 seconds.
"""


def monotonic() -> float:
    """Seconds since an unknown start; in a test, those of its fake clock."""
    return asyncio.get_running_loop().time()


class AdvanceableClock:
    """The wall clock and the monotonic clock of a process, which can be advanced together.

    The process has to run on a loop of `new_loop`. The clock waits for its work, BUSY_SECONDS
    at each step: a request that it answers, or sends to itself, does not time out by an advance.
    """

    def __init__(self) -> None:
        self.skipped = 0.0
        """Seconds by which the monotonic clock was advanced."""
        self._real_at = 0.0
        self._selector = _SkippingSelector(self)
        self._turn = asyncio.Lock()

    def wall(self) -> float:
        """Seconds since 1970; ahead of the real time by what was advanced since `set_back`."""
        return time.time() + self.skipped - self._real_at

    def set_back(self) -> None:
        """Sets the wall clock back to the real time. The monotonic clock never goes back."""
        self._real_at = self.skipped

    def new_loop(self) -> asyncio.AbstractEventLoop:
        return _Loop(self, self._selector)

    async def advance(self, seconds: float) -> None:
        """Lets that time pass in a moment: all timers that fall due fire, in their order."""
        async with self._turn:
            step = max(seconds / STEPS, LEAST_STEP)
            await self._skip_until(asyncio.sleep(seconds), step, monotonic() + seconds)
            await self.idle()

    async def skip_pauses_of(self, work: Awaitable[T]) -> T:
        """Awaits `work`; the time that it sleeps passes in a moment."""
        async with self._turn:
            return await self._skip_until(work, LEAST_STEP, float("inf"))

    async def idle(self) -> None:
        """Waits until the process has nothing to do but to wait."""
        self._selector.busy_since = time.monotonic()
        self._selector.idle = asyncio.get_running_loop().create_future()
        await self._selector.idle

    async def _skip_until(self, work: Awaitable[T], step: float, end: float) -> T:
        self._selector.step, self._selector.end = step, end
        self._selector.busy_since = time.monotonic()
        try:
            return await work
        finally:
            self._selector.step = 0.0


class _SkippingSelector(selectors.DefaultSelector):
    """Advances the clock instead of waiting for a timer, while `step` is not 0."""

    def __init__(self, clock: AdvanceableClock) -> None:
        super().__init__()
        self._clock = clock
        self.at_work = 0
        """Threads at work, which need real time."""
        self.step = 0.0
        self.end = 0.0
        self.idle: Future[None] | None = None
        self.busy_since = 0.0
        """Since when it has not been idle, in real time."""

    def select(self, timeout: float | None = None) -> Any:
        if not (self.step or self.idle):
            return super().select(timeout)
        longest = float("inf") if timeout is None else max(timeout, 0.0)
        pause = min(longest, AT_WORK_SECONDS if self.at_work else IDLE_SECONDS)
        events = super().select(pause)
        is_idle = longest > 0 and not events and not self.at_work
        if is_idle or time.monotonic() - self.busy_since > BUSY_SECONDS:
            self._skip(longest - pause)
            self.busy_since = time.monotonic()
        return events

    def _skip(self, seconds: float) -> None:
        if self.idle:
            if not self.idle.done():
                self.idle.set_result(None)
            self.idle = None
        elif self.step:
            left = self.end - monotonic()
            self._clock.skipped += max(0.0, min(max(seconds, self.step), left))


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self, clock: AdvanceableClock, selector: _SkippingSelector) -> None:
        self._clock, self._skipping = clock, selector
        super().__init__(selector)

    def time(self) -> float:
        return super().time() + self._clock.skipped

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> "Future[T]":
        # It raises if the executor is shut down: then nothing is at work.
        future = super().run_in_executor(executor, func, *args)
        self._skipping.at_work += 1
        future.add_done_callback(lambda _: self._end_work())
        return future

    def _end_work(self) -> None:
        self._skipping.at_work -= 1
