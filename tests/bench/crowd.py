"""The crowd bench: 200 activations on one key with 60 requests a minute, and a plain translator.

At the start there are as many fewer as are bought during the run: 200, what the upstream's list has
rows for, is what there is at the end. 200 clients ask 67 times a second; the upstream allows one
request a second. Every variant has an upstream of its own and the same load, drawn from the seed.
How to read it: a client polls every three seconds, and that is part of every wait, so that no p95
can be much below 2.9 s.

Targets of the proxy: no client sees an error or a wrong code; at most 60 requests in any minute,
and five 429; 95 of 100 SMS visible within 4 s by push and 9 s without, also where the list ends
after 50 orders; upstream requests for each getStatus at most 0.02 by push, else 0.15. With
500 numbers (`--activations 200,500`): within 4 s by push and 15 s without, and at most 2.7 times
the CPU of 200.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.bench.figures import PER_MINUTE, Figures, Targets, figures_of
from tests.bench.load import KEY, Crowd, Held, Plan, a_target, bought
from tests.bench.processes import Server, a_plain_translator, a_proxy
from tests.support.running import Upstream, an_upstream

NO_LIMIT = 100_000
LISTED = 200
"""Rows of the upstream's longest list of orders."""


@dataclass(frozen=True, slots=True)
class Variant:
    """`targets` None: the baseline, which is not ours."""

    targets: Targets | None
    push: bool = False
    switches: Mapping[str, Any] = field(default_factory=dict)

    def targets_of(self, activations: int) -> Targets | None:
        """Without push, a list of 200 rows shows only a part of more orders than that."""
        if self.targets is None or self.push or activations <= LISTED:
            return self.targets
        return replace(self.targets, p95=3 + 12)


VARIANTS: Mapping[str, Variant] = {
    "push": Variant(Targets(p95=3 + 1, per_poll=0.02), push=True),
    "no-push": Variant(Targets(p95=3 + 6, per_poll=0.15)),
    "no-push-cap50": Variant(Targets(p95=3 + 6, per_poll=0.15), switches={"orders_cap": 50}),
    "plain": Variant(None),
}


def run(name: str, plan: Plan, folder: Path, say: Callable[[str], None]) -> Figures:
    """One variant, in that empty folder; `say` is told how it goes on."""
    variant = VARIANTS[name]
    with an_upstream(folder, plan.hold) as upstream:
        upstream.steer("switches", {"requests_per_minute": 0, **variant.switches})
        upstream.steer("balance", {"key": KEY, "balance": 100_000})
        say(f"buying {plan.first} numbers")
        with _loaded(variant, plan, folder, upstream) as (server, held, since):
            upstream.steer("switches", {"requests_per_minute": PER_MINUTE})
            say(f"waiting {plan.pause:g} s, so that the minute is empty")
            time.sleep(plan.pause)
            before = server.cpu_seconds
            crowd = asyncio.run(_crowd(plan, server, upstream, held, say))
            spent = server.cpu_seconds - before
            seen = upstream.steer(f"requests?key={KEY}&since={since}")
            return figures_of(name, crowd, seen, spent, upstream.steer("sockets")["count"])


async def _crowd(
    plan: Plan, server: Server, upstream: Upstream, held: list[Held], say: Callable[[str], None]
) -> Crowd:
    async with a_target(server.url) as target:
        crowd = Crowd(plan, target, upstream, held, say)
        await crowd.run()
        return crowd


@contextmanager
def _loaded(
    variant: Variant, plan: Plan, folder: Path, upstream: Upstream
) -> Iterator[tuple[Server, list[Held], float]]:
    """A server that keeps to the limit, the numbers bought through it, and the time after that.

    The proxy is started anew for it, on the same store; the plain one remembers ids in memory only.
    """
    if variant.targets is None:
        with a_plain_translator(folder, upstream) as server:
            held = asyncio.run(bought(server.url, plan.first))
            yield server, held, _now(upstream)
        return
    settings = {"UPSTREAM_PUSH": variant.push, "UPSTREAM_REQUESTS_PER_MINUTE": NO_LIMIT}
    with a_proxy(folder, upstream, **settings) as server:
        held = asyncio.run(bought(server.url, plan.first))
    since = _now(upstream)
    settings["UPSTREAM_REQUESTS_PER_MINUTE"] = PER_MINUTE
    with a_proxy(folder, upstream, **settings) as server:
        yield server, held, since


def _now(upstream: Upstream) -> float:
    return upstream.steer("clock")["now"]
