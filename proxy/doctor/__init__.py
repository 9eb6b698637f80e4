"""Looks at everything that a proxy needs, and says what to do where something is wrong."""

from proxy.doctor.examination import examine
from proxy.doctor.finding import Finding

__all__ = ["Finding", "examine"]
