"""Host and Origin, as the console and the sandbox judge them."""

import pytest
from starlette.datastructures import Headers

from proxy.runtime.origin import host_name, is_from_browser, is_known_host, is_same_origin

NAMES = {"proxy.internal"}
YES, SHORT, NO = "always", "where short names are taken", "never"


def headers(*pairs: tuple[str, str]) -> Headers:
    return Headers(raw=[(name.lower().encode(), text.encode("latin-1")) for name, text in pairs])


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("localhost", YES),
        ("LOCALHOST:8080", YES),
        ("my.localhost:1", YES),
        ("127.0.0.1:8080", YES),
        ("192.168.1.20", YES),
        ("[::1]:8080", YES),
        ("[fe80::1%25eth0]:80", YES),
        ("Proxy.Internal:8080", YES),
        ("sandbox:8080", SHORT),
        ("my_service", SHORT),
        ("evil.example:8080", NO),
        ("127.0.0.1.evil.example", NO),
        ("localhost.evil.example", NO),
        ("evil.example.proxy.internal", NO),
        ("localhost.", NO),
        ("", NO),
        (":8080", NO),
        ("[", NO),
        ("[]", NO),
        ("[x]", NO),
        ("[evil.example]", NO),
        ("localhost:port", NO),
        ("evil.example@localhost", NO),
        ("localhost/evil", NO),
        ("localhost\t", NO),
        ("h\xf6st", NO),
        ("\xff", NO),
    ],
)
def test_a_host_is_known_by_its_name(host, known):
    sent = headers(("Host", host))
    assert is_known_host(sent, NAMES) == (known is YES)
    assert is_known_host(sent, NAMES, takes_short=True) == (known in (YES, SHORT))


def test_no_host_and_two_hosts_are_not_known():
    for pairs in ((), (("Host", "localhost"), ("Host", "localhost"))):
        assert not is_known_host(headers(*pairs), NAMES, takes_short=True)


def test_an_empty_name_in_the_configuration_makes_no_host_known():
    assert not is_known_host(headers(("Host", "[")), {""})
    assert host_name("[") == ""


@pytest.mark.parametrize(
    ("pairs", "is_same"),
    [
        ((), True),
        ((("Origin", "http://localhost:8080"),), True),
        ((("Origin", "HTTP://LocalHost:8080"),), True),
        # TLS may end in front of the proxy.
        ((("Origin", "https://localhost:8080"),), True),
        ((("Origin", "http://localhost:9090"),), False),
        ((("Origin", "http://localhost"),), False),
        ((("Origin", "https://evil.example"),), False),
        ((("Origin", "null"),), False),
        ((("Origin", ""),), False),
        ((("Origin", "http://["),), False),
        ((("Origin", "http://[::1"),), False),
        ((("Origin", "http://\u00ff]["),), False),
        ((("Origin", "http://localhost:8080"), ("Origin", "https://evil.example")), False),
        ((("Sec-Fetch-Site", "same-origin"),), True),
        ((("Sec-Fetch-Site", "none"),), True),
        ((("Sec-Fetch-Site", "same-site"),), False),
        ((("Sec-Fetch-Site", "cross-site"),), False),
        ((("Sec-Fetch-Site", "\xff"),), False),
        ((("Sec-Fetch-Site", "none"), ("Origin", "https://evil.example")), False),
        ((("Sec-Fetch-Site", "cross-site"), ("Origin", "http://localhost:8080")), False),
    ],
)
def test_only_pages_of_this_address_are_of_the_same_origin(pairs, is_same):
    sent = headers(("Host", "localhost:8080"), *pairs)
    assert is_same_origin(sent) == is_same
    assert is_from_browser(sent) == bool(pairs)


def test_no_origin_is_that_of_no_host():
    assert not is_same_origin(headers(("Origin", "null"), ("Host", "localhost")))
    assert not is_same_origin(headers(("Origin", "https://evil.example")))
