"""Looks at everything that a proxy needs, and says what to do where something is wrong."""

from proxy.commands.doctor.checks import examine
from proxy.commands.doctor.finding import Finding

__all__ = ["Finding", "examine"]
