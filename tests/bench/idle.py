"""The bench of idle connections: thousands that ask nothing, some with half a request, and a storm.

While they are open, a client asks for the status of its number; then very many connect and ask at
the same moment. Each of them is answered, and nobody waits for a second.
"""

import asyncio
import contextlib
import resource
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.bench.cpu import path
from tests.bench.load import bought
from tests.bench.marks import Mark
from tests.bench.pressure import Wire, a_wire, get
from tests.bench.processes import Server, a_proxy
from tests.support.running import an_upstream

BENCH = "idle"
LONGEST = 1.0
AT_ONCE = 100
"""Connections that are opened at a time, so that none has to be sent again for a full backlog."""
HALVES = (b"G", b"GET /stubs/handler_api.php?api_key=be", b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ")
SPARE = 100
"""File descriptors beside those of the connections."""


@dataclass(frozen=True, slots=True)
class Idle:
    """Seconds; bytes."""

    connections: int
    asked: float
    """The longest of fifty getStatus while all of them were open."""
    burst: int
    answered: int
    """Of the burst."""
    last: float
    """Until the last one of the burst was answered, from its own connect on."""
    meanwhile: float
    """The longest getStatus of another client during the burst."""
    rss: int
    """For each connection."""
    cpu: float
    """Share of a core that the server took with them, unasked."""

    @property
    def is_right(self) -> bool:
        is_quick = max(self.asked, self.meanwhile) <= LONGEST
        return is_quick and self.answered == self.burst


def idle(connections: int, burst: int, folder: Path, rest: float = 1.0) -> Idle:
    """For `rest` seconds nobody asks, to see what open connections take by themselves."""
    with (
        _room_for(connections + burst),
        an_upstream(folder, hold=0) as upstream,
        a_proxy(folder, upstream) as proxy,
    ):
        (held,) = asyncio.run(bought(proxy.url, 1))
        request = get(path(f"getStatus&id={held.id}"))
        return asyncio.run(_idle(proxy, request, connections, burst, rest))


def marks(seen: Idle) -> Iterator[Mark]:
    idle, burst = f"{seen.connections:,} idle connections", f"{seen.burst:,} connects at once"
    yield Mark(BENCH, f"{idle}, longest getStatus", seen.asked, "s", most=LONGEST)
    yield Mark(BENCH, f"{idle}, memory for each", seen.rss, "KiB")
    yield Mark(BENCH, f"{idle}, unasked: share of a core", seen.cpu, "")
    yield Mark(BENCH, f"{burst}, answered", seen.answered, "", least=seen.burst)
    yield Mark(BENCH, f"{burst}, the last of them", seen.last, "s")
    yield Mark(BENCH, f"{burst}, longest getStatus beside", seen.meanwhile, "s", most=LONGEST)


@contextlib.contextmanager
def _room_for(connections: int) -> Iterator[None]:
    """For this process and those that it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = max(soft, connections + SPARE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def _idle(proxy: Server, request: bytes, connections: int, burst: int, rest: float) -> Idle:
    async with a_wire(proxy.url) as wire:
        await wire.ask(request)
        before = proxy.rss
        async with _many(proxy.url, connections):
            longest = max([await _seconds(wire, request) for _ in range(50)])
            more, cpu = proxy.rss - before, await _cpu(proxy, rest)
            asking = asyncio.create_task(_asking(wire, request))
            waits = await asyncio.gather(*(_connect(proxy.url, request) for _ in range(burst)))
            asking.cancel()
            meanwhile = await asking
    answered = [seconds for seconds in waits if seconds is not None]
    last = max(answered, default=0.0)
    rss = more // connections
    return Idle(connections, longest, burst, len(answered), last, meanwhile, rss, cpu)


@asynccontextmanager
async def _many(url: str, connections: int) -> AsyncIterator[None]:
    """Half of them say nothing, the others not enough."""
    at = urlsplit(url)
    async with AsyncExitStack() as stack:
        for first in range(0, connections, AT_ONCE):
            opened = await asyncio.gather(
                *(asyncio.open_connection(at.hostname, at.port) for _ in range(AT_ONCE))
            )
            for number, (_, writer) in enumerate(opened, first):
                stack.callback(writer.close)
                if number % 2:
                    writer.write(HALVES[number // 2 % len(HALVES)])
        yield


async def _seconds(wire: Wire, request: bytes) -> float:
    begin = time.perf_counter()
    assert (await wire.ask(request)).startswith(b"STATUS_WAIT_CODE")
    return time.perf_counter() - begin


async def _asking(wire: Wire, request: bytes) -> float:
    """The longest until it is cancelled."""
    longest = 0.0
    while True:
        asked = asyncio.ensure_future(_seconds(wire, request))
        try:
            longest = max(longest, await asyncio.shield(asked))
        except asyncio.CancelledError:
            return max(longest, await asked)


async def _connect(url: str, request: bytes) -> float | None:
    """None where it was not answered."""
    begin = time.perf_counter()
    try:
        async with a_wire(url) as wire:
            await wire.ask(request)
    except (OSError, EOFError):
        return None
    return time.perf_counter() - begin


async def _cpu(proxy: Server, seconds: float) -> float:
    before = proxy.cpu_seconds
    await asyncio.sleep(seconds)
    return (proxy.cpu_seconds - before) / seconds
