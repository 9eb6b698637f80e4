"""Keys in the bytes of a SQLite store: gone soon after the last purchase, and at each start."""

import time

import pytest

from tests.support.pace import is_quick
from tests.support.running import NUMBER, Proxy, an_upstream, until

KEY = "planted-client-key"
SECONDS = 5.0
"""In which a key is gone from the bytes after its last operation was done."""


@pytest.fixture
def proxy(tmp_path):
    with an_upstream(tmp_path, hold=0) as upstream:
        proxy = Proxy(tmp_path, upstream.url)
        proxy.start()
        yield proxy
        proxy.stop()


def is_left(proxy):
    """Whether the key is in the file or its write-ahead log."""
    paths = proxy.store.parent.glob(f"{proxy.store.name}*")
    return any(KEY.encode() in path.read_bytes() for path in paths)


def bought(proxy):
    for _ in range(5):
        assert proxy.ask(NUMBER, KEY).startswith("ACCESS_NUMBER:")
        assert is_left(proxy), "an answer of which the store does not know the end"


@pytest.mark.slow
def test_five_seconds_after_the_last_purchase_no_key_is_in_the_bytes(proxy):
    bought(proxy)
    begun = time.monotonic()
    assert until(lambda: not is_left(proxy))
    is_quick(time.monotonic() - begun, SECONDS)


def test_after_a_kill_and_a_restart_no_key_of_a_done_operation_is_in_the_bytes(proxy):
    bought(proxy)
    assert until(lambda: not proxy.rows("select * from owed"))
    proxy.kill()
    assert is_left(proxy), "the kill came too late to prove anything"
    proxy.start()
    assert not is_left(proxy)


def test_after_a_stop_no_key_is_in_the_bytes(proxy):
    bought(proxy)
    proxy.stop()
    assert not is_left(proxy)
    proxy.start()
