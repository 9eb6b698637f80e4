"""A reload of a process: signals, the command, certificates, systemd, and a load."""

import asyncio
import os
import signal
import socket
import ssl
import subprocess
import threading
import time
from contextlib import closing, contextmanager

import httpx
import pytest

from proxy.app.server import Hangup
from proxy.app.tls import tls_context
from proxy.runtime import systemd
from proxy.store import lock_holder
from tests.support.process import PATIENCE, run
from tests.support.running import NUMBER, PATH, Proxy, an_upstream, until
from tests.support.server import KINDS, a_server

KEYS = "{key}: {{name: {name}, upstream_key: account}}\n"
BALANCE = "action=getBalance"


@pytest.fixture(scope="module")
def upstream(tmp_path_factory):
    with an_upstream(tmp_path_factory.mktemp("upstream"), hold=1e6, per_minute=100_000) as upstream:
        yield upstream


@pytest.fixture
def proxy(tmp_path, upstream):
    """It is stopped at the end; `PROXY_KEYS_FILE` is `keys.yaml` of the folder."""
    (tmp_path / "keys.yaml").write_text(KEYS.format(key="one", name="one"))
    proxy = Proxy(
        tmp_path,
        upstream.url,
        PROXY_KEYS_FILE=str(tmp_path / "keys.yaml"),
        PROXY_LOG_FORMAT="text",
        PROXY_UPSTREAM_REQUESTS_PER_MINUTE="100000",
    )
    proxy.start()
    yield proxy
    proxy.stop()


def has(proxy, key):
    return until(lambda: proxy.ask(BALANCE, key).startswith("ACCESS_BALANCE"))


# The command.


def test_the_command_finds_the_proxy_by_its_store(proxy, tmp_path):
    assert lock_holder(proxy.store) == proxy.pid
    (tmp_path / "keys.yaml").write_text(KEYS.format(key="two", name="two"))
    done = run("reload", PROXY_STORE_URL=f"sqlite:///{proxy.store}")
    assert done.stdout == f"process {proxy.pid} was told to reload; its log says what has changed\n"
    assert has(proxy, "two")
    assert proxy.ask(BALANCE, "one") == "BAD_KEY"
    (tmp_path / "keys.yaml").write_text("{")
    assert run("reload", "--pid", str(proxy.pid)).returncode == 0
    assert until(lambda: "ERROR   nothing is reloaded: " in proxy.log)
    assert proxy.ask(BALANCE, "two").startswith("ACCESS_BALANCE")
    assert "INFO    reloaded: keys new: two, keys gone: one" in proxy.log


def test_the_command_says_how_else_where_it_finds_nothing(tmp_path):
    (tmp_path / "s.db").touch()
    # It ends when its input does, whatever this test finds.
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as other:
        rows = [
            ({"PROXY_STORE_URL": "sqlite://"}, (), "the store is no SQLite file"),
            ({"PROXY_STORE_URL": f"sqlite:///{tmp_path}/s.db"}, (), "no process is seen to have"),
            ({"PROXY_STORE_URL": f"sqlite:///{tmp_path}/none.db"}, (), "no process is seen to"),
            ({}, ("--pid", str(other.pid)), f"process {other.pid} does not wait for SIGHUP"),
            ({}, ("--pid", "99999999"), "there is no process 99999999"),
        ]
        for environ, words, says in rows:
            done = run("reload", *words, **environ)
            assert (done.returncode, done.stdout) == (1, "")
            assert done.stderr.startswith(f"Error: {says}") and "SIGHUP" in done.stderr
        assert other.poll() is None


def test_a_hangup_before_the_proxy_is_made_is_passed_on():
    before, heard = signal.getsignal(signal.SIGHUP), []
    try:
        hangup = Hangup()
        os.kill(os.getpid(), signal.SIGHUP)
        hangup.to(lambda: heard.append("SIGHUP"))
        assert heard == ["SIGHUP"]
        os.kill(os.getpid(), signal.SIGHUP)
        assert heard == ["SIGHUP"] * 2
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_hangup_at_any_time_ends_nothing(proxy):
    """One that comes while a process starts is passed on; here there are many, then the stop."""
    for _ in range(50):
        os.kill(proxy.pid, signal.SIGHUP)
    assert until(lambda: "reloaded: nothing has changed" in proxy.log)
    assert proxy.ask(BALANCE, "one").startswith("ACCESS_BALANCE")
    os.kill(proxy.pid, signal.SIGTERM)
    for _ in range(5):
        os.kill(proxy.pid, signal.SIGHUP)
    assert proxy._process.wait(PATIENCE) == -signal.SIGTERM
    assert "Traceback" not in proxy.log


