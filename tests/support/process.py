"""The command as a user starts it: a process of its own, on a real port."""

import os
import pty
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

NOTHING_LEFT = {"PROXY_STORE_URL": "sqlite://"}
PATIENCE = 120.0
"""Seconds that a test waits for what must come, however busy the machine is."""
COMMAND = [sys.executable, "-m", "proxy"]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


def run(
    *arguments: str, cwd: Path | None = None, **environ: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env={**os.environ, **NOTHING_LEFT, **environ},
        cwd=cwd,
        check=False,
    )


@contextmanager
def a_process(
    *arguments: str,
    log: Path,
    cwd: Path | None = None,
    printed: list[str] | None = None,
    **environ: str,
) -> Iterator[str]:
    """Yields the address that the process prints; its error output goes to `log`. The lines before
    the address are added to `printed`.
    """
    with a_server(*arguments, log=log, cwd=cwd, printed=printed, **environ) as (_, url):
        yield url


@contextmanager
def a_server(
    *arguments: str,
    log: Path,
    cwd: Path | None = None,
    printed: list[str] | None = None,
    **environ: str,
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """As `a_process`, with the process itself, which may be stopped and killed. `log` grows."""
    with (
        log.open("a") as errors,
        subprocess.Popen(
            [*COMMAND, *arguments],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={**os.environ, **NOTHING_LEFT, **environ},
            cwd=cwd,
        ) as process,
    ):
        try:
            yield process, address_in(process.stdout, [] if printed is None else printed)
        finally:
            process.terminate()
            # One that was stopped by SIGSTOP has to go on to end.
            process.send_signal(signal.SIGCONT)
            process.wait(PATIENCE)


def address_in(lines: IO[str], printed: list[str]) -> str:
    for line in lines:
        printed.append(line)
        if found := re.search(r"https?://[^/\s]+:\d+", line):
            return found[0]
    raise AssertionError("the process ended without an address; see its log")


def on_a_terminal(*words: str, **environ: str) -> str:
    """What the command shows on a terminal."""
    ours, theirs = pty.openpty()
    whole = {**os.environ, **environ}
    with subprocess.Popen([*COMMAND, *words], stdout=theirs, stderr=theirs, env=whole) as process:
        os.close(theirs)
        said = b""
        try:
            while part := os.read(ours, 4096):
                said += part
        except OSError:
            pass  # The other end is closed.
        process.wait(20)
    os.close(ours)
    return said.decode()
