"""The proxy beside the simulated upstream, in one process and on one clock: it can be restarted."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.routing import Router
from starlette.types import Receive, Scope, Send

from proxy.runtime.clock import AdvanceableClock


class RestartableProxy:
    """An ASGI app: a proxy that `begin_with` builds. `report` returns what its programs asked for,
    `clear_report` empties that. It is a ProxyBeside.
    """

    def __init__(
        self,
        clock: AdvanceableClock,
        report: Callable[[], dict[str, Any]],
        clear_report: Callable[[], None],
    ) -> None:
        self.report, self.clear_report = report, clear_report
        self._clock = clock
        self._life: AbstractAsyncContextManager[object] | None = None
        self._is_open = asyncio.Event()
        self._turn = asyncio.Lock()

    def begin_with(self, build: Callable[[], Starlette]) -> None:
        """Builds the first proxy, and later ones with the same `build`. Raises what it raises."""
        self._build = build
        self.proxy = build()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await Router(lifespan=self._lifespan).lifespan(scope, receive, send)
        else:
            await self._is_open.wait()
            await self.proxy(scope, receive, send)

    async def advance(self, seconds: float) -> None:
        await self._clock.advance(seconds)

    async def restart(self, between: Callable[[], None]) -> None:
        """Closes the proxy, sets the clock to the real time, calls `between`, opens a new proxy.

        Requests wait meanwhile; those that the old proxy has not answered fail.
        """
        async with self._turn:
            following = self._build()
            # A purchase on a silent upstream would hold the end up until its time-out.
            await self._clock.skip_pauses_of(self._close())
            self._clock.set_back()
            between()
            self.proxy = following
            await self._open()

    @asynccontextmanager
    async def _lifespan(self, app: object) -> AsyncIterator[None]:
        await self._open()
        try:
            yield
        finally:
            await self._close()

    async def _open(self) -> None:
        life = self.proxy.router.lifespan_context(self.proxy)
        await life.__aenter__()
        self._life = life
        self._is_open.set()

    async def _close(self) -> None:
        self._is_open.clear()
        if self._life is not None:
            life, self._life = self._life, None
            await life.__aexit__(None, None, None)
