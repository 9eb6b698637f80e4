"""What Prometheus is told. Every label has a bounded set of values."""

import re

from prometheus_client import CollectorRegistry, Counter, generate_latest

_WORD = re.compile(rb"[A-Z_]{2,40}")


class Metrics:
    """One set for each app."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._answers = Counter(
            "virtualsms_proxy_answers",
            "Answers to clients, by dialect, action and first word (JSON for a body in JSON).",
            ["dialect", "action", "word"],
            registry=self.registry,
        )

    def answers(self, dialect: str, action: str, body: bytes) -> Counter:
        """The counter of such answers. `action` is one of the registry, or `other`."""
        found = _WORD.match(body)
        word = found[0].decode() if found else "JSON" if body[:1] in (b"{", b"[") else "TEXT"
        return self._answers.labels(dialect, action, word)

    def page(self) -> bytes:
        return generate_latest(self.registry)
