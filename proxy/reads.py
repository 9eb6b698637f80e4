"""When the upstream is read about orders: on demand, shared by all who ask, within the budget.

One read of the order list answers for all orders of a key. The order itself is read once something
has come of it, while it is to get a further SMS, and where the list does not reach.
"""

import asyncio
import logging
import re
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any
from weakref import WeakValueDictionary

from cachetools import LRUCache

from proxy.clock import monotonic
from proxy.errors import Problem, ProblemError
from proxy.legacy.activation import MAX_ID, Activation
from proxy.listing import CAPS, EVENTS_SECONDS, FASTEST, POLL, PUSHED, SLOWEST, Listing, Reading
from proxy.model import Key
from proxy.orders import LONGEST_LIFE, Orders
from proxy.pushes import Pushes
from proxy.runtime.tasks import BackgroundTasks
from proxy.store import Change, Store, StoreError
from proxy.upstream.budget import Budget
from proxy.upstream.client import Upstream
from proxy.upstream.window import Urgency

log = logging.getLogger(__name__)

MAX_KEYS = 10_000
HEARD_SECONDS = 0.5
"""So long another replica may take to read a list; it can also have read it before."""

_ID = re.compile(r"[1-9][0-9]{0,9}")
_ORDER = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class Reads:
    def __init__(
        self,
        upstream: Upstream,
        orders: Orders,
        pushes: Pushes,
        budget: Budget,
        store: Store,
        *,
        patience: float,
    ) -> None:
        self._upstream = upstream
        self._orders = orders
        self._pushes = pushes
        self._budget = budget
        self._store = store
        self._patience = patience
        self._lists: LRUCache[Key, Listing] = LRUCache(MAX_KEYS)
        self._by_hash: WeakValueDictionary[str, Listing] = WeakValueDictionary()
        self._details: dict[tuple[Key, str], Reading] = {}
        self._tasks = BackgroundTasks(ProblemError)

    async def close(self) -> None:
        await self._tasks.aclose()

    async def look(
        self, key: Key, activation: Activation, *, at_all: bool = False, whole: bool = False
    ) -> None:
        """Bring an activation up to date, where that can tell anything.

        `at_all`, even if only further messages can come; `whole`, even if a socket has told the
        text. While the budget is empty or the upstream fails, what is known stands.
        """
        is_of_use = (at_all and activation.order.messages) or (whole and activation.is_only_pushed)
        if activation.is_settled and not is_of_use:
            self._confirm(key, activation)
            return
        self._pushes.watch(key, activation)
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
            log.info("order %s: its last state stands: %s", activation.order.id, error)

    def standing(self, key: Key, activation: Activation) -> Callable[[], bool] | None:
        """Whether what is known of an activation still stands, and is not too old."""
        known, order, said = self._list(key), activation.order, activation.said
        is_settled = activation.is_settled
        if activation.is_only_pushed or not (is_settled or activation.is_untouched):
            return None

        def stands() -> bool:
            if activation.order is not order or activation.said != said:
                return False
            if is_settled:
                return True
            now = activation.asked_for_at = monotonic()
            return now - known.seen_at(activation) < known.interval(activation)

        return stands

    async def find(self, key: Key, text: str) -> Activation:
        """The activation that a client means: by its id, or by the upstream's order id.

        An id unknown here is looked for in the upstream's list. NO_ACTIVATION is said when that
        was read and has it not, when the text cannot be an id at all, or when the key shares its
        account and has not bought it.
        """
        await self._orders.open(key)
        if _ORDER.fullmatch(text):
            return await self._find_order(key, text.lower())
        if not _ID.fullmatch(text) or int(text) > MAX_ID:
            raise ProblemError(Problem.NO_ACTIVATION)
        known = self._orders.known(key, int(text)) or await self._orders.fetch(key, id=int(text))
        if known is None and key.is_sole:
            await self._read_list_surely(key)
            known = self._orders.known(key, int(text))
        if known is None:
            raise ProblemError(Problem.NO_ACTIVATION)
        return known

    async def all(self, key: Key) -> list[Activation]:
        """Every activation of a key, newest first, by one shared read; known ones on a doubt."""
        await self._orders.open(key)
        known = self._orders.activations(key)
        try:
            if not known or self._budget.has_room(key, Urgency.LIST):
                await self.refresh(key)
        except ProblemError as error:
            if not error.problem.is_doubt or not known:
                raise
            log.warning("the activations known stand: %s", error)
        return sorted(known, key=lambda found: found.order.created_at or 0.0, reverse=True)

    async def refresh(self, key: Key) -> None:
        """Read the order list, unless that was done a moment ago."""
        if monotonic() - self._list(key).own_at >= POLL:
            await asyncio.shield(self._list(key).reading or self._begin_list(key))

    async def refresh_anew(self, key: Key) -> None:
        """Read the order list by a request that begins now: money may be in doubt."""
        await asyncio.shield(self._begin_list(key, Urgency.PAID))

    async def read_anew(self, key: Key, order_id: str) -> None:
        """Read one order, with its messages, by a request that begins now."""
        await asyncio.shield(self._begin_order(key, order_id, Urgency.PAID))

    def has_unread(self, key: Key) -> bool:
        """An order may stand in a row of the list that could not be read."""
        return self._list(key).has_unread

    def told(self, key: Key) -> None:
        """An event of the account has come: its list is read less often for a while."""
        self._list(key).events_until = monotonic() + EVENTS_SECONDS

    def _confirm(self, key: Key, activation: Activation) -> None:
        """Whoever goes on asking has no use for the code that a socket told: it may not be true."""
        if activation.is_only_pushed and monotonic() - activation.tried_at >= PUSHED:
            self._begin_order(key, activation.order.id, Urgency.ORDER)

    async def _refresh(self, key: Key, activation: Activation) -> None:
        # The list may say that something has come: then the order itself is read as well.
        if activation.is_untouched and not await self._refresh_by_list(key, activation):
            return
        is_pushed = activation.is_pushed_since(activation.tried_at)
        if monotonic() - activation.tried_at < (PUSHED if is_pushed else POLL):
            reading = self._details.get((key, activation.order.id))
        else:
            reading = self._begin_order(key, activation.order.id, self._urgency(activation))
        if reading and self._budget.has_room(key, self._urgency(activation)):
            await asyncio.shield(reading)

    def heard(self, hash: str) -> None:
        """Another replica has read the order list of the account of that hash."""
        if known := self._by_hash.get(hash):
            known.heard_at = known.read_at = known.tried_at = monotonic()
            known.heard.set()

    async def _refresh_by_list(self, key: Key, activation: Activation) -> bool:
        """Whether the order itself has to be read, too."""
        known = self._list(key)
        interval = known.interval(activation)
        if monotonic() - known.seen_at(activation) < interval:
            return False
        reading = known.reading or known.sharing
        if reading is None and monotonic() - known.tried_at >= interval:
            reading = self._share(key, known)
        if reading:
            if not self._budget.has_room(key, Urgency.LIST):
                return False
            await asyncio.shield(reading)
        is_listed = known.seen_at(activation) >= known.read_at
        is_known = known.read_at >= known.tried_at
        return not activation.is_untouched or (is_known and not is_listed)

    def _urgency(self, activation: Activation) -> Urgency:
        return Urgency.ORDER if activation.is_unread else Urgency.TURN

    async def _find_order(self, key: Key, order_id: str) -> Activation:
        known = self._orders.get(key, order_id) or await self._orders.fetch(key, order=order_id)
        if known is None:
            if not key.is_sole:
                raise ProblemError(Problem.NO_ACTIVATION)
            await asyncio.shield(self._begin_order(key, order_id, Urgency.LIST))
        return self._orders.of(key, order_id)

    async def _read_list_surely(self, key: Key) -> None:
        await self.refresh(key)
        if self._list(key).is_cut_off:
            raise ProblemError(Problem.TRY_AGAIN, "the order list ends among live orders")
        if self._list(key).has_unread:
            raise ProblemError(Problem.TRY_AGAIN, "a row of the order list cannot be read")

    def _list(self, key: Key) -> Listing:
        """Of the account: one read serves all programs that share it."""
        known = self._lists.get(key.upstream)
        if known is None:
            known = self._lists[key.upstream] = Listing()
            if self._store.is_shared:
                self._by_hash[key.upstream.hash] = known
        return known

    def _share(self, key: Key, known: Listing) -> Reading:
        if not self._store.is_shared:
            return self._begin_list(key)
        known.sharing = self._task(self._share_list(key, known), f"shared list of {key}")
        return known.sharing

    async def _share_list(self, key: Key, known: Listing) -> None:
        """One replica reads, the others hear of it."""
        try:
            if await self._may_read(key, known):
                await asyncio.shield(self._begin_list(key))
            else:
                known.heard.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(known.heard.wait(), HEARD_SECONDS)
        finally:
            known.sharing = None

    async def _may_read(self, key: Key, known: Listing) -> bool:
        known.tried_at = monotonic()
        try:
            return await self._store.claim(f"list {key.upstream.hash}", known.pace)
        except StoreError:
            return True

    def _begin_list(self, key: Key, urgency: Urgency = Urgency.LIST) -> Reading:
        known = self._list(key)
        known.tried_at = monotonic()
        known.reading = self._task(self._read_list(key, known, urgency), f"list of {key}")
        return known.reading

    def _begin_order(self, key: Key, order_id: str, urgency: Urgency) -> Reading:
        place = key, order_id
        reading = self._details.get(place)
        if reading is None or urgency is Urgency.PAID:
            work = self._read_order(key, order_id, urgency)
            reading = self._details[place] = self._task(work, f"read of order {order_id}")
        return reading

    async def _read_list(self, key: Key, known: Listing, urgency: Urgency) -> None:
        try:
            await self._upstream.admit("orders", key, urgency)
            known.tried_at = asked_at = monotonic()
            orders = await self._upstream.orders(key)
            await self._orders.listed(key, orders, asked_at)
        finally:
            if known.reading is asyncio.current_task():
                known.reading = None
        known.read_at, known.own_at = max(known.read_at, asked_at), max(known.own_at, asked_at)
        oldest = min((order.created_at or 0.0 for order in orders), default=0.0)
        is_young = oldest > self._upstream.clock.earliest() - LONGEST_LIFE
        known.is_cut_off = orders.listed in CAPS and is_young
        known.has_unread = orders.unread > 0
        known.pace = self._pace(key, known)
        if not known.is_cut_off:
            self._store.tell(Change("list", key.upstream.hash))

    def _pace(self, key: Key, known: Listing) -> float:
        # What is left of the budget is for the orders behind the end of the list.
        fastest = POLL if known.is_cut_off else FASTEST
        return min(max(60 / max(self._budget.spare(key), 1.0), fastest), SLOWEST)

    async def _read_order(self, key: Key, order_id: str, urgency: Urgency) -> None:
        activation = self._orders.get(key, order_id)
        try:
            since = activation.seen_at if activation else 0.0
            await self._upstream.admit("order", key, urgency, since)
            asked_at = monotonic()
            order = await self._upstream.order(key, order_id)
            await self._orders.detailed(key, order, asked_at)
        finally:
            if activation:
                activation.tried_at = monotonic()
            if self._details.get((key, order_id)) is asyncio.current_task():
                del self._details[key, order_id]

    def _task(self, work: Coroutine[Any, Any, None], name: str) -> Reading:
        """One who has begun it may give up while others wait."""
        return self._tasks.start(work, name, of_request=True)
