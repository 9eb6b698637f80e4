"""Background tasks: the only file of the proxy that creates tasks.

Each owner has a `BackgroundTasks` and closes it. Unlike in a task group, a task that fails cancels
no other, and tasks can be started at any time until the owner closes it.
"""

import asyncio
import contextvars
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Hashable
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

from proxy.runtime import log_events

T = TypeVar("T")

log = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 300.0
"""Seconds before a loop that failed is restarted: 1, 2, 4 … 300. After a run that was longer than
the longest pause they begin with the first again.
"""

CANCEL_AGAIN = 5.0
"""A task that has not ended after so many seconds is cancelled again: a `finish` in it may have
used up the first cancel. A task has this time for its cleanup.
"""


class BackgroundTasks:
    """The tasks of one owner. `expected` exceptions are no bugs: they are logged as info."""

    def __init__(self, *expected: type[Exception]) -> None:
        self._expected = expected
        self._tasks: set[asyncio.Task[Any]] = set()
        self._shared: dict[Hashable, asyncio.Task[Any]] = {}
        self._is_closed = False

    def start(
        self, work: Coroutine[Any, Any, T], name: str, *, of_request: bool = False
    ) -> asyncio.Task[T]:
        """Starts a task; its failure is logged. With `of_request` it has the context of the request
        that starts it: its log lines have the request's id. Else its context is empty, and holds no
        memory of a request.
        """
        context = contextvars.copy_context() if of_request else contextvars.Context()
        task = self._create(work, name, context)
        task.add_done_callback(self._report, context=context)
        return task

    def loop(self, work: Callable[[], Coroutine[Any, Any, None]], name: str) -> asyncio.Task[None]:
        """Starts `work`, and restarts it after a failure, until it returns."""
        return self.start(_repeat(work, name), name)

    async def finish(self, work: Coroutine[Any, Any, T], name: str) -> T:
        """Runs work that must not be interrupted to its end, even if the caller is cancelled. Such
        a cancel is lost: the result counts more than a deadline.
        """
        task = self._create(work, name, contextvars.copy_context())
        while not task.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait((task,))
        return task.result()

    async def share(
        self, key: Hashable, work: Callable[[], Coroutine[Any, Any, T]], name: str
    ) -> T:
        """Runs `work`, or waits for the one that runs under this key: all get its result. It goes
        on if a caller is cancelled.
        """
        task: asyncio.Task[T] | None = self._shared.get(key)
        if task is None:
            task = self._shared[key] = self.start(work(), name, of_request=True)
            task.add_done_callback(lambda _: self._shared.pop(key, None))
        return await asyncio.shield(task)

    async def wait(self) -> None:
        """Waits until the tasks that run now have ended."""
        if self._tasks:
            await asyncio.wait(set(self._tasks))

    def stop(self) -> None:
        """Cancels all tasks, and every task that is started later."""
        self._is_closed = True
        for task in self._tasks:
            task.cancel()

    async def aclose(self, grace: float = 0.0) -> None:
        """Waits until all tasks have ended; cancels them after `grace` seconds."""
        clock = asyncio.get_running_loop().time
        until = clock() + grace
        while self._tasks and clock() < until:
            await asyncio.wait(self._tasks, timeout=until - clock())
        self.stop()
        while self._tasks:
            await asyncio.wait(self._tasks, timeout=CANCEL_AGAIN)
            self.stop()

    def _create(
        self, work: Coroutine[Any, Any, T], name: str, context: contextvars.Context
    ) -> asyncio.Task[T]:
        task = asyncio.create_task(work, name=name, context=context)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self._is_closed:
            task.cancel()
        return task

    def _report(self, task: asyncio.Task[Any]) -> None:
        error = None if task.cancelled() else task.exception()
        if isinstance(error, self._expected):
            log.info("%s: %s", task.get_name(), error)
        elif error:
            log.error(log_events.TASK_FAILED, task.get_name(), exc_info=error)


@asynccontextmanager
async def child_task(work: Coroutine[Any, Any, T], name: str) -> AsyncIterator[asyncio.Task[T]]:
    """A task that is cancelled at the end of its block."""
    task = asyncio.create_task(work, name=name)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait((task,))


async def _repeat(work: Callable[[], Coroutine[Any, Any, None]], name: str) -> None:
    clock, pause = asyncio.get_running_loop().time, FIRST_PAUSE
    while True:
        begun = clock()
        try:
            return await work()
        except Exception:
            pause = FIRST_PAUSE if clock() - begun > LONGEST_PAUSE else pause
            log.exception(log_events.TASK_RESTARTED, pause, name)
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)
