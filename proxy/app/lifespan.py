"""What runs while the app runs: started in the order of one table, closed in that of another."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette

from proxy.app.readiness import Readiness
from proxy.forwarding.delivery import ForwardDelivery
from proxy.orders.poller import poll_unattended
from proxy.orders.retention import forget_old
from proxy.replicas.listener import Replicas
from proxy.runtime import log_events
from proxy.runtime.tasks import BackgroundTasks
from proxy.services import Services
from proxy.webhooks.subscriptions import Subscriptions

if TYPE_CHECKING:
    from proxy.console import Console

log = logging.getLogger(__name__)

Step = Callable[[], Awaitable[None] | None]
Lifespan = Callable[[Starlette], AbstractAsyncContextManager[None]]


class Loops:
    """Loops that belong to no other part, by their names."""

    def __init__(self, works: Mapping[str, Callable[[], Coroutine[Any, Any, None]]]) -> None:
        self._works = works
        self._tasks = BackgroundTasks()

    def start(self) -> None:
        for name, work in self._works.items():
            self._tasks.loop(work, name)

    async def close(self) -> None:
        await self._tasks.aclose()


def lifespan(
    services: Services,
    replicas: Replicas,
    subscriptions: Subscriptions,
    forwards: ForwardDelivery,
    console: "Console | None",
    readiness: Readiness,
    *,
    retention: float,
) -> Lifespan:
    """Orders are forgotten after `retention` seconds."""
    loops = _loops(services, retention)
    starts: tuple[Step, ...] = (
        services.catalogue.start,
        services.journal.start,
        replicas.start,
        subscriptions.start,
        forwards.start,
        loops.start,
        *([console.start] if console else ()),
        readiness.begin,
    )
    closes: Mapping[str, Step] = {
        "readiness": readiness.end,
        **({"console": console.close} if console else {}),
        "loops": loops.close,
        "subscriptions": subscriptions.close,
        "forward delivery": forwards.close,
        "purchases": services.purchases.close,
        "journal": services.journal.close,
        "replicas": replicas.close,
        "cancels": services.cancels.close,
        "reads": services.reads.close,
        "order sockets": services.sockets.close,
        "orders": services.orders.close,
        "catalogue": services.catalogue.close,
        "balances": services.balances.close,
        "upstream": services.upstream.close,
        "store": services.store.close,
    }

    @asynccontextmanager
    async def life(app: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            # All of them before the first start: one that fails leaves nothing open either.
            for name, close in reversed(tuple(closes.items())):
                stack.push_async_callback(_close, name, close)
            for start in starts:
                await _carry_out(start)
            yield

    return life


def _loops(services: Services, retention: float) -> Loops:
    forget = partial(forget_old, services.store, services.orders, services.upstream, retention)
    look = partial(poll_unattended, services.orders, services.reads, services.programs)
    return Loops({"retention": forget, **({"lookout": look} if services.targets else {})})


async def _carry_out(step: Step) -> None:
    if waiting := step():
        await waiting


async def _close(name: str, close: Step) -> None:
    """Its failure is logged, and keeps nothing else open."""
    try:
        await _carry_out(close)
    except Exception:
        log.exception(log_events.CLOSE_FAILED, name)
