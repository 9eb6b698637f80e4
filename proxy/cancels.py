"""Cancelling: at once where the upstream allows it, else as a promise that is kept."""

import asyncio
import logging

from proxy.errors import Problem, ProblemError
from proxy.legacy.activation import Activation
from proxy.model import OVER, Key
from proxy.orders import Orders
from proxy.upstream.cache import Cache
from proxy.upstream.client import Upstream

log = logging.getLogger(__name__)

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 30.0
"""Seconds between the tries of a promised cancel: 1, 2, 4 … 30."""


class Cancels:
    def __init__(self, upstream: Upstream, orders: Orders, balances: Cache[Key, int]) -> None:
        self._upstream = upstream
        self._orders = orders
        self._balances = balances
        self._promised: set[asyncio.Task[None]] = set()

    async def cancel(self, key: Key, activation: Activation, *, defer: bool) -> None:
        """Cancel for a refund. EARLY_CANCEL during the hold, unless it may be deferred."""
        try:
            await self._cancel(key, activation)
        except ProblemError as error:
            if error.problem is not Problem.EARLY_CANCEL or not defer:
                raise
            self._promise(key, activation, error.seconds or FIRST_PAUSE)

    async def close(self) -> None:
        for task in self._promised:
            task.cancel()
        await asyncio.gather(*self._promised, return_exceptions=True)

    async def _cancel(self, key: Key, activation: Activation) -> None:
        try:
            await self._upstream.cancel(key, activation.order.id)
        except ProblemError as error:
            if error.problem is Problem.CANNOT_CANCEL:
                await self._settle(key, activation)
            elif error.problem is not Problem.ALREADY_CANCELLED:
                raise
        finally:
            self._balances.drop(key)
        self._orders.cancelled(activation)

    async def _settle(self, key: Key, activation: Activation) -> None:
        """Something came before the cancel. Only the end of its time leaves the order unpaid."""
        await self._orders.read_anew(key, activation.order.id)
        if activation.order.messages:
            raise ProblemError(Problem.CODE_RECEIVED, activation.order.id)
        if activation.order.state not in OVER:
            raise ProblemError(Problem.CANNOT_CANCEL, activation.order.id)

    def _promise(self, key: Key, activation: Activation, wait: float) -> None:
        activation.cancelling = True
        task = asyncio.create_task(self._keep(key, activation, wait))
        self._promised.add(task)
        task.add_done_callback(self._promised.discard)

    async def _keep(self, key: Key, activation: Activation, wait: float) -> None:
        pause = FIRST_PAUSE
        while True:
            await asyncio.sleep(wait)
            try:
                await self._cancel(key, activation)
            except ProblemError as error:
                if error.problem is not Problem.EARLY_CANCEL and not error.problem.is_doubt:
                    log.warning("order %s: the promised cancel came too late: %s",
                                activation.order.id, error)  # fmt: skip
                    return
                wait = error.seconds or pause
                pause = min(pause * 2, LONGEST_PAUSE)
            else:
                log.info("order %s: cancelled as promised", activation.order.id)
                return
