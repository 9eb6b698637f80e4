"""The changes as a unified diff that `patch -p1` applies: bytes for bytes, whatever the encoding.

A file of environment variables has no lines around its changes in it, because they are secrets.
"""

import os
from collections.abc import Iterator, Sequence

from proxy.commands.repoint.finder import read
from proxy.commands.repoint.marks import FileMarks, Mark
from proxy.commands.repoint.resolve import is_env

CONTEXT = 3
_PLAIN = frozenset(range(0x20, 0x7F)) - {0x22, 0x5C}


def diff(file: FileMarks, data: bytes) -> Iterator[bytes]:
    """The part of the diff for one file; nothing if the file has changed since it was read."""
    marks = [mark for mark in file.marks if mark.is_patched]
    text = read(data) or ""
    if not marks or any(text[mark.start : mark.end] != mark.stands for mark in marks):
        return
    old = _lines(text)
    new = _lines(_changed(text, marks))
    changed = sorted({mark.line - 1 for mark in marks})
    name = os.fsencode(file.name)
    yield b"--- " + _name(b"a/" + name) + b"\n+++ " + _name(b"b/" + name) + b"\n"
    for first, last in _hunks(changed, len(old), 0 if is_env(file.name) else CONTEXT):
        yield from _hunk(old, new, first, last, set(changed))


def _changed(text: str, marks: Sequence[Mark]) -> str:
    parts, end = [], 0
    for mark in marks:
        parts += [text[end : mark.start], mark.write]
        end = mark.end
    return "".join([*parts, text[end:]])


def _lines(text: str) -> list[str]:
    """The lines with their ends; only a line feed ends one."""
    lines = text.split("\n")
    ended = [f"{line}\n" for line in lines[:-1]]
    return [*ended, lines[-1]] if lines[-1] else ended


def _hunks(changed: Sequence[int], count: int, context: int) -> Iterator[tuple[int, int]]:
    """The first line of each hunk and the one behind its last, from 0."""
    first = last = -1
    for line in changed:
        begin, end = max(line - context, 0), min(line + context + 1, count)
        if last < 0 or begin > last:
            if last >= 0:
                yield first, last
            first = begin
        last = end
    if last >= 0:
        yield first, last


def _hunk(
    old: Sequence[str], new: Sequence[str], first: int, last: int, changed: set[int]
) -> Iterator[bytes]:
    span = f"{first + 1},{last - first}"
    yield f"@@ -{span} +{span} @@\n".encode()
    removed: list[int] = []
    for line in range(first, last):
        if line in changed:
            yield _line("-", old[line])
            removed.append(line)
        if line not in changed or line == last - 1 or line + 1 not in changed:
            yield from (_line("+", new[added]) for added in removed)
            removed = []
            if line not in changed:
                yield _line(" ", old[line])


def _line(sign: str, text: str) -> bytes:
    data = f"{sign}{text}".encode("utf-8", "surrogateescape")
    return data if data.endswith(b"\n") else data + b"\n\\ No newline at end of file\n"


def _name(name: bytes) -> bytes:
    """As git and GNU patch write names: quoted if they have quotes, backslashes or controls; a tab
    ends one with spaces.
    """
    if all(byte in _PLAIN or byte > 0x7F for byte in name):
        return name + b"\t" if b" " in name else name
    quoted = "".join(chr(byte) if byte in _PLAIN else f"\\{byte:03o}" for byte in name)
    return f'"{quoted}"'.encode()
