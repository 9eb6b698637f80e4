"""The image: its Dockerfile's own steps, performed here, and what they leave, run."""

import importlib.util
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from packaging.markers import Marker

from proxy import __version__
from tests.support.cage import cage, inmate
from tests.support.dockerfile import Build, ignored, instructions

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
STEPS = list(instructions(DOCKERFILE))

# It needs root and the base's own files: read below, not run.
OF_THE_BASE = (
    'install -d -o 65532 -g 65532 -m 0700 "$DATA" && test -s /etc/ssl/certs/ca-certificates.crt'
)

# What `docker run -e` would say: loopback, any port, and an upstream that is not there.
HERE = {
    "PROXY_LISTEN_HOST": "127.0.0.1",
    "PROXY_LISTEN_PORT": "0",
    "PROXY_UPSTREAM_URL": "http://127.0.0.1:9/api/v1",
}

ANSWERS = {
    "/livez": "ok",
    "/stubs/handler_api.php?action=getBalance": "NO_KEY",
    "/stubs/handler_api.php?action=getBalance&api_key=planted-key": "ERROR_SQL",
}

# The files in deploy/ all wait this long, in seconds, before they kill.
PATIENCE = 20


def last(word: str):
    return [step for step in STEPS if step.word == word][-1]


def files(tree: Path) -> dict[Path, tuple[int, int]]:
    found = {path: path.lstat() for path in tree.rglob("*")}
    return {path: (seen.st_size, seen.st_mtime_ns) for path, seen in found.items()}


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """The image's files and settings, made by the Dockerfile's steps."""
    work = tmp_path_factory.mktemp("build")
    prefix, data = (str(work / "image" / path) for path in ("opt/virtualsms-proxy", "data"))
    build = Build(ROOT, work, {"PREFIX": prefix, "DATA": data}, unlike=OF_THE_BASE)
    built = build.run(DOCKERFILE)
    built.folder.chmod(0o700)
    built.source = build.stages["build"] / "src"
    return built


@pytest.fixture(scope="module")
def ran(image, tmp_path_factory):
    """What was seen of a container: started on a read-only tree, asked, and stopped."""
    log = tmp_path_factory.mktemp("log") / "log"
    make_read_only(image)
    before = files(image.tree)
    caged = cage(image.folder, image.settings["USER"].text)
    with log.open("w") as errors, started(image, caged, errors) as process:
        try:
            told = process.stdout.readline()
            assert told.startswith("listening on "), log.read_text()
            answers = {path: asked(told.split()[-1] + path) for path in ANSWERS}
            store = (image.folder / "virtualsms-proxy.db").stat()
            os.kill(inmate(process) if caged else process.pid, signal.SIGTERM)
            code = process.wait(PATIENCE)
        finally:
            process.kill()
    return SimpleNamespace(
        answers=answers,
        # Only process 1 survives the signal that uvicorn sends itself when all is done.
        is_clean_end=code == (0 if caged else -signal.SIGTERM),
        store=store,
        changed={path for path, seen in files(image.tree).items() if before.get(path) != seen},
        log=log.read_text(),
    )


def make_read_only(image):
    for path in [*image.tree.rglob("*"), image.tree]:
        if path != image.folder and not path.is_symlink():
            path.chmod(path.stat().st_mode & ~0o222)


def started(image, caged, errors):
    """The entry point in its working folder, with the image's environment and no other."""
    entry, *arguments = image.settings["ENTRYPOINT"].command
    program = shutil.which(entry, path=image.env["PATH"])
    return subprocess.Popen(
        [*caged, program, *arguments],
        cwd=image.folder,
        env={**image.env, **HERE},
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
    )


def asked(url: str) -> str:
    """The answer's text; the port is open a moment before anybody answers there."""
    return httpx.get(url, timeout=30).text


def test_the_image_has_what_the_lock_says_and_the_proxy_and_nothing_else(image):
    lock = (ROOT / "requirements.lock").read_text()
    lines = re.findall(r"^([\w-]+)==([\w.]+)(?: ; (.+?))? \\$", lock, re.MULTILINE)
    locked = {
        (name, version) for name, version, when in lines if not when or Marker(when).evaluate()
    }
    found = {
        tuple(re.fullmatch(r"(.+)-(.+)\.dist-info", path.name).groups())
        for path in image.tree.rglob("*.dist-info")
    }
    named = {(name.replace("_", "-").lower(), version) for name, version in found}
    assert named == locked | {("virtualsms-proxy", __version__)}


def test_only_what_the_build_needs_is_sent_to_it(image):
    sent = {path.name for path in image.source.iterdir()}
    needed = {"proxy", "virtualsms_proxy.py", "mappings", "pyproject.toml", "requirements.lock"}
    needed |= {"README.md", "LICENSE"}
    assert sent == needed


