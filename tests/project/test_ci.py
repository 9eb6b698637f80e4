"""`.ci/run`: the README's test command on this machine's Python, then on the newest it has."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.documents import ROOT

README = (ROOT / "README.md").read_text()
COMMAND = re.search(r"^python3 .*bin/pytest$", README, re.M)[0]

# Notes what it is told; as a Python it knows its version, and makes environments of its like.
PROGRAM = """#!/bin/sh
case "$1" in
-c) echo "VERSION $0"; exit;;
esac
echo "${0#"$PLACE"/} $*" >> "$PLACE/notes"
case "$1 $2" in
"-m venv") mkdir -p "$3/bin"; for name in pip pytest ruff mypy; do
    cp "$PLACE/program" "$3/bin/$name"; done;;
esac
"""


def program(path: Path, version: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(PROGRAM.replace("VERSION", version))
    path.chmod(0o755)


@pytest.fixture
def place(tmp_path):
    """A machine whose python3 is 3.11, with a browser, and the two files that count."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci" / "run")
    shutil.copy(ROOT / "README.md", tmp_path)
    program(tmp_path / "program")
    for name in ("chromium", "chromedriver", "npm"):
        program(tmp_path / "bin" / name)
    program(tmp_path / "bin" / "python3", "3.11")
    for name in ("python3.12", "python3.13"):
        # As pyenv's shims for what is installed and not chosen.
        (tmp_path / "bin" / name).write_text("#!/bin/sh\nexit 127\n")
        (tmp_path / "bin" / name).chmod(0o755)
    return tmp_path


def ran(place: Path, code: int = 0) -> list[str]:
    environ = {"PATH": f"{place}/bin:/usr/bin:/bin", "HOME": str(place), "PLACE": str(place)}
    done = subprocess.run(["bash", ".ci/run"], cwd=place, env=environ, capture_output=True)
    assert done.returncode == code, done.stderr
    return (place / "notes").read_text().splitlines()


def expected(venv: str) -> list[str]:
    """What stands in the README, in that environment, and lint and types before the tests."""
    *install, test = COMMAND.replace(".venv", venv).split(" && ")
    python, *pips = install
    checks = [f"{venv}/bin/ruff format --check .", f"{venv}/bin/ruff check .", f"{venv}/bin/mypy "]
    return [python, *pips, *checks, f"{test} "]


def test_without_another_python_the_command_of_the_readme_is_run_once(place):
    assert ran(place) == [f"bin/{expected('.venv')[0]}", *expected(".venv")[1:]]


def test_the_newest_of_all_is_tried_after_the_own_one(place):
    for version in ("3.12.1", "3.13.0", "3.9.9"):
        found = place / ".pyenv" / "versions" / version / "bin" / "python3"
        program(found, version.rpartition(".")[0])
    first, *rest = expected(".venv-3.13")
    newest = f".pyenv/versions/3.13.0/bin/{first}"
    assert ran(place)[len(expected(".venv")) :] == [newest, *rest]


def test_a_python_of_the_same_version_is_not_tried_twice(place):
    program(place / ".pyenv" / "versions" / "3.11.2" / "bin" / "python3", "3.11")
    assert len(ran(place)) == len(expected(".venv"))


def test_what_fails_ends_it(place):
    path = place / "program"
    path.write_text(path.read_text() + '[ "${0##*/}" != mypy ]\n')
    assert ran(place, code=1)[-1] == ".venv/bin/mypy "
