"""Deletes data older than `store.retention`."""

import asyncio
import logging

from proxy.model import Limits
from proxy.model.errors import StoreError
from proxy.orders.orders import Orders
from proxy.runtime import log_events
from proxy.store import Store
from proxy.upstream.client import Upstream

log = logging.getLogger(__name__)

EVERY_SECONDS = 6 * 3600.0


async def forget_old(store: Store, orders: Orders, upstream: Upstream, seconds: float) -> None:
    """Deletes data older than `seconds`, every six hours, until it is cancelled.

    Times of orders are on the upstream's clock. They are compared with the earlier of both clocks,
    so that a wrong Date deletes nothing.
    """
    while True:
        now = upstream.wall_clock()
        before, orders_before = now - seconds, upstream.clock.earliest() - seconds
        orders.forget(orders_before)
        try:
            month = Limits().since(now)[1]
            await store.forget(before, min(before, month), orders_before)
        except StoreError as error:
            log.error(log_events.ORDERS_NOT_DELETED, error)
        await asyncio.sleep(EVERY_SECONDS)
