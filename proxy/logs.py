"""Logging: one line for an event, as text or JSON, with every API key blanked out."""

import logging
import re
import sys
import time
from contextvars import ContextVar
from typing import Any

import msgspec
from cachetools import LRUCache

# A key stands in a query string, in a header's repr, or anywhere in the vendor's own form.
_KEYS = re.compile(
    r"(?P<name>api_?key[\"']?\s*[=:,]\s*b?[\"']?|x-api-key[\"']?\s*[=:,]\s*b?[\"']?)[^\s&\"'<>,)]+"
    r"|\bvs?ms_[A-Za-z0-9_-]+",
    re.IGNORECASE,
)


MAX_SECRETS = 1000
SHORTEST_SECRET = 8

REQUEST: ContextVar[str] = ContextVar("request", default="")
"""The id of the request that is being answered."""


class Secrets:
    """Keys that were seen of late: they are blanked out wherever a line has them, even in an
    exception of a library.
    """

    def __init__(self) -> None:
        self._known: LRUCache[str, None] = LRUCache(MAX_SECRETS)

    def add(self, *secrets: str) -> None:
        for secret in secrets:
            if len(secret) >= SHORTEST_SECRET:
                self._known[secret] = None

    def redact(self, text: str) -> str:
        for secret in tuple(self._known):
            text = text.replace(secret, "[key]")
        return redact(text)


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
        super().__init__("%(asctime)s %(levelname)-7s %(message)s")
        self._secrets = secrets

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        return _utc(record)

    def format(self, record: logging.LogRecord) -> str:
        line = self._secrets.redact(super().format(record))
        request = REQUEST.get()
        return f"{line} [{request}]" if request else line


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
        return msgspec.json.encode(line).decode()


def _utc(record: logging.LogRecord) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created))
