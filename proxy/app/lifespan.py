"""Starts the parts of the app in the order of one table, and closes them in that of another."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from starlette.applications import Starlette

from proxy.app.readiness import Readiness
from proxy.app.reload import Reload
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


def lifespan(
    services: Services,
    replicas: Replicas,
    subscriptions: Subscriptions,
    forwards: ForwardDelivery,
    console: "Console | None",
    readiness: Readiness,
    reload: Reload,
    *,
    retention: float,
) -> Lifespan:
    """The lifespan of the app. Orders are deleted after `retention` seconds."""
    tasks = BackgroundTasks()

    def start_loops() -> None:
        """Starts the loops that belong to no other part."""
        forget = partial(forget_old, services.store, services.orders, services.upstream, retention)
        tasks.loop(forget, "retention")
        tasks.loop(services.last_hour.run, "last hour")
        parts = services.orders, services.reads, services.targets
        tasks.loop(partial(poll_unattended, *parts, lambda: services.programs), "lookout")
        tasks.loop(reload.run, "reload")

    starts: tuple[Step, ...] = (
        services.catalogue.start,
        services.journal.start,
        replicas.start,
        subscriptions.start,
        forwards.start,
        start_loops,
        *([console.start] if console else ()),
        readiness.begin,
    )
    closes: Mapping[str, Step] = {
        "readiness": readiness.end,
        **({"console": console.close} if console else {}),
        "loops": tasks.aclose,
        "reload": reload.close,
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
            # Registered before the first start: if a start fails, all parts are closed.
            for name, close in reversed(tuple(closes.items())):
                stack.push_async_callback(_close, name, close)
            for start in starts:
                await _run(start)
            yield

    return life


async def _run(step: Step) -> None:
    if waiting := step():
        await waiting


async def _close(name: str, close: Step) -> None:
    """Logs a failure, so that the other parts are closed too."""
    try:
        await _run(close)
    except Exception:
        log.exception(log_events.CLOSE_FAILED, name)
