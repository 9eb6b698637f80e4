"""Counts of values by their size. Pure: metrics.py shows them."""

from bisect import bisect_left
from itertools import accumulate


class Histogram:
    """`bounds` are the upper bounds of its buckets, in the unit of the values."""

    __slots__ = ("_counts", "bounds", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.total = 0.0
        """The sum of all values."""
        self._counts = [0] * (len(bounds) + 1)

    def add(self, value: float) -> None:
        self._counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def buckets(self) -> list[tuple[str, float]]:
        """For each bound the number of values up to it; the last bound is `+Inf`."""
        names = [*map(str, self.bounds), "+Inf"]
        return list(zip(names, accumulate(self._counts), strict=True))