@pytest.mark.parametrize(
    ("path", "stays_out"),
    [
        ("proxy/app/build.py", False),
        ("mappings/countries.yaml", False),
        ("virtualsms_proxy.py", False),
        ("proxy/__pycache__/app.cpython-311.pyc", True),
        ("proxy/store/__pycache__/rows.cpython-311.pyc", True),
        (".git/config", True),
        ("config.yaml", True),
        ("virtualsms-proxy.db", True),
    ],
)
def test_what_is_private_or_made_here_stays_out_of_the_build(path, stays_out):
    assert ignored(Path(path), (ROOT / ".dockerignore").read_text().split()) == stays_out


def test_the_image_adds_the_installed_proxy_and_the_volume_and_nothing_else(image):
    assert {path.name for path in image.tree.iterdir()} == {"opt", "data"}
    assert [path.name for path in (image.tree / "opt").iterdir()] == ["virtualsms-proxy"]


def test_every_module_has_bytecode_that_is_never_checked_against_its_source(image):
    sources = list((image.tree / "opt").rglob("*.py"))
    assert len(sources) > 300
    for source in sources:
        bytecode = Path(importlib.util.cache_from_source(str(source)))
        # PEP 552: hash-based, and not to be checked.
        assert bytecode.read_bytes()[4:8] == b"\1\0\0\0", source


def test_the_tables_are_looked_at_in_the_image_itself(image):
    assert re.search(r"^ok: 205 countries", image.output, re.MULTILINE)


def test_it_answers(ran):
    assert ran.answers == ANSWERS


def test_it_writes_to_the_volume_alone(image, ran):
    assert {path.relative_to(image.folder).parts[0] for path in ran.changed - {image.folder}} == {
        "virtualsms-proxy.db"
    }


def test_the_store_is_for_its_owner_alone(ran):
    assert stat.S_IMODE(ran.store.st_mode) == 0o600


def test_sigterm_ends_it_in_time_and_without_a_complaint(ran):
    assert ran.is_clean_end
    assert "Traceback" not in ran.log
    assert "Read-only" not in ran.log
    assert "planted-key" not in ran.log


def test_hadolint_has_nothing_to_say_of_the_dockerfile():
    program = Path(sys.executable).parent / "hadolint"
    done = subprocess.run([program, ROOT / "Dockerfile"], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_its_user_is_a_number_and_not_root(image):
    assert re.fullmatch(r"([1-9]\d*):\1", image.settings["USER"].text)


def test_the_volume_is_that_users_alone_and_the_certificates_are_there():
    assert [step.text for step in STEPS if step.text == OF_THE_BASE]
    owner, _ = last("USER").text.split(":")
    assert f"-o {owner} -g {owner} -m 0700" in OF_THE_BASE


def test_its_only_volume_is_where_the_store_is_and_the_working_folder(image):
    volume = image.settings["VOLUME"].text
    assert image.env["PROXY_STORE_URL"] == f"sqlite:///{volume}/virtualsms-proxy.db"
    assert image.settings["WORKDIR"].text == volume


def test_it_listens_to_its_neighbours_on_the_port_it_exposes(image):
    assert image.env["PROXY_LISTEN_HOST"] == "0.0.0.0"
    assert image.settings["EXPOSE"].text == "8080"


def test_docker_asks_for_its_health_without_a_shell(image):
    health = image.settings["HEALTHCHECK"]
    assert health.flags.keys() == {"interval", "timeout", "start-period"}
    assert health.text == 'CMD ["virtualsms-proxy", "health"]'
    assert image.settings["STOPSIGNAL"].text == "SIGTERM"


def test_its_labels_name_it_and_its_base(image):
    names = ("title", "version", "licenses", "base.name")
    labels = {name: image.labels[f"org.opencontainers.image.{name}"] for name in names}
    assert (labels["title"], labels["version"]) == ("virtualsms-proxy", __version__)
    assert (labels["licenses"], labels["base.name"]) == ("MIT", STEPS[0].pairs["BASE"])


def test_every_stage_stands_on_one_pinned_base():
    assert {step.text.split()[0] for step in STEPS if step.word == "FROM"} == {"${BASE}"}
    base = STEPS[0].pairs["BASE"]
    assert re.fullmatch(r"python:3\.11\.\d+-slim-bookworm(@sha256:[0-9a-f]{64})?", base)


def test_what_is_installed_from_the_index_is_held_to_its_hash():
    [locked] = [step.text for step in STEPS if step.word == "RUN" and ".lock" in step.text]
    assert "--require-hashes --no-deps --only-binary :all: -r requirements.lock" in locked
