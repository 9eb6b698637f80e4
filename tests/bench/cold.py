"""The storm: many clients ask at once for prices that nobody has asked for before.

The one read that answers them all is held back until every client has asked.
"""

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.bench.processes import a_proxy
from tests.support.running import PATH, an_upstream

HELD_BACK = 4.0
"""Seconds that the first answer of the upstream takes."""

ASKED = f"GET {PATH}?api_key=bench&action=getPrices&service=wa HTTP/1.1\r\nConnection: close\r\n"


@dataclass(frozen=True, slots=True)
class Storm:
    clients: int
    reads: int
    """Requests upstream for stock and prices."""
    answers: int
    """Different ones."""
    are_prices: bool
    last_asked: float
    """Seconds after the first."""
    first_answered: float
    last_answered: float
    cpu_seconds: float

    @property
    def is_right(self) -> bool:
        one_for_all = (self.reads, self.answers) == (1, 1)
        return one_for_all and self.are_prices and self.last_asked < self.first_answered

    def __str__(self) -> str:
        return (
            f"{self.clients} clients asked within {self.last_asked:.2f} s; {self.reads} read "
            f"upstream, {self.answers} kind of answer; answered from {self.first_answered:.2f} to "
            f"{self.last_answered:.2f} s; CPU of the proxy {self.cpu_seconds:.2f} s"
        )


def storm(clients: int, folder: Path, held_back: float = HELD_BACK) -> Storm:
    with an_upstream(folder, hold=0) as upstream, a_proxy(folder, upstream) as proxy:
        upstream.steer("faults", {"call": "stock", "kind": "slow", "seconds": held_back})
        before = proxy.cpu_seconds
        asked = asyncio.run(_storm(proxy.url, clients))
        bodies = {body for _, _, body in asked}
        return Storm(
            clients=clients,
            reads=upstream.steer("requests?call=stock")["count"],
            answers=len(bodies),
            are_prices=all(b'"16":{"wa":{"cost":' in body for body in bodies),
            last_asked=max(at for at, _, _ in asked),
            first_answered=min(at for _, at, _ in asked),
            last_answered=max(at for _, at, _ in asked),
            cpu_seconds=proxy.cpu_seconds - before,
        )


async def _storm(url: str, clients: int) -> list[tuple[float, float, bytes]]:
    begin = time.monotonic()
    return await asyncio.gather(*(_ask(url, begin) for _ in range(clients)))


async def _ask(url: str, begin: float) -> tuple[float, float, bytes]:
    """When it had asked, when it was answered, and the body."""
    at = urlsplit(url)
    reader, writer = await asyncio.open_connection(at.hostname, at.port)
    writer.write(f"{ASKED}Host: {at.netloc}\r\n\r\n".encode())
    await writer.drain()
    asked = time.monotonic() - begin
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return asked, time.monotonic() - begin, answer.partition(b"\r\n\r\n")[2]
