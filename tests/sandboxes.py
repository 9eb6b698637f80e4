"""Many sandboxes at once, as parallel workers of a test suite start them: time and memory of each.

`python -m tests.sandboxes --count 50` is the long form, tests/testing/test_speed.py a short one.
"""

import statistics
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import click

from proxy.testing import Sandbox


@dataclass(frozen=True)
class Measured:
    """Seconds from the start, and the part of the memory that is this sandbox's, in MiB."""

    started: float
    first_code: float
    own_memory: float


def measured(sandbox: Sandbox, begun: float) -> Measured:
    """Starts it, and reads the code of one number."""
    sandbox.start()
    started = time.monotonic() - begun
    number = ask(sandbox, "action=getNumber&service=tg&country=16")
    _, activation, phone = number.split(":")
    sandbox.send_sms(phone, "Your code is 4711")
    answer = ask(sandbox, f"action=getStatus&id={activation}")
    assert answer == "STATUS_OK:4711", answer
    return Measured(started, time.monotonic() - begun, own_memory(sandbox.pid))


def ask(sandbox: Sandbox, query: str) -> str:
    url = f"{sandbox.endpoint}?api_key={sandbox.api_key}&{query}"
    with urllib.request.urlopen(url, timeout=120) as answer:
        return answer.read().decode()


def own_memory(pid: int) -> float:
    """What ends with the process: memory that it shares with no other, in MiB. 0 without /proc."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except FileNotFoundError:
        return 0.0
    sizes = {words[0]: int(words[1]) for line in lines[1:] if len(words := line.split()) > 1}
    return (sizes["Private_Clean:"] + sizes["Private_Dirty:"]) / 1024


def at_once(count: int) -> list[Measured]:
    """Starts all at the same moment. All have met nobody, if all have their one order."""
    begun = time.monotonic()
    with ExitStack() as stack, ThreadPoolExecutor(count) as pool:
        sandboxes = [Sandbox() for _ in range(count)]
        for sandbox in sandboxes:
            stack.callback(sandbox.stop)
        found = list(pool.map(lambda sandbox: measured(sandbox, begun), sandboxes))
        assert len({sandbox.url for sandbox in sandboxes}) == count
        assert [len(sandbox.orders) for sandbox in sandboxes] == [1] * count
    return found


def lines(found: list[Measured]) -> Iterator[str]:
    for name in ("started", "first_code", "own_memory"):
        values = sorted(getattr(each, name) for each in found)
        spread = f"{values[0]:.2f} to {values[-1]:.2f}"
        yield f"{name}: {statistics.median(values):.2f} ({spread})"


@click.command()
@click.option("--count", type=click.IntRange(1), default=50, show_default=True)
def main(count: int) -> None:
    """Start that many sandboxes at once."""
    for line in lines(at_once(count)):
        click.echo(line)


if __name__ == "__main__":
    main()
