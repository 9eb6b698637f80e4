"""`.ci/run`: installs what tests need, and runs the README's test command on two Pythons."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.documents import ROOT
from tests.support.toolchains import TOOLCHAINS

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


# What tests need besides Python, and the packages of Debian that .ci/run finds by them.
TOOLS = {
    "chromedriver": ["chromium-driver"],
    "chromium": ["chromium"],
    "curl": ["curl"],
    "go": ["golang-go"],
    "javac": ["default-jdk-headless"],
    "mcs": ["mono-mcs"],
    "mono": ["mono-runtime"],
    "node": ["nodejs"],
    "npm": ["npm"],
    "php": ["php-cli", "php-curl"],
    "ruby": ["ruby"],
    "systemd-analyze": ["systemd"],
}


def program(path: Path, version: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(PROGRAM.replace("VERSION", version))
    path.chmod(0o755)


@pytest.fixture
def place(tmp_path):
    """A machine whose python3 is 3.11, with all tools, and the two files that count."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci" / "run")
    shutil.copy(ROOT / "README.md", tmp_path)
    program(tmp_path / "program")
    (tmp_path / "bin").mkdir()
    for name in TOOLS:
        (tmp_path / "bin" / name).write_text("#!/bin/sh\n")
        (tmp_path / "bin" / name).chmod(0o755)
    for name in ("bash", "cp", "cut", "dirname", "grep", "mkdir", "rm", "sh", "sort", "tail"):
        (tmp_path / "bin" / name).symlink_to(shutil.which(name))
    (tmp_path / "bin" / "apt-get").write_text('#!/bin/sh\necho "$*" >> "$PLACE/apt-get"\n')
    (tmp_path / "bin" / "apt-get").chmod(0o755)
    program(tmp_path / "bin" / "python3", "3.11")
    for name in ("python3.12", "python3.13"):
        # As pyenv's shims for what is installed and not chosen.
        (tmp_path / "bin" / name).write_text("#!/bin/sh\nexit 127\n")
        (tmp_path / "bin" / name).chmod(0o755)
    return tmp_path


def ran(place: Path, code: int = 0) -> list[str]:
    environ = {"PATH": f"{place}/bin", "HOME": str(place), "PLACE": str(place)}
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


@pytest.mark.parametrize("tool", TOOLS)
def test_a_tool_that_is_missing_is_installed(place, tool):
    (place / "bin" / tool).unlink()
    ran(place)
    update, install = (place / "apt-get").read_text().splitlines()
    assert update.split()[0] == "update"
    assert set(TOOLS[tool]) <= set(install.split())


def test_every_tool_of_the_toolchains_is_one_that_is_installed():
    for tools in TOOLCHAINS.values():
        words = [words[0] for words in (tools.build, tools.run) if words]
        needed = {*words, *tools.programs} - {"{program}", "java", "sh"}
        assert needed <= TOOLS.keys()
