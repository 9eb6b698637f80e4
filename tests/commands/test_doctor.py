"""`doctor` and `health`: everything that is wrong has its line."""

import asyncio
import json
import re
import socket
import sqlite3
import subprocess
from pathlib import Path

import httpx
import pytest

from proxy.commands.doctor.machine import certificate
from proxy.config.settings import Listen
from proxy.store import open_store
from tests.support import commands as stage
from tests.support.commands import AT_HOME, ask, kept_in
from tests.support.pace import within
from tests.support.process import a_process, free_port, on_a_terminal, run

upstream, folder, tables_read_once = stage.upstream, stage.folder, stage.tables_read_once


def findings(*words: str, **environ: str) -> tuple[int, dict[str, str]]:
    """The exit code, and what is said of each thing: what is wrong begins with so."""
    code, said = ask("doctor", *words, **environ)
    rows = [re.fullmatch(r"(ok|wrong) +(\w+) +(.*)", line) for line in said.splitlines()]
    return code, {row[2]: f"{row[1]} {row[3]}" for row in rows}


def test_everything_that_is_wrong_has_its_line(tmp_path):
    store = f"sqlite:///{tmp_path}/store.db"
    with a_process("sandbox", "--upstream-only", "--port", "0", log=tmp_path / "up") as upstream:
        steer(upstream, "clock", {"seconds": 3600})
        steer(upstream, "switches", {"ws": "refused"})
        for key in ("poor", "shared"):
            buy(upstream, key)
        steer(upstream, "balance", {"key": "poor", "balance": 0})
        (tmp_path / "config.yaml").write_text(
            "keys:\n  a: {name: lost, upstream_key: bad-key}\n"
            "  b: {name: poor, upstream_key: poor}\n  c: {name: two, upstream_key: shared}\n"
            "  d: {name: one, upstream_key: shared}\n"
            "forward: [{url: http://target/planted-path}]\n"
        )
        a_store_that_owes(tmp_path / "store.db")
        environ = {
            "PROXY_UPSTREAM_URL": f"{upstream}/api/v1",
            "PROXY_STORE_URL": store,
            "PROXY_LISTEN_PORT": upstream.rpartition(":")[2],
        }
        words = ("doctor", "--json", "--config", str(tmp_path / "config.yaml"))
        done = run(*words, **environ)
    said = json.loads(done.stdout)
    assert (done.returncode, said["ok"]) == (1, False)
    wrong = [f"{row['about']}: {row['says']}" for row in said["findings"] if not row["ok"]]
    for pattern in (
        r"port: 127.0.0.1:\d+: another program answers: stop it, or set listen.port",
        r"store: .* pending: 1 scheduled cancel: start the proxy, it carries them out",
        r"forward: 1 target, 0 SMS waiting, 1 given up after eight attempts: .*",
        r"clock: 3[56]\d\d s behind the upstream's: set it by NTP",
        r"key: lost: the upstream refuses it: put a key of your VirtualSMS account there",
        r"key: poor: balance 0.00: top it up",
        r"sharing: two, one: not in the store: 1 of 1 order of the last hour: .*",
        r"push: .* HTTP 503: .* set upstream.push to false.*",
    ):
        assert any(re.fullmatch(pattern, line) for line in wrong), (pattern, wrong)
    # The forms of .github promise that an issue can have it.
    for secret in ("bad-key", "shared", "planted-path"):
        assert secret not in done.stdout


def steer(upstream: str, path: str, body: object) -> None:
    assert httpx.post(f"{upstream}/sandbox/{path}", json=body).status_code == 200


def buy(upstream: str, key: str) -> None:
    wish = {"service": "wa", "country": "GB"}
    url = f"{upstream}/api/v1/customer/purchase"
    assert httpx.post(url, json=wish, headers={"X-API-Key": key}).status_code == 200


async def made(path: Path) -> None:
    await open_store(f"sqlite:///{path}").close()


def a_store_that_owes(path: Path) -> None:
    asyncio.run(made(path))
    db = sqlite3.connect(path, isolation_level=None)
    row = ("1", "cancel", "k", "wa", "GB", 1.0, "an-order", "", "k", 0)
    db.execute("insert into owed values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '', 0)", row)
    row = ("f", "http://target/planted-path", b"{}", 1.0, 0.0, 8, 1)
    db.execute("insert into forwards values (?, ?, ?, ?, ?, ?, ?)", row)
    db.close()


def test_an_upstream_that_is_not_there_ends_the_examination():
    code, said = findings(PROXY_UPSTREAM_URL="http://127.0.0.1:9/api/v1")
    assert code == 1
    assert said["upstream"].startswith("wrong 127.0.0.1:9: price: ConnectError")
    assert "key" not in said


