"""What Prometheus is told. Every label has a bounded set of values."""

import re
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Counter

_WORD = re.compile(rb"[A-Z_]{2,40}")


class Metrics:
    """One set for each app. The library is loaded for the first answer, not for the start."""

    @cached_property
    def registry(self) -> "CollectorRegistry":
        from prometheus_client import CollectorRegistry

        return CollectorRegistry()

    @cached_property
    def _answers(self) -> "Counter":
        from prometheus_client import Counter

        return Counter(
            "virtualsms_proxy_answers",
            "Answers to clients, by dialect, action and first word (JSON for a body in JSON).",
            ["dialect", "action", "word"],
            registry=self.registry,
        )

    def answers(self, dialect: str, action: str, body: bytes) -> "Counter":
        """The counter of such answers. `action` is one of the registry, or `other`."""
        found = _WORD.match(body)
        word = found[0].decode() if found else "JSON" if body[:1] in (b"{", b"[") else "TEXT"
        return self._answers.labels(dialect, action, word)

    def page(self) -> bytes:
        from prometheus_client import generate_latest

        return generate_latest(self.registry)
