"""The bench of growth: what a getStatus and a getNumber cost where much is known already.

Each figure is the ratio of two proxies that take turns, one with much and one with little: CPU of
the server for each request. Every getStatus was asked once before, for the first one is not from
memory. Push is off, so that the sockets of one round do not weigh on the next.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from statistics import median

from tests.bench.cpu import path, per_request
from tests.bench.load import KEY, NUMBER, bought
from tests.bench.marks import Mark, interleaved, ratio
from tests.bench.paid import UNLIMITED, buy
from tests.bench.pressure import a_wire, answer, get
from tests.bench.processes import Server, a_proxy
from tests.bench.shelves import fill
from tests.support.running import PATH, Upstream, an_upstream

BENCH = "growth"
MOST = 1.15

Contestant = Callable[[int], float]


class Pairs:
    """Two proxies, of which one knows more, for each question; all on one upstream."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self._stack = stack
        self._folder = folder
        self.upstream: Upstream = stack.enter_context(an_upstream(folder, hold=0))
        self.upstream.steer("switches", {"requests_per_minute": 0})
        self.upstream.steer("balance", {"key": KEY, "balance": 1_000_000})

    def a_proxy(self, name: str, known: int) -> tuple[Server, list[int]]:
        """With that many activations, and their ids."""
        folder = self._folder / name
        folder.mkdir()
        ids = fill(folder, known, texted=True)
        settings = {"UPSTREAM_PUSH": False, "UPSTREAM_REQUESTS_PER_MINUTE": UNLIMITED}
        proxy = self._stack.enter_context(a_proxy(folder, self.upstream, **settings))
        answer(proxy.url, _status(ids[0]))
        return proxy, ids


def growth(
    seconds: float, rounds: int, folder: Path, known: int, keys: int, numbers: int
) -> list[Mark]:
    """`known` activations, and `keys`, are much, a thousandth of the activations is little."""
    with ExitStack() as stack:
        pairs = Pairs(stack, folder)
        asked = _asked(pairs, known)
        first = asyncio.run(_first(*asked["spread"]))
        statuses = {
            name: partial(_again, server, paths, seconds) for name, (server, paths) in asked.items()
        }
        buys = _numbers(pairs, known, keys, numbers)
        return [
            Mark(BENCH, "getStatus of an id for the first time, CPU", first, "us"),
            *_marks(interleaved(statuses, rounds), STATUS_FIGURES, "us"),
            *_marks(interleaved(buys, rounds), NUMBER_FIGURES, "ms"),
        ]


def _status(id: int | str) -> str:
    return path(f"getStatus&id={id}")


def _again(server: Server, paths: Sequence[str], seconds: float, number: int) -> float:
    """CPU seconds for each, when all have been asked a moment ago: the proxy forgets answers."""
    asyncio.run(_first(server, paths))
    return per_request(server, paths, seconds, number)


async def _first(server: Server, paths: Sequence[str]) -> float:
    """CPU seconds for each, asked once."""
    before = server.cpu_seconds
    async with a_wire(server.url) as wire:
        for path in paths:
            await wire.ask(get(path))
    return (server.cpu_seconds - before) / len(paths)


def _asked(pairs: Pairs, known: int) -> dict[str, tuple[Server, list[str]]]:
    """Which server is asked for which paths."""
    few, spread = known // 1000, known // 20
    full, full_ids = pairs.a_proxy("full", known)
    empty, empty_ids = pairs.a_proxy("empty", few)
    full_live = [held.id for held in asyncio.run(bought(full.url, few))]
    empty_live = [held.id for held in asyncio.run(bought(empty.url, few))]
    asked: dict[str, tuple[Server, Sequence[int | str]]] = {
        "few": (empty, empty_ids),
        "much": (full, full_ids[-few:]),
        "spread": (full, full_ids[-spread:]),
        "few live": (empty, empty_live),
        "much live": (full, full_live),
    }
    return {name: (server, [_status(id) for id in ids]) for name, (server, ids) in asked.items()}


def _numbers(pairs: Pairs, known: int, keys: int, count: int) -> dict[str, Contestant]:
    full, _ = pairs.a_proxy("twenty thousand", known // 5)
    empty, _ = pairs.a_proxy("hundred", known // 1000)
    crowded, _ = pairs.a_proxy("many keys", known // 1000)
    asyncio.run(_use(crowded.url, keys))
    servers = {"few numbers": empty, "much numbers": full, "many keys": crowded}
    contestants = {name: partial(_per_number, server, count) for name, server in servers.items()}
    for buys in contestants.values():
        buys(-1)
    return contestants


async def _use(url: str, keys: int) -> None:
    """Each of them buys a number."""
    async with a_wire(url) as wire:
        for number in range(keys):
            await wire.ask(get(f"{PATH}?api_key=used-{number}&{NUMBER}"))


def _per_number(server: Server, count: int, _: int) -> float:
    before = server.cpu_seconds
    asyncio.run(buy(server.url, get(f"{PATH}?api_key={KEY}&{NUMBER}"), count))
    return (server.cpu_seconds - before) / count


STATUS_FIGURES = (
    ("much", "few", "getStatus of 100 ids, 100,000 activations known / 100"),
    ("spread", "few", "getStatus of 5,000 ids, 100,000 known / of 100 ids, 100 known"),
    ("much live", "few live", "getStatus of 100 waiting ids, 100,000 known / 100"),
)
NUMBER_FIGURES = (
    ("much numbers", "few numbers", "getNumber, 20,000 activations known / 100"),
    ("many keys", "few numbers", "getNumber, 1,000 keys used before / 1"),
)


def _marks(
    seen: dict[str, list[float]], figures: Sequence[tuple[str, str, str]], unit: str
) -> Iterator[Mark]:
    for much, few, text in figures:
        yield Mark(BENCH, f"CPU, {text}", ratio(seen[much], seen[few]), "times", most=MOST)
        yield Mark(BENCH, "- the first of them", median(seen[much]), unit)
        yield Mark(BENCH, "- the second", median(seen[few]), unit)
