"""The sandbox in a test suite: `Sandbox` for any of them, fixtures for pytest in `plugin`.

Every pytest session imports this package, so that it imports nothing before a name is used.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from proxy.testing.process import SandboxError
    from proxy.testing.sandbox import Entry, Ledger, Order, Report, Sandbox, Sms

__all__ = ["Entry", "Ledger", "Order", "Report", "Sandbox", "SandboxError", "Sms"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from proxy.testing import sandbox

    return getattr(sandbox, name)
