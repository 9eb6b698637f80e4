"""Webhooks of the sandbox: who receives them, and how they come about."""

import asyncio
import hashlib
import hmac
import json
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.sandbox import NEVER, NO_LIMIT, Bench

HOOK = "https://example.com/hook"
DOCUMENTED = ["sms.received", "order.cancelled", "order.expired", "order.swapped"]


@dataclass
class Letter:
    url: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def event(self) -> Any:
        return json.loads(self.body)

    @property
    def id(self) -> str:
        return self.headers["X-VirtualSMS-Delivery"]

    @property
    def signature(self) -> str:
        return self.headers["X-VirtualSMS-Signature"]


class Recipient:
    """The other end: `answers` in turn, then `always`; an exception is raised, a float waits."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.letters: list[Letter] = []
        self.answers: deque[Any] = deque()
        self.always: Any = 200
        self._clock = clock

    async def __call__(self, url: str, headers: dict[str, str], body: bytes) -> int:
        self.letters.append(Letter(url, headers, body, self._clock()))
        answer = self.answers.popleft() if self.answers else self.always
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, float):
            await asyncio.sleep(answer)
            return 200
        return int(answer)

    @property
    def events(self) -> list[Any]:
        return [letter.event for letter in self.letters]

    @property
    def types(self) -> list[str]:
        return [event["type"] for event in self.events]


@pytest.fixture
def door(clock: Callable[[], float]) -> Recipient:
    return Recipient(clock)


@asynccontextmanager
async def a_bench(clock: Callable[[], float], door: Recipient) -> AsyncIterator[Bench]:
    """No SMS comes of itself; what is sent by webhook goes to the door."""
    bench = Bench(clock, switches=NO_LIMIT, sms_after=NEVER, post=door)
    async with bench.app.router.lifespan_context(bench.app), bench.http:
        yield bench


@pytest.fixture
async def bench(clock: Callable[[], float], door: Recipient) -> AsyncIterator[Bench]:
    async with a_bench(clock, door) as bench:
        yield bench


async def a_moment() -> None:
    """All that is due now gets done."""
    await asyncio.sleep(0.001)


async def subscribe(bench: Bench, *events: str, key: str = "alice", **more: Any) -> Any:
    wish = {"url": HOOK, "events": list(events or DOCUMENTED)} | more
    return (await bench.post("/customer/webhooks", key, **wish))["webhook"]


async def sms(bench: Bench, order: Any, text: str = "Code 4711") -> None:
    await bench.steer("sms", order_id=order["order_id"], text=text)


async def rows(bench: Bench, webhook: Any) -> Any:
    return (await bench.get(f"/customer/webhooks/{webhook['id']}/deliveries"))["deliveries"]


async def fire(bench: Bench, webhook: Any) -> Any:
    return await bench.post(f"/customer/webhooks/{webhook['id']}/test")


def signed(letter: Letter, secret: str) -> str:
    return "sha256=" + hmac.new(secret.encode(), letter.body, hashlib.sha256).hexdigest()
