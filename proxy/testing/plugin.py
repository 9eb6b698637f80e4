"""The pytest plugin: fixtures of a sandbox, and its output in the report of a failed test."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

try:
    import pytest
except ImportError as error:
    text = "proxy.testing.plugin needs pytest, which the extra `testing` of this package installs"
    raise ImportError(text) from error

if TYPE_CHECKING:
    from proxy.testing import Sandbox


@pytest.fixture(scope="session")
def sms_sandbox_options() -> dict[str, Any]:
    """The arguments of `Sandbox`. A conftest.py overrides it."""
    return {}


@pytest.fixture(scope="session")
def sms_sandbox_session(sms_sandbox_options: dict[str, Any]) -> "Iterator[Sandbox]":
    """One sandbox for all tests of the session; each worker of pytest-xdist has its own."""
    from proxy.testing import Sandbox

    with Sandbox(**sms_sandbox_options) as sandbox:
        yield sandbox


@pytest.fixture
def sms_sandbox(sms_sandbox_session: "Sandbox") -> "Sandbox":
    """A sandbox as at its start: the process of the session, reset."""
    sms_sandbox_session.reset()
    return sms_sandbox_session


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: "pytest.CallInfo[Any]") -> None:
    sandbox = getattr(item, "funcargs", {}).get("sms_sandbox_session")
    if sandbox is not None and call.excinfo is not None:
        item.add_report_section(call.when, "sms_sandbox", sandbox.printed)
