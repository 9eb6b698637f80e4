"""The benches of one machine, each a list of marks, and how long each of them runs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.bench import idle as idles
from tests.bench.cold import storm
from tests.bench.cpu import cpu
from tests.bench.growth import growth
from tests.bench.marks import Mark
from tests.bench.memory import memory
from tests.bench.paid import paid
from tests.bench.start import start

SOCKET_BYTES = 20 * 1024


@dataclass(frozen=True, slots=True)
class Size:
    rounds: int = 5
    starts: int = 9
    """Rounds of the bench of starts."""
    seconds: float = 3.0
    """Of load, for each contestant in each round."""
    numbers: int = 200
    """Bought by each contestant in each round."""
    known: int = 100_000
    keys: int = 1000
    connections: int = 5000
    burst: int = 1000
    storm: int = 1000
    sockets: int = 500


def _cold(size: Size, folder: Path) -> list[Mark]:
    seen = storm(size.storm, folder)
    asked = f"{seen.clients:,} ask at once"
    return [
        Mark("cold", f"{asked}, reads upstream", seen.reads, "", most=1),
        Mark("cold", f"{asked}, kinds of answer", seen.answers, "", most=1),
        Mark("cold", f"{asked}, CPU for each", seen.cpu_seconds / seen.clients, "us"),
    ]


def _memory(size: Size, folder: Path) -> list[Mark]:
    seen = memory(size.known // 5, size.sockets, folder)
    return [
        Mark("memory", "an idle activation", seen.per_activation, "B"),
        Mark("memory", "an open push socket", seen.per_socket or 0.0, "KiB", most=SOCKET_BYTES),
    ]


BENCHES: Mapping[str, Callable[[Size, Path], list[Mark]]] = {
    "cpu": lambda size, folder: cpu(size.seconds, size.rounds, folder),
    "paid": lambda size, folder: paid(size.numbers, size.rounds, folder),
    "start": lambda size, folder: start(size.starts, size.known, folder),
    "growth": lambda size, folder: growth(
        size.seconds, size.rounds, folder, size.known, size.keys, size.numbers
    ),
    "idle": lambda size, folder: [*idles.marks(idles.idle(size.connections, size.burst, folder))],
    "cold": _cold,
    "memory": _memory,
}
