"""Sends webhooks: one worker per subscription signs and sends the deliveries that are due."""

import asyncio
import hashlib
import hmac
import random
import uuid
from functools import partial
from typing import Any

from proxy.runtime.tasks import BackgroundTasks
from proxy.sandbox.http_post import Post
from proxy.sandbox.state.accounts import Account, Delivery, Webhook
from proxy.sandbox.state.switches import Switches
from proxy.sandbox.wire import events
from proxy.sandbox.wire.answers import Json, stamp
from proxy.sandbox.wire.events import Event
from proxy.sandbox.wire.frames import encoded
from proxy.sandbox.world import World

TIMEOUT_SECONDS = 5.0


class Deliveries:
    """Workers run in the background until `stop` or `close`.

    A worker sends one delivery at a time, in the order of their due times. It also settles the
    world when an event is due: otherwise nothing would notice that an order expires.
    """

    def __init__(self, world: World, post: Post, rng: random.Random) -> None:
        self._world, self._post, self._rng = world, post, rng
        self._tasks = BackgroundTasks()
        world.on_event = self.publish
        world.ledger.on_booking = self.check_balance

    def draw_id(self) -> str:
        return str(uuid.UUID(int=self._rng.getrandbits(128), version=4))

    # Queueing.

    def publish(self, event: Event) -> None:
        for webhook in event.account.webhooks.values():
            if self._takes(webhook, event.type):
                self.send(webhook, event)

    def check_balance(self, account: Account, before: int, at: float) -> None:
        """Sends `balance.low` only when the balance falls below the threshold, or to it."""
        switches = self._world.switches
        for webhook in account.webhooks.values():
            limit = (webhook.threshold or 0.0) * 100
            at_limit = switches.balance_low == "at"
            falls = account.cents <= limit < before if at_limit else account.cents < limit <= before
            if falls and self._takes(webhook, "balance.low"):
                data = events.balance_low(switches, account.cents, webhook.threshold)
                self.send(webhook, Event("balance.low", account, at, data))

    def send(self, webhook: Webhook, event: Event) -> Delivery:
        return self.send_body(webhook, self.envelope(event))

    def envelope(self, event: Event) -> Json:
        return events.envelope(self._world.switches, event, self._rng.getrandbits(80))

    def send_body(
        self, webhook: Webhook, body: Any, forged: bool = False, age: float = 0.0
    ) -> Delivery:
        """Sends a string as it is, anything else as JSON."""
        now, named = self._world.now, body if isinstance(body, dict) else {}
        delivery = Delivery(
            id=self.draw_id(),
            event_id=str(named.get("id", "")),
            event_type=str(named.get("type", "")),
            body=encoded(body).encode(),
            created_at=now,
            due=now,
            forged=forged,
            age=age,
        )
        webhook.add(delivery)
        return delivery

    def repeat(self, webhook: Webhook, age: float = 0.0) -> bool:
        """Sends the last sent delivery again under the same id; returns False if there is none."""
        last = next((it for it in webhook.deliveries if it.attempt), None)
        if last is not None:
            now = self._world.now
            ids = (last.id, last.event_id, last.event_type)
            webhook.add(Delivery(*ids, last.body, now, now, forged=last.forged, age=age))
        return last is not None

    def _takes(self, webhook: Webhook, type: str) -> bool:
        present = self._world.switches.webhooks == "present"
        return present and webhook.is_on and type in webhook.events

    # The workers.

    def start(self, webhook: Webhook) -> None:
        webhook.worker = self._tasks.loop(partial(self._work, webhook), "webhook of the sandbox")

    def end(self, webhook: Webhook) -> None:
        if webhook.worker:
            webhook.worker.cancel()

    def stop(self) -> None:
        self._tasks.stop()

    async def close(self) -> None:
        await self._tasks.aclose()

    def wake(self) -> None:
        """Wakes all workers: after a change, events may be due earlier."""
        for webhook in self._world.webhooks().values():
            webhook.wake.set()

    async def _work(self, webhook: Webhook) -> None:
        while True:
            webhook.wake.clear()
            self._world.settle()
            if delivery := webhook.take_due(self._world.now):
                await self._attempt(webhook, delivery)
            else:
                dues = (webhook.next_due(), self._world.schedule.next_due())
                due = min((due for due in dues if due is not None), default=None)
                await self._world.wait(due, webhook.wake)

    async def _attempt(self, webhook: Webhook, delivery: Delivery) -> None:
        delivery.attempt += 1
        delivery.response_status = delivery.error = None
        status, code = 0, "connection"
        headers = headers_of(self._world.switches, webhook.secret, delivery, self._world.now)
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                status = await self._post(webhook.url, headers, delivery.body)
        except Exception as failure:  # any error of the receiver is a failed attempt
            code = "timeout" if isinstance(failure, TimeoutError) else code
            delivery.error = str(failure) or type(failure).__name__
        else:
            delivery.response_status, code = status, str(status)
        self._world.settle()
        if 200 <= status < 300:
            webhook.mark_delivered(delivery, self._world.now)
        else:
            attempts = self._world.switches.webhook_attempts
            webhook.mark_failed(delivery, code, self._world.now, attempts)


def headers_of(switches: Switches, secret: str, delivery: Delivery, now: float) -> dict[str, str]:
    signature = sign("forged" if delivery.forged else secret, delivery.body)
    prefix = "sha256=" if switches.webhook_signature == "prefixed" else ""
    at = now - delivery.age
    times = {"seconds": str(int(at)), "iso": stamp(switches, at)}
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "virtualsms-sandbox",
        "X-VirtualSMS-Signature": prefix + signature,
        "X-VirtualSMS-Delivery": delivery.id,
    }
    if switches.webhook_timestamp != "absent":
        headers["X-VirtualSMS-Timestamp"] = times[switches.webhook_timestamp]
    return headers


def sign(secret: str, body: bytes) -> str:
    """Returns the HMAC-SHA256 of the raw body, in hex. The timestamp is not signed."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
