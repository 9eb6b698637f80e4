"""Requests that are made to stop the process: it answers others meanwhile, and does not grow."""

import threading
import time
from contextlib import ExitStack, contextmanager, suppress

import pytest

from tests.support.pace import is_quick
from tests.support.server import ENDPOINT, HEAD, KINDS, POST, a_server, answer, heard

LIVEZ = b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"
LONGEST_WAIT = 0.5
"""Seconds that another client may wait while an attack goes on."""
GROWTH = 40 * 2**20
TOKEN = "a-token-of-the-console"
PATIENCE = {"head_seconds": 1.0, "body_seconds": 1.0}

PART = b"--x\r\nContent-Disposition: form-data; name="
MULTIPART = "multipart/form-data; boundary=x"


def post(path, body, kind="application/x-www-form-urlencoded", *headers):
    lines = [f"POST {path} HTTP/1.1", "Host: a", f"Content-Type: {kind}", *headers]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


def get(path, *headers):
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: a", *headers, "", ""]).encode()


def form(body, kind=MULTIPART):
    return post(ENDPOINT, body[:65_536], kind)


BEARER = f"Authorization: Bearer {TOKEN}"
TRY, SWITCHES = "/console/api/v1/try", "/sandbox/switches"
PURCHASE, JSON = "/api/v1/customer/purchase", "application/json"
OWN = (BEARER, "X-Console: 1")

# What is sent, on a connection of its own each.
REQUESTS = {
    "quotes in a multipart name": form(PART + b'"' * 60_000),
    "backslashes in a multipart name": form(PART + b'"' + b"\\" * 60_000),
    "semicolons in a part's head": form(PART + b"a" + b";" * 60_000),
    "semicolons in a content type": form(b"a=1", "multipart/form-data" + ";" * 60_000),
    "semicolons in the content type of a GET": get(
        ENDPOINT, "Content-Type: multipart/form-data" + ";" * 60_000
    ),
    "nested messages": form(
        b"--x\r\nContent-Type: message/rfc822\r\n\r\n"
        + b"Content-Type: message/rfc822\r\n\r\n" * 1900
    ),
    "nested multiparts": form(b"--x\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n" * 1200),
    "a parameter of many digits": form(
        PART.replace(b"name", b"name*" + b"9" * 5000) + b"a\r\n\r\n1\r\n--x--"
    ),
    "a name of RFC 2231": form(PART.replace(b"name=", b"name*=") + b"''\r\n\r\n1\r\n--x--"),
    "many parts": form((PART + b"a\r\n\r\n1\r\n") * 1200),
    "many delimiters": form(b"--x\r\n" * 13_000),
    "a boundary of blanks": form(b"--" + b" " * 60_000, 'multipart/form-data; boundary=" "'),
    "many fields": form(b"a=&" * 21_800, "text/plain"),
    "escapes and letters in turn": form(b"\xe9%41" * 16_000, "text/plain"),
    "a long query": get(f"{ENDPOINT}?{'a=1&' * 16_000}"),
    "many headers": get(ENDPOINT, *["X: 1"] * 10_000),
    "backslashes in a cookie": get("/console", 'Cookie: a="' + "\\\\" * 30_000 + '"'),
    "octals in a cookie": get("/console", 'Cookie: a="' + "\\101" * 15_000 + '"'),
    "many cookies": get("/console", "Cookie: " + "a=1;" * 16_000),
    "JSON without end to the console": post(TRY, b"[" * 16_000, JSON, *OWN),
    "JSON without end to the sandbox": post(SWITCHES, b"[" * 65_000, JSON),
    "JSON without end to the upstream": post(
        PURCHASE, b'{"a":' * 13_000, JSON, "X-API-Key: k", "X-Idempotency-Key: k"
    ),
    "a number of 60,000 digits": post(PURCHASE, b'{"a":' + b"9" * 60_000 + b"}", JSON),
    "h2c with a body": post(
        ENDPOINT, b"action=getBalance&api_key=k", "application/x-www-form-urlencoded",
        "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk",
    ),
    "CONNECT": b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n" * 3,
    "HTTP/2 by prior knowledge": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00" * 100,
    "no HTTP": bytes(range(256)) * 200,
    "100,000 requests at once": LIVEZ * 100_000,
    "upgrades at once": (
        b"GET /livez HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n" * 20_000
    ),
    "a chunk without end": POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 60_000,
}  # fmt: skip


@pytest.fixture(scope="module", params=KINDS)
def server(request, tmp_path_factory):
    environ = {"PROXY_CONSOLE_TOKEN": TOKEN}
    folder = tmp_path_factory.mktemp(request.param)
    with a_server(request.param, folder, environ=environ, timeout=10, **PATIENCE) as server:
        server.ask("action=getBalance")
        server.ask("action=getPrices&service=wa")
        before = server.rss
        yield server
        assert "Traceback" not in server.log
        assert server.rss - before < GROWTH, "all attacks together"


def sent(server, request):
    """Sends as far as it gets, and gives the beginning of what came."""
    with server.wire() as wire:
        with suppress(ConnectionError):
            wire.sendall(request)
        with suppress(ConnectionError):
            return wire.recv(65_536)
    return b""


@contextmanager
def others(server):
    """Another client, which asks every 50 ms; yields how long it waited each time."""
    waits, over = [], threading.Event()

    def ask():
        with server.wire() as wire:
            while not over.wait(0.05):
                begun = time.monotonic()
                wire.sendall(LIVEZ)
                assert answer(wire) == b"ok"
                waits.append(time.monotonic() - begun)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield waits
    finally:
        over.set()
        asking.join()


