"""The workflows and forms of .github: read by actionlint, zizmor and the schemas of their kinds.

Like .ci, they are in a checkout and not in the sdist.
"""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support import schemas
from tests.support.documents import ROOT

GITHUB = ROOT / ".github"
BIN = Path(sys.executable).parent
WORKFLOWS = {path.stem: path for path in sorted(GITHUB.glob("workflows/*.yml"))}
JOBS: dict[tuple[str, str], dict[str, Any]] = {
    (workflow, name): job
    for workflow, path in WORKFLOWS.items()
    for name, job in yaml.safe_load(path.read_text())["jobs"].items()
}
STEPS = [(job, step) for job, it in JOBS.items() for step in it.get("steps", [])]
FORMS = {path.stem: path for path in sorted(GITHUB.glob("ISSUE_TEMPLATE/*.yml"))}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

# What each job may do with the repository, its packages and its name, and nothing else.
RIGHTS = {
    ("ci", "checks"): {"contents": "read"},
    ("release", "checks"): {"contents": "read"},
    ("release", "build"): {"contents": "read"},
    ("release", "attest"): {"id-token": "write", "attestations": "write"},
    ("release", "pypi"): {"id-token": "write"},
    ("release", "image"): {"contents": "read", "packages": "write"},
    ("release", "index"): {"packages": "write", "id-token": "write", "attestations": "write"},
    ("release", "release"): {"contents": "write"},
}


def run(*command: Path | str) -> tuple[int, str]:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def test_actionlint_has_nothing_to_say_of_the_workflows():
    # Other linters that may be installed are not asked.
    said = run(BIN / "actionlint", "-shellcheck=", "-pyflakes=", *WORKFLOWS.values())
    assert said == (0, "")


def test_zizmor_has_nothing_to_say_of_the_workflows():
    command = (
        "--offline",
        "--persona",
        "pedantic",
        "--no-progress",
        "--quiet",
        "--color=never",
        GITHUB,
    )
    code, said = run(BIN / "zizmor", *command)
    assert (code, said.startswith("No findings to report.")) == (0, True), said


def test_workflows_and_forms_have_the_fields_of_their_schemas():
    forms = [path for name, path in FORMS.items() if name != "config"]
    assert schemas.faults("github-workflows", *WORKFLOWS.values()) == ""
    assert schemas.faults("github-issue-forms", *forms) == ""
    assert schemas.faults("github-issue-config", FORMS["config"]) == ""
    assert schemas.faults("dependabot", GITHUB / "dependabot.yml") == ""


def test_every_job_has_only_the_rights_that_it_needs():
    assert {job: it["permissions"] for job, it in JOBS.items()} == RIGHTS
    for path in WORKFLOWS.values():
        assert yaml.safe_load(path.read_text())["permissions"] == {}


def test_every_action_is_named_by_its_commit_and_everywhere_by_the_same():
    text = "".join(path.read_text() for path in WORKFLOWS.values())
    used = [step["uses"] for _, step in STEPS if "uses" in step]
    pinned = set(re.findall(r"uses: (\S+)@([0-9a-f]{40}) # v(\d+\.\d+\.\d+)\n", text))
    assert {f"{name}@{commit}" for name, commit, _ in pinned} == set(used)
    assert len({name for name, *_ in pinned}) == len(pinned)


def test_no_job_that_may_publish_runs_code_of_the_project():
    """The image is built inside of containers; only its bytes come out."""
    runs = {job for job, step in STEPS if "actions/checkout@" in step.get("uses", "")}
    may_write = {job for job, rights in RIGHTS.items() if "write" in rights.values()}
    assert runs & may_write == {("release", "image")}
    for job, step in STEPS:
        if job == ("release", "image") and "run" in step:
            assert not re.search(r"\b(pip|python3?|bash|sh|make)\b", step["run"])


@pytest.mark.parametrize(
    "script", [pytest.param(step["run"], id=" ".join(job)) for job, step in STEPS if "run" in step]
)
def test_a_script_can_be_read_by_bash_and_has_nothing_put_into_it(script):
    assert run("bash", "-n", "-c", script) == (0, "")
    assert "${{" not in script


def test_ci_runs_what_ci_run_runs_on_the_oldest_and_the_newest_python():
    job = JOBS["ci", "checks"]
    assert [step["run"] for step in job["steps"] if "run" in step] == ["bash .ci/run"]
    minors = [
        name.rpartition(" ")[2] for name in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", name)
    ]
    assert job["strategy"]["matrix"]["python"] == [minors[0], minors[-1]]
    assert PROJECT["requires-python"] == f">={minors[0]}"


def test_nothing_is_published_that_the_checks_have_not_passed():
    for job in ("attest", "image"):
        assert set(JOBS["release", job]["needs"]) == {"build", "checks"}
    assert JOBS["release", "pypi"]["needs"] == "attest"
    assert JOBS["release", "index"]["needs"] == "image"
    assert JOBS["release", "release"]["needs"] == ["pypi", "index"]


def test_the_release_builds_with_what_is_locked_and_held_to_its_hash():
    [script] = [
        step["run"]
        for job, step in STEPS
        if job == ("release", "build") and "requirements-release.lock" in step.get("run", "")
    ]
    assert "--require-hashes --no-deps --only-binary :all:" in script
    assert "python -m build --no-isolation" in script
    backend = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    locked = (ROOT / "requirements-release.lock").read_text()
    assert f"\n{backend[0]} \\\n" in locked


@pytest.mark.parametrize("name", [name for name in FORMS if name != "config"])
def test_a_form_asks_for_what_doctor_says_and_tells_that_it_has_no_key(name):
    fields = {
        each["id"]: each for each in yaml.safe_load(FORMS[name].read_text())["body"] if "id" in each
    }
    doctor = fields["doctor"]["attributes"]
    assert doctor["label"] == "virtualsms-proxy doctor --json"
    assert "prints no key" in doctor["description"] and doctor["render"] == "json"
