"""Every command of the documents is run, page by page, in a folder of its own.

A server is started in the background. docker, uv, systemctl and what takes minutes are stand-ins:
what they are told is held to the files, names and options that there are.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from proxy.commands.main import main
from tests.support.documents import BLOCKS, ROOT, Block
from tests.support.process import a_process
from tests.support.shell import Shell, a_shell

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

# Examples that other tests run: those of a page and kind, or with a certain end.
ELSEWHERE = {
    ("docs/commands.md", "console", ""): "tests/commands/test_commands.py",
    ("docs/deployment.md", "sh", "-- virtualsms-proxy reload\n"): "tests/project/test_deploy.py",
    ("README.md", "sh", "bin/pytest\n"): "tests/project/test_ci.py",
    ("docs/repoint.md", "sh", "sms-pool balance --provider sms-activate\n"): (
        "tests/clients/test_repoint.py"
    ),
}

# Pages that speak of a checkout, and those whose install is made for real.
CHECKOUT = {
    "CONTRIBUTING.md",
    "docs/architecture.md",
    "docs/console.md",
    "docs/deployment.md",
    "docs/money.md",
    "docs/performance.md",
    "docs/scaling.md",
    "docs/testing.md",
}


def is_here(block: Block) -> bool:
    return block.kind in ("sh", "console") and not any(
        (block.page, block.kind) == (page, kind) and block.text.endswith(end)
        for page, kind, end in ELSEWHERE
    )


PAGES: dict[str, list[Block]] = {}
for each in filter(is_here, BLOCKS):
    PAGES.setdefault(each.page, []).append(each)


# What must be there before a page's first command.


@contextmanager
def a_config(shell: Shell) -> Iterator[None]:
    (shell.folder / "proxy.yaml").write_text("dialect: daisysms\n")
    yield


@contextmanager
def a_token(shell: Shell) -> Iterator[None]:
    shell.environ |= {"TOKEN": "a-token-of-the-operator"}
    yield


@contextmanager
def a_sandbox(shell: Shell) -> Iterator[None]:
    """No SMS comes by itself in it."""
    log = shell.folder.parent / "log"
    with a_process("sandbox", "--port", "0", "--sms-after", "100000", log=log) as url:
        shell.environ["S"] = url
        yield


@contextmanager
def an_upstream(shell: Shell) -> Iterator[None]:
    log = shell.folder.parent / "log"
    with a_process("sandbox", "--upstream-only", "--port", "0", log=log) as url:
        shell.environ |= {
            "PROXY_UPSTREAM_URL": f"{url}/api/v1",
            "PROXY_UPSTREAM_API_KEY": "planted-key",
        }
        # In commands; what they print is another one each time.
        for command in ("show", "test", "deliveries", "update", "delete"):
            first = "$(virtualsms-proxy webhooks list | awk 'NR == 2 {print $1}')"
            shell.changed[f"{command} 486e4145-…"] = f"{command} {first}"
        yield


@contextmanager
def a_store(shell: Shell, database: str) -> Iterator[None]:
    store = shell.folder / "store.db"
    with a_process(
        "--port", "0", log=shell.folder.parent / "log", PROXY_STORE_URL=f"sqlite:///{store}"
    ):
        pass
    shell.changed |= {
        "sqlite:////data/virtualsms-proxy.db": f"sqlite:///{store}",
        "postgresql://proxy@db.internal/proxy": f"'{database}'",
        "PROXY_STORE_SECRET=…": "PROXY_STORE_SECRET=a-long-random-text",
    }
    yield


@contextmanager
def a_java(shell: Shell) -> Iterator[None]:
    """Where there is none, a stand-in."""
    home = shell.folder / "java"
    (home / "lib" / "security").mkdir(parents=True)
    if program := shutil.which("keytool"):
        own = Path(program).resolve().parent.parent
        shell.environ["JAVA_HOME"] = str(own)
    else:
        (home / "lib" / "security" / "cacerts").touch()
        shell.environ["JAVA_HOME"] = str(home)
        shell.program("keytool")
    yield


@contextmanager
def a_machine(shell: Shell) -> Iterator[None]:
    """Its own /opt and /etc."""
    shell.changed |= {
        "/opt/": f"{shell.folder.parent}/opt/",
        "/etc/": f"{shell.folder.parent}/etc/",
    }
    (shell.folder.parent / "etc" / "systemd" / "system").mkdir(parents=True)
    yield


@contextmanager
def a_bot(shell: Shell) -> Iterator[None]:
    """A program of the old protocol, and the file of the settings."""
    shutil.copytree(ROOT / "tests" / "commands" / "old_programs" / "python", shell.folder / "bot")
    (shell.folder / "proxy.yaml").write_text("limits: {max_price: 0.60}\n")
    yield


@contextmanager
def a_stopped_proxy(shell: Shell) -> Iterator[None]:
    """Its store, and its configuration."""
    with a_config(shell):
        store = shell.folder / "virtualsms-proxy.db"
        log = shell.folder.parent / "log"
        with a_process("--port", "0", log=log, PROXY_STORE_URL=f"sqlite:///{store}"):
            pass
        yield


STAGES: dict[str, Callable[[Shell], object]] = {
    "docs/configuration.md": a_config,
    "docs/console.md": a_token,
    "docs/control.md": a_sandbox,
    "docs/deployment.md": a_machine,
    "docs/migrate.md": a_bot,
    "docs/repoint.md": a_java,
    "docs/sandbox.md": a_sandbox,
    "docs/upgrade.md": a_stopped_proxy,
    "docs/webhooks.md": an_upstream,
}


@pytest.fixture
def shell(tmp_path, request):
    """Where a page begins."""
    page = request.node.callspec.params["page"]
    with a_shell(tmp_path) as shell:
        for name in ("docker", "uv", "systemctl"):
            shell.program(name)
        if page in CHECKOUT or page == "README.md":
            shell.checkout(is_real=page == "README.md")
        if page == "docs/scaling.md":
            with a_store(shell, request.getfixturevalue("database")):
                yield shell
        elif stage := STAGES.get(page):
            with stage(shell):
                yield shell
        else:
            yield shell


@pytest.mark.parametrize("page", PAGES)
def test_every_command_does_what_the_page_says(page, shell):
    for block in PAGES[page]:
        if block.kind == "sh":
            shell.run(block.text)
        else:
            for command, shown, printed in shell.session(block.text):
                assert re.fullmatch(as_pattern(shown), printed), (str(block), command, printed)
    for program, *words in shell.noted:
        NOTED[program](words, shell.folder)
    if page == "README.md":
        stays_whole_outside_the_checkout(shell.folder / ".venv" / "bin" / "virtualsms-proxy")


def as_pattern(shown: str) -> str:
    """What a document shows: `…` is anything, and a long number any other."""
    form = re.sub(r"\d{4,}", r"\\d+", re.escape(shown.strip()))
    return rf"\s*{form.replace('…', '.*')}\s*"


# What stand-ins are told.


def pip(words: list[str], folder: Path) -> None:
    """Nothing is installed by a name: nobody has published this project."""
    assert words.pop(0) == "install"
    while words:
        match words.pop(0):
            case "--no-deps" | "--require-hashes" | "-e":
                pass
            case "-r":
                assert (folder / words.pop(0)).is_file()
            case wanted:
                extras = re.fullmatch(r"\.(?:\[([\w,]+)\])?", wanted)
                assert extras, wanted
                known = PROJECT["optional-dependencies"].keys()
                assert set((extras[1] or "").split(",")) <= {"", *known}


def python(words: list[str], folder: Path) -> None:
    """A module of the tests, which knows these options."""
    assert words.pop(0) == "-m"
    module = ROOT.joinpath(*words[0].split("."))
    source = module / "__main__.py" if module.is_dir() else module.with_suffix(".py")
    if "import click" in source.read_text():
        asked = [sys.executable, "-m", *words, "--help"]
        subprocess.run(asked, cwd=ROOT, check=True, capture_output=True)
    else:
        assert len(words) == 1


def paths(words: list[str], folder: Path) -> None:
    if words[:1] == ["-n"]:  # how many workers pytest starts
        assert words[1].isdigit()
        words = words[2:]
    for word in words:
        assert word in ("format", "check") or (folder / word).exists(), word


def docker(words: list[str], folder: Path) -> None:
    match words:
        case ["build", "-t", "virtualsms-proxy", "."]:
            assert (folder / "Dockerfile").is_file()
        case ["run", *options]:
            published = [options[at + 1] for at, word in enumerate(options) if word == "-p"]
            assert published and all(re.match(r"127\.0\.0\.1:\d+:8080$", p) for p in published)
            assert options[-1] == "virtualsms-proxy" or options[-1] in main.commands
        case ["exec", "virtualsms-proxy", "virtualsms-proxy", command]:
            assert command in main.commands
        case ["compose", "-f", file, "up"]:
            assert (folder / file).is_file()
        case _:
            raise AssertionError(words)


def uv(words: list[str], folder: Path) -> None:
    """The very command that made the file."""
    head = (folder / words[-1]).read_text().splitlines()[1]
    assert head == f"#    uv {' '.join(words)}"


def systemctl(words: list[str], folder: Path) -> None:
    if words != ["daemon-reload"]:
        *rest, unit = words
        assert rest == ["enable", "--now"]
        assert (folder.parent / "etc" / "systemd" / "system" / f"{unit}.service").is_file()


NOTED: dict[str, Callable[[list[str], Path], None]] = {
    "docker": docker,
    "keytool": lambda words, folder: None,
    "mypy": paths,
    "pip": pip,
    "pytest": paths,
    "python": python,
    "ruff": paths,
    "systemctl": systemctl,
    "uv": uv,
}


def test_no_document_installs_the_project_by_its_name():
    """Whoever publishes that name would be installed."""
    for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("proxy/**/*.py")]:
        assert not re.search(r"install '?\"?virtualsms-proxy\b", path.read_text()), path


def test_what_is_run_elsewhere_is_there():
    assert all((ROOT / path).is_file() for path in ELSEWHERE.values())


# The README's install, in an environment of its own.


def stays_whole_outside_the_checkout(installed: Path) -> None:
    """It has its tables, and says when another package took the place of ours."""
    empty = installed.parents[3] / "empty"
    empty.mkdir()
    done = subprocess.run([installed, "check"], cwd=empty, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("ok: 205 countries")
    done = subprocess.run([installed, "repoint", "."], cwd=empty, capture_output=True, text=True)
    assert (done.returncode, done.stdout[:23]) == (0, "0 findings in 0 files, "), done.stderr
    assert list(empty.iterdir()) == []
    (empty / "proxy").mkdir()
    (empty / "proxy" / "__init__.py").touch()
    environ = {**os.environ, "PYTHONPATH": str(empty)}
    done = subprocess.run([installed, "check"], env=environ, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert f"not that of virtualsms-proxy ({empty}/proxy/__init__.py)" in done.stderr
