"""Takes in the upstream's signed events. They end where reads and sockets end: in `orders`."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import replace

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from proxy.model import NO_KEY, ClientKey, UpstreamKey
from proxy.model.errors import StoreError
from proxy.orders.orders import Orders
from proxy.orders.reads import Reads
from proxy.orders.tracked import TrackedActivation
from proxy.runtime import log_events
from proxy.runtime.clock import monotonic
from proxy.runtime.counters import Counters
from proxy.store import Store
from proxy.upstream import webhooks
from proxy.upstream.cache import Cache
from proxy.upstream.webhooks import Event

log = logging.getLogger(__name__)

PATH = "/webhooks/virtualsms"

MAX_BODY = 65_536
HEADERS = ("Signature", "Timestamp")

REPEAT_SECONDS = 7 * 86_400.0
"""How long an event is known as one that came before: the upstream tries for less than a day."""


class Webhooks:
    """`secrets` gives those that a signature may be made with; `upstream_now` is the
    upstream's clock, `wall_clock` this machine's.
    """

    def __init__(
        self,
        orders: Orders,
        reads: Reads,
        store: Store,
        balances: Cache[UpstreamKey, int],
        counters: Counters,
        secrets: Callable[[], Iterable[str]],
        upstream_now: Callable[[], float],
        wall_clock: Callable[[], float],
        *,
        check_timestamp: bool,
    ) -> None:
        self._orders = orders
        self._reads = reads
        self._store = store
        self._balances = balances
        self._counters = counters
        self._secrets = secrets
        self._upstream_now = upstream_now
        self._wall_clock = wall_clock
        self._check_timestamp = check_timestamp

    async def serve(self, request: Request) -> Response:
        """401, 413 and 400 for what is not believed, too long or not readable; 503 where the
        upstream is to try again.
        """
        try:
            kind, status = await self._served(request)
        except ClientDisconnect:
            kind, status = "failed", 503
        except StoreError as error:
            log.error(log_events.EVENT_REFUSED, error)
            kind, status = "failed", 503
        self._counters.count("webhook_events", kind)
        # What is left of a body that is refused unread is not waited for.
        headers = {"Connection": "close"} if status in (401, 413) else None
        return Response(status_code=status, headers=headers)

    async def _served(self, request: Request) -> tuple[str, int]:
        if not any(self._secrets()):
            # Nothing can be signed: nothing is read.
            return "unsigned", 401
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > MAX_BODY:
                return "too_long", 413
        headers = (request.headers.get(f"X-VirtualSMS-{name}", "") for name in HEADERS)
        return await self._taken(bytes(body), *headers)

    async def _taken(self, body: bytes, signature: str, timestamp: str) -> tuple[str, int]:
        if not webhooks.is_signed(body, signature, self._secrets()):
            return "unsigned", 401
        if self._check_timestamp and not webhooks.is_timely(timestamp, self._upstream_now()):
            return "untimely", 401
        event = webhooks.event(body)
        if event is None:
            return "unreadable", 400
        if await self._store.has_event(event.id):
            return "repeated", 200
        kind = "test" if event.is_test else await self._learned(event)
        # Last: what was not learned must come again.
        now = self._wall_clock()
        await self._store.note_event(event.id, now, now - REPEAT_SECONDS)
        return kind, 200

    async def _learned(self, event: Event) -> str:
        """What it was."""
        if event.type == webhooks.BALANCE:
            self._balances.clear()
            return "balance"
        if event.type not in (*webhooks.SMS, *webhooks.ENDS, webhooks.SWAPPED):
            return "other"
        holders = await self._orders.holders(event.order)
        kinds = [await self._told(key, activation, event) for key, activation in holders]
        # The account of all programs that share a key knows their orders, too.
        return next((kind for kind in kinds if kind != "hint"), "hint") if kinds else "unknown"

    async def _told(self, key: ClientKey, activation: TrackedActivation, event: Event) -> str:
        kind = await self._take_in(key, activation, event)
        if kind != "sms":
            activation.hinted_at = monotonic()
        if key.upstream != NO_KEY:
            self._reads.lists.event_came(key)
            self._reads.read_offered(key, activation)
        return kind

    async def _take_in(self, key: ClientKey, activation: TrackedActivation, event: Event) -> str:
        # What was meant for the number before a swap may still be on its way.
        is_its_own = event.phone in ("", activation.order.phone)
        if event.type in webhooks.SMS:
            is_told = (
                is_its_own
                and bool(event.text)
                and await self._orders.pushed(key, activation, event.text, event.received_at)
            )
            return "sms" if is_told else "hint"
        # Of an account that is not open, and of an id from before a swap, there is no more to do.
        if key.upstream == NO_KEY or event.order != activation.order.id:
            return "hint"
        if state := webhooks.ENDS.get(event.type):
            order = replace(activation.order, state=state)
            await self._orders.save(key, *self._orders.learn(key, order))
            return "end"
        if not event.phone or event.previous_phone != activation.order.phone:
            return "hint"
        ends = event.expires_at or activation.order.expires_at
        order = replace(activation.order, phone=event.phone, expires_at=ends)
        await self._orders.swapped(key, activation, order)
        return "swap"
