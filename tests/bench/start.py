"""The bench of starts: how soon the proxy listens, and how much memory it takes at rest.

From the exec of the interpreter to a TCP connection that is accepted, and to the first HTTP answer,
beside the plain translator; all bytecode is compiled before. Then 100,000 known activations.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from unittest.mock import patch

from tests.bench.cpu import path
from tests.bench.marks import Mark, interleaved, ratio
from tests.bench.pressure import answer
from tests.bench.processes import Server, a_plain_translator, a_proxy, is_open
from tests.bench.shelves import CODE, fill
from tests.support.running import Upstream, an_upstream

BENCH = "start"
TIME_TO_PLAIN = 1.5
RSS_TO_PLAIN = 1.3
MORE_RSS = 120 * 2**20
OURS, PLAIN = "ours", "plain translator"


@dataclass(frozen=True, slots=True)
class Start:
    """Seconds since the exec, CPU seconds, and bytes after one request."""

    accepted: float
    answered: float
    cpu: float
    rss: int


def start(rounds: int, activations: int, folder: Path, *, compiled: bool = True) -> list[Mark]:
    """Unless `compiled`, whatever bytecode there is has to do."""
    bytecode = {"PYTHONPYCACHEPREFIX": str(folder / "bytecode"), "PYTHONDONTWRITEBYTECODE": ""}
    environ = bytecode if compiled else {}
    with an_upstream(folder, hold=0) as upstream, patch.dict(os.environ, environ):
        servers = {
            PLAIN: partial(a_plain_translator, folder, upstream),
            OURS: partial(a_proxy, folder, upstream),
        }
        contestants = {name: partial(started, server) for name, server in servers.items()}
        if compiled:
            interleaved(contestants, 1)
        seen = interleaved(contestants, rounds)
        return [*_marks(seen), *_known(activations, folder, upstream)]


def started(server: Callable[[], AbstractContextManager[Server]], _: int) -> Start:
    """It is started, asked once, and stopped."""
    begin = time.perf_counter()
    with server() as it:
        assert is_open(int(it.url.rpartition(":")[2]))
        accepted = time.perf_counter() - begin
        assert answer(it.url, path("getBalance")) == "ACCESS_BALANCE:100.00"
        return Start(accepted, time.perf_counter() - begin, it.cpu_seconds, it.rss)


def _marks(seen: Mapping[str, list[Start]]) -> Iterator[Mark]:
    columns = {
        name: {field: [getattr(it, field) for it in starts] for field in Start.__slots__}
        for name, starts in seen.items()
    }
    shown = {
        "accepted": ("accepts a connection after", "s"),
        "answered": ("first answer after", "s"),
        "cpu": ("CPU of start and first answer", "s"),
        "rss": ("memory at rest", "MiB"),
    }
    targets = {"accepted": TIME_TO_PLAIN, "rss": RSS_TO_PLAIN}
    for field, (text, unit) in shown.items():
        for name, column in columns.items():
            yield Mark(BENCH, f"{name}, {text}", median(column[field]), unit)
        to_plain = ratio(columns[OURS][field], columns[PLAIN][field])
        most = targets.get(field)
        yield Mark(BENCH, f"ours / plain, {text}", to_plain, "times", most=most)


def _known(count: int, folder: Path, upstream: Upstream) -> Iterator[Mark]:
    """Loaded by one getStatus of their key."""
    full = folder / "full"
    full.mkdir()
    id = fill(full, count, texted=True)[-1]
    with a_proxy(full, upstream, UPSTREAM_PUSH=False) as proxy:
        answer(proxy.url, path("getBalance", "another"))
        before, begin = proxy.rss, time.perf_counter()
        assert answer(proxy.url, path(f"getStatus&id={id}")) == f"STATUS_OK:{CODE}"
        seconds = time.perf_counter() - begin
        more = proxy.rss - before
    yield Mark(BENCH, f"{count:,} known activations, more memory", more, "MiB", most=MORE_RSS)
    yield Mark(BENCH, f"{count:,} known activations, first getStatus", seconds, "s")
