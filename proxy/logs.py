"""Logging: one line for an event, as text or JSON, with every API key blanked out."""

import logging
import re
import sys
import time
from typing import Any

import msgspec

# A key stands in a query string, in a header's repr, or anywhere in the vendor's own form.
_KEYS = re.compile(
    r"(?P<name>api_?key[\"']?\s*[=:,]\s*b?[\"']?|x-api-key[\"']?\s*[=:,]\s*b?[\"']?)[^\s&\"'<>,)]+"
    r"|\bvs?ms_[A-Za-z0-9_-]+",
    re.IGNORECASE,
)


def redact(text: str) -> str:
    return _KEYS.sub(lambda match: f"{match['name'] or ''}[key]", text)


def set_up(level: str, form: str) -> None:
    """Log to stderr. `form` is text, json, or auto: text on a terminal, else json."""
    as_text = form == "text" or (form == "auto" and sys.stderr.isatty())
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Text() if as_text else _Json())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # They log URLs and headers of their own accord.
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)


class _Text(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        return _utc(record)

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": _utc(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redact(record.getMessage()),
        }
        if record.exc_info:
            line["exception"] = redact(self.formatException(record.exc_info))
        return msgspec.json.encode(line).decode()


def _utc(record: logging.LogRecord) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created))
