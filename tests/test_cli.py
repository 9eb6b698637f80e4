"""The command line as a person meets it: a subprocess, its words and its exit code."""

import json
import re
import socket
import time

import httpx
import pytest

from proxy import __version__
from tests.process import a_process, run


def test_the_version_is_the_packages():
    assert run("--version").stdout == f"{__version__}\n"


def test_check_says_ok():
    done = run("check")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"ok: 205 countries, \d{4} services\n", done.stdout)


@pytest.mark.parametrize("command", ["serve", "check"])
def test_a_wrong_config_is_one_line_and_exit_code_1(tmp_path, command):
    path = tmp_path / "config.yaml"
    path.write_text("listen:\n  prot: 1\n")
    done = run(command, "--config", str(path))
    assert done.returncode == 1
    assert done.stderr == f"Error: {path}:2: listen.prot is no key: write port\n"
    assert done.stdout == ""


@pytest.mark.parametrize("command", ["serve", "check"])
def test_a_wrong_table_is_one_line_and_exit_code_1(tmp_path, command):
    (tmp_path / "countries.yaml").write_text("999: {iso: NO, dial: [47], eng: Norway}\n")
    done = run(command, PROXY_MAPPINGS=str(tmp_path))
    assert done.returncode == 1
    fix = 'iso: NO is read as false: write "NO" in quotes'
    assert done.stderr == f"Error: {tmp_path}/countries.yaml:1: {fix}\n"


def test_a_default_country_that_is_in_no_table_is_one_line_and_exit_code_1():
    done = run("serve", PROXY_DEFAULT_COUNTRY="999")
    assert done.returncode == 1
    assert done.stderr == "Error: default_country: 999 is no country id: see countries.yaml\n"


def test_a_taken_port_is_one_line_and_exit_code_1():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("serve", "--port", str(port))
    assert done.returncode == 1
    why = "Address already in use: choose another --port or --host"
    assert done.stderr == f"Error: 127.0.0.1:{port} cannot be opened: {why}\n"


def test_wrong_usage_is_exit_code_2():
    assert run("serve", "--prot", "1").returncode == 2
    assert run("swerve").returncode == 2


def test_serve_is_the_default_and_starting_never_needs_the_upstream(tmp_path):
    dead = "http://127.0.0.1:9/api/v1"
    log = tmp_path / "log"
    with a_process("--port", "0", log=log, PROXY_UPSTREAM_URL=dead, PROXY_LOG_FORMAT="json") as url:
        query = "api_key=planted-key&action=getBalance"
        answer = httpx.get(f"{url}/stubs/handler_api.php?{query}")
        assert (answer.status_code, answer.text) == (200, "ERROR_SQL")
    assert "planted-key" not in log.read_text()
    for line in log.read_text().splitlines():
        json.loads(line)


def test_the_sandboxs_lines_to_copy_do_the_main_job(tmp_path):
    with a_process("sandbox", "--port", "0", "--sms-after", "0", log=tmp_path / "log") as url:
        ask = f"{url}/stubs/handler_api.php?api_key=sandbox&action="
        assert httpx.get(ask + "getBalance").text == "ACCESS_BALANCE:100.00"
        number = httpx.get(ask + "getNumber&service=tg&country=16").text
        id = number.split(":")[1]
        end = time.monotonic() + 10
        while not (status := httpx.get(f"{ask}getStatus&id={id}").text).startswith("STATUS_OK"):
            assert time.monotonic() < end, status
            time.sleep(0.1)
        assert httpx.get(f"{ask}setStatus&id={id}&status=6").text == "ACCESS_ACTIVATION"


def test_the_upstream_alone_is_a_process_that_a_proxy_can_point_at(tmp_path):
    with a_process("sandbox", "--upstream-only", "--port", "0", log=tmp_path / "up") as upstream:
        assert httpx.get(f"{upstream}/stubs/handler_api.php").status_code == 404
        url = f"{upstream}/api/v1"
        with a_process("--port", "0", log=tmp_path / "log", PROXY_UPSTREAM_URL=url) as proxy:
            query = "api_key=k&action=getBalance"
            assert httpx.get(f"{proxy}/stubs/handler_api.php?{query}").text == (
                "ACCESS_BALANCE:100.00"
            )


def test_a_switch_is_set_at_start(tmp_path):
    arguments = ("sandbox", "--upstream-only", "--port", "0", "--switch", "phone=plus")
    with a_process(*arguments, log=tmp_path / "log") as upstream:
        answer = httpx.get(f"{upstream}/sandbox/switches").json()
    assert answer["switches"]["phone"] == "plus"


@pytest.mark.parametrize("switch", ["phone=square", "fone=plus", "phone"])
def test_a_wrong_switch_is_named_with_those_that_are_known(switch):
    done = run("sandbox", "--switch", switch)
    assert done.returncode == 2
    assert "phone=['digits', 'plus']" in done.stderr
