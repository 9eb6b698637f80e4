"""The bench against another revision: the same figures of the code here and of a commit.

Three proxies take turns in each round: the code here, the revision, and the revision a second
time. How far the ratio of the revision with itself is from 1 is the noise of the run. A proxy is
started by its command, so a revision may have its files anywhere. The upstream is the sandbox of
the code here.
"""

import io
import subprocess
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from tests.bench.benches import Size
from tests.bench.cpu import asked_of, per_request
from tests.bench.marks import Mark, interleaved, ratio
from tests.bench.paid import UNLIMITED, be_slow, bought
from tests.bench.pressure import press
from tests.bench.processes import ROOT, Server, a_proxy
from tests.bench.start import started
from tests.crash import Upstream, an_upstream

HERE, THERE, AGAIN = "here", "there", "again"


@dataclass(frozen=True, slots=True)
class Figure:
    name: str
    unit: str
    seen: Mapping[str, Sequence[float]]
    """Of HERE, THERE and AGAIN, a value for each round."""


class UnknownRevisionError(ValueError):
    """The text is no revision of this repository."""


def check_out(revision: str, folder: Path) -> None:
    """Raises UnknownRevisionError."""
    command = ["git", "archive", "--format=tar", revision]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        raise UnknownRevisionError(done.stderr.decode().strip())
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as files:
        files.extractall(folder, filter="data")


def compare(revision: str, names: Sequence[str], size: Size, folder: Path) -> list[Mark]:
    """Raises UnknownRevisionError where there is no such revision."""
    there = folder / "revision"
    check_out(revision, there)
    marks: list[Mark] = []
    for name in names:
        own = folder / name
        own.mkdir()
        with ExitStack() as stack:
            upstream = stack.enter_context(an_upstream(own, hold=0))
            upstream.steer("switches", {"requests_per_minute": 0})
            proxies = Proxies(own, {HERE: ROOT, THERE: there, AGAIN: there}, upstream, stack)
            for figure in FIGURES[name](proxies, size):
                marks += marks_of(name, figure, revision)
    return marks


@dataclass(frozen=True, slots=True)
class Proxies:
    folder: Path
    codes: Mapping[str, Path]
    upstream: Upstream
    stack: ExitStack

    def __post_init__(self) -> None:
        for name in self.codes:
            (self.folder / name).mkdir()

    def start(self, **settings: object) -> Mapping[str, Server]:
        """One of each code, on a store of its own."""
        return {
            name: self.stack.enter_context(
                a_proxy(self.folder / name, self.upstream, code, **settings)
            )
            for name, code in self.codes.items()
        }


def _cpu(proxies: Proxies, size: Size) -> Iterator[Figure]:
    servers = proxies.start()
    paths = {name: asked_of(server, proxies.upstream, name) for name, server in servers.items()}
    for question in paths[HERE]:
        contestants = {
            name: partial(per_request, server, [paths[name][question]], size.seconds)
            for name, server in servers.items()
        }
        for name, server in servers.items():
            press(server.url, [paths[name][question]], min(size.seconds, 0.3))
        text = question.removeprefix("ours, ")
        yield Figure(f"{text}, CPU", "us", interleaved(contestants, size.rounds))


def _paid(proxies: Proxies, size: Size) -> Iterator[Figure]:
    be_slow(proxies.upstream)
    servers = proxies.start(UPSTREAM_REQUESTS_PER_MINUTE=UNLIMITED)
    contestants = {
        name: partial(bought, name, server, proxies.upstream, size.numbers)
        for name, server in servers.items()
    }
    for buy in contestants.values():
        buy(-1)
    fields = {
        "getNumber, CPU": ("cpu", "ms"),
        "getNumber, p50": ("p50", "ms"),
        "getNumber, numbers": ("per_second", "/s"),
    }
    yield from _figures(fields, interleaved(contestants, size.rounds))


def _start(proxies: Proxies, size: Size) -> Iterator[Figure]:
    contestants = {
        name: partial(started, partial(a_proxy, proxies.folder / name, proxies.upstream, code))
        for name, code in proxies.codes.items()
    }
    # Compiles what is not compiled yet.
    interleaved(contestants, 1)
    fields = {
        "accepts a connection after": ("accepted", "s"),
        "CPU of start and first answer": ("cpu", "s"),
        "memory at rest": ("rss", "MiB"),
    }
    yield from _figures(fields, interleaved(contestants, size.starts))


def _figures(
    fields: Mapping[str, tuple[str, str]], rounds: Mapping[str, Sequence[object]]
) -> Iterator[Figure]:
    """Each field of what was seen in a round."""
    for text, (field, unit) in fields.items():
        seen = {name: [getattr(it, field) for it in them] for name, them in rounds.items()}
        yield Figure(text, unit, seen)


FIGURES: Mapping[str, Callable[[Proxies, Size], Iterator[Figure]]] = {
    "cpu": _cpu,
    "paid": _paid,
    "start": _start,
}


def marks_of(bench: str, figure: Figure, revision: str) -> Iterator[Mark]:
    """The value here, its ratio to the revision's, and the noise."""
    seen = figure.seen
    yield Mark(bench, figure.name, median(seen[HERE]), figure.unit)
    yield Mark(bench, f"- here / {revision}", ratio(seen[HERE], seen[THERE]), "times")
    noise = ratio(seen[AGAIN], seen[THERE])
    yield Mark(bench, f"- noise: {revision} / itself", noise, "times")
