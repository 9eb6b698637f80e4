"""The command line as a person meets it: a subprocess, its words and its exit code."""

import asyncio
import hashlib
import json
import os
import re
import socket
import ssl
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import httpx
import pytest
import yaml
from msgspec.structs import asdict

from proxy import __version__
from proxy.sandbox import Switches
from proxy.sandbox.state.switches import drawn
from proxy.store import Entry, open_store
from tests.support.process import COMMAND, PATIENCE, a_process, on_a_terminal, run


def test_the_version_is_the_packages():
    assert run("--version").stdout == f"{__version__}\n"


def test_check_says_ok():
    done = run("check")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.match(r"ok: 205 countries, \d{4} services\n", done.stdout)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://proxy:hunter2@db/proxy?sslmode=require", "postgresql://db/proxy"),
        ("postgresql://db:5433/proxy?user=proxy&password=hunter2", "postgresql://db:5433/proxy"),
        ("postgres://proxy:hunter2%40x@one,two/p", "postgres://one,two/p"),
        ("postgresql://proxy:hun@ter2@db/proxy", "postgresql://…"),
        ("postgresql://db/proxy?password=hunter2@x", "postgresql://…"),
    ],
)
@pytest.mark.parametrize("form", [(), ("--json",)])
def test_check_shows_no_password_of_the_store(url, shown, form):
    done = run("check", *form, PROXY_STORE_URL=url, PROXY_STORE_SECRET="a planted secret")
    assert (done.returncode, done.stderr) == (0, "")
    assert shown in (json.loads(done.stdout)["store"] if form else done.stdout)
    assert "hunter2" not in done.stdout and "planted" not in done.stdout


@pytest.mark.parametrize("command", ["serve", "check"])
def test_a_store_that_could_seal_no_key_is_refused_before_it_is_opened(command):
    done = run(command, PROXY_STORE_URL="postgresql://db.invalid/proxy")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: store.secret: PostgreSQL needs it")


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


@pytest.mark.parametrize("command", ["serve", "check"])
def test_wrong_tls_files_are_one_line_and_exit_code_1(tmp_path, command):
    done = run(command, PROXY_LISTEN_TLS_CERT="nope.pem", PROXY_LISTEN_TLS_KEY="nope.key")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "Error: listen.tls_cert, listen.tls_key: nope.pem, nope.key: cannot be read: "
        "No such file or directory\n"
    )
    done = run(command, PROXY_LISTEN_TLS_CERT="nope.pem")
    assert done.stderr.startswith("Error: listen.tls_cert and listen.tls_key: one is missing")


def test_a_host_that_is_none_is_one_line_and_exit_code_1():
    done = run("serve", "--host", "nosuchhost.invalid", "--port", "0")
    assert done.returncode == 1
    assert re.fullmatch(r"Error: nosuchhost.invalid:0 cannot be opened: .*\n", done.stderr)


def test_help_names_every_command():
    for option in ("-h", "--help"):
        said = run(option).stdout
        commands = "serve sandbox check ledger keys lookup explain doctor health"
        assert all(f"  {command} " in said for command in commands.split())


def test_https_with_a_certificate_of_ones_own(tmp_path):
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subject = ("-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1")
    new = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1")
    subprocess.run(
        ["openssl", *new, *subject, "-keyout", key, "-out", cert], check=True, capture_output=True
    )
    environ = {"PROXY_LISTEN_TLS_CERT": str(cert), "PROXY_LISTEN_TLS_KEY": str(key)}
    with a_process("--port", "0", log=tmp_path / "log", **environ) as url:
        trusting = ssl.create_default_context(cafile=cert)
        answer = httpx.get(f"{url}/stubs/handler_api.php?action=x", verify=trusting)
        assert (url[:5], answer.text) == ("https", "NO_KEY")