@pytest.mark.slow
@pytest.mark.parametrize("name", REQUESTS)
def test_one_request_stops_nobody(server, name):
    with others(server) as waits:
        said = sent(server, REQUESTS[name])
        asked = len(waits)
        # Whoever asks next is behind the attack, or beside it.
        while len(waits) < asked + 2:
            time.sleep(0.01)
    is_quick(max(waits), LONGEST_WAIT)
    status = said[9:12]
    assert said == b"" or status in {b"200", b"400", b"401", b"403", b"404", b"408", b"413"}, said
    assert server.ask("action=getBalance") == "ACCESS_BALANCE:100.00"


STALLED = {
    "an event": ("/webhooks/virtualsms",),
    "a trial": (TRY, *OWN, "Host: localhost"),
    "a trial from elsewhere": (TRY, *OWN),
    "the control": (SWITCHES,),
    "a purchase": (PURCHASE, "X-API-Key: k"),
    "the protocol": (f"{ENDPOINT}?action=getBalance&api_key=k",),
    "no route": ("/nothing",),
}


def half(route):
    path, *headers = STALLED[route]
    head = "\r\n".join([f"POST {path} HTTP/1.1", *headers, "Content-Length: 9", "", ""])
    return head.encode() + b"{"


@pytest.mark.parametrize("route", STALLED)
def test_a_body_that_does_not_come_ends_its_connection(server, route):
    with ExitStack() as stack:
        wires = [stack.enter_context(server.wire()) for _ in range(20)]
        for wire in wires:
            wire.sendall(half(route))
        for wire in wires:
            said = heard(wire)
            assert said.endswith(b"ERROR_SQL") or said[9:12] in (b"401", b"403", b"404", b"408")


def test_a_client_that_hangs_up_in_its_body_leaves_no_traceback(server):
    for route in STALLED:
        with server.wire() as wire:
            wire.sendall(half(route))
            # Until the request was begun: another one on the same loop is answered after it.
            server.get("/livez")
    assert server.ask("action=getBalance") == "ACCESS_BALANCE:100.00"


def test_nothing_that_strangers_send_stays_in_memory(server):
    # What every process needs once: buffers, the first of each cache.
    for number in range(200):
        sent_quickly(server, get(f"{ENDPOINT}?action=getBalance&api_key=a{number}"))
    before = server.rss
    with ExitStack() as stack:
        wire = stack.enter_context(server.wire())
        for number in range(1500):
            long = "x" * 60_000
            wire.sendall(get(f"{ENDPOINT}?action=getBalance&api_key=k&a={number}{long}"))
            assert answer(wire) == b"ACCESS_BALANCE:100.00"
            wire.sendall(get(f"{ENDPOINT}?action=getPrices&service=wa&api_key=b{number}"))
            assert answer(wire).startswith(b"{")
    assert server.rss - before < GROWTH


def sent_quickly(server, request):
    with server.wire() as wire:
        wire.sendall(request)
        return answer(wire)


H2C = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAEAAEAAAAIAAAAA")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_wish_for_http_2_is_ignored_and_nothing_behind_it_is_lost(server, method):
    """As Java's HttpClient sends it by default."""
    query = "action=getBalance&api_key=k"
    first = get(f"{ENDPOINT}?{query}", *H2C)
    if method == "POST":
        kind = "application/x-www-form-urlencoded"
        first = post(ENDPOINT, query.encode(), kind, *H2C)
    for pieces in ([first + LIVEZ], [first, LIVEZ], [bytes([byte]) for byte in first + LIVEZ]):
        with server.wire() as wire:
            for piece in pieces:
                wire.sendall(piece)
            assert answer(wire) == b"ACCESS_BALANCE:100.00"
            assert answer(wire) == b"ok"


def test_the_sandbox_ignores_a_wish_for_http_2_too(server):
    body = b'{"service":"wa","country":"GB"}'
    request = post(PURCHASE, body, JSON, "X-API-Key: h2c", *H2C)
    with server.wire() as wire:
        wire.sendall(request + LIVEZ)
        assert b'"phone_number"' in answer(wire)
        assert answer(wire) == b"ok"


AMBIGUOUS = {
    "two lengths": b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a bare line feed": b"X: 1\nY: 2\r\n\r\n",
    "a length that is none": b"Content-Length: 1x\r\n\r\n",
    "a space before the colon": b"Content-Length : 3\r\n\r\nabc",
}


@pytest.mark.parametrize("what", AMBIGUOUS)
def test_a_request_that_others_could_read_otherwise_is_refused(server, what):
    with server.wire() as wire:
        wire.sendall(POST + AMBIGUOUS[what] + HEAD + b"\r\n")
        assert heard(wire).count(b"HTTP/1.1 ") == 1


def test_requests_that_come_together_are_answered_in_turn(server):
    with server.wire() as wire:
        wire.sendall((HEAD + b"\r\n" + LIVEZ) * 10)
        for _ in range(10):
            assert answer(wire) == b"ACCESS_BALANCE:100.00"
            assert answer(wire) == b"ok"


def test_slashes_too_many_lead_to_the_endpoint(server):
    query = "?action=getBalance&api_key=k"
    for path in (f"/{ENDPOINT}", f"{ENDPOINT}/", f"//daisysms{ENDPOINT}//", f"{ENDPOINT}//"):
        assert server.get(path + query).text == "ACCESS_BALANCE:100.00"
    assert server.get("//livez/x").status_code == 404
