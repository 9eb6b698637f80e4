"""Receives the upstream's signed events, and gives them to `orders`, like reads and sockets."""

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
"""How long the id of an event is saved: the upstream repeats an event for less than a day."""


class Webhooks:
    """`secrets` returns the secrets that may have signed an event. `upstream_now` is the upstream's
    clock, `wall_clock` this machine's.
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
        """Answers 401 if the signature or timestamp is wrong, 413 if the body is too long, 400 if
        it cannot be read, and 503 if the upstream must send it again.
        """
        try:
            kind, status = await self._receive(request)
        except ClientDisconnect:
            kind, status = "failed", 503
        except StoreError as error:
            log.error(log_events.EVENT_REFUSED, error)
            kind, status = "failed", 503
        self._counters.count("webhook_events", kind)
        # Does not wait for the rest of a body that was not read.
        headers = {"Connection": "close"} if status in (401, 413) else None
        return Response(status_code=status, headers=headers)

    async def _receive(self, request: Request) -> tuple[str, int]:
        if not any(self._secrets()):
            # Without a secret no signature can be right: the body is not read.
            return "unsigned", 401
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > MAX_BODY:
                return "too_long", 413
        headers = (request.headers.get(f"X-VirtualSMS-{name}", "") for name in HEADERS)
        return await self._check(bytes(body), *headers)

    async def _check(self, body: bytes, signature: str, timestamp: str) -> tuple[str, int]:
        if not webhooks.is_signed(body, signature, self._secrets()):
            return "unsigned", 401
        if self._check_timestamp and not webhooks.is_timely(timestamp, self._upstream_now()):
            return "untimely", 401
        event = webhooks.event(body)
        if event is None:
            return "unreadable", 400
        if await self._store.has_event(event.id):
            return "repeated", 200
        kind = "test" if event.is_test else await self._apply(event)
        # Last: an event that was not applied must come again.
        now = self._wall_clock()
        await self._store.record_event(event.id, now, now - REPEAT_SECONDS)
        return kind, 200

    async def _apply(self, event: Event) -> str:
        """Returns the kind of the event, for the metrics."""
        if event.type == webhooks.BALANCE:
            self._balances.clear()
            return "balance"
        if event.type not in (*webhooks.SMS, *webhooks.ENDS, webhooks.SWAPPED):
            return "other"
        holders = await self._orders.holders(event.order)
        kinds = [await self._apply_to(key, activation, event) for key, activation in holders]
        # An order has several rows where programs share a key: one of them may say more.
        return next((kind for kind in kinds if kind != "hint"), "hint") if kinds else "unknown"

    async def _apply_to(self, key: ClientKey, activation: TrackedActivation, event: Event) -> str:
        kind = await self._change(key, activation, event)
        if kind != "sms":
            activation.hinted_at = monotonic()
        if key.upstream != NO_KEY:
            self._reads.lists.event_came(key)
            self._reads.read_offered(key, activation)
        return kind

    async def _change(self, key: ClientKey, activation: TrackedActivation, event: Event) -> str:
        # An event for the number before a swap may come late.
        is_its_own = event.phone in ("", activation.order.phone)
        if event.type in webhooks.SMS:
            if not (is_its_own and event.text):
                return "hint"
            is_saved = await self._orders.pushed(key, activation, event.text, event.received_at)
            return "sms" if is_saved else "hint"
        # Only an SMS is saved for a key that is not in use, or for the order id before a swap.
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
