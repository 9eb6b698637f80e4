"""Strangers that never send the same twice: `python -m tests.strangers --minutes 10`.

Twenty clients ask for prices, each time with a new key; others send long questions, and others live
the whole life of a number. Memory is to stand still: what strangers can fill has an end.
"""

import random
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import click
import httpx

from tests.support.server import ENDPOINT, Server, a_server

ASKERS, WRITERS, BUYERS = 20, 2, 2
LONG = 60_000
NUMBER = "action=getNumber&service=wa&country=16"


@dataclass(slots=True)
class Seen:
    """Resident bytes of the process, by the second."""

    rss: list[tuple[float, int]] = field(default_factory=list)
    requests: int = 0

    def after(self, seconds: float) -> int:
        """The largest in the ten seconds before."""
        near = [rss for at, rss in self.rss if seconds - 10 <= at <= seconds]
        return max(near, default=self.rss[-1][1])

    def grown(self, first: float, last: float) -> int:
        return self.after(last) - self.after(first)


def failed_keys(
    seconds: float, folder: Path, said: Callable[[str], None] = lambda text: None
) -> Seen:
    environ = {"PROXY_UPSTREAM_REQUESTS_PER_MINUTE": "1000000"}
    seen, over = Seen(), threading.Event()
    with a_server("fast", folder, environ=environ) as server:
        server.steer("switches", {"requests_per_minute": 0, "hold": 0})
        works = [(_asker, ASKERS), (_writer, WRITERS), (_buyer, BUYERS)]
        threads = [
            threading.Thread(target=work, args=(server, random.Random(number), over, seen))
            for work, many in works
            for number in range(many)
        ]
        for thread in threads:
            thread.start()
        begun = time.monotonic()
        while (age := time.monotonic() - begun) < seconds:
            seen.rss.append((age, server.rss))
            if len(seen.rss) % 30 == 1:
                said(f"{age:5.0f} s  {server.rss / 2**20:6.1f} MiB  {seen.requests} requests")
            time.sleep(1)
        over.set()
        for thread in threads:
            thread.join()
    return seen


def _client(server: Server) -> httpx.Client:
    return httpx.Client(base_url=server.url, timeout=60, verify=False)


def _asker(server: Server, draw: random.Random, over: threading.Event, seen: Seen) -> None:
    with _client(server) as client:
        while not over.is_set():
            key = f"{draw.getrandbits(64):x}"
            client.get(f"{ENDPOINT}?action=getPrices&service=wa&api_key={key}")
            seen.requests += 1


def _writer(server: Server, draw: random.Random, over: threading.Event, seen: Seen) -> None:
    with _client(server) as client:
        while not over.is_set():
            long = f"{draw.getrandbits(64):x}".ljust(LONG, "x")
            client.get(f"{ENDPOINT}?action=getBalance&api_key=k&a={long}")
            seen.requests += 1


def _buyer(server: Server, draw: random.Random, over: threading.Event, seen: Seen) -> None:
    with _client(server) as client:
        while not over.is_set():
            key = f"buyer{draw.randrange(100)}"
            said = client.get(f"{ENDPOINT}?{NUMBER}&api_key={key}").text
            if said.startswith("ACCESS_NUMBER"):
                id = said.split(":")[1]
                client.get(f"{ENDPOINT}?action=getStatus&id={id}&api_key={key}")
                client.get(f"{ENDPOINT}?action=setStatus&status=8&id={id}&api_key={key}")
            seen.requests += 3


@click.command()
@click.option("--minutes", default=10.0, show_default=True)
def main(minutes: float) -> None:
    """Print memory as it goes; exit 1 if it grew by over 8 MiB after the third minute."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        seen = failed_keys(minutes * 60, folder, click.echo)
    grown = seen.grown(180, minutes * 60)
    click.echo(f"{seen.requests} requests; since the third minute {grown / 2**20:+.1f} MiB")
    if grown > 8 * 2**20:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
