"""One process of the sandbox for all clients: the command as a user starts it, on a real port."""

from contextlib import contextmanager

import pytest

from tests.clients import npm
from tests.clients.stage import Sandbox, a_key
from tests.support.process import a_process


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory):
    """An SMS comes 5 s after the purchase, so that a client is sure to see it waiting first."""
    with a_sandbox(tmp_path_factory.mktemp("clients"), sms_after=5) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def silent_sandbox(tmp_path_factory):
    """An SMS comes when a test sends it."""
    with a_sandbox(tmp_path_factory.mktemp("silent"), sms_after=100_000) as sandbox:
        yield sandbox


@contextmanager
def a_sandbox(folder, sms_after):
    log = folder / "log"
    with a_process("sandbox", "--port", "0", "--sms-after", str(sms_after), log=log) as address:
        yield Sandbox(address)
    said = log.read_text()
    assert "Traceback" not in said
    assert "planted" not in said


@pytest.fixture
def key():
    return a_key()


@pytest.fixture(scope="session")
def node(tmp_path_factory):
    """For tests that are marked `npm.needed`."""
    with npm.a_driver(tmp_path_factory.mktemp("npm")) as driver:
        yield driver
