"""Connections as a stranger abuses them: a process on real sockets, on either event loop."""

import asyncio
import os
import resource
import signal
import ssl
import subprocess
import time
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import pytest
from websockets.sync.client import connect

from proxy.app.http_connection import MAX_HEAD, UNREADABLE, DescriptorLimit
from tests.bench.idle import AT_ONCE, HALVES
from tests.support.pace import is_quick
from tests.support.process import PATIENCE
from tests.support.running import until
from tests.support.server import ENDPOINT, HEAD, KINDS, POST, answer, heard
from tests.support.server import a_server as a_patient_server

LONG_AFTER = 60.0
"""Seconds: a limit that others are shorter than, on any machine."""
NEVER = 1000.0
SHORT = {"head_seconds": 1.0, "body_seconds": LONG_AFTER, "keep_alive": 9.0, "grace": 0.5}
TIMEOUT = 3.0
"""The deadline of a request in the short-tempered server."""


def a_server(kind, folder, timeout=TIMEOUT, **settings):
    return a_patient_server(kind, folder, timeout=timeout, **settings)


@pytest.fixture(scope="module", params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def server(kind, tmp_path_factory):
    """Short-tempered: what others wait ten seconds for, it waits one."""
    with a_server(kind, tmp_path_factory.mktemp(kind), **SHORT) as server:
        server.ask("action=getBalance")
        yield server
        assert server.log == ""


@contextmanager
def seconds(least):
    """At least; what has no end would not end before the test's patience does."""
    begin = time.monotonic()
    yield
    assert least <= time.monotonic() - begin < LONG_AFTER


def test_clients_that_do_not_get_to_their_point_are_let_go(server):
    with ExitStack() as stack:
        for sent in (b"", b"G", HEAD, HEAD + b"X-Slow: "):
            stack.enter_context(seconds(0.7))
            wire = stack.enter_context(server.wire())
            wire.sendall(sent)
            stack.callback(lambda wire=wire: is_silence(heard(wire)))


def is_silence(said):
    assert said == b""


def drip(wire, byte=b"a"):
    """Sends a byte whenever nothing has come for a while, and gives what came at last."""
    wire.settimeout(0.03)
    with suppress(BrokenPipeError, ConnectionResetError):
        while True:
            with suppress(TimeoutError):
                return wire.recv(65536) + heard(wire)
            wire.sendall(byte)
    return b""


def test_a_head_that_drips_in_does_not_win_time(server):
    with server.wire() as wire, seconds(0.7):
        wire.sendall(HEAD + b"X-Slow: ")
        assert drip(wire) == b""


def test_a_head_in_pieces_is_answered_and_so_are_others_on_its_connection(server):
    with server.wire() as wire:
        for _ in range(2):
            for piece in (HEAD[:7], HEAD[7:], b"\r", b"\n"):
                wire.sendall(piece)
            assert answer(wire) == b"ACCESS_BALANCE:100.00"


def test_after_an_answer_a_connection_may_rest_longer_than_half_a_head_may_wait(server):
    with server.wire() as resting, server.wire() as early, server.wire() as late:
        for wire in (resting, early, late):
            wire.sendall(HEAD + b"\r\n")
            answer(wire)
        for wire in (early, late):
            with seconds(0.7):
                wire.sendall(HEAD)
                assert heard(wire) == b""
        resting.setblocking(False)
        with pytest.raises(BlockingIOError):
            resting.recv(1)
        resting.setblocking(True)
        with seconds(0):
            assert heard(resting) == b""


LONG = HEAD + b"X-Long: " + b"a" * MAX_HEAD


@pytest.mark.parametrize("before", [b"", HEAD + b"\r\n"])
@pytest.mark.parametrize(
    "head",
    [LONG, LONG + b"\r\n\r\n", HEAD + b"X: 1\r\n" * (MAX_HEAD // 6), b"GET /" + b"a" * MAX_HEAD],
    ids=["endless", "whole", "many", "path"],
)
def test_a_head_of_over_64_kib_is_a_wrong_parameter(server, before, head):
    with server.wire() as wire:
        wire.sendall(before)
        if before:
            answer(wire)
        wire.sendall(head)
        assert heard(wire) == UNREADABLE


def takes_a_long_header(wire):
    """Of 64 MiB."""
    wire.settimeout(0.5)
    with suppress(ConnectionError, TimeoutError):
        wire.sendall(HEAD + b"X-Long: ")
        for _ in range(64):
            wire.sendall(b"a" * 2**20)
        return True
    return False


def test_a_header_of_megabytes_is_not_read(server):
    with server.wire() as wire:
        assert not takes_a_long_header(wire)


def test_a_header_of_megabytes_is_not_read_while_another_request_is_answered(kind, tmp_path):
    with a_server(kind, tmp_path, timeout=NEVER) as server, a_request_in_flight(server) as wire:
        assert not takes_a_long_header(wire)


def test_what_fits_is_read_request_after_request(server):
    with server.wire() as wire, server.wire() as other:
        for _ in range(3):
            wire.sendall(HEAD + b"X-Long: " + b"a" * (MAX_HEAD - 500))
            # Until the first piece was read.
            other.sendall(HEAD + b"\r\n")
            answer(other)
            wire.sendall(b"\r\n\r\n")
            assert answer(wire) == b"ACCESS_BALANCE:100.00"
            wire.sendall(POST + b"Content-Length: 65536\r\n\r\n" + b"a" * 65536)
            assert answer(wire) == b"ACCESS_BALANCE:100.00"


def test_of_a_body_that_is_too_long_the_rest_is_not_read(server):
    with server.wire() as wire:
        wire.sendall(POST + b"Content-Length: 100000\r\n\r\n" + b"a" * 70000)
        said = heard(wire)
        assert said.startswith(b"HTTP/1.1 413 ") and b"connection: close" in said.lower()


def test_a_body_is_awaited_as_long_as_an_answer_and_no_longer(server):
    with server.wire() as stalled, server.wire() as dripping, seconds(TIMEOUT - 0.1):
        for wire in (stalled, dripping):
            wire.sendall(POST + b"Content-Length: 1000\r\n\r\nid=")
        for said in (drip(dripping), heard(stalled)):
            assert said.startswith(b"HTTP/1.1 200 OK") and said.endswith(b"\r\n\r\nERROR_SQL")
            assert b"connection: close" in said.lower()
        assert heard(dripping) == b""


def test_where_no_websocket_is_served_the_wish_for_one_is_a_request_as_any_other(server):
    with server.wire() as wire:
        wire.sendall(HEAD + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        assert answer(wire) == b"ACCESS_BALANCE:100.00"


def test_with_tls_silence_is_borne_no_longer(kind, tmp_path):
    tls = cert, key = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    new = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    subject = ("-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "1")
    subprocess.run(
        ["openssl", *new, *subject, "-out", cert, "-keyout", key], check=True, capture_output=True
    )
    trusting = ssl.create_default_context(cafile=cert)
    with (
        a_server(kind, tmp_path, tls=tls, **SHORT) as server,
        trusting.wrap_socket(server.wire(), server_hostname="127.0.0.1") as asking,
        trusting.wrap_socket(server.wire(), server_hostname="127.0.0.1") as silent,
        server.wire() as mute,
    ):
        assert is_served(asking)
        with seconds(0):
            assert heard(silent) == b""
            assert heard(mute) == b""
        assert server.log == ""


def test_the_sandboxs_sockets_outlive_the_deadlines_of_requests(kind, tmp_path):
    with a_server(kind, tmp_path, websockets=True, **SHORT | {"keep_alive": 1.0}) as server:
        # On a busy machine the deadline may come first.
        number = "action=getNumber&service=wa&country=16"
        assert until(lambda: server.ask(number).startswith("ACCESS_NUMBER"))
        orders = server.get("/sandbox/orders").json()["orders"]
        address = f"ws://127.0.0.1:{server.address[1]}/ws/orders?order_id={orders[0]['order_id']}"
        with connect(address + "&api_key=k") as feed:
            with pytest.raises(TimeoutError):
                while True:
                    feed.recv(timeout=TIMEOUT + 0.5)
            assert feed.ping().wait(PATIENCE)


def test_of_300_clients_on_128_descriptors_some_are_served_and_others_closed(kind, tmp_path):
    with a_server(kind, tmp_path, descriptors=(100, 128)) as server, ExitStack() as stack:
        wires = [stack.enter_context(server.wire()) for _ in range(300)]
        assert 30 < sum(is_served(wire) for wire in wires) < 64
        before = cpu_seconds(server)
        with server.wire() as late:
            assert not is_served(late)
        assert cpu_seconds(server) - before < 0.2
        stack.close()
        while not is_served(stack.enter_context(server.wire())):
            assert server.process.poll() is None
        assert resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE) == (128, 128)
        assert server.log.count("\n") == 1 and "are taken: 64;" in server.log


def is_served(wire):
    with suppress(ConnectionError):
        wire.sendall(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
        return wire.recv(17) == b"HTTP/1.1 200 OK\r\n"
    return False


def cpu_seconds(server):
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.fixture
def many_descriptors():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.slow
def test_2000_who_say_nothing_and_500_at_once_hold_nobody_up(kind, tmp_path, many_descriptors):
    with a_server(kind, tmp_path, timeout=PATIENCE) as server:
        id = server.ask("action=getNumber&service=wa&country=16").split(":")[1]
        asyncio.run(crowd(server, f"api_key=k&action=getStatus&id={id}"))
        assert server.log == ""


async def crowd(server, query):
    request = f"GET {ENDPOINT}?{query} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
    with ExitStack() as stack:

        async def open_one(first):
            reader, writer = await asyncio.open_connection(*server.address)
            stack.callback(writer.close)
            writer.write(first)
            return reader

        async def asks():
            begin = time.monotonic()
            reader = await open_one(request)
            said = await reader.readuntil(b"STATUS_WAIT_CODE")
            assert said.startswith(b"HTTP/1.1 200 OK")
            return time.monotonic() - begin

        for _ in range(0, 2000, AT_ONCE):
            firsts = (b"", *HALVES) * (AT_ONCE // 4)
            await asyncio.gather(*(open_one(first) for first in firsts))
        is_quick(max([await asks() for _ in range(20)]), 1)
        burst = [asyncio.create_task(asks()) for _ in range(500)]
        beside = await asks()
        is_quick(max(await asyncio.gather(*burst)), 5)
        is_quick(beside, 2)


@contextmanager
def a_request_in_flight(server):
    """One that takes longer than a test may."""
    server.slow(NEVER)
    with server.wire() as wire:
        wire.sendall(HEAD + b"\r\n")
        while "balance" not in server.get("/sandbox/requests").text:
            assert server.process.poll() is None
        yield wire


def told_to_stop(server, sig):
    """Returns when it was heard: an idle connection is closed then."""
    with server.wire() as idle:
        assert is_served(idle)
        server.process.send_signal(sig)
        heard(idle)


@pytest.mark.parametrize(
    ("kind", "sig"),
    [("fast", signal.SIGTERM), ("plain", signal.SIGINT)],
)
def test_the_second_signal_stops_at_once(kind, tmp_path, sig):
    with a_server(kind, tmp_path, timeout=NEVER) as server, a_request_in_flight(server):
        told_to_stop(server, sig)
        assert server.process.poll() is None, "one signal lets requests in flight end"
        server.process.send_signal(sig)
        assert server.process.wait(PATIENCE) == -sig
        assert server.log == ""


def test_a_hangup_reloads_and_is_no_end(kind, tmp_path):
    (keys := tmp_path / "keys.yaml").write_text("other: {name: a, upstream_key: u}")
    environ = {"PROXY_KEYS_FILE": str(keys)}
    with a_server(kind, tmp_path, timeout=PATIENCE, environ=environ) as server:
        assert server.ask("action=getBalance") == "BAD_KEY"
        keys.write_text("k: {name: a, upstream_key: u}")
        server.process.send_signal(signal.SIGHUP)
        assert until(lambda: server.ask("action=getBalance") == "ACCESS_BALANCE:100.00")
        assert server.log == ""


def test_half_a_body_and_half_a_head_do_not_hold_up_the_stop(kind, tmp_path):
    with (
        a_server(kind, tmp_path, timeout=NEVER, grace=0.5) as server,
        closing(server.wire()) as body,
    ):
        body.sendall(POST + b"Content-Length: 10\r\n\r\nid=")
        with server.wire() as head:
            head.sendall(HEAD)
            assert server.ask("action=getBalance") == "ACCESS_BALANCE:100.00"
            told_to_stop(server, signal.SIGTERM)
            assert heard(head) == b""
            assert heard(body).endswith(b"\r\n\r\nERROR_SQL")
            assert server.process.wait(PATIENCE) == -signal.SIGTERM
        assert "Traceback" not in server.log


def test_a_full_room_is_logged_once_a_minute(caplog):
    now = [0.0]
    descriptors = DescriptorLimit(10, lambda: now[0])
    assert [descriptors.allows(number) for number in (9, 10, 11)] == [True, False, False]
    now[0] = 59.0
    assert not descriptors.allows(10)
    assert len(caplog.records) == 1
    now[0] = 60.0
    assert not descriptors.allows(10)
    assert len(caplog.records) == 2
