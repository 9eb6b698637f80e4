"""PyPI's proxy.py has a package `proxy`, too: one line says so where it took the place of ours."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import virtualsms_proxy
from proxy import __version__

LAUNCHER = Path(virtualsms_proxy.__file__)

# Without this environment's own packages: a folder without __init__.py stands behind any other.
ALONE = [sys.executable, "-S", "-m", "virtualsms_proxy"]

# What pip leaves, tried with proxy.py 2.4.10: its files over ours; after its removal ours without
# __init__.py; and what half of one may do. A script of that name in the working folder, too.
FOREIGN = {
    "installed after ours": ("proxy/__init__.py", "__all__ = ['entry_point']"),
    "removed again": ("proxy/commands/main.py", ""),
    "in pieces": ("proxy/__init__.py", "from .proxy import entry_point"),
    "a script": ("proxy.py", ""),
}


def launched(folder: Path, *command: str | Path) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "PYTHONPATH": str(folder)}
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True)


def a_foreign_package(folder: Path, how: str) -> None:
    name, text = FOREIGN[how]
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize("how", FOREIGN)
def test_another_package_of_that_name_is_one_line_and_no_traceback(tmp_path, how):
    shutil.copy(LAUNCHER, tmp_path)
    a_foreign_package(tmp_path, how)
    done = launched(tmp_path, *ALONE, "check")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith("Error: the package `proxy` here is not that of virtualsms-proxy")
    assert done.stderr.endswith("an environment of its own (venv, pipx or uv tool)\n")


def test_no_package_of_that_name_is_one_line_too(tmp_path):
    shutil.copy(LAUNCHER, tmp_path)
    done = launched(tmp_path, *ALONE)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "No module named 'proxy'" in done.stderr


@pytest.mark.parametrize("module", ["virtualsms_proxy", "proxy"])
def test_both_modules_are_the_command(tmp_path, module):
    done = launched(tmp_path, sys.executable, "-m", module, "--version")
    assert (done.stdout, done.stderr) == (f"{__version__}\n", "")


def test_an_error_of_our_own_imports_is_no_collision(tmp_path):
    shutil.copy(LAUNCHER, tmp_path)
    shutil.copytree(LAUNCHER.parent / "proxy", tmp_path / "proxy")
    done = launched(tmp_path, *ALONE, "check")
    assert "No module named 'click'" in done.stderr
    assert "not that of virtualsms-proxy" not in done.stderr
