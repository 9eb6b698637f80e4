"""Logging: one line for each event, as text or JSON, with every API key replaced by `[key]`.

In text a traceback follows its line, indented: only lines of the proxy start at the margin.
"""

import logging
import os
import re
import sys
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, quote_plus

import msgspec

from proxy.runtime.printable import visible, visible_json

_COLOURS: Mapping[int, str] = MappingProxyType(
    {logging.DEBUG: "2", logging.WARNING: "33", logging.ERROR: "31", logging.CRITICAL: "31"}
)
"""Faint, yellow and red (ECMA-48, SGR)."""

# A key in a query string, in the repr of a header, or anywhere in the vendor's own form.
_KEYS = re.compile(
    r"(?P<name>api_?key[\"']?\s*[=:,]\s*b?[\"']?|x-api-key[\"']?\s*[=:,]\s*b?[\"']?)[^\s&\"'<>,)]+"
    r"|\bvs?ms_[A-Za-z0-9_-]+",
    re.IGNORECASE,
)

MAX_LEARNT = 2000
"""Keys of clients, about 1 KB each. New ones replace the oldest."""
SHORTEST_SECRET = 8

REQUEST: ContextVar[str] = ContextVar("request", default="")
"""The id of the request that is being answered."""


class Secrets:
    """Secrets that are hidden in every line, even in an exception of a library. Pinned secrets
    stay. Keys of clients, who can send any number of them, are replaced by newer ones.
    """

    def __init__(self) -> None:
        self._pinned: set[str] = set()
        self._learnt: OrderedDict[str, None] = OrderedDict()
        self._by_head: dict[str, dict[int, set[str]]] = {}
        """Secrets by their first characters and their length: one pass finds all of them."""

    def pin(self, *secrets: str) -> None:
        """Adds secrets of the configuration, of the store, or of a known program."""
        for secret in secrets:
            if secret not in self._pinned and len(secret) >= SHORTEST_SECRET:
                self._pinned.add(secret)
                self._look_for(secret)

    def learn(self, secret: str) -> None:
        """Adds a key that a client has sent."""
        if secret in self._learnt:
            self._learnt.move_to_end(secret)
        elif secret not in self._pinned and len(secret) >= SHORTEST_SECRET:
            if len(self._learnt) >= MAX_LEARNT:
                self._forget(self._learnt.popitem(last=False)[0])
            self._learnt[secret] = None
            self._look_for(secret)

    def redact(self, text: str) -> str:
        """Replaces every secret, and whatever looks like a key, by `[key]`."""
        parts, end = [], 0
        for start, stop in self._found(text):
            # Two that overlap become one `[key]`.
            if start >= end:
                parts += [text[end:start], "[key]"]
            end = max(end, stop)
        return redact("".join([*parts, text[end:]]))

    def _found(self, text: str) -> Iterator[tuple[int, int]]:
        by_head = self._by_head
        for start in range(len(text) - SHORTEST_SECRET + 1):
            if known := by_head.get(text[start : start + SHORTEST_SECRET]):
                # A copy: other threads log, too.
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
    """The secret as such, and as it is written in a URL, a form and a Python string."""
    quoted = {quote(secret, safe, errors="replace") for safe in ("", "/")}
    return {secret, *quoted, quote_plus(secret, errors="replace"), repr(secret)[1:-1]}


def redact(text: str) -> str:
    """Replaces what has the form or the name of a key by `[key]`."""
    return _KEYS.sub(lambda match: f"{match['name'] or ''}[key]", text)


def set_up(level: str, form: str, secrets: Secrets | None = None) -> None:
    """Log to stderr. `form` is text, json, or auto: text on a terminal, else json."""
    known = secrets or Secrets()
    as_text = form == "text" or (form == "auto" and sys.stderr.isatty())
    handler = logging.StreamHandler(sys.stderr)
    colours = _COLOURS if _has_colour() else {}
    handler.setFormatter(_Text(known, colours) if as_text else _Json(known))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # They log URLs and headers.
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _has_colour() -> bool:
    """Whether people read stderr and want colours (https://no-color.org)."""
    is_plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return sys.stderr.isatty() and not is_plain


class _Formatter(logging.Formatter):
    def __init__(self, secrets: Secrets) -> None:
        super().__init__()
        self._secrets = secrets


class _Text(_Formatter):
    def __init__(self, secrets: Secrets, colours: Mapping[int, str]) -> None:
        super().__init__(secrets)
        self._colours = colours

    def format(self, record: logging.LogRecord) -> str:
        message = visible(self._secrets.redact(record.getMessage()))
        level = f"{record.levelname:<7}"
        if colour := self._colours.get(record.levelno):
            level = f"\x1b[{colour}m{level}\x1b[0m"
        line = f"{_utc(record)} {level} {message}"
        if request := REQUEST.get():
            line += f" [{request}]"
        if record.exc_info:
            trace = self._secrets.redact(self.formatException(record.exc_info))
            line = "\n  ".join([line, *map(visible, trace.split("\n"))])
        return line


class _Json(_Formatter):
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
