"""Reads each file of a program and collects what has to be changed. Pure but for the tree."""

from collections.abc import Iterator
from itertools import islice

from proxy.commands.repoint.addresses import AddressFinder
from proxy.commands.repoint.marks import FileMarks, Kind, Mark
from proxy.commands.repoint.resolve import resolve
from proxy.commands.repoint.target import Target
from proxy.commands.repoint.tree import Tree
from proxy.commands.repoint.usage import UsageFinder
from proxy.config.clients import Clients
from proxy.legacy.dialects import DIALECTS

MAX_IN_FILE, MAX_MARKS = 1000, 50_000
"""Findings in one file and in the whole program; more are counted as skipped."""

PROSE = (".md", ".rst", ".txt", ".adoc", ".html", ".htm", ".tex", ".po", ".csv")
"""Here only whole addresses count: a text may speak of a site without calling it."""
LOCKS = (".lock", "package-lock.json", "npm-shrinkwrap.json", "pnpm-lock.yaml", "go.sum",
         "packages.lock.json", "gradle.lockfile")  # fmt: skip
"""Here only packages count."""


class Finder:
    def __init__(self, clients: Clients, target: Target) -> None:
        self._target = target
        self._addresses = AddressFinder(clients, target)
        self._usage = UsageFinder(clients, target)
        hosts = {host.split(".")[0] for s in clients.sites.values() for host in s.hosts}
        places = {*hosts, *(d.host for d in DIALECTS.values()), "herosms", "handler_api"}
        named = {
            word
            for packages in clients.packages.values()
            for name, package in packages.items()
            for word in (name.partition(":")[0], name.replace("-", "_"), *package.modules)
        }
        words = {*self._usage.actions, "currency", "price", "action"}
        self._places = _folded(places)
        self._named = _folded(named)
        self._words = _folded(words)

    def find(self, tree: Tree) -> list[FileMarks]:
        """The files with what has to be changed in them. Raises OSError if the folder cannot be
        read.
        """
        files: list[FileMarks] = []
        left = MAX_MARKS
        for name, data in tree.texts():
            file = self._file(name, data, tree)
            if not file.marks and not file.has_own:
                continue
            left -= len(file.marks)
            if left < 0:
                tree.skipped[f"files behind the first {MAX_MARKS} findings"] += 1
            else:
                files.append(file)
        return resolve(files, self._target)

    def _file(self, name: str, data: bytes, tree: Tree) -> FileMarks:
        file = FileMarks(name)
        lower = data.lower()
        is_wide = b"\0" in data
        has = [is_wide or any(word in lower for word in words)
               for words in (self._places, self._named, self._words)]  # fmt: skip
        if not any(has):
            return file
        text = read(data)
        if text is None:
            tree.skipped["binary"] += 1
            return file
        file.is_text = not is_wide
        marks = list(islice(self._marks(file, text, *has), MAX_IN_FILE + 1))
        if len(marks) > MAX_IN_FILE:
            tree.skipped[f"files with over {MAX_IN_FILE} findings, read in part"] += 1
        file.marks = _numbered(text, marks[:MAX_IN_FILE])
        return file

    def _marks(
        self, file: FileMarks, text: str, has_place: bool, has_name: bool, has_word: bool
    ) -> Iterator[Mark]:
        base = file.name.rpartition("/")[2].lower()
        is_lock = base.endswith(LOCKS)
        if has_name:
            yield from self._usage.packages(base, text)
        is_prose = base.endswith(PROSE) and not base.startswith(("requirements", "constraints"))
        if has_place and not is_lock:
            file.has_own = not is_prose and self._addresses.has_own(text)
            for mark in self._addresses.marks(text):
                if not is_prose or mark.kind is Kind.ADDRESS:
                    yield mark
        if has_word and not is_lock and not is_prose:
            yield from self._usage.refused(text)
            yield from self._usage.caps(text)


def read(data: bytes) -> str | None:
    """A text of any encoding: bytes that are not UTF-8 stay as they are, as halves of surrogate
    pairs. Only UTF-16 with its mark is another text; None if it is broken.
    """
    if b"\0" not in data:
        return data.decode("utf-8", "surrogateescape")
    try:
        return data.decode("utf-16")
    except UnicodeDecodeError:
        return None


def _numbered(text: str, marks: list[Mark]) -> list[Mark]:
    """In the order of the text, without those inside others, with their lines."""
    marks.sort(key=lambda mark: (mark.start, -mark.end))
    line, at, end = 1, 0, 0
    found = []
    for mark in marks:
        line += text.count("\n", at, mark.start)
        mark.line, at = line, mark.start
        if mark.start >= end or mark.kind is Kind.PACKAGE:
            found.append(mark)
            end = max(end, mark.end)
    return found


def _folded(words: set[str]) -> tuple[bytes, ...]:
    """In lower case, without those that contain another: where they are, that is, too."""
    lower = {word.lower() for word in words}
    short = {w for w in lower if not any(other != w and other in w for other in lower)}
    return tuple(sorted(word.encode() for word in short))