@pytest.mark.slow
def test_an_upstream_that_never_answers_does_not_hold_up_the_doctor(monkeypatch):
    monkeypatch.setattr("proxy.commands.doctor.upstream.SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as mute, within(3):
        code, said = findings(PROXY_UPSTREAM_URL=f"http://127.0.0.1:{mute.getsockname()[1]}/x")
    assert (code, "no answer in time" in said["upstream"]) == (1, True)


def test_keys_are_not_sent_over_the_net_unencrypted():
    code, said = findings(PROXY_UPSTREAM_URL="http://example.org/api/v1")
    assert (code, said["upstream"]) == (
        1,
        "wrong example.org: keys are sent unencrypted: write https://",
    )


def test_a_minute_that_is_used_up_is_left_to_the_clients(folder, upstream):
    few = {"PROXY_UPSTREAM_REQUESTS_PER_MINUTE": "4", **AT_HOME, **kept_in(folder)}
    count = f"{upstream}/sandbox/requests?call=balance"
    before = httpx.get(count).json()["count"]
    code, said = findings("--config", f"{folder}/config.yaml", **few)
    assert code == 1
    assert re.match(r"wrong ci: \d of 4 requests left in this minute", said["budget"])
    assert httpx.get(count).json()["count"] == before


def make_none(path: Path) -> str:
    return f"{path}/none/store.db"


def make_text(path: Path) -> str:
    (path / "store.db").write_text("this is a text and not a store, however one reads it")
    return f"{path}/store.db"


def make_newer(path: Path) -> str:
    with sqlite3.connect(path / "store.db") as db:
        db.execute("pragma user_version = 99")
    db.close()
    return f"{path}/store.db"


def make_link(path: Path) -> str:
    (path / "other").touch()
    return make_dead_link(path)


def make_dead_link(path: Path) -> str:
    (path / "store.db").symlink_to(path / "other")
    return f"{path}/store.db"


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (make_none, "cannot be created|No such file"),
        (make_text, "file is not a database"),
        (make_newer, "of a newer"),
        (make_link, "store.db: it is a symbolic link: set store.url to the file itself"),
        (make_dead_link, "store.db: it is a symbolic link: set store.url to the file itself"),
    ],
)
def test_a_store_that_cannot_be_used_is_one_line_and_exit_code_1(tmp_path, make, why):
    store = {"PROXY_STORE_URL": f"sqlite:///{make(tmp_path)}"}
    done = run("serve", **store)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert re.search(why, done.stderr)
    code, said = findings(**store, PROXY_UPSTREAM_URL="http://127.0.0.1:9/api/v1")
    assert code == 1
    assert re.match(f"wrong .*({why})", said["store"])


@pytest.mark.parametrize("command", ["serve", "check", "lookup x", "explain service=tg", "health"])
def test_a_wrong_config_is_one_line_and_exit_code_1_in_every_command(tmp_path, command):
    path = tmp_path / "config.yaml"
    path.write_text("listen:\n  port: eighty\n")
    line = f"Error: {path}:2: listen.port: expected `int`, got `str`: see config.example.yaml\n"
    assert ask(*command.split(), "--config", str(path)) == (1, line)
    gone = f"Error: {tmp_path}/gone: not found: name another"
    assert ask(*command.split(), "--config", f"{tmp_path}/gone") == (1, f"{gone} file\n")


def test_a_wrong_config_is_the_doctors_only_finding(tmp_path):
    code, said = findings("--config", str(tmp_path))
    assert code == 1
    assert said == {
        "config": f"wrong {tmp_path}: cannot be read: Is a directory: name another file"
    }


def test_colours_and_progress_are_for_a_terminal_only():
    words = ("doctor", "--config", "none.yaml")
    said = on_a_terminal(*words, NO_COLOR="")
    assert "\x1b[31mwrong\x1b[0m" in said
    assert "... the configuration" in said
    assert "\x1b[31m" not in on_a_terminal(*words, NO_COLOR="1")
    assert "\x1b" not in run(*words).stdout


# health and the certificate


def a_certificate(folder: Path, days: str) -> dict[str, str]:
    cert, key, wish = folder / "cert.pem", folder / "key.pem", folder / "wish.pem"
    new = ("req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost")
    sign = ("x509", "-req", "-days", days, "-in", wish, "-signkey", key, "-out", cert)
    for command in ((*new, "-keyout", key, "-out", wish), sign):
        subprocess.run(["openssl", *command], check=True, capture_output=True)
    return {"tls_cert": str(cert), "tls_key": str(key)}


def test_health_over_https_and_when_nobody_is_there(tmp_path):
    files = a_certificate(tmp_path, "1")
    port = str(free_port())
    environ = {f"PROXY_LISTEN_{name.upper()}": value for name, value in files.items()}
    environ |= {"PROXY_LISTEN_PORT": port, "PROXY_LISTEN_HOST": "0.0.0.0"}
    with a_process("serve", log=tmp_path / "log", **environ):
        done = run("health", **environ)
        assert (done.returncode, done.stdout) == (0, "ok\n")
        assert (tmp_path / "log").read_text() == ""
    code, said = ask("health", **environ)
    assert (code, said) == (1, f"Error: https://127.0.0.1:{port}: Connection refused\n")


@pytest.mark.slow
def test_health_does_not_wait_for_ever(monkeypatch):
    monkeypatch.setattr("proxy.commands.health.probe.SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as mute, within(2):
        code, said = ask("health", PROXY_LISTEN_PORT=str(mute.getsockname()[1]))
    assert (code, said.endswith(": no answer in 0.2 s\n")) == (1, True)


def test_a_program_of_another_is_not_healthy(upstream):
    code, said = ask("health", PROXY_LISTEN_PORT=upstream.rpartition(":")[2])
    assert code == 1
    assert "HTTP 404" in said


def test_a_certificate_is_looked_at_as_its_clients_will(tmp_path):
    assert certificate(Listen()) is None
    good = certificate(Listen(**a_certificate(tmp_path, "2")))
    assert re.search(r"valid until \w{3} .* GMT$", good.says)
    over = certificate(Listen(**a_certificate(tmp_path, "-1")))
    assert over.is_wrong
    assert "certificate has expired" in over.says
