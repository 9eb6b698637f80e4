"""A printed address can be copied: nobody can connect to 0.0.0.0."""

import socket

import pytest

from proxy.app import server
from proxy.app.address import listening_note, reachable, url
from tests.support.process import a_process, run


@pytest.mark.parametrize(
    ("host", "shown", "note"),
    [
        ("127.0.0.1", "http://127.0.0.1:8080", ""),
        ("proxy.internal", "http://proxy.internal:8080", ""),
        ("0.0.0.0", "http://127.0.0.1:8080", " (listening on all addresses)"),
        ("::1", "http://[::1]:8080", ""),
        ("::", "http://[::1]:8080", " (listening on all IPv6 addresses)"),
        ("0:0:0:0:0:0:0:0", "http://[::1]:8080", " (listening on all IPv6 addresses)"),
    ],
)
def test_an_address_of_every_interface_is_shown_as_one_that_can_be_used(host, shown, note):
    assert url(host, 8080, is_tls=False) == shown
    assert listening_note(host) == note


def hosts():
    """Containers often have no IPv6."""
    yield "0.0.0.0"
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return
    yield "::"


@pytest.mark.parametrize("host", list(hosts()))
def test_what_listens_on_every_address_is_reached_by_the_address_that_is_shown(host):
    with server.open_socket(host, 0) as opened:
        port = opened.getsockname()[1]
        assert server.url(opened) == url(host, port, is_tls=False)
        socket.create_connection((reachable(host), port), 5).close()


def test_serve_and_check_print_an_address_that_can_be_used(tmp_path):
    everywhere = {"PROXY_LISTEN_HOST": "0.0.0.0"}
    with a_process("--port", "0", log=tmp_path / "log", **everywhere) as shown:
        assert shown.startswith("http://127.0.0.1:")
    listens = "listens: http://127.0.0.1:8080 (listening on all addresses)"
    assert listens in run("check", **everywhere).stdout.splitlines()
