"""examples/ and docs/testing.md: each recipe is run as it stands there."""

import inspect
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import httpx
import pytest
import yaml

from proxy.commands.main import main
from proxy.testing import Sandbox
from tests.support.browser import CHROMIUM, DRIVER
from tests.support.documents import BLOCKS, ROOT
from tests.support.process import PATIENCE, a_process, run
from tests.support.toolchains import needs

EXAMPLES = ROOT / "examples"
PAGE = (ROOT / "docs" / "testing.md").read_text()
SHOWN = [block for block in BLOCKS if block.page == "docs/testing.md" and block.kind == "python"]


PATH = f"{Path(sys.executable).parent}:{os.environ['PATH']}"


def test_the_page_shows_the_files_as_they_are():
    names = []
    for block in SHOWN:
        name, _, text = block.text.removeprefix("# ").partition("\n")
        assert (ROOT / name).read_text() == text
        names.append(name)
    assert names == ["examples/python/test_pytest.py", "examples/python/test_unittest.py"]


def test_the_page_has_each_name_of_the_class_with_its_parameters():
    rows = re.findall(r"^\| (`.+?) \|", PAGE.partition("| name |")[2].partition("\n\n")[0], re.M)
    shown = dict(re.findall(r"`(\w+)(?:\((.*?)\))?`", " ".join(rows)))
    there = {name: it for name, it in vars(Sandbox).items() if not name.startswith("_")}
    assert shown.keys() == there.keys()
    for name, parameters in shown.items():
        if callable(there[name]):
            named = [
                word.partition("=")[0] for word in parameters.split(", ") if word not in ("", "…")
            ]
            assert named == [*inspect.signature(there[name]).parameters][1 : len(named) + 1]


def ran(folder, *command, **environ):
    done = subprocess.run(
        command,
        cwd=EXAMPLES / folder,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PATH": PATH, **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


# Without the settings of this project; the plugin may be newer than the installed package.
PYTEST = [sys.executable, "-m", "pytest", "-c", os.devnull, "-p", "no:cacheprovider"]
OUR_PLUGIN = ["-p", "proxy.testing.plugin"]
NO_OTHERS = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}

RECIPES = {
    "pytest": ("python", [*PYTEST, *OUR_PLUGIN, "test_pytest.py"], "3 passed"),
    "unittest": ("python", [sys.executable, "-m", "unittest", "test_unittest"], "Ran 1 test"),
    "browser": ("python", [*PYTEST, *OUR_PLUGIN, "test_signup_page.py"], "1 passed"),
    "node": ("node", ["node", "--test"], "# pass 2"),
    "php": ("php", ["php", "signup_test.php"], "ok: a number without an SMS is refunded"),
}
NEEDS = {
    "node": needs("javascript"),
    "php": needs("php"),
    "browser": pytest.mark.skipif(
        not (CHROMIUM and DRIVER), reason="no Chromium and its driver: .ci/run installs them"
    ),
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=NEEDS.get(name, ())) for name in RECIPES]
)
def test_a_recipe_starts_its_sandbox_and_passes(name):
    folder, command, said = RECIPES[name]
    assert said in ran(folder, *command, **NO_OTHERS)


# Pipelines. There is no container engine here: the commands of their containers are run.

GITHUB = yaml.safe_load((EXAMPLES / "ci" / "github.yml").read_text())["jobs"]
GITLAB = yaml.safe_load((EXAMPLES / "ci" / "gitlab.yml").read_text())
COMPOSE = yaml.safe_load((EXAMPLES / "ci" / "compose.yaml").read_text())["services"]
IMAGE = (EXAMPLES / "ci" / "Dockerfile").read_text()


def steps(job):
    return [step["run"] for step in job["steps"] if "run" in step]


WITHOUT = {
    "GitHub": steps(GITHUB["without-container"]),
    "GitLab": GITLAB["without-container"]["script"],
}


@pytest.mark.parametrize("name", WITHOUT)
def test_a_pipeline_without_a_container_installs_the_extra_and_runs_a_recipe(name):
    *first, install, test = WITHOUT[name]
    assert all(line.startswith("git clone ") for line in first)
    assert install == "pip install './virtualsms-proxy[testing]'"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert "testing" in project["optional-dependencies"]
    assert shlex.split(test) == ["pytest", RECIPES["pytest"][1][-1]]


SERVICE = GITLAB["with-container"]["services"][0]
# The command of the sandbox's container, the address that the tests get, and their command.
WITH = {
    "GitHub": (
        yaml.safe_load(IMAGE.partition("\nCMD ")[2]),
        GITHUB["with-container"]["env"]["SANDBOX_URL"],
        *steps(GITHUB["with-container"]),
    ),
    "GitLab": (
        SERVICE["command"],
        GITLAB["with-container"]["variables"]["SANDBOX_URL"],
        *GITLAB["with-container"]["script"],
    ),
    "Compose": (
        COMPOSE["sandbox"]["command"],
        COMPOSE["tests"]["environment"]["SANDBOX_URL"],
        shlex.join(COMPOSE["tests"]["command"]),
    ),
}
SAID = {
    "node --test signup.test.mjs": ("node", "# pass 2"),
    "php signup_test.php": ("php", "ok: a number without an SMS is refunded"),
}


def test_the_pipelines_with_a_container_pass_against_the_command_of_that_container(tmp_path):
    (command,) = {tuple(command) for command, _, _ in WITH.values()}
    tests = {test for _, _, test in WITH.values()}
    assert tests == SAID.keys()
    with a_process(*command, "--port", "0", log=tmp_path / "log") as url:
        for test in tests:
            folder, said = SAID[test]
            if shutil.which(folder):
                assert said in ran(folder, *shlex.split(test), SANDBOX_URL=url)
        assert run("health", PROXY_LISTEN_PORT=url.rpartition(":")[2]).returncode == 0
        for _, address, _ in WITH.values():
            # The sandbox takes requests to the name that it has in the pipeline.
            host = {"Host": address.removeprefix("http://")}
            assert httpx.get(f"{url}/sandbox/clock", headers=host).status_code == 200


def test_the_names_ports_and_health_checks_of_the_pipelines_fit():
    assert GITHUB["with-container"]["env"]["SANDBOX_URL"] == "http://localhost:8080"
    service = GITHUB["with-container"]["services"]["sandbox"]
    assert service["ports"] == ["8080:8080"]
    health = shlex.split(service["options"])[1]
    assert SERVICE["alias"] == "sandbox" and "sandbox" in COMPOSE
    for job in (GITLAB["with-container"]["variables"], COMPOSE["tests"]["environment"]):
        assert job["SANDBOX_URL"] == "http://sandbox:8080"
    assert COMPOSE["tests"]["depends_on"] == {"sandbox": {"condition": "service_healthy"}}
    _, *check = COMPOSE["sandbox"]["healthcheck"]["test"]
    assert check == health.split() == ["virtualsms-proxy", "health"] and "health" in main.commands
    assert (EXAMPLES / "ci" / COMPOSE["sandbox"]["build"] / "Dockerfile").is_file()
    (mount,) = COMPOSE["tests"]["volumes"]
    place, target, _ = mount.split(":")
    assert (EXAMPLES / "ci" / place).is_dir() and COMPOSE["tests"]["working_dir"] == target
    assert IMAGE.count("\nFROM virtualsms-proxy\n") == 1
    assert 'ENTRYPOINT ["virtualsms-proxy"]' in (ROOT / "Dockerfile").read_text()
