"""The bench of purchases: eight getNumber in flight, at an upstream that takes 50 ms for each.

What the proxy adds is its median less that of the same purchases sent straight to the upstream. It
writes twice to its store before each answer and once after it, durably; how much of its time that
is, a store in memory tells, and a plain translator that writes twice, too.
"""

import asyncio
import os
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
from tests.support import postgres
from tests.support.running import PATH, Upstream, an_upstream

BENCH = "paid"
IN_FLIGHT = 8
UPSTREAM_SECONDS = 0.05
ADDED_SECONDS = 0.003
UNLIMITED = 1_000_000
QUICK_FSYNC = 0.001
"""Seconds: on a slower disk durable writes cannot keep up with none."""
FSYNCS = 100

DIRECT, PLAIN = "straight to the upstream", "plain translator"
WRITING = "plain translator, two durable writes"
FILE, MEMORY = "ours, SQLite file", "ours, store in memory"
NO_PUSH, POSTGRES = "ours, SQLite file, no push", "ours, PostgreSQL, no push"

OURS = (FILE, MEMORY, NO_PUSH, POSTGRES)

NUMBERS_TO_WRITING = {FILE: 0.95, NO_PUSH: 0.95, POSTGRES: 0.8}
NUMBERS_TO_PLAIN = {FILE: 0.9, NO_PUSH: 0.9}
"""Where an fsync takes at most QUICK_FSYNC."""
CPU_TO_PLAIN = {FILE: 2.0, NO_PUSH: 1.6}


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
        before = fsync_seconds(folder)
        seen = interleaved(contestants, rounds)
        return list(_marks(seen, median(before + fsync_seconds(folder))))


def fsync_seconds(folder: Path) -> list[float]:
    """What an fsync of 4 KiB takes there."""
    seconds = []
    with (folder / "fsync").open("wb", buffering=0) as file:
        for _ in range(FSYNCS):
            file.write(bytes(4096))
            begin = time.perf_counter()
            os.fsync(file.fileno())
            seconds.append(time.perf_counter() - begin)
    return seconds


def be_slow(upstream: Upstream, seconds: float = UPSTREAM_SECONDS) -> None:
    """Each purchase takes that long."""
    fault = {"call": "purchase", "kind": "slow", "seconds": seconds, "times": None}
    upstream.steer("faults", fault)


def _servers(stack: ExitStack, folder: Path, upstream: Upstream) -> Mapping[str, Server | None]:
    """None: no server stands between."""
    settings = {"UPSTREAM_REQUESTS_PER_MINUTE": UNLIMITED}
    ours: dict[str, dict[str, object]] = {
        FILE: {"STORE_URL": f"sqlite:///{folder / 'pushed.db'}"},
        MEMORY: {"STORE_URL": "sqlite://"},
        NO_PUSH: {"UPSTREAM_PUSH": False},
    }
    if postgres.programs():
        server = stack.enter_context(postgres.a_server(is_durable=True))
        ours[POSTGRES] = {
            "UPSTREAM_PUSH": False,
            "STORE_URL": server.url(),
            "STORE_SECRET": "the secret of the store",
        }
    servers: dict[str, Server | None] = {DIRECT: None}
    servers[PLAIN] = stack.enter_context(a_plain_translator(folder, upstream))
    rows = folder / "plain.db"
    servers[WRITING] = stack.enter_context(a_plain_translator(folder, upstream, rows))
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


def _marks(seen: Mapping[str, list[Bought]], fsync: float) -> Iterator[Mark]:
    p50 = {name: [round.p50 for round in rounds] for name, rounds in seen.items()}
    rate = {name: [round.per_second for round in rounds] for name, rounds in seen.items()}
    cpu = {name: [round.cpu for round in rounds] for name, rounds in seen.items()}
    yield Mark(BENCH, "an fsync of 4 KiB, median", fsync, "ms")
    for name in seen:
        yield Mark(BENCH, f"{name}, p50", median(p50[name]), "ms")
        yield Mark(BENCH, f"{name}, numbers", median(rate[name]), "/s")
        if name != DIRECT:
            yield Mark(BENCH, f"{name}, CPU a number", median(cpu[name]), "ms")
    for name in (one for one in seen if one != DIRECT):
        # Durable writes are not the proxy's own work.
        most = ADDED_SECONDS if name == MEMORY else None
        yield Mark(BENCH, f"{name}, added", difference(p50[name], p50[DIRECT]), "ms", most=most)
    for name in (one for one in OURS if one in seen):
        least = NUMBERS_TO_WRITING.get(name)
        to_writing = ratio(rate[name], rate[WRITING])
        yield Mark(BENCH, f"{name} / {WRITING}, numbers", to_writing, "times", least=least)
        least = NUMBERS_TO_PLAIN.get(name) if fsync <= QUICK_FSYNC else None
        to_plain = ratio(rate[name], rate[PLAIN])
        yield Mark(BENCH, f"{name} / {PLAIN}, numbers", to_plain, "times", least=least)
        spent, most = ratio(cpu[name], cpu[PLAIN]), CPU_TO_PLAIN.get(name)
        yield Mark(BENCH, f"{name} / {PLAIN}, CPU a number", spent, "times", most=most)
