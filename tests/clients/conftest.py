"""One process of the sandbox for all clients: the command as a user starts it, on a real port."""

import pytest

from tests.clients import npm
from tests.clients.stage import Sandbox, a_key
from tests.support.process import a_process


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory):
    """An SMS comes 2 s after the purchase, so that a client is sure to see it waiting first."""
    log = tmp_path_factory.mktemp("clients") / "log"
    with a_process("sandbox", "--port", "0", "--sms-after", "5", log=log) as address:
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
