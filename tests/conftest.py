"""The one fake clock: an event loop that jumps to its next timer when it has nothing to do."""

import asyncio
import functools
import logging
import os
import selectors
import sys
from collections.abc import Callable, Generator, Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from proxy.app import loaded
from proxy.config.codes import Codes
from proxy.config.mappings import load_codes
from proxy.sandbox import app as sandbox_app
from proxy.sandbox import create_sandbox
from tests.support import postgres

# 2026-03-01T12:00:00Z: what the fake clock shows when a test begins.
START = 1_772_366_400.0


# Those that wait for real processes longest: what begins last should be short.
LONG = (
    "replicas/test_money",
    "replicas/test_replicas",
    "bench/test_bench",
    "product/test_ways",
    "console/test_browser",
    "console/test_outages",
    "testing/test_plugin",
    "product/test_crash",
    "product/test_life",
    "commands/test_command_line",
    "product/test_money",
    "project/test_container",
    "project/test_docs_commands",
)


def pytest_configure(config: pytest.Config) -> None:
    """Bytecode is written, whatever the environment says: each of some hundred processes would
    compile the proxy again, which is a third of its start.
    """
    sys.dont_write_bytecode = False
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """More than there are cores: much of the time is waited."""
    return 3 * (os.cpu_count() or 1)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: f"{item.path.parent.name}/{item.path.stem}" not in LONG)
    items.sort(key=_is_slow)
    if hasattr(config, "workerinput"):
        items[:] = [item for item in items if not _is_slow(item)]
    elif _has_workers(config):
        items[:] = [item for item in items if _is_slow(item)]


def _is_slow(item: pytest.Item) -> bool:
    return item.get_closest_marker("slow") is not None


def _has_workers(config: pytest.Config) -> bool:
    return bool(config.pluginmanager.hasplugin("dsession"))


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    """When the workers have ended, runs what is marked slow in this process, one by one."""
    done = yield
    if _has_workers(session.config):
        others = session.testscollected
        items = list(session.perform_collect())
        session.testscollected += others
        for item, following in zip_longest(items, items[1:]):
            item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
            if session.shouldfail:
                raise session.Failed(session.shouldfail)
            if session.shouldstop:
                raise session.Interrupted(session.shouldstop)
    return done


class _Jumping(selectors.DefaultSelector):
    now = 0.0
    at_work = 0

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        if self.at_work:
            # A thread is at work, which takes real time and no fake time.
            return super().select(0.05)
        events = super().select(0)
        if not events:
            self.now += timeout
        return events


class FakeTimeLoop(asyncio.SelectorEventLoop):
    """asyncio.sleep and asyncio.timeout take no real time here; loop.time() starts at 0."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now

    def run_in_executor(self, executor: Any, work: Any, *arguments: Any) -> Any:
        # It raises where the executor is shut down: then nothing is at work.
        future = super().run_in_executor(executor, work, *arguments)
        self._jumping.at_work += 1
        future.add_done_callback(lambda _: self._done_at_work())
        return future

    def _done_at_work(self) -> None:
        self._jumping.at_work -= 1

    async def shutdown_default_executor(self, *_: Any) -> None:
        """Without the timeout that asyncio's runner gives since Python 3.12: it is of this loop's
        time, and would be over at once.
        """
        await super().shutdown_default_executor()


@pytest.fixture(scope="session", autouse=True)
def read_once() -> Iterator[None]:
    """The shipped tables and the system's certificates: half of what a test would cost."""
    shipped = functools.cache(load_codes)

    def load(overlay: Path | None = None) -> Codes:
        return load_codes(overlay) if overlay else shipped()

    with pytest.MonkeyPatch.context() as patch:
        for room in (loaded, sandbox_app):
            patch.setattr(room, "load_codes", load)
        certificates = functools.cache(httpx.create_ssl_context)
        patch.setattr(httpx, "create_ssl_context", certificates)
        # Each httpx.get reads them, too: 20 ms of CPU.
        patch.setattr("httpx._transports.default.create_ssl_context", certificates)
        yield


@pytest.fixture(autouse=True)
def log() -> Iterator[None]:
    """A command that runs in this process sets up the log for all that follow it."""
    root = logging.getLogger()
    level = root.level
    yield
    root.setLevel(level)
    for handler in root.handlers[:]:
        if type(handler) is logging.StreamHandler:
            root.removeHandler(handler)


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "asyncio", {"loop_factory": FakeTimeLoop}


@pytest.fixture
def clock() -> Callable[[], float]:
    """The wall clock in seconds since the epoch, moved by the fake loop's timers alone."""
    return lambda: START + asyncio.get_event_loop().time()


@pytest.fixture
def sandbox(clock: Callable[[], float]) -> Starlette:
    """The simulated upstream; no SMS comes by itself in it."""
    return create_sandbox(clock=clock, sms_after=1e9)


@pytest.fixture(scope="session")
def postgres_server():
    """The address of a PostgreSQL that databases can be made on."""
    if url := os.environ.get("TEST_DATABASE_URL"):
        yield url
    elif postgres.programs():
        with postgres.a_server() as server:
            yield server.url()
    else:
        pytest.skip("no PostgreSQL: set TEST_DATABASE_URL, or install its server programs")


@pytest.fixture
def database(postgres_server):
    """The address of a new, empty database."""
    with postgres.a_database(postgres_server) as url:
        yield url
