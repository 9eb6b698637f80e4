"""The README says what is so, and an install from it works outside the checkout."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from proxy.actions import ACTIONS
from proxy.legacy.dialects import DIALECTS
from proxy.sandbox.scenarios import SCENARIOS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def first_cells(heading: str) -> str:
    """The first column of the table under a heading."""
    section = README.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("|")]
    return "\n".join(rows[2:])


def test_the_table_of_actions_is_complete():
    assert set(re.findall(r"`(\w+)`", first_cells("Actions"))) == set(ACTIONS)


def test_the_table_of_words_is_complete():
    said = {word.split(":")[0] for word in DIALECTS["sms-activate"].words.values()}
    listed = {word.split(":")[0] for word in re.findall(r"`([^`]+)`", first_cells("Words"))}
    assert listed == {word for word in said if not word.startswith("ACCESS_")}


def test_the_table_of_scenarios_is_complete():
    assert set(re.findall(r"`(\w+)`", first_cells("Try it"))) == set(SCENARIOS)


@pytest.mark.parametrize("link", re.findall(r"\]\(((?!http|#)[^)]+)\)", README))
def test_every_link_leads_somewhere(link):
    assert (ROOT / link).exists()


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A virtual environment with the wheel and nothing of the checkout."""
    folder = tmp_path_factory.mktemp("install")
    python = folder / "venv" / "bin" / "python"
    pip = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    subprocess.run([*pip, "install", str(ROOT)], check=True, cwd=folder)
    return python.parent / "virtualsms-proxy"


def test_an_install_has_its_tables_and_works_outside_the_checkout(installed, tmp_path):
    done = subprocess.run([installed, "check"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("ok: 205 countries")
    assert list(tmp_path.iterdir()) == []
