"""What runs while the app runs: begun in the order of one table, ended in that of another."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette

from proxy.actions import House
from proxy.forwards import Forwards
from proxy.lookout import look_out
from proxy.readiness import Readiness
from proxy.replicas import Replicas
from proxy.retention import forget_old
from proxy.subscriptions import Subscriptions

if TYPE_CHECKING:
    from proxy.console import Console

Step = Callable[[], Awaitable[None] | None]
Lifespan = Callable[[Starlette], AbstractAsyncContextManager[None]]


class Endless:
    """Work that goes on until it is closed."""

    def __init__(self, *works: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._works = works
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks = [asyncio.create_task(work()) for work in self._works]

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()


def lifespan(
    house: House,
    replicas: Replicas,
    subscriptions: Subscriptions,
    forwards: Forwards,
    console: "Console | None",
    readiness: Readiness,
    *,
    retention: float,
) -> Lifespan:
    """Orders are forgotten after `retention` seconds."""
    endless = _endless(house, retention)
    begins: tuple[Step, ...] = (
        house.catalogue.start,
        house.journal.start,
        replicas.start,
        subscriptions.start,
        forwards.start,
        endless.start,
        *([console.start] if console else ()),
        readiness.begin,
    )
    ends: tuple[Step, ...] = (
        readiness.end,
        *([console.close] if console else ()),
        endless.close,
        subscriptions.close,
        forwards.close,
        house.journal.close,
        replicas.close,
        house.cancels.close,
        house.reads.close,
        house.pushes.close,
        house.catalogue.close,
        house.balances.close,
        house.upstream.close,
        house.store.close,
    )

    @asynccontextmanager
    async def life(app: Starlette) -> AsyncIterator[None]:
        await _carry_out(begins)
        yield
        await _carry_out(ends)

    return life


def _endless(house: House, retention: float) -> Endless:
    def forget() -> Coroutine[Any, Any, None]:
        return forget_old(house.store, house.orders, house.upstream, retention)

    def look() -> Coroutine[Any, Any, None]:
        return look_out(house.orders, house.reads, house.programs)

    return Endless(forget, look) if house.targets else Endless(forget)


async def _carry_out(steps: tuple[Step, ...]) -> None:
    for step in steps:
        if waiting := step():
            await waiting
