"""`repoint` on a small old program in each language: the patch is applied by `patch -p1`, and the
patched program buys a number in the sandbox and reads its code.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.process import PATIENCE, a_process, run
from tests.support.toolchains import TOOLCHAINS, needs, ran

PROGRAMS = Path(__file__).parent / "old_programs"
LANGUAGES = {
    "node": "javascript", "php": "php", "go": "go", "java": "java", "csharp": "csharp",
    "ruby": "ruby", "shell": "sh",
}  # fmt: skip


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory):
    log = tmp_path_factory.mktemp("sandbox") / "log"
    with a_process("sandbox", "--port", "0", "--sms-after", "0.2", log=log) as url:
        yield url


@pytest.fixture
def patched(request, sandbox, tmp_path):
    """A program's folder after its patch."""
    folder = tmp_path / "program"
    shutil.copytree(PROGRAMS / request.param, folder)
    apply(patch_of(folder, sandbox), folder)
    if request.param == "php":
        # What is found there "by hand": it counts in roubles, which is refused.
        source = folder / "main.php"
        source.write_bytes(source.read_bytes().replace(b"'currency' => 643", b"'currency' => 840"))
    return folder


def patch_of(folder: Path, url: str = "http://127.0.0.1:8080") -> bytes:
    done = subprocess.run(
        [sys.executable, "-m", "proxy", "repoint", "--patch", "--url", url, str(folder)],
        capture_output=True,
        timeout=PATIENCE,
        check=True,
    )
    return done.stdout


def apply(patch: bytes, folder: Path) -> None:
    words = ["patch", "-p1", "--fuzz=0", "-d", str(folder)]
    done = subprocess.run(words, input=patch, capture_output=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(folder.rglob("*.orig")) == list(folder.rglob("*.rej")) == []


@pytest.mark.parametrize(
    ("patched", "language"),
    [pytest.param(name, lang, marks=needs(lang)) for name, lang in LANGUAGES.items()],
    indirect=["patched"],
    ids=list(LANGUAGES),
)
def test_a_patched_program_reads_a_code_in_the_sandbox(patched, language):
    done = ran(language, patched / TOOLCHAINS[language].file, SMS_KEY="a-planted-key")
    assert re.fullmatch(r"code: \d[\d-]+\n", done.stdout), done.stderr


@pytest.mark.parametrize("patched", ["python"], indirect=True)
def test_a_patched_python_program_reads_a_code_in_the_sandbox(patched):
    words = [sys.executable, "main.py"]
    done = subprocess.run(words, cwd=patched, capture_output=True, text=True, timeout=PATIENCE)
    assert re.fullmatch(r"code: \d{5}\n", done.stdout), done.stderr


def test_every_program_is_run():
    assert {path.name for path in PROGRAMS.iterdir()} == {"python", *LANGUAGES}


def test_a_second_patch_of_a_patched_program_is_empty(tmp_path):
    shutil.copytree(PROGRAMS, tmp_path / "all")
    first = patch_of(tmp_path / "all")
    assert first.count(b"\n+++ ") == 11
    apply(first, tmp_path / "all")
    assert patch_of(tmp_path / "all") == b""


def test_the_patch_changes_nothing_but_the_addresses(tmp_path):
    shutil.copytree(PROGRAMS, tmp_path / "all")
    apply(patch_of(tmp_path / "all"), tmp_path / "all")
    for path in (p for p in PROGRAMS.rglob("*") if p.is_file()):
        old, new = path.read_bytes(), (tmp_path / "all" / path.relative_to(PROGRAMS)).read_bytes()
        assert old.count(b"\n") == new.count(b"\n") and old.count(b"\r") == new.count(b"\r")
        assert new.endswith(b"\n") is old.endswith(b"\n")
        pairs = zip(old.split(b"\n"), new.split(b"\n"), strict=True)
        assert all(a == b or b"127.0.0.1" in b or b"http:" in b for a, b in pairs)


def test_other_lines_of_an_environment_file_are_not_in_the_patch():
    patch = patch_of(PROGRAMS / "shell")
    assert b"+SMS_HOST=127.0.0.1:8080/sms-activate" in patch
    assert b"must-not-be-in-the-patch" not in patch


def test_what_is_found_in_the_programs():
    said = run("repoint", str(PROGRAMS)).stdout
    for words in (
        "getRentNumber +by hand: refused here: BAD_ACTION",
        "keep +by hand: refused here: BAD_ID",
        "currency' => 643 +by hand: caps and prices here are US dollars",
        "MAX_PRICE: 30 +by hand: caps and prices here are US dollars",
        r"aiosmsactivate \(pypi\) +by hand: SmsActivate\(\"KEY\", base_url=\"http://127",
        r"sms-activate \(npm\) +by hand: client.session",
    ):
        assert re.search(words, said), said
    assert said.splitlines()[-1] == "20 findings in 14 files, 7 not in the patch; skipped: nothing"
