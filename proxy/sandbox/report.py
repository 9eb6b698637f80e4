"""The file that `doctor --readings --report` writes: its form, and its strict reader."""

import math
import os
import stat
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, field

VERSION = 1
MAX_BYTES = 2 * 1024 * 1024
MAX_DEPTH = 30
HEADERS = frozenset(
    {
        "content-type",
        "retry-after",
        "x-ratelimit-limit",
        "x-ratelimit-remaining",
        "x-ratelimit-reset",
    }
)
"""The headers that a report may have."""

Kind = Literal["virtualsms-proxy readings"]
KIND: Kind = "virtualsms-proxy readings"
Text = Annotated[str, Meta(max_length=200)]
HeaderText = Annotated[str, Meta(pattern="^[ -~]{0,200}$")]


class Body(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`value` is the JSON or the text; `shortened` has the number of rows that a list had, by its
    path in the JSON, as in `/services`.
    """

    kind: Literal["json", "text", "html", "empty", "other"]
    value: Any = None
    shortened: dict[Text, int] = {}


class Recorded(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One answer. `call` is what was asked; `path` has `{id}` in place of an order id; `key` tells
    whether a key was sent. `status` is 0 if no answer came.
    """

    call: Text
    method: Text
    path: Text
    query: dict[Text, Text] = {}
    key: bool
    status: Annotated[int, Meta(ge=0, le=599)]
    headers: dict[Text, HeaderText] = {}
    body: Body

    @property
    def is_failure(self) -> bool:
        """A refusal or fault that can be sent again as it was."""
        value = self.body.value
        refuses = isinstance(value, dict) and value.get("success") is False
        return self.status >= 400 or (self.status >= 200 and refuses)


class Report(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`readings` are values of switches; `unread` says why a switch has none."""

    kind: Kind = KIND
    version: int = VERSION
    proxy: Text
    trouble: Text = ""
    readings: dict[Text, str | int | float] = {}
    unread: dict[Text, Text] = {}
    answers: list[Recorded] = field(default_factory=list)


class _Head(Struct, frozen=True):
    kind: Kind
    version: int


class ReportError(ValueError):
    """The file is no report that can be used. The text is one line without the file's content."""


def read_report(path: Path) -> Report:
    """Raises ReportError."""
    raw = _content(path)
    try:
        head = msgspec.json.decode(raw, type=_Head)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        fix = "name a file that `doctor --readings --report` wrote"
        raise ReportError(f"{path}: it is no report: {fix}") from error
    if head.version != VERSION:
        known = f"it has version {head.version}, this proxy reads version {VERSION}"
        raise ReportError(f"{path}: {known}: use the proxy that wrote it")
    try:
        report = msgspec.json.decode(raw, type=Report)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise ReportError(f"{path}: the report is broken: write it anew") from error
    unknown = {name.lower() for it in report.answers for name in it.headers} - HEADERS
    if unknown or not all(_is_plain(it.body.value) for it in report.answers):
        raise ReportError(f"{path}: the report has what no proxy writes: write it anew")
    return report


def _content(path: Path) -> bytes:
    """Raises ReportError also for a file that is no plain file: reading a pipe could block."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ReportError(f"{path}: it is no plain file: name another")
            raw = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        if isinstance(error, ReportError):
            raise
        why = getattr(error, "strerror", None) or "it is no path"
        raise ReportError(f"{path}: cannot be read: {why}: name another file") from error
    if len(raw) > MAX_BYTES:
        raise ReportError(f"{path}: it has more than {MAX_BYTES} bytes: it is no report")
    return raw


def _is_plain(value: Any) -> bool:
    """Whether it can be sent as JSON: not too deep, and its numbers finite and not too large."""
    left = [(value, 0)]
    while left:
        one, depth = left.pop()
        if depth > MAX_DEPTH:
            return False
        if isinstance(one, dict | list):
            left += [(it, depth + 1) for it in (one.values() if isinstance(one, dict) else one)]
        elif isinstance(one, int | float) and not (math.isfinite(one) and abs(one) < 2**63):
            return False
    return True
