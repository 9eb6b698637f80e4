"""The sandbox as a process of its own, which never outlives the process that started it."""

import os
import re
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Sequence
from typing import IO

END_SECONDS = 10.0
"""How long the process may take to end by itself."""
LAST_LINES = 20
"""Lines that an error shows."""
MOST_LINES = 10_000

_ADDRESS = re.compile(r"http://[^/\s\"]+:\d+")


class SandboxError(Exception):
    """The sandbox did not start, has ended, or refuses a call."""


class SandboxProcess:
    """Started by this. Its settings are its arguments alone: no PROXY_* variable reaches it."""

    def __init__(self, arguments: Sequence[str], start_seconds: float) -> None:
        """Raises SandboxError if the sandbox does not start in that time."""
        self.lines: deque[str] = deque(maxlen=MOST_LINES)
        """What it printed last."""
        self._url = ""
        self._knows = threading.Event()
        # Not this folder, whose modules could have the names of others. Its standard input is a
        # pipe that nobody writes to. It ends with this process, even if this is killed.
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-P",
                "-m",
                "virtualsms_proxy",
                "sandbox",
                "--end-with-stdin",
                *arguments,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            cwd=tempfile.gettempdir(),
            env=_environment(),
        )
        assert self._process.stdout
        self._reader = threading.Thread(
            target=self._read, args=(self._process.stdout,), name="sandbox", daemon=True
        )
        self._reader.start()
        self.url = self._wait_for_address(start_seconds)

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self) -> None:
        """Ends the process, and waits for its end."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(END_SECONDS)
        self._process.stdout.close()

    def failure(self, what: str) -> SandboxError:
        """An error with the exit code, if the process has ended, and its last lines."""
        code = self._process.poll()
        ended = "" if code is None else f" (exit code {code})"
        last = "".join(list(self.lines)[-LAST_LINES:]).strip()
        return SandboxError(f"{what}{ended}; its last lines:\n{last or '(none)'}")

    def _wait_for_address(self, seconds: float) -> str:
        in_time = self._knows.wait(seconds)
        if self._url:
            return self._url
        self.stop()
        what = "the sandbox did not start"
        raise self.failure(what if in_time else f"{what} in {seconds:g} s")

    def _read(self, output: IO[str]) -> None:
        for line in output:
            self.lines.append(line)
            if not self._url and (found := _ADDRESS.search(line)):
                self._url = found[0]
                self._knows.set()
        self._knows.set()


def _environment() -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("PROXY_")}
    return own | {"PROXY_LOG_FORMAT": "text", "PYTHONIOENCODING": "utf-8"}
