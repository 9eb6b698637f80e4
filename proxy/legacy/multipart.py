"""Reads the fields of a multipart/form-data body (RFC 7578). Pure: bytes in.

The time is linear in the size of the body. Python's email parser is quadratic in quotes and
semicolons, and raises on nested messages and on parameters of the form `name*` (seen 2026-11-29).
"""

import re
from collections.abc import Iterator

MAX_HEADER = 1024
"""Bytes of a Content-Type, or of the head of one part. RFC 2046 allows a boundary of 70."""

_TOKEN = r"[^\s\"(),/:;<=>?@\[\\\]]+"
_BOUNDARY = re.compile(rf';\s*boundary=(?:"([^"\\]+)"|({_TOKEN}))', re.IGNORECASE)
_DISPOSITION = re.compile(rb"^content-disposition[ \t]*:(.*)$", re.IGNORECASE | re.MULTILINE)
_NAME = re.compile(rb';\s*name=(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))', re.IGNORECASE)
_ESCAPED = re.compile(rb'\\(["\\])')
_END_OF_HEAD = re.compile(rb"\r?\n\r?\n|\A\r?\n")


def fields(body: bytes, content_type: str) -> list[tuple[str, str]]:
    """Name and value of each named part, in their order; bytes that are not UTF-8 are replaced."""
    found = _BOUNDARY.search(content_type)
    if not found:
        return []
    read = (_field(part) for part in _parts(body, (found[1] or found[2]).encode("latin-1")))
    return [field for field in read if field]


def _parts(body: bytes, boundary: bytes) -> Iterator[bytes]:
    """The bytes between two delimiters; the second one may be missing after the last part."""
    delimiter = re.compile(rb"(?:\A|\r?\n)--" + re.escape(boundary) + rb"(--)?[ \t]*(?:\r?\n|\Z)")
    begins: int | None = None
    for edge in delimiter.finditer(body):
        if begins is not None:
            yield body[begins : edge.start()]
        if edge[1]:
            return
        begins = edge.end()
    if begins is not None:
        yield body[begins:]


def _field(part: bytes) -> tuple[str, str] | None:
    end = _END_OF_HEAD.search(part, 0, MAX_HEADER)
    disposition = _DISPOSITION.search(part, 0, end.start()) if end else None
    found = _NAME.search(disposition[1]) if disposition else None
    if not (end and found):
        return None
    name = found[2] if found[1] is None else _ESCAPED.sub(rb"\1", found[1])
    return _text(name), _text(part[end.end() :])


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
