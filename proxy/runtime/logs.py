"""Logging: one line for an event, as text or JSON, with every API key blanked out.

As text a traceback follows its line, indented: what stands at the margin, the proxy has written.
"""

import logging
import re
import sys
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any
from urllib.parse import quote, quote_plus

import msgspec

from proxy.runtime.printable import visible, visible_json

# A key stands in a query string, in a header's repr, or anywhere in the vendor's own form.
_KEYS = re.compile(
    r"(?P<name>api_?key[\"']?\s*[=:,]\s*b?[\"']?|x-api-key[\"']?\s*[=:,]\s*b?[\"']?)[^\s&\"'<>,)]+"
    r"|\bvs?ms_[A-Za-z0-9_-]+",
    re.IGNORECASE,
)


MAX_LEARNT = 2000
"""Keys of clients, about 1 KB each. Who sends new ones all the time pushes out the oldest."""
SHORTEST_SECRET = 8

REQUEST: ContextVar[str] = ContextVar("request", default="")
"""The id of the request that is being answered."""


class Secrets:
    """What is blanked out wherever a line has it, even in an exception of a library: what is pinned
    for good, what is learnt from clients, who can send any number of keys, until newer ones come.
    """

    def __init__(self) -> None:
        self._pinned: set[str] = set()
        self._learnt: OrderedDict[str, None] = OrderedDict()
        self._by_head: dict[str, dict[int, set[str]]] = {}
        """What to look for, by its first characters and its length: one pass finds any number."""

    def pin(self, *secrets: str) -> None:
        """Of the configuration, of the store, or proven to be a program's."""
        for secret in secrets:
            if secret not in self._pinned and len(secret) >= SHORTEST_SECRET:
                self._pinned.add(secret)
                self._look_for(secret)

    def learn(self, secret: str) -> None:
        """A key that is passed through."""
        if secret in self._learnt:
            self._learnt.move_to_end(secret)
        elif secret not in self._pinned and len(secret) >= SHORTEST_SECRET:
            if len(self._learnt) >= MAX_LEARNT:
                self._forget(self._learnt.popitem(last=False)[0])
            self._learnt[secret] = None
            self._look_for(secret)

    def redact(self, text: str) -> str:
        parts, end = [], 0
        for start, stop in self._found(text):
            # Where two overlap, both are blanked out.
            if start >= end:
                parts += [text[end:start], "[key]"]
            end = max(end, stop)
        return redact("".join([*parts, text[end:]]))

    def _found(self, text: str) -> Iterator[tuple[int, int]]:
        by_head = self._by_head
        for start in range(len(text) - SHORTEST_SECRET + 1):
            if known := by_head.get(text[start : start + SHORTEST_SECRET]):
                # A copy: the thread of the store logs, too.
                lengths = [n for n, same in [*known.items()] if text[start : start + n] in same]
                if lengths:
                    yield start, start + max(lengths)

    def _look_for(self, secret: str) -> None:
        for form in _forms(secret):
            known = self._by_head.setdefault(form[:SHORTEST_SECRET], {})
            known.setdefault(len(form), set()).add(form)

    def _forget(self, secret: str) -> None:
        for form in _forms(secret):
            head = form[:SHORTEST_SECRET]
            known = self._by_head[head]
            known[len(form)].discard(form)
            if not known[len(form)]:
                del known[len(form)]
            if not known:
                del self._by_head[head]
        if secret in self._pinned:
            self._look_for(secret)


def _forms(secret: str) -> set[str]:
    """As it is written in an address, a form, a string of Python, and by itself."""
    quoted = {quote(secret, safe, errors="replace") for safe in ("", "/")}
    return {secret, *quoted, quote_plus(secret, errors="replace"), repr(secret)[1:-1]}


def redact(text: str) -> str:
    """Blanks out what has the form or the name of a key."""
    return _KEYS.sub(lambda match: f"{match['name'] or ''}[key]", text)


def set_up(level: str, form: str, secrets: Secrets | None = None) -> None:
    """Log to stderr. `form` is text, json, or auto: text on a terminal, else json."""
    known = secrets or Secrets()
    as_text = form == "text" or (form == "auto" and sys.stderr.isatty())
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Text(known) if as_text else _Json(known))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # They log URLs and headers of their own accord.
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)


class _Text(logging.Formatter):
    def __init__(self, secrets: Secrets) -> None:
        super().__init__()
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        said = visible(self._secrets.redact(record.getMessage()))
        line = f"{_utc(record)} {record.levelname:<7} {said}"
        if request := REQUEST.get():
            line += f" [{request}]"
        if record.exc_info:
            trace = self._secrets.redact(self.formatException(record.exc_info))
            line = "\n  ".join([line, *map(visible, trace.split("\n"))])
        return line


class _Json(logging.Formatter):
    def __init__(self, secrets: Secrets) -> None:
        super().__init__()
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": _utc(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self._secrets.redact(record.getMessage()),
        }
        if request := REQUEST.get():
            line["request"] = request
        if record.exc_info:
            line["exception"] = self._secrets.redact(self.formatException(record.exc_info))
        return visible_json(msgspec.json.encode(line).decode())


def _utc(record: logging.LogRecord) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created))
