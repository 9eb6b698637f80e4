"""What has happened since the start, counted. Pure; metrics.py shows it."""

from bisect import bisect_left
from collections import Counter

DELAYS = (0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 300.0)
"""Upper bounds, in seconds."""


class Tally:
    """Counts by name and labels; each label has few values. Money is in cents."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, ...]] = Counter()
        self.delays = [0] * (len(DELAYS) + 1)
        self.delayed = 0.0

    def count(self, *what: str, by: int = 1) -> None:
        self.counts[what] += by

    def read_after(self, seconds: float) -> None:
        """A client has read an SMS for the first time, so long after it came."""
        seconds = max(seconds, 0.0)
        self.delays[bisect_left(DELAYS, seconds)] += 1
        self.delayed += seconds

    def of(self, name: str) -> list[tuple[tuple[str, ...], int]]:
        """The labels and the count of each."""
        return [(what[1:], n) for what, n in sorted(self.counts.items()) if what[0] == name]
