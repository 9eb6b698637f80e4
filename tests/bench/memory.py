"""The memory bench: what an idle activation and an open push socket cost the proxy."""

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path

from tests.bench.load import KEY, a_target, bought
from tests.bench.processes import a_proxy
from tests.bench.shelves import fill
from tests.support.running import Upstream, an_upstream, until

LIST = "action=getActiveActivations"
SOCKETS = 1000
SETTLE = 2.0
"""Seconds in which memory comes to rest."""
OPENING = 60.0
"""Seconds in which the sockets are opened, at most."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident memory in bytes."""

    at_rest: int
    after_a_request: int
    activations: int
    with_activations: int
    live: int
    """Activations that were bought and polled, for the sockets."""
    with_one_socket: int
    """What the first of them loads is not of each."""
    sockets: int
    with_sockets: int

    @property
    def per_activation(self) -> float:
        return (self.with_activations - self.after_a_request) / self.activations

    @property
    def per_socket(self) -> float | None:
        """None where only one was opened."""
        more = self.with_sockets - self.with_one_socket
        return more / (self.sockets - 1) if self.sockets > 1 else None

    def __str__(self) -> str:
        per_socket = "" if self.per_socket is None else f", {self.per_socket / 1e3:.1f} kB each"
        return (
            f"at rest {self.at_rest / 1e6:.1f} MB, after a first request "
            f"{self.after_a_request / 1e6:.1f} MB\n"
            f"{self.activations} idle activations: {self.with_activations / 1e6:.1f} MB, "
            f"{self.per_activation:.0f} bytes each\n"
            f"{self.live} live ones with one socket {self.with_one_socket / 1e6:.1f} MB, with "
            f"{self.sockets} sockets {self.with_sockets / 1e6:.1f} MB{per_socket}"
        )


def memory(activations: int, live: int, folder: Path, settle: float = SETTLE) -> Memory:
    with an_upstream(folder, hold=0) as upstream:
        upstream.steer("switches", {"requests_per_minute": 0})
        upstream.steer("balance", {"key": KEY, "balance": 100_000})
        idle = _idle(activations, _empty(folder / "idle"), upstream)
        with_one, _ = _live(live, 1, _empty(folder / "polled"), upstream, settle)
        with_all, sockets = _live(live, SOCKETS, _empty(folder / "pushed"), upstream, settle)
    return Memory(*idle[:2], activations, idle[2], live, with_one, sockets, with_all)


def _empty(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _idle(activations: int, folder: Path, upstream: Upstream) -> tuple[int, int, int]:
    """At rest, after a request of another key, and when the activations are known."""
    fill(folder, activations)
    with a_proxy(folder, upstream, UPSTREAM_PUSH=False) as proxy:
        at_rest = proxy.rss
        asyncio.run(_ask(proxy.url, f"{LIST}&api_key=another"))
        warm = proxy.rss
        asyncio.run(_ask(proxy.url, LIST))
        return at_rest, warm, proxy.rss


def _live(
    count: int, most: int, folder: Path, upstream: Upstream, settle: float
) -> tuple[int, int]:
    """With bought and polled activations and so many sockets at most; and how many are open."""
    settings = {"UPSTREAM_REQUESTS_PER_MINUTE": 100_000, "UPSTREAM_PUSH_SOCKETS": most}
    with a_proxy(folder, upstream, **settings) as proxy:
        held = asyncio.run(bought(proxy.url, count))
        asyncio.run(_ask(proxy.url, *(f"action=getStatus&id={one.id}" for one in held)))
        until(lambda: upstream.steer("sockets")["count"] == min(count, most), OPENING)
        time.sleep(settle)
        return proxy.rss, upstream.steer("sockets")["count"]


async def _ask(url: str, *queries: str) -> None:
    async with a_target(url) as target:
        for query in queries:
            said = await target.ask(query)
            assert said.startswith(("{", "[", "STATUS_WAIT_CODE", "NO_ACTIVATIONS")), said
