"""A simulated VirtualSMS upstream, to try programs without money and to test money safety."""

from proxy.sandbox.app import create_sandbox
from proxy.sandbox.state.switches import Switches

__all__ = ["Switches", "create_sandbox"]
