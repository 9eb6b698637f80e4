"""Delivers the queued SMS to the targets of `forward`: at least once, each target on its own."""

import asyncio
import hashlib
import hmac
import logging
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from proxy.forwarding.targets import Target, Targets
from proxy.model.errors import HttpError, StoreError
from proxy.runtime import log_events
from proxy.runtime.counters import Counters
from proxy.runtime.tasks import BackgroundTasks
from proxy.store import Forward, Store
from proxy.upstream.http import Http, Transport, certificates

log = logging.getLogger(__name__)

PAUSES = (0.0, 5.0, 30.0, 120.0, 300.0, 900.0, 1800.0, 3600.0)
"""Seconds before each attempt: eight attempts in two hours, as sms-activate made them."""

TIMEOUT = 10.0
"""Seconds that a target has for its whole answer."""
LONGEST_ANSWER = 65_536
"""Bytes; a longer answer counts as a failed attempt."""

AT_ONCE = 8
MAX_QUEUED = 10_000
"""Messages of one target. Above that the dead ones are deleted, then the oldest."""
IDLE_SECONDS = 60.0
"""How often the store is read while nothing is queued."""
SHARED_SECONDS = 1.0
"""The same with replicas: several queue messages, and one delivers them."""
TROUBLE_SECONDS = 10.0
"""How long to wait after the store has failed."""


class ForwardDelivery:
    """`clock` is this machine's wall clock; `transport` replaces the network in tests."""

    def __init__(
        self,
        targets: Targets,
        store: Store,
        counters: Counters,
        clock: Callable[[], float],
        transport: Transport | None = None,
    ) -> None:
        self._targets = targets
        self._store = store
        self._counters = counters
        self._clock = clock
        self._transport = transport
        self._counts: dict[str, tuple[int, int]] = {}
        self._tasks = BackgroundTasks()
        self._workers: dict[Target, asyncio.Task[None]] = {}

    def start(self) -> None:
        """Starts a worker for each target; after a change of the targets ends those of others. What
        is queued for a target that is gone waits in the store for its return.
        """
        for target in self._workers.keys() - set(self._targets):
            self._workers.pop(target).cancel()
            self._counts.pop(target.url, None)
        for target in self._targets:
            if target not in self._workers:
                work, name = partial(self._work, target), f"forwards to {target.shown}"
                self._workers[target] = self._tasks.loop(work, name)

    async def close(self) -> None:
        """Cancels deliveries under way; they are repeated after a restart."""
        await self._tasks.aclose()

    @property
    def states(self) -> dict[str, float]:
        """The numbers of waiting and of dead messages."""
        waiting, dead = zip((0, 0), *self._counts.values(), strict=True)
        return {"waiting": sum(waiting), "dead": sum(dead)}

    async def _work(self, target: Target) -> None:
        verify, transport = certificates(target.url), self._transport
        http = Http(
            target.url, TIMEOUT, LONGEST_ANSWER, inflates=False, verify=verify, transport=transport
        )
        try:
            while True:
                target.wake.clear()
                pause = await self._deliver_due(target, http)
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await target.wake.wait()
        finally:
            await http.close()

    async def _deliver_due(self, target: Target, http: Http) -> float:
        """Delivers the messages that are due. Returns the seconds until the next one is due."""
        try:
            if not await self._store.claim(f"forward {target.url}"):
                return SHARED_SECONDS
            rows = await self._store.forwards(target.url, AT_ONCE)
            now = self._clock()
            due = [row for row in rows if row.due <= now]
            await self._count_queue(target)
            attempts = (self._attempt(target, http, row) for row in due)
            for result in await asyncio.gather(*attempts, return_exceptions=True):
                if isinstance(result, BaseException):
                    raise result
        except StoreError as error:
            log.error(log_events.FORWARDS_UNREAD, target.shown, error)
            return TROUBLE_SECONDS
        except Exception:
            log.exception(log_events.FORWARD_BUG, target.shown)
            return TROUBLE_SECONDS
        if due:
            return 0.0
        # Messages that other replicas queue do not wake this worker.
        idle = SHARED_SECONDS if self._store.is_shared else IDLE_SECONDS
        return min(rows[0].due - now, idle) if rows else idle

    async def _attempt(self, target: Target, http: Http, forward: Forward) -> None:
        trouble = await self._post(target, http, forward)
        if not trouble:
            await self._store.delivered(forward)
            self._counters.count("forward_attempts", "delivered")
            return
        again = forward.tries + 1 < len(PAUSES)
        due = self._clock() + PAUSES[forward.tries + 1] if again else None
        await self._store.retry_forward(forward, due)
        self._counters.count("forward_attempts", "failed" if again else "dead")
        level = logging.INFO if again else logging.ERROR
        text = "forward %s to %s: attempt %d: %s%s"
        end = "" if again else "; it is given up"
        log.log(level, text, forward.id, target.shown, forward.tries + 1, trouble, end)

    async def _post(self, target: Target, http: Http, forward: Forward) -> str:
        """Returns why the message was not delivered; empty if it was."""
        headers = {"Content-Type": "application/json", "X-Delivery": forward.id}
        if target.secret:
            headers["X-Signature"] = f"sha256={signature(target.secret, forward.body)}"
        try:
            async with asyncio.timeout(TIMEOUT):
                reply = await http.request("POST", target.url, headers, content=forward.body)
        except TimeoutError:
            return "no answer in time"
        except HttpError as error:
            return str(error)
        return "" if reply.is_success else f"HTTP {reply.status}"

    async def _count_queue(self, target: Target) -> None:
        counts = await self._store.forward_counts()
        waiting, dead = counts.get((target.url, False), 0), counts.get((target.url, True), 0)
        self._counts[target.url] = waiting, dead
        surplus = waiting + dead - MAX_QUEUED
        if surplus > 0:
            await self._store.drop_forwards(target.url, surplus)
            self._counters.count("forward_attempts", "dropped", by=surplus)
            log.error(log_events.FORWARDS_DROPPED, target.shown, surplus)


def signature(secret: str, body: bytes) -> str:
    """HMAC-SHA256 in hexadecimal digits."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
