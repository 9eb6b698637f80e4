"""The console: one page at /console that shows what the proxy does, and the API behind it."""

from proxy.console.console import Console

__all__ = ["Console"]
