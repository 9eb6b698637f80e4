"""How fast this machine is at the moment: who measures time compares with it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

SPUN = 0.2
"""Seconds of CPU that are spent to find out."""


def slowdown() -> float:
    """How many times as long as its CPU time work takes here; 1.0 where nobody else works."""
    begun, spent = time.monotonic(), time.thread_time()
    while time.thread_time() - spent < SPUN:
        pass
    return max(1.0, (time.monotonic() - begun) / SPUN)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """What is done inside takes less than that, on a machine that does nothing else."""
    begun = time.monotonic()
    yield
    is_quick(time.monotonic() - begun, seconds)


def is_quick(took: float, seconds: float) -> None:
    """Asserts that it took less than that, or that others keep this machine busy: then as many
    times longer as any work takes.
    """
    if took >= seconds:
        allowed = seconds * max(slowdown() for _ in range(3))
        assert took < allowed, f"{took:.2f} s of {allowed:.2f}"
