"""The figures of a run, side by side in a table, and the targets that they are held against."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tests.bench.load import Crowd, Held

PER_MINUTE = 60
MOST_REFUSED = 5
CPU_GROWTH = 1.08
"""The CPU may grow so many times as fast as the numbers: from 200 to 500 to 2.7 times."""


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that this share of all does not exceed; 0 of none."""
    ranked = sorted(values)
    return ranked[math.ceil(share * len(ranked)) - 1] if ranked else 0.0


@dataclass(frozen=True, slots=True)
class Waits:
    """Seconds from an SMS to the client that reads it; infinite where none did."""

    sent: int
    unseen: int
    p50: float
    p95: float
    longest: float


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one run. Durations are seconds."""

    variant: str
    activations: int
    polls: int
    errors: dict[str, int]
    wrong_codes: list[str]
    calls: dict[str, int]
    """Requests of the run that reached the upstream, refused ones too, by call."""
    busiest_minute: int
    refused: int
    """With 429."""
    per_poll: float
    """Requests upstream, sockets not counted, for each getStatus."""
    all: Waits
    newest: Waits
    """Of orders that were among the newest 50 when their SMS came."""
    rest: Waits
    latency_p50: float
    latency_p95: float
    cpu_seconds: float
    sockets: int
    """Open at the end."""


def figures_of(
    variant: str, crowd: Crowd, seen: dict[str, Any], cpu_seconds: float, sockets: int
) -> Figures:
    """`seen` is what the sandbox tells of the requests of the run."""
    calls = Counter(line["call"] for line in seen["requests"])
    polls = len(crowd.latencies)
    return Figures(
        variant=variant,
        activations=crowd.plan.activations,
        polls=polls,
        errors=dict(crowd.errors),
        wrong_codes=crowd.wrong_codes,
        calls=dict(calls.most_common()),
        busiest_minute=seen["busiest_minute"],
        refused=sum(line["status"] == 429 for line in seen["requests"]),
        per_poll=(calls.total() - calls["socket"]) / polls,
        all=waits_of(crowd.texted),
        newest=waits_of(held for held in crowd.texted if held.was_newest),
        rest=waits_of(held for held in crowd.texted if not held.was_newest),
        latency_p50=percentile(crowd.latencies, 0.5),
        latency_p95=percentile(crowd.latencies, 0.95),
        cpu_seconds=cpu_seconds,
        sockets=sockets,
    )


def waits_of(texted: Iterable[Held]) -> Waits:
    # The answer can overtake that of the call that sent the SMS.
    waits = [
        math.inf if held.seen_at is None else max(held.seen_at - held.sent_at, 0.0)
        for held in texted
    ]
    return Waits(
        sent=len(waits),
        unseen=waits.count(math.inf),
        p50=percentile(waits, 0.5),
        p95=percentile(waits, 0.95),
        longest=max(waits, default=0.0),
    )


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "none"


def _shown(seconds: float) -> str:
    return "never" if seconds == math.inf else f"{seconds:.2f} s"


def _p95(waits: Waits) -> str:
    seen = waits.sent - waits.unseen
    if not waits.sent:
        return "no SMS"
    return f"{_shown(waits.p95)} ({seen} of {waits.sent} seen)"


ROWS: tuple[tuple[str, Callable[[Figures], str]], ...] = (
    ("numbers at the end", lambda it: str(it.activations)),
    ("getStatus", lambda it: str(it.polls)),
    ("upstream requests", lambda it: str(sum(it.calls.values()) - it.calls.get("socket", 0))),
    ("for each getStatus", lambda it: f"{it.per_poll:.4f}"),
    ("busiest minute", lambda it: str(it.busiest_minute)),
    ("429 from upstream", lambda it: str(it.refused)),
    ("errors clients saw", lambda it: str(sum(it.errors.values()))),
    ("wrong codes", lambda it: str(len(it.wrong_codes))),
    ("SMS sent", lambda it: str(it.all.sent)),
    ("SMS never visible", lambda it: str(it.all.unseen)),
    ("SMS visible after, p50", lambda it: _shown(it.all.p50)),
    ("p95", lambda it: _shown(it.all.p95)),
    ("longest", lambda it: _shown(it.all.longest)),
    ("newest 50, p95", lambda it: _p95(it.newest)),
    ("the rest, p95", lambda it: _p95(it.rest)),
    ("getStatus latency, p50", lambda it: f"{it.latency_p50 * 1000:.1f} ms"),
    ("p95", lambda it: f"{it.latency_p95 * 1000:.1f} ms"),
    ("CPU of the server", lambda it: f"{it.cpu_seconds:.2f} s"),
    ("sockets at the end", lambda it: str(it.sockets)),
)


def table(runs: Sequence[Figures]) -> str:
    columns = [["", *(name for name, _ in ROWS)]]
    columns += [[run.variant, *(show(run) for _, show in ROWS)] for run in runs]
    widths = [max(map(len, column)) for column in columns]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in zip(*columns, strict=True)
    ]
    words = (f"{run.variant}: calls: {_counted(run.calls)}; errors: {_counted(run.errors)}"
             for run in runs)  # fmt: skip
    return "\n".join([*lines, "", *words])


@dataclass(frozen=True, slots=True)
class Targets:
    """What a run of the proxy has to keep, beside no error, no wrong code and the limit."""

    p95: float
    """Seconds from an SMS to its client, of which the poll is three."""
    per_poll: float

    def judge(self, it: Figures) -> Iterator[tuple[bool, str]]:
        """Each target: whether it was kept, and what it says."""
        yield not it.errors, f"no client sees an error: {_counted(it.errors)}"
        yield not it.wrong_codes, f"no code is wrong: {it.wrong_codes[:3] or 'none'}"
        yield it.busiest_minute <= PER_MINUTE, f"busiest minute {it.busiest_minute} <= {PER_MINUTE}"
        yield it.refused <= MOST_REFUSED, f"429 {it.refused} <= {MOST_REFUSED}"
        yield it.all.p95 <= self.p95, f"p95 {_shown(it.all.p95)} <= {self.p95:g} s"
        yield (
            it.per_poll <= self.per_poll,
            f"for each getStatus {it.per_poll:.4f} <= {self.per_poll}",
        )


def cpu_growth(few: Figures, many: Figures) -> tuple[bool, str]:
    """Whether the CPU of a run with more numbers is within its target, and what it is."""
    seen = many.cpu_seconds / few.cpu_seconds
    most = CPU_GROWTH * many.activations / few.activations
    what = f"CPU, {many.activations} numbers / {few.activations}"
    return seen <= most, f"{what}: {seen:.2f} x <= {most:.2f} x"