@pytest.mark.parametrize(
    "query", [b"action=getBalance&operator=\xd0\x9c\xd0\xa2\xd0\xa1", b"a=b c", b"a=\x00"]
)
def test_bytes_that_are_no_http_get_a_legal_word(tmp_path, query):
    with a_process("--port", "0", log=tmp_path / "log") as url:
        with socket.create_connection(("127.0.0.1", int(url.rsplit(":")[-1])), 10) as wire:
            wire.sendall(b"GET /stubs/handler_api.php?" + query + b" HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = wire.recv(4096).decode()
        status, _, rest = answer.partition("\r\n")
        assert status == "HTTP/1.1 200 OK"
        assert rest.partition("\r\n\r\n")[2] in ("ERROR_SQL", "NO_KEY")
    assert (tmp_path / "log").read_text() == ""


def test_a_request_in_flight_when_the_process_is_told_to_stop_gets_a_legal_word(tmp_path):
    with a_process("sandbox", "--upstream-only", "--port", "0", log=tmp_path / "up") as upstream:
        environ = {"PROXY_UPSTREAM_URL": f"{upstream}/api/v1", "PROXY_UPSTREAM_TIMEOUT": "900"}
        fault = {"kind": "slow", "call": "balance", "seconds": 600}
        httpx.post(f"{upstream}/sandbox/faults", json=fault)
        with ThreadPoolExecutor() as pool:
            with a_process("--port", "0", log=tmp_path / "log", **environ) as proxy:
                query = f"{proxy}/stubs/handler_api.php?action=getBalance&api_key=k"
                asked = pool.submit(httpx.get, query, timeout=PATIENCE)
                while not httpx.get(f"{upstream}/sandbox/requests").json()["count"]:
                    time.sleep(0.05)
            answer = asked.result()
    assert (answer.status_code, answer.text) == (200, "ERROR_SQL")
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_the_ledger_is_read_while_the_proxy_runs(tmp_path):
    url = f"sqlite:///{tmp_path}/store.db"
    with a_process("sandbox", "--upstream-only", "--port", "0", log=tmp_path / "up") as upstream:
        environ = {"PROXY_UPSTREAM_URL": f"{upstream}/api/v1", "PROXY_STORE_URL": url}
        with a_process("--port", "0", log=tmp_path / "log", **environ) as proxy:
            query = "api_key=planted-key&action=getNumber&service=wa&country=16&maxPrice=1"
            assert httpx.get(f"{proxy}/stubs/handler_api.php?{query}").text[:6] == "ACCESS"
            table = run("ledger", PROXY_STORE_URL=url).stdout.splitlines()
            assert table[0].split() == ["time", "key", "order", "kind", "dollars", "what"]
            assert table[1].split()[3:] == ["quote", "0.90", "wa/GB"]
            assert table[2].split()[3:] == ["charge", "-0.90", "wa/GB"]
            assert table[3] == "charged 0.90, refunded 0.00"
            rows = json.loads(run("ledger", "--format", "json", PROXY_STORE_URL=url).stdout)
            assert [row["cents"] for row in rows] == [90, -90]
            assert run("ledger", "--format", "csv", PROXY_STORE_URL=url).stdout.count("\n") == 3
            second = run("serve", "--port", "0", PROXY_STORE_URL=url)
            assert (second.returncode, second.stdout) == (1, "")
            assert "another process has it open" in second.stderr
    assert b"planted-key" not in (tmp_path / "store.db").read_bytes()


def test_the_upstreams_own_account_is_printed_for_its_key(tmp_path):
    with a_process("sandbox", "--upstream-only", "--port", "0", log=tmp_path / "up") as upstream:
        url, headers = f"{upstream}/api/v1", {"X-API-Key": "planted-key"}
        wish = {"service": "wa", "country": "GB"}
        httpx.post(f"{url}/customer/purchase", json=wish, headers=headers)
        environ = {"PROXY_UPSTREAM_URL": url, "PROXY_UPSTREAM_API_KEY": "planted-key"}
        said = run("ledger", "--account", **environ).stdout.splitlines()
        assert said[2].split()[3:5] == ["charge", "-0.90"]
        assert said[-1] == "charged 0.90, refunded 0.00"
    done = run("ledger", "--account")
    assert done.returncode == 1
    assert done.stderr == "Error: NO_KEY: set upstream.api_key, or PROXY_UPSTREAM_API_KEY\n"


@pytest.mark.parametrize("name", ["ci", "a: b # c", "7", "no", "'"])
def test_a_new_key_comes_with_the_lines_of_the_configuration_for_it(tmp_path, name):
    done = run("keys", "new", name)
    assert (done.returncode, done.stderr) == (0, "")
    key, _, lines = done.stdout.partition("\n\n")
    assert re.fullmatch(r"[0-9a-f]{32}", key)
    assert key not in lines
    digest = hashlib.sha256(key.encode()).hexdigest()
    row = {"name": name, "upstream_key": "env:VIRTUALSMS_KEY"}
    assert yaml.safe_load(lines) == {"keys": {f"sha256:{digest}": row}}


def test_no_key_is_made_twice_and_each_works_as_printed(tmp_path):
    keys, text = set(), "keys:\n"
    for name in ("one", "two"):
        key, _, lines = run("keys", "new", name).stdout.partition("\n\n")
        keys.add(key)
        text += lines.removeprefix("keys:\n")
    path = tmp_path / "config.yaml"
    path.write_text(text)
    assert len(keys) == 2
    assert run("check", "--config", str(path), VIRTUALSMS_KEY="up").returncode == 0


@pytest.mark.parametrize("command", ["serve", "check"])
def test_a_wrong_table_of_keys_is_one_line_and_shows_none(tmp_path, command):
    path = tmp_path / "config.yaml"
    path.write_text("keys:\n  planted-key: {name: ci, upstream_key: env:NOT_THERE}\n")
    done = run(command, "--config", str(path))
    assert (done.returncode, done.stdout) == (1, "")
    why = "upstream_key: the environment has no NOT_THERE: set it"
    assert done.stderr == f"Error: keys: ci: {why}\n"


@pytest.fixture
def books(tmp_path):
    """A store in which ci has bought four numbers and got one back, and one who is in no table."""
    ci, now = hashlib.sha256(b"planted-key").hexdigest(), time.time()
    month = datetime.fromtimestamp(now, UTC).replace(day=1, hour=0, minute=0, second=0)
    rows = (
        (month.timestamp() - 3600, ci, "1", "charge", -100),
        (now, ci, "1", "refund", 100),
        (month.timestamp() + 1, ci, "2", "charge", -200),
        (now, ci, "3", "quote", 30),
        (now, ci, "3", "charge", -30),
        (now, ci, "4", "charge", -40),
        (now, ci, "4", "refund", 40),
        (now, "0123456789abcdef", "5", "charge", -50),
    )

    async def write():
        store = open_store(f"sqlite:///{tmp_path}/store.db")
        await store.book(*(Entry(*row) for row in rows))
        await store.close()

    asyncio.run(write())
    path = tmp_path / "config.yaml"
    path.write_text(
        f"store: {{url: 'sqlite:///{tmp_path}/store.db'}}\n"
        "keys:\n"
        "  planted-key: {name: ci, upstream_key: up, spend_per_day: 5, spend_per_month: 10}\n"
        "  other: {name: idle, upstream_key: up, spend_per_month: 1}\n"
    )
    return path


def by_key(*arguments):
    environ = {**os.environ}
    environ.pop("PROXY_STORE_URL", None)
    done = subprocess.run(
        [*COMMAND, "ledger", "--by", "key", *arguments],
        capture_output=True, text=True, timeout=PATIENCE, check=False, env=environ,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "planted" not in done.stdout
    heads, *rows = (re.split(r" {2,}", line) for line in done.stdout.splitlines())
    assert heads == ["key", "charged", "refunded", "spent", "left today", "left this month"]
    return {name: row for name, *row in rows}


def test_the_ledger_by_key_is_the_sums_of_each_and_what_is_left(books):
    rows = by_key("--config", str(books), "--days", "60")
    is_first = datetime.now(UTC).day == 1
    today = "2.70" if is_first else "4.70"
    assert rows == {
        "ci": ["3.70", "1.40", "2.30", today, "7.70"],
        "idle": ["0.00", "0.00", "0.00", "no limit", "1.00"],
        "01234567": ["0.50", "0.00", "0.50", "no limit", "no limit"],
    }


def test_what_is_left_of_a_month_does_not_depend_on_how_far_back_is_looked(books):
    assert by_key("--config", str(books), "--days", "1")["ci"][-1] == "7.70"


def test_a_key_that_is_passed_through_has_what_the_limits_leave(books):
    config = books.with_name("limits.yaml")
    config.write_text(books.read_text().partition("keys:")[0] + "limits: {spend_per_day: 2}\n")
    assert by_key("--config", str(config), "--days", "60")["01234567"][-2:] == [
        "1.50",
        "no limit",
    ]


def test_a_ledger_that_is_not_there_is_named(tmp_path):
    done = run("ledger", PROXY_STORE_URL=f"sqlite:///{tmp_path}/none.db")
    assert done.returncode == 1
    assert done.stderr.startswith(f"Error: {tmp_path}/none.db: unable to open database file")


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
        end = time.monotonic() + PATIENCE
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


@pytest.mark.parametrize("form", [("--upstream-only",), ()])
def test_drawn_switches_are_printed_and_named_ones_win(tmp_path, form):
    changes = ("--switch", "phone=spaces", "--switch", "random:7")
    how = ("sandbox", *form, "--port", "0", *changes)
    with a_process(*how, log=tmp_path / "log", printed=(printed := [])) as url:
        switches = httpx.get(f"{url}/sandbox/switches").json()["switches"]
    assert switches == asdict(Switches()) | drawn("7") | {"phone": "spaces"}
    assert set(printed) >= {f"  {name}={value}\n" for name, value in switches.items()}


@pytest.mark.parametrize(
    ("switch", "said"),
    [
        ("phone=space", "known, nearest first: phone=['spaces', 'plus', 'digits'], "),
        ("fone=plus", "known, nearest first: phone=['digits', 'plus', 'spaces'], "),
        ("phone", "known, nearest first: phone=["),
        ("random", "no switch has the name 'random'"),
        ("random:", "random: needs a seed"),
    ],
)
def test_a_wrong_switch_is_named_with_those_that_are_known(switch, said):
    done = run("sandbox", "--switch", switch)
    assert done.returncode == 2
    assert said in done.stderr


def test_the_sums_of_each_key_are_a_table_only():
    done = run("ledger", "--by", "key", "--format", "json")
    assert done.returncode == 2
    assert "--by prints a table only: leave out --format" in done.stderr


def test_the_sandbox_listens_where_the_environment_says(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("sandbox", PROXY_LISTEN_PORT=str(port))
    assert done.returncode == 1
    assert str(port) in done.stderr


def completed(words, *, at):
    """The words that a shell is offered."""
    environ = {"COMP_WORDS": words, "COMP_CWORD": str(at)}
    done = run(_VIRTUALSMS_PROXY_COMPLETE="bash_complete", **environ)
    assert done.stderr == ""
    return [line.partition(",")[2] for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    ("words", "at", "offered"),
    [
        ("virtualsms-proxy led", 1, ["ledger"]),
        ("virtualsms-proxy store ", 2, ["copy"]),
        ("virtualsms-proxy serve --log", 2, ["--log-level"]),
        ("virtualsms-proxy serve --log-level w", 3, ["warning"]),
    ],
)
def test_a_shell_completes_commands_options_and_values(words, at, offered):
    assert completed(words, at=at) == offered


def test_a_shell_is_offered_every_command():
    assert {"serve", "sandbox", "check", "doctor"} <= set(completed("virtualsms-proxy ", at=1))


@pytest.mark.parametrize("command", [(), ("serve",), ("sandbox",)])
def test_the_log_level_of_the_command_line_counts(tmp_path, command):
    log = tmp_path / "log"
    arguments = (*command, "--port", "0", "--log-level", "error")
    # The name of no setting is a warning, of before the log is set up.
    with a_process(
        *arguments, log=log, PROXY_LOG_LEVEL="debug", PROXY_STORE_URL="sqlite://"
    ) as url:
        httpx.get(f"{url}/stubs/handler_api.php?action=x&api_key=k", trust_env=False)
    assert log.read_text() == ""


def test_a_copy_says_on_a_terminal_how_far_it_is(tmp_path):
    asyncio.run(a_store_with_an_entry(tmp_path / "a.db"))
    urls = (f"sqlite:///{tmp_path}/{name}.db" for name in ("a", "b"))
    said = on_a_terminal("store", "copy", *urls)
    assert "... ledger lines: 1 of 1\r\x1b[K" in said and "copied 0 orders" in said
    urls = (f"sqlite:///{tmp_path}/{name}.db" for name in ("a", "c"))
    assert run("store", "copy", *urls).stderr == ""


async def a_store_with_an_entry(path):
    store = open_store(f"sqlite:///{path}")
    await store.book(Entry(1.0, "hash", "o-1", "quote", 90))
    await store.close()
