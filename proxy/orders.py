"""What is known of each live order. Every source ends in `learn`; getStatus reads from here."""

import asyncio
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from proxy.activations import MAX_ID, Activation, candidates, merge
from proxy.errors import Problem, ProblemError
from proxy.legacy.status import Phase
from proxy.model import Key, Order, OrderState
from proxy.upstream.cache import Cache
from proxy.upstream.client import Upstream

log = logging.getLogger(__name__)

POLL = 3.0
"""Seconds that one read of the order list, or of one order, serves all who ask."""

MAX_KEYS = 10_000
MAX_DETAILS = 50_000

_ID = re.compile(r"[1-9][0-9]{0,9}")
_ORDER = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


@dataclass(slots=True)
class _Account:
    """The activations of one key."""

    by_id: dict[int, Activation] = field(default_factory=dict)
    by_order: dict[str, Activation] = field(default_factory=dict)


class Orders:
    def __init__(self, upstream: Upstream, clock: Callable[[], float], patience: float) -> None:
        self._upstream = upstream
        self._clock = clock
        self._patience = patience
        self._accounts: dict[Key, _Account] = {}
        self._lists: Cache[Key, frozenset[str]] = Cache(POLL, MAX_KEYS)
        self._details: Cache[str, None] = Cache(POLL, MAX_DETAILS)

    def phase(self, activation: Activation) -> Phase:
        return activation.phase(self._clock())

    def learn(self, key: Key, *orders: Order) -> None:
        """Take in what the upstream says of these orders of a key.

        The order created earlier has first claim on an id, so that a list read after a restart
        gives the ids that were given before.
        """
        account = self._accounts.setdefault(key, _Account())
        for order in sorted(orders, key=lambda order: (order.created_at or 0.0, order.id)):
            known = account.by_order.get(order.id)
            if known:
                known.order = merge(known.order, order)
                continue
            free = (number for number in candidates(order.id) if number not in account.by_id)
            activation = Activation(next(free), order)
            account.by_id[activation.id] = account.by_order[order.id] = activation

    def of(self, key: Key, order_id: str) -> Activation:
        """The activation of an order that was learned."""
        return self._accounts[key].by_order[order_id]

    async def find(self, key: Key, text: str) -> Activation:
        """The activation that a client means: by its id, or by the upstream's order id.

        An id unknown here is looked for in the upstream's list. NO_ACTIVATION is said when that
        was read and has it not, or when the text cannot be an id at all.
        """
        if _ORDER.fullmatch(text):
            return await self._find_order(key, text.lower())
        if not _ID.fullmatch(text) or int(text) > MAX_ID:
            raise ProblemError(Problem.NO_ACTIVATION)
        known = self._account(key).by_id.get(int(text))
        if known is None:
            await self._read_list_surely(key)
            known = self._account(key).by_id.get(int(text))
        if known is None:
            raise ProblemError(Problem.NO_ACTIVATION)
        return known

    async def look(self, key: Key, activation: Activation) -> None:
        """Bring an activation up to date, by one shared read at most, where that can tell anything.

        While the upstream fails, what is known stands.
        """
        if self.phase(activation) not in (Phase.WAITING, Phase.RETRYING):
            return
        try:
            async with asyncio.timeout(self._patience):
                await self._refresh(key, activation)
        except TimeoutError:
            log.warning(
                "order %s: the upstream is slow, its last state stands", activation.order.id
            )
        except ProblemError as error:
            if not error.problem.is_doubt:
                raise
            log.warning("order %s: its last state stands: %s", activation.order.id, error)

    async def read(self, key: Key, order_id: str) -> None:
        """Read one order, with its messages."""
        await self._details.get(order_id, lambda: self._read_order(key, order_id))

    async def read_anew(self, key: Key, order_id: str) -> None:
        self._details.drop(order_id)
        await self.read(key, order_id)

    def cancelled(self, activation: Activation) -> None:
        """The upstream has said that the order is cancelled."""
        activation.order = replace(activation.order, state=OrderState.CANCELLED)

    async def _refresh(self, key: Key, activation: Activation) -> None:
        order = activation.order
        if self.phase(activation) is Phase.WAITING and order.state is OrderState.WAITING:
            listed = await self._lists.get(key, lambda: self._read_list(key))
            order = activation.order
            if order.id in listed.value and order.state is not OrderState.COMPLETED:
                return
        await self.read(key, order.id)

    async def _find_order(self, key: Key, order_id: str) -> Activation:
        if order_id not in self._account(key).by_order:
            await self._read_order(key, order_id)
        return self.of(key, order_id)

    async def _read_list_surely(self, key: Key) -> None:
        listed = await self._lists.get(key, lambda: self._read_list(key))
        if listed.how == "STALE":
            raise ProblemError(Problem.TRY_AGAIN, "the order list could not be read")

    async def _read_list(self, key: Key) -> frozenset[str]:
        orders = await self._upstream.orders(key)
        self.learn(key, *orders)
        return frozenset(order.id for order in orders)

    async def _read_order(self, key: Key, order_id: str) -> None:
        self.learn(key, await self._upstream.order(key, order_id))

    def _account(self, key: Key) -> _Account:
        return self._accounts.get(key) or _Account()
