"""Walks through a program's folder and reads its texts: in bounded memory, never blocking.

Links are never followed: a link that stays in the tree leads to a file that is read by its own
name. What is not read is counted by its reason.
"""

import os
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from proxy.commands.repoint.ignored import MAX_PATTERNS, Pattern, is_ignored, is_vendored, patterns

MAX_BYTES = 1024 * 1024
"""Of a file that is read."""
MAX_ENTRIES = 200_000
"""Names in all folders together, so that time and memory have an end."""

BINARY = (
    ".png", ".jpg", ".jpeg", ".gif", ".ico", ".webp", ".pdf", ".mp3", ".mp4", ".woff", ".woff2",
    ".ttf", ".zip", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar", ".jar", ".war", ".class",
    ".pyc", ".so", ".o", ".a", ".dll", ".exe", ".dylib", ".wasm", ".db", ".sqlite", ".sqlite3",
)  # fmt: skip
# Without a terminal to take over, a FIFO to wait for, or a link to follow. Windows has not all.
FLAGS = os.O_RDONLY | sum(
    getattr(os, name, 0)
    for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_NOCTTY", "O_BINARY")
)
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(slots=True)
class Tree:
    """The files of a folder. `skipped` and `files` are complete when `texts` has ended."""

    root: Path
    max_entries: int = MAX_ENTRIES
    files: int = 0
    skipped: Counter[str] = field(default_factory=Counter)

    def texts(self) -> Iterator[tuple[str, bytes]]:
        """The name in the tree and the bytes of every text. Raises OSError if the folder itself
        cannot be read.
        """
        left = self.max_entries
        waiting: list[tuple[tuple[str, ...], Sequence[Pattern]]] = [((), ())]
        while waiting:
            folder, rules = waiting.pop()
            entries = self._entries(folder, left)
            left -= len(entries)
            rules = [*rules, *self._rules(folder, entries)][:MAX_PATTERNS]
            names = {entry.name for entry in entries}
            below = []
            for entry in entries:
                path = (*folder, entry.name)
                if entry.is_dir(follow_symlinks=False):
                    if self._is_own(path, names, rules):
                        below.append((path, rules))
                elif (data := self._read(entry)) is not None:
                    self.files += 1
                    yield "/".join(path), data
            waiting += reversed(below)

    def read(self, name: str) -> bytes | None:
        """The bytes of a text by its name in the tree; None if it is none, or no more."""
        try:
            return self._bytes(self.root / name)
        except OSError:
            return None

    def _entries(self, folder: tuple[str, ...], left: int) -> list[os.DirEntry[str]]:
        """The entries in the order of their names; of a folder too many, the first that come."""
        try:
            with os.scandir(self.root.joinpath(*folder)) as found:
                entries = list(islice(found, left))
                if next(found, None) is not None:
                    self.skipped[f"folders behind the first {self.max_entries} names"] += 1
        except OSError:
            if not folder:
                raise
            self.skipped["unreadable"] += 1
            return []
        return sorted(entries, key=lambda entry: entry.name)

    def _rules(
        self, folder: tuple[str, ...], entries: Sequence[os.DirEntry[str]]
    ) -> Iterator[Pattern]:
        for entry in entries:
            if entry.name == ".gitignore" and entry.is_file(follow_symlinks=False):
                data = self.read("/".join((*folder, entry.name))) or b""
                yield from patterns(data.decode(errors="surrogateescape"), folder)

    def _is_own(self, path: tuple[str, ...], siblings: set[str], rules: Sequence[Pattern]) -> bool:
        if is_vendored(path[-1], siblings) or self.root.joinpath(*path, "pyvenv.cfg").is_file():
            self.skipped["vendored folders"] += 1
        elif is_ignored(path, rules):
            self.skipped["ignored folders"] += 1
        else:
            return True
        return False

    def _read(self, entry: os.DirEntry[str]) -> bytes | None:
        if entry.is_symlink():
            if self._leaves(entry.path):
                self.skipped["links that leave the tree"] += 1
            return None
        if not entry.is_file(follow_symlinks=False):
            self.skipped["not files"] += 1
            return None
        if entry.name.lower().endswith(BINARY):
            self.skipped["binary"] += 1
            return None
        try:
            return self._bytes(entry.path)
        except OSError:
            self.skipped["unreadable"] += 1
            return None

    def _leaves(self, path: str) -> bool:
        return not Path(os.path.realpath(path)).is_relative_to(self.root)

    def _bytes(self, path: str | Path) -> bytes | None:
        """The whole file if it is a text. Raises OSError."""
        file = os.open(path, FLAGS)
        try:
            what = os.fstat(file)
            if not stat.S_ISREG(what.st_mode):
                self.skipped["not files"] += 1
                return None
            data = b"" if what.st_size > MAX_BYTES else _all(file)
        finally:
            os.close(file)
        if what.st_size > MAX_BYTES or len(data) > MAX_BYTES:
            self.skipped["over 1 MiB"] += 1
            return None
        if b"\0" in data and not data.startswith(_UTF_16):
            self.skipped["binary"] += 1
            return None
        return data


def _all(file: int) -> bytes:
    """At most one byte more than MAX_BYTES: a file in /proc has no size and may have no end."""
    parts, left = [], MAX_BYTES + 1
    while left and (part := os.read(file, left)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)
