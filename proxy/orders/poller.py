"""Reads waiting orders that no client polls, so that their SMS reach the targets of `forward`."""

import asyncio
import logging
from collections.abc import Callable

from proxy.config.programs import Programs
from proxy.forwarding.targets import Targets
from proxy.model import ClientKey
from proxy.model.errors import ProblemError
from proxy.orders.orders import Orders
from proxy.orders.reads import Reads
from proxy.orders.tracked import TrackedActivation
from proxy.runtime import log_events

log = logging.getLogger(__name__)

EVERY_SECONDS = 10.0


async def poll_unattended(
    orders: Orders, reads: Reads, targets: Targets, programs: Callable[[], Programs]
) -> None:
    """Runs until it is cancelled, and looks while there are targets. Keys without a program are
    known from their first request on.
    """
    opened: set[ClientKey] = set()
    while True:
        for program in programs() if targets else ():
            if program.key not in opened:
                opened.add(program.key)
                await _open(orders, program.key)
        await asyncio.sleep(EVERY_SECONDS)
        if not targets:
            continue
        try:
            await orders.forward()
            await asyncio.gather(*(_refresh(reads, *one) for one in orders.awaiting_sms()))
        except Exception:
            log.exception(log_events.POLL_BUG)


async def _open(orders: Orders, key: ClientKey) -> None:
    try:
        await orders.open(key)
        await orders.open(key.listing)
    except ProblemError as error:
        log.error(log_events.POLL_FAILED, key, error)


async def _refresh(reads: Reads, key: ClientKey, activation: TrackedActivation) -> None:
    try:
        await reads.refresh(key, activation, further=activation.is_hinted, polled=False)
    except ProblemError as error:
        log.info("order %s: nobody polls, and: %s", activation.order.id, error)
