"""The pytest plugin, as a project outside this tree has it: from the wheel."""

import os
import select
import subprocess
import sys
import textwrap
from importlib.metadata import Distribution

import pytest

from tests.support.documents import ROOT
from tests.support.process import PATIENCE

PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
PYTEST = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    """A folder with what the wheel installs."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([*PIP, "wheel", "--no-deps", "-w", folder, ROOT], check=True)
    (built,) = folder.glob("*.whl")
    subprocess.run([*PIP, "install", "--no-deps", "--target", folder / "site", built], check=True)
    return folder / "site"


class Project:
    def __init__(self, folder, wheel):
        self.folder, self.wheel = folder, wheel

    def write(self, name, text):
        (self.folder / name).write_text(textwrap.dedent(text))

    def command(self, *arguments, stdout):
        return subprocess.Popen(
            [*PYTEST, *arguments],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(self.wheel)},
            stdout=stdout,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments):
        """Its exit code, and what pytest printed."""
        with self.command(*arguments, stdout=subprocess.PIPE) as process:
            printed, _ = process.communicate(timeout=PATIENCE)
        return process.returncode, printed


@pytest.fixture
def project(tmp_path, wheel):
    return Project(tmp_path, wheel)


PROGRAM = """
import urllib.request
from pathlib import Path

import proxy

def buy(sandbox):
    url = f"{sandbox.endpoint}?api_key={sandbox.api_key}&action=getNumber&service=tg&country=16"
    return urllib.request.urlopen(url, timeout=60).read().decode().split(":")[2]
"""


def test_the_wheel_has_the_entry_point_the_extra_and_the_types(wheel):
    (info,) = wheel.glob("*.dist-info")
    package = Distribution.at(info)
    points = {point.name: point.value for point in package.entry_points.select(group="pytest11")}
    assert points == {"virtualsms_proxy": "proxy.testing.plugin"}
    assert "testing" in package.metadata.get_all("Provides-Extra")
    assert (wheel / "proxy" / "py.typed").exists()


def test_workers_have_sandboxes_of_their_own_and_none_is_left(project):
    project.write("program.py", PROGRAM)
    project.write(
        "test_shop.py",
        """
        import proxy, pytest
        from pathlib import Path
        from program import buy

        @pytest.mark.parametrize("turn", range(6))
        def test_it_starts_empty(sms_sandbox, turn, worker_id):
            assert Path(proxy.__file__).parts[-3] == "site"
            assert sms_sandbox.orders == []
            number = buy(sms_sandbox)
            assert [order.number for order in sms_sandbox.orders] == [number]
            Path(worker_id).write_text(str(sms_sandbox.pid))
        """,
    )
    code, printed = project.run("-n", "2", "--dist", "each")
    assert code == 0 and "12 passed" in printed, printed
    pids = [int((project.folder / worker).read_text()) for worker in ("gw0", "gw1")]
    assert len({*pids}) == 2
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_the_report_of_a_failed_test_has_what_the_sandbox_printed_during_it(project):
    project.write("program.py", PROGRAM)
    project.write(
        "test_shop.py",
        """
        from program import buy

        def test_before(sms_sandbox):
            buy(sms_sandbox)

        def test_it(sms_sandbox):
            buy(sms_sandbox)
            assert [order.id for order in sms_sandbox.orders] == []
        """,
    )
    code, printed = project.run("-p", "no:xdist")
    assert code == 1 and "1 failed, 1 passed" in printed
    _, _, section = printed.partition("- Captured sms_sandbox call -")
    assert section.count("INFO    bought ") == 1, printed


def test_a_taken_port_is_one_error_in_the_report(project):
    project.write(
        "conftest.py",
        """
        import socket, pytest

        @pytest.fixture(scope="session")
        def sms_sandbox_options():
            with socket.create_server(("127.0.0.1", 0)) as taken:
                yield {"port": taken.getsockname()[1]}
        """,
    )
    project.write("test_shop.py", "def test_it(sms_sandbox): pass\n")
    code, printed = project.run("-p", "no:xdist")
    (line,) = [line for line in printed.splitlines() if line.startswith("E  ") and "port" in line]
    assert code == 1 and "Address already in use: choose another --port" in line


@pytest.mark.parametrize("moment", ["in_a_test", "while_it_starts"])
def test_a_killed_session_leaves_no_process(project, moment):
    """Both ends are awaited by a descriptor of the process, and not by its number."""
    project.write(
        "test_shop.py",
        """
        import sys, time
        from proxy.testing import Sandbox
        from proxy.testing import process

        def test_in_a_test(sms_sandbox):
            print(sms_sandbox.pid, flush=True)
            time.sleep(1000)

        def test_while_it_starts(monkeypatch):
            def started(self, seconds):
                print(self.pid, flush=True)
                time.sleep(1000)
            monkeypatch.setattr(process.SandboxProcess, "_wait_for_address", started)
            Sandbox().start()
        """,
    )
    arguments = ("-p", "no:xdist", "-s", "-q", "-k", moment)
    with project.command(*arguments, stdout=subprocess.PIPE) as session:
        pid = int(session.stdout.readline())
        sandbox = os.pidfd_open(pid)
        try:
            session.kill()
            assert select.select([sandbox], [], [], PATIENCE)[0]
        finally:
            os.close(sandbox)


def test_a_session_that_never_stops_its_sandbox_leaves_no_process(project):
    project.write(
        "main.py",
        """
        from proxy.testing import Sandbox

        sandbox = Sandbox()
        sandbox.start()
        print(sandbox.pid, flush=True)
        input()
        """,
    )
    with subprocess.Popen(
        [sys.executable, "main.py"],
        cwd=project.folder,
        env={**os.environ, "PYTHONPATH": str(project.wheel)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as program:
        sandbox = os.pidfd_open(int(program.stdout.readline()))
        try:
            program.stdin.write("\n")
            program.stdin.close()
            assert program.wait(PATIENCE) == 0
            assert select.select([sandbox], [], [], PATIENCE)[0]
        finally:
            os.close(sandbox)


LOADED = """
import sys, pytest
before = set(sys.modules)
import proxy.testing.plugin
print(*sorted(set(sys.modules) - before))
"""
WITHOUT = """
import sys
sys.modules["pytest"] = None
from proxy.testing import Sandbox
import proxy.testing.plugin
"""


def test_a_session_that_does_not_use_it_imports_three_small_modules():
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.split() == ["proxy", "proxy.testing", "proxy.testing.plugin"]


def test_without_pytest_the_class_works_and_the_plugin_says_what_to_install():
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, cwd=ROOT)
    assert done.stderr.splitlines()[-1] == (
        "ImportError: proxy.testing.plugin needs pytest, "
        "which the extra `testing` of this package installs"
    )
