"""Forgets what is older than store.retention."""

import asyncio
import logging
from collections.abc import Callable

from proxy.model import Caps
from proxy.orders import Orders
from proxy.store import Store, StoreError

log = logging.getLogger(__name__)

EVERY_SECONDS = 6 * 3600.0


async def forget_old(
    store: Store, orders: Orders, now: Callable[[], float], seconds: float
) -> None:
    """For ever, every six hours. `now` is the upstream's clock."""
    while True:
        try:
            month = Caps().since(now())[1]
            orders.forget(now() - seconds)
            await store.forget(now() - seconds, min(now() - seconds, month))
        except StoreError as error:
            log.error("old orders could not be forgotten: %s", error)
        await asyncio.sleep(EVERY_SECONDS)
