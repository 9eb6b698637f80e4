"""Clients from npm: installed from their lock file, and driven in one process of Node."""

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.process import PATIENCE

HERE = Path(__file__).parent
TOOLS = ("node", "npm")
ABSENT = " and ".join(name for name in TOOLS if not shutil.which(name))
needed = pytest.mark.skipif(bool(ABSENT), reason=f"no {ABSENT} here; .ci/run installs it")


def installed(folder: Path) -> Path:
    """By name and version from the registry, each held to its hash; no script of theirs is run."""
    for name in ("package.json", "package-lock.json", "driver.cjs"):
        shutil.copy(HERE / name, folder)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return folder


class Driver:
    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self.process, self.folder = process, folder
        self.one_at_a_time = threading.Lock()

    def ask(self, **call: Any) -> dict[str, Any]:
        with self.one_at_a_time:
            self.process.stdin.write(json.dumps(call) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        assert line, "node ended; see its error output"
        return json.loads(line)


@contextmanager
def a_driver(folder: Path) -> Iterator[Driver]:
    with subprocess.Popen(
        ["node", "driver.cjs"],
        cwd=installed(folder),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Driver(process, folder)
        process.stdin.close()
        assert process.wait(PATIENCE) == 0