# The certificate.


def a_certificate(folder, name, *kind):
    new = ("req", "-x509", "-nodes", "-days", "2", "-subj", f"/CN={name}", "-newkey", *kind)
    out = ("-out", folder / "cert.pem", "-keyout", folder / "key.pem")
    subprocess.run(["openssl", *new, *out], check=True, capture_output=True)


def certificate(wire):
    return ssl.DER_cert_to_PEM_cert(wire.getpeercert(binary_form=True))


@pytest.mark.parametrize("kind", KINDS)
def test_new_connections_get_the_new_certificate(tmp_path, kind):
    files = cert, _ = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    a_certificate(tmp_path, "one", "rsa:2048")
    environ = {"PROXY_LISTEN_TLS_CERT": cert, "PROXY_LISTEN_TLS_KEY": files[1]}
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    with a_server(kind, tmp_path, tls=files, environ=environ) as server:
        server = type(server)(server.url, server.process, server.log_path)
        with closing(client.wrap_socket(server.wire())) as before:
            one = certificate(before)
            # A context that has both would go on with the old one for some clients.
            a_certificate(tmp_path, "two", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
            server.process.send_signal(signal.SIGHUP)
            assert until(lambda: shown(client, server) != one)
            two = shown(client, server)
            assert two == (tmp_path / "cert.pem").read_text()
            only_rsa = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            only_rsa.check_hostname, only_rsa.verify_mode = False, ssl.CERT_NONE
            only_rsa.maximum_version = ssl.TLSVersion.TLSv1_2
            only_rsa.set_ciphers("aRSA")
            with pytest.raises(ssl.SSLError):
                shown(only_rsa, server)
            (tmp_path / "key.pem").write_text("no key")
            server.process.send_signal(signal.SIGHUP)
            assert until(lambda: "nothing is reloaded: listen.tls_cert" in server.log)
            assert shown(client, server) == two
            before.sendall(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
            assert before.recv(100).startswith(b"HTTP/1.1 200")


def shown(client, server):
    with closing(client.wrap_socket(server.wire())) as wire:
        return certificate(wire)


def test_without_a_certificate_there_is_no_context():
    assert tls_context(None, None) is None


# systemd.


@contextmanager
def a_manager(address):
    """A socket as systemd has one; `address` is as in NOTIFY_SOCKET."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0{address[1:]}" if address.startswith("@") else address)
        manager.settimeout(PATIENCE)
        yield manager


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_systemd_hears_of_start_reload_and_stop(tmp_path, upstream, kind):
    address = str(tmp_path / "notify") if kind == "path" else f"@{tmp_path}/notify"
    with a_manager(address) as manager:
        proxy = Proxy(
            tmp_path, upstream.url, NOTIFY_SOCKET=address, WATCHDOG_USEC="200000", WATCHDOG_PID=""
        )

        def next_state():
            while (said := manager.recv(500).decode()) == "WATCHDOG=1":
                continue
            return said

        proxy.start()
        assert next_state() == "READY=1"
        assert proxy.ask(BALANCE, "k").startswith("ACCESS_BALANCE")
        begun = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        os.kill(proxy.pid, signal.SIGHUP)
        reloading, stamp = next_state().splitlines()
        assert reloading == "RELOADING=1"
        name, _, at = stamp.partition("=")
        assert name == "MONOTONIC_USEC"
        assert begun <= int(at) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        assert next_state() == "READY=1"
        assert [manager.recv(500) for _ in range(3)] == [b"WATCHDOG=1"] * 3
        proxy.stop()
        assert next_state() == "STOPPING=1"


def test_a_frozen_loop_is_silent(tmp_path, monkeypatch):
    """The pings come from the loop itself."""
    address = str(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    monkeypatch.setenv("WATCHDOG_USEC", "20000")
    with a_manager(address) as manager:
        loop = asyncio.new_event_loop()
        with closing(loop):
            systemd.watch(loop)
            loop.call_later(0.1, loop.stop)
            loop.run_forever()
            pings = drained(manager)
            assert len(pings) > 1 and set(pings) == {b"WATCHDOG=1"}
            loop.call_soon(time.sleep, 0.2)
            loop.call_soon(loop.stop)
            loop.run_forever()
            assert len(drained(manager)) <= 1


def drained(manager):
    said = []
    manager.setblocking(False)
    while True:
        try:
            said.append(manager.recv(500))
        except BlockingIOError:
            return said


@pytest.mark.parametrize(
    "environ",
    [
        {"WATCHDOG_USEC": "20000", "WATCHDOG_PID": "1"},
        {"WATCHDOG_USEC": ""},
        {},
    ],
)
def test_nobody_is_pinged_who_does_not_want_it(tmp_path, monkeypatch, environ):
    address = str(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    for name in ("WATCHDOG_USEC", "WATCHDOG_PID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    loop = asyncio.new_event_loop()
    with a_manager(address) as manager, closing(loop):
        systemd.watch(loop)
        assert drained(manager) == []


def test_a_manager_that_is_gone_ends_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    systemd.notify("READY=1")
    monkeypatch.delenv("NOTIFY_SOCKET")
    systemd.notify("READY=1")


# A load.

RATE, RELOADS, BROKEN = 200, 20, 5
"""Requests a second; reloads, every half second; how many of them have a broken file."""


def ask_all(proxy, queries, answers, ended):
    """One of four clients, which ask RATE times a second together, until that is `ended`."""
    begun, sent = time.monotonic(), 0
    with httpx.Client(base_url=proxy.url, timeout=PATIENCE, trust_env=False) as http:
        while not ended.is_set():
            time.sleep(max(begun + sent * 4 / RATE - time.monotonic(), 0.0))
            try:
                answers.append(http.get(f"{PATH}?api_key=one&{queries[sent % 2]}").text)
            except httpx.HTTPError as error:
                answers.append(repr(error))
            sent += 1


@pytest.mark.slow
def test_no_request_is_lost_under_load_and_each_new_key_is_valid_at_once(proxy, tmp_path):
    """Four clients of a program that is in every table ask all the time."""
    keys, stays = tmp_path / "keys.yaml", KEYS.format(key="one", name="one")
    id = proxy.ask(NUMBER, "one").split(":")[1]
    answers, ended = [], threading.Event()
    queries = (f"action=getStatus&id={id}", BALANCE)
    crowd = [
        threading.Thread(target=ask_all, args=(proxy, queries, answers, ended)) for _ in "1234"
    ]
    for one in crowd:
        one.start()
    begun, waits = time.monotonic(), []
    for number in range(RELOADS):
        is_broken = number % (RELOADS // BROKEN) == 1
        name = f"new-{number}"
        keys.write_text("{" if is_broken else stays + KEYS.format(key=name, name=name))
        said = proxy.log.count("reloaded: ")
        told = time.monotonic()
        os.kill(proxy.pid, signal.SIGHUP)
        assert until(lambda said=said: proxy.log.count("reloaded: ") > said)
        waits.append(time.monotonic() - told)
        if not is_broken:
            assert proxy.ask(BALANCE, name).startswith("ACCESS_BALANCE"), name
        # Five wrong keys a minute are answered at once.
        if number in (2, 3, 4):
            assert proxy.ask(BALANCE, "new-0") == "BAD_KEY"
        time.sleep(max(begun + (number + 1) * 0.3 - time.monotonic(), 0.0))
    ended.set()
    for one in crowd:
        one.join()
    took = time.monotonic() - begun
    lost = {one for one in answers if not one.startswith(("STATUS_WAIT", "ACCESS_BALANCE"))}
    assert lost == set(), f"of {len(answers)} in {took:.1f} s"
    assert proxy.log.count("ERROR") == BROKEN
    assert proxy.log.count("INFO    reloaded: keys new") == RELOADS - BROKEN
    assert len(answers) > 100
