"""examples/ and docs/testing.md: each recipe is run as it stands there."""

import os
import subprocess
import sys

from tests.support.documents import BLOCKS, ROOT
from tests.support.process import PATIENCE

EXAMPLES = ROOT / "examples"
SHOWN = [block for block in BLOCKS if block.page == "docs/testing.md" and block.kind == "python"]


def test_the_page_shows_the_files_as_they_are():
    names = []
    for block in SHOWN:
        name, _, text = block.text.removeprefix("# ").partition("\n")
        assert (ROOT / name).read_text() == text
        names.append(name)
    assert names == ["examples/python/test_pytest.py", "examples/python/test_unittest.py"]


def ran(folder, *command, **environ):
    done = subprocess.run(
        command,
        cwd=EXAMPLES / folder,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_the_recipe_for_pytest():
    """Without the settings of this project; the plugin may be newer than the installed package."""
    options = ("-c", os.devnull, "-p", "no:cacheprovider", "-p", "proxy.testing.plugin")
    command = (sys.executable, "-m", "pytest", *options, "test_pytest.py")
    said = ran("python", *command, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    assert "3 passed" in said


def test_the_recipe_for_unittest():
    assert "Ran 1 test" in ran("python", sys.executable, "-m", "unittest", "test_unittest")
