"""The bench of purchases: eight getNumber in flight, at an upstream that takes 50 ms for each.

What the proxy adds is its median less that of the same purchases sent straight to the upstream. It
writes twice to its store before each answer and once after it, durably; how much of its time that
is, a store in memory tells.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from tests.bench.figures import percentile
from tests.bench.load import NUMBER
from tests.bench.marks import Mark, difference, interleaved, ratio
from tests.bench.pressure import a_wire, get
from tests.bench.processes import Server, a_plain_translator, a_proxy
from tests.support.running import PATH, Upstream, an_upstream

BENCH = "paid"
IN_FLIGHT = 8
UPSTREAM_SECONDS = 0.05
ADDED_SECONDS = 0.003
TO_PLAIN = 0.8
UNLIMITED = 1_000_000

DIRECT, PLAIN = "straight to the upstream", "plain translator"
FILE, MEMORY = "ours, SQLite file", "ours, store in memory"
NO_PUSH = "ours, SQLite file, no push"


@dataclass(frozen=True, slots=True)
class Bought:
    """One round. Seconds."""

    p50: float
    per_second: float
    cpu: float
    """Of the server, for each number."""


def paid(count: int, rounds: int, folder: Path, slow: float = UPSTREAM_SECONDS) -> list[Mark]:
    """`count` numbers for each contestant in each round, under a key of their own."""
    with ExitStack() as stack:
        upstream = stack.enter_context(an_upstream(folder, hold=0))
        upstream.steer("switches", {"requests_per_minute": 0})
        be_slow(upstream, slow)
        servers = _servers(stack, folder, upstream)
        contestants = {
            name: partial(bought, name, server, upstream, count) for name, server in servers.items()
        }
        for buy in contestants.values():
            buy(-1)
        return list(_marks(interleaved(contestants, rounds)))


def be_slow(upstream: Upstream, seconds: float = UPSTREAM_SECONDS) -> None:
    """Each purchase takes that long."""
    fault = {"call": "purchase", "kind": "slow", "seconds": seconds, "times": None}
    upstream.steer("faults", fault)


def _servers(stack: ExitStack, folder: Path, upstream: Upstream) -> Mapping[str, Server | None]:
    """None: no server stands between."""
    settings = {"UPSTREAM_REQUESTS_PER_MINUTE": UNLIMITED}
    ours = {
        FILE: {"STORE_URL": f"sqlite:///{folder / 'pushed.db'}"},
        MEMORY: {"STORE_URL": "sqlite://"},
        NO_PUSH: {"UPSTREAM_PUSH": False},
    }
    servers: dict[str, Server | None] = {DIRECT: None}
    servers[PLAIN] = stack.enter_context(a_plain_translator(folder, upstream))
    for name, more in ours.items():
        servers[name] = stack.enter_context(a_proxy(folder, upstream, **settings, **more))
    return servers


def bought(name: str, server: Server | None, upstream: Upstream, count: int, number: int) -> Bought:
    """One round, under a key of its own."""
    key = f"{name.replace(' ', '-').replace(',', '')}-{number}"
    upstream.steer("balance", {"key": key, "balance": 100_000})
    if server is None:
        url, request = upstream.url, _purchase(key)
    else:
        url, request = server.url, get(f"{PATH}?api_key={key}&{NUMBER}")
    before = server.cpu_seconds if server else 0.0
    begin = time.perf_counter()
    waits = asyncio.run(buy(url, request, count))
    seconds = time.perf_counter() - begin
    spent = server.cpu_seconds - before if server else 0.0
    return Bought(percentile(waits, 0.5), count / seconds, spent / count)


def _purchase(key: str) -> bytes:
    body = '{"service": "wa", "country": "GB"}'
    return (
        f"POST /api/v1/customer/purchase HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


async def buy(url: str, request: bytes, count: int) -> list[float]:
    """Seconds of each purchase, eight at a time."""
    left, waits = iter(range(count)), []

    async def one_after_the_other() -> None:
        async with a_wire(url) as wire:
            for _ in left:
                begin = time.perf_counter()
                body = await wire.ask(request)
                waits.append(time.perf_counter() - begin)
                assert body.startswith((b"ACCESS_NUMBER:", b"{")), body

    await asyncio.gather(*(one_after_the_other() for _ in range(IN_FLIGHT)))
    return waits


def _marks(seen: Mapping[str, list[Bought]]) -> Iterator[Mark]:
    p50 = {name: [round.p50 for round in rounds] for name, rounds in seen.items()}
    rate = {name: [round.per_second for round in rounds] for name, rounds in seen.items()}
    for name, rounds in seen.items():
        yield Mark(BENCH, f"{name}, p50", median(p50[name]), "ms")
        yield Mark(BENCH, f"{name}, numbers", median(rate[name]), "/s")
        if name != DIRECT:
            yield Mark(BENCH, f"{name}, CPU a number", median(it.cpu for it in rounds), "ms")
    for name in (PLAIN, FILE, MEMORY, NO_PUSH):
        # Durable writes are not the proxy's own work.
        most = ADDED_SECONDS if name == MEMORY else None
        yield Mark(BENCH, f"{name}, added", difference(p50[name], p50[DIRECT]), "ms", most=most)
    for name in (FILE, MEMORY, NO_PUSH):
        least = TO_PLAIN if name == FILE else None
        to_plain = ratio(rate[name], rate[PLAIN])
        yield Mark(BENCH, f"{name} / {PLAIN}, numbers", to_plain, "times", least=least)
