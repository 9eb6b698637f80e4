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

MAX_IN_FILE, MAX_MARKS = 1000, 50_000
"""Findings in one file and in the whole program; more are counted as skipped."""

PROSE = (".md", ".rst", ".txt", ".adoc", ".html", ".htm", ".tex", ".po", ".csv")
"""Here only whole addresses count: a text may speak of a site without calling it."""
LOCKS = (".lock", "package-lock.json", "npm-shrinkwrap.json", "pnpm-lock.yaml", "go.sum",
         "packages.lock.json", "gradle.lockfile")  # fmt: skip
"""Here only packages count."""

GATES = (
    b"sms", b"handler_api", b"5sim", b"accxus", b"getatext", b"currency", b"max_price", b"maxprice",
    b"getrent", b"setrent", b"continuerent", b"countrent", b"extraactivation", b"eactivations",
    b"tactivations", b"additionalservice", b"multiservice", b"partnerproduct", b"taskforcall",
    b"parsecall", b"ingcall", b"qiwi", b"prolong", b"reactivateoptions", b"autorenew",
)  # fmt: skip
"""Each thing that can be found has one of these in it: most files have none, and are soon done."""
_LOWER = {ord(letter): letter.lower() for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}


class Finder:
    def __init__(self, clients: Clients, target: Target) -> None:
        self._target = target
        self._addresses = AddressFinder(clients, target)
        self._usage = UsageFinder(clients, target)

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
        folded = data.lower()
        is_wide = b"\0" in data
        if not is_wide and not any(gate in folded for gate in GATES):
            return file
        text = read(data)
        if text is None:
            tree.skipped["binary"] += 1
            return file
        file.is_text = not is_wide
        # Only ASCII letters become lower: every place stays the same.
        lower = text.translate(_LOWER) if is_wide else read(folded) or ""
        marks = list(islice(self._marks(file, text, lower), MAX_IN_FILE + 1))
        if len(marks) > MAX_IN_FILE:
            tree.skipped[f"files with over {MAX_IN_FILE} findings, read in part"] += 1
        file.marks = _numbered(text, marks[:MAX_IN_FILE])
        return file

    def _marks(self, file: FileMarks, text: str, lower: str) -> Iterator[Mark]:
        base = file.name.rpartition("/")[2].lower()
        is_lock = base.endswith(LOCKS)
        yield from self._usage.packages(base, text)
        is_prose = base.endswith(PROSE) and not base.startswith(("requirements", "constraints"))
        if is_lock:
            return
        file.has_own = not is_prose and self._addresses.has_own(text)
        for mark in self._addresses.marks(text, lower):
            if not is_prose or mark.kind is Kind.ADDRESS:
                yield mark
        if not is_prose:
            yield from self._usage.refused(text)
            yield from self._usage.caps(text, lower)


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
