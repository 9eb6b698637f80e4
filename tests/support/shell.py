"""A shell for the commands of documents: they are run, save those of programs that are not here.

A stand-in notes what it was told; tests look at that.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support import launch
from tests.support.documents import ROOT
from tests.support.process import free_port

NOTES = """#!/bin/sh
{ printf '%s' "${NAME:-${0##*/}}"; printf '\\037%s' "$@"; echo; } >> "$NOTES"
"""
# Makes an environment of stand-ins.
PYTHON = """#!/bin/sh
case "$1 $2" in
"-m venv") mkdir -p "$3/bin"; for name in pip python pytest ruff mypy; do
    cp "$STAND_IN" "$3/bin/$name"; done;;
"-m tests."*) NAME=python exec "$STAND_IN" "$@";;
*) exec {} "$@";;
esac
"""
# A refusal of the server is an error of the command.
BEFORE = 'set -euo pipefail\ncurl() { command curl -sS --fail-with-body --max-time 30 "$@"; }\n'

SERVER = re.compile(
    r"(?m)^((?:[A-Z_]+=\S+ )*|.* && )(\S*virtualsms-proxy)"
    r"(?=$| --config| --port| sandbox| serve)"
)
PROMPT = re.compile(r"(?m)^\$ ")


class Shell:
    """`folder` is where it begins; `changed` is what stands for what in the documents."""

    def __init__(self, place: Path) -> None:
        self.port = free_port()
        self.folder, self._bin, self._notes = place / "here", place / "bin", place / "notes"
        self._launched = place / "launched"
        self.changed = {"127.0.0.1:8080": f"127.0.0.1:{self.port}"}
        self.environ = {
            "NOTES": str(self._notes),
            "STAND_IN": str(self._bin / "stand-in"),
            "LAUNCHED": str(self._launched),
            "PROXY_LISTEN_PORT": str(self.port),
            "PATH": f"{self._bin}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        self.folder.mkdir()
        self._bin.mkdir()
        self._notes.touch()
        self.program("stand-in", NOTES)
        self.program("launch", f'#!/bin/sh\nexec {sys.executable} {launch.__file__} "$@"\n')

    def program(self, name: str, text: str = NOTES) -> None:
        path = self._bin / name
        path.write_text(text)
        path.chmod(0o755)

    def checkout(self, *, is_real: bool = False) -> None:
        """Where it begins is a checkout, and its environment a real one or of stand-ins."""
        python = str(Path(sys.executable).resolve())
        if is_real:
            shutil.rmtree(self.folder)
            unwanted = shutil.ignore_patterns(".*", "__pycache__")
            shutil.copytree(ROOT, self.folder, ignore=unwanted)
            self.program("python3", f'#!/bin/sh\nexec {python} "$@"\n')
            return
        for path in ROOT.glob("[!.]*"):
            (self.folder / path.name).symlink_to(path)
        for name in ("python", "python3"):
            self.program(name, PYTHON.format(python))
        self.run("python3 -m venv .venv")

    def run(self, text: str) -> str:
        """All that is printed, on both outputs. Every command has to succeed."""
        for theirs, ours in self.changed.items():
            text = text.replace(theirs, ours)
        done = subprocess.run(
            ["bash", "-c", BEFORE + SERVER.sub(r"\1launch \2", text)],
            cwd=self.folder,
            env={**os.environ, **self.environ},
            input="planted-key\n",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}"
        return done.stdout

    def session(self, text: str) -> Iterator[tuple[str, str, str]]:
        """Of a block with prompts: each command, what the document shows, and what it printed."""
        parts = [part.partition("\n") for part in PROMPT.split(text)[1:]]
        script = "".join(f"printf '\\037'\n{command}\n" for command, _, _ in parts)
        said = self.run(script).split("\037")[1:]
        for (command, _, shown), printed in zip(parts, said, strict=True):
            yield command, shown, printed

    @property
    def noted(self) -> list[list[str]]:
        """What stand-ins were told: their names, and their arguments."""
        return [line.split("\037") for line in self._notes.read_text().splitlines()]

    def close(self) -> None:
        launch.end(self._launched, ("127.0.0.1", self.port))


@contextmanager
def a_shell(place: Path) -> Iterator[Shell]:
    shell = Shell(place)
    try:
        yield shell
    finally:
        shell.close()
