"""The end of `sandbox`: its report, its file and its exit code, by every way that it ends."""

import json
import os
import signal
import subprocess

import httpx
import pytest

from tests.support.process import COMMAND, NOTHING_LEFT, PATIENCE, address_in, run

API = "/stubs/handler_api.php?api_key=a-planted-key&action="


def ended(folder, *arguments, queries=(), by=signal.SIGTERM):
    """Its exit code, its output behind the lines to copy, and its report by HTTP."""
    process = subprocess.Popen(
        [*COMMAND, "sandbox", "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, **NOTHING_LEFT},
        cwd=folder,
    )
    with process:
        try:
            url = address_in(process.stdout, [])
            for query in queries:
                httpx.get(f"{url}{API}{query}", timeout=PATIENCE)
            shown = httpx.get(f"{url}/sandbox/report", timeout=PATIENCE).json()
            process.send_signal(by)
            said, _ = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
    return process.returncode, said, shown


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(
    ("arguments", "query", "code"),
    [
        ((), "getRentNumber", 0),
        (("--strict",), "getBalance", 0),
        (("--strict",), "getRentNumber", 1),
    ],
)
def test_the_report_is_printed_and_strict_fails_on_what_was_refused(
    tmp_path, by, arguments, query, code
):
    queries = ("getBalance", query)
    done, said, _ = ended(tmp_path, *arguments, queries=queries, by=by)
    assert "Compatibility: all 2 requests understood" in said
    assert ("`getRentNumber` has no counterpart" in said) is (query == "getRentNumber")
    assert done == code


def test_the_file_has_what_the_control_api_shows(tmp_path):
    queries = ("getBalance", "getNumber&service=tg&country=16&operator=mts", "keep")
    _, _, shown = ended(tmp_path, "--report", "report.json", queries=queries)
    text = (tmp_path / "report.json").read_text()
    assert json.loads(text) == shown and shown["requests"] == 3
    assert "a-planted-key" not in text


def test_a_file_that_cannot_be_written_is_one_line_before_the_start(tmp_path):
    done = run("sandbox", "--port", "0", "--report", str(tmp_path / "no" / "file"))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith("/no/file cannot be written: No such file or directory\n")


@pytest.mark.parametrize("option", [("--strict",), ("--report", "x")])
def test_there_is_no_report_without_the_proxy(option, tmp_path):
    done = run("sandbox", "--upstream-only", *option, cwd=tmp_path)
    assert done.returncode == 2 and "leave --upstream-only out" in done.stderr
    assert list(tmp_path.iterdir()) == []
