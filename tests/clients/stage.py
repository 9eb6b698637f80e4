"""What the tests of all clients share: where the sandbox is, its clock, and patience."""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

HANDLER = "/stubs/handler_api.php"
WITHIN = 60.0


class Sandbox:
    def __init__(self, address: str) -> None:
        self.address = address

    def at(self, dialect: str = "") -> str:
        """The URL that a client is pointed at; without a dialect the default path."""
        return f"{self.address}/{dialect}".rstrip("/") + HANDLER

    def steer(self, control: str, **body: Any) -> Any:
        answer = httpx.post(f"{self.address}/sandbox/{control}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def push(self, seconds: float) -> None:
        self.steer("clock", seconds=seconds)


def a_key() -> str:
    """An account of its own, with 60 requests a minute and 100 dollars."""
    return f"planted-{uuid.uuid4().hex}"


def eventually(ask: Callable[[], Any], expected: Callable[[Any], Any]) -> Any:
    """What a program does: it asks until the answer is another."""
    end = time.monotonic() + WITHIN
    while not expected(answer := ask()):
        assert time.monotonic() < end, answer
        time.sleep(0.2)
    return answer


async def awaited(ask: Callable[[], Awaitable[Any]], expected: Callable[[Any], Any]) -> Any:
    """The same for an asynchronous client."""
    async with asyncio.timeout(WITHIN):
        while True:
            answer = await ask()
            if expected(answer):
                return answer
            await asyncio.sleep(0.2)
