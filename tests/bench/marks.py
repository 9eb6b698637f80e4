"""The marks of a bench: the figures of one run, each held against its target if it has one.

Contestants take turns in rounds, and a ratio is the median of the ratios of each round: what else
the machine does then strikes all of them.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, TypeVar

from proxy.commands.progress import progress

T = TypeVar("T")

UNITS: Mapping[str, tuple[float, str]] = {
    "us": (1e6, "µs"),
    "ms": (1e3, "ms"),
    "s": (1.0, "s"),
    "MiB": (1 / 2**20, "MiB"),
    "KiB": (1 / 2**10, "KiB"),
    "B": (1.0, "B"),
    "times": (1.0, "x"),
    "": (1.0, ""),
    "/s": (1.0, "/s"),
}
"""What a value in seconds, bytes or times is multiplied by to be shown, and the word behind it."""


@dataclass(frozen=True, slots=True)
class Mark:
    bench: str
    name: str
    value: float
    """In seconds, bytes or times."""
    unit: str
    most: float | None = None
    least: float | None = None

    @property
    def is_kept(self) -> bool:
        is_low = self.most is None or self.value <= self.most
        return is_low and (self.least is None or self.value >= self.least)

    @property
    def verdict(self) -> str:
        if self.most is None and self.least is None:
            return ""
        return "ok" if self.is_kept else "MISS"

    @property
    def target(self) -> str:
        if self.most is not None:
            return f"<= {self._shown(self.most)}"
        return f">= {self._shown(self.least)}" if self.least is not None else ""

    @property
    def shown(self) -> str:
        return self._shown(self.value)

    def _shown(self, value: float) -> str:
        factor, word = UNITS[self.unit]
        value *= factor
        text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
        return f"{text} {word}".rstrip()

    @property
    def as_row(self) -> dict[str, Any]:
        return {**asdict(self), "is_kept": self.is_kept}


def table(marks: Iterable[Mark]) -> str:
    """As Markdown, so that it can be copied into the documentation."""
    rows = [("bench", "what", "figure", "target", "")]
    rows += [(it.bench, it.name, it.shown, it.target, it.verdict) for it in marks]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rows.insert(1, tuple("-" * width for width in widths))
    lines = (
        " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    )
    return "\n".join(f"| {line} |" for line in lines)


def interleaved(contestants: Mapping[str, Callable[[int], T]], rounds: int) -> dict[str, list[T]]:
    """What each gave in each round, which it is told the number of; there and back in turn."""
    seen: dict[str, list[T]] = {name: [] for name in contestants}
    for number in range(rounds):
        names = list(contestants)
        for name in reversed(names) if number % 2 else names:
            progress(f"round {number + 1} of {rounds}: {name}")
            seen[name].append(contestants[name](number))
    progress("")
    return seen


def ratio(ours: Sequence[float], other: Sequence[float]) -> float:
    """Infinite where the other's is too little to be measured."""
    return median(one / two if two else math.inf for one, two in zip(ours, other, strict=True))


def difference(ours: Sequence[float], other: Sequence[float]) -> float:
    return median(one - two for one, two in zip(ours, other, strict=True))
