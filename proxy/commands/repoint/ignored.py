"""Which folders of a program are not its own: vendored ones, and those that .gitignore names. Pure.

Only folders are asked: a file that git ignores, such as .env, is often the one with the address.
The reading is a plain one: `*`, `?`, `[…]`, `**`, a slash that anchors, and `!`.
"""

import fnmatch
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

VENDORED = frozenset(
    {
        "node_modules", "bower_components", "jspm_packages", "vendor", "site-packages", "venv",
        ".venv", "virtualenv", "target", "obj", "Pods", ".git", ".hg", ".svn", ".bundle", ".cargo",
        ".gradle", ".m2", ".tox", ".nox", ".eggs", ".next", ".nuxt", ".yarn", ".pnpm-store",
        ".terraform", "__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".idea", ".vs",
    }
)  # fmt: skip

BUILT = {"bin": r".+\.(cs|fs|vb)proj", "build": r"build\.gradle(\.kts)?", "dist": r"package\.json"}
"""Folders that hold what was built only beside such a file; elsewhere people write them."""

MAX_PATTERN = 200
"""Characters of a pattern; a longer one is no name of a folder."""
MAX_PATTERNS = 200
"""Of the .gitignore files over one folder together; the time of a hostile one is bounded."""


def is_vendored(name: str, siblings: Collection[str]) -> bool:
    """`siblings` are the names in the same folder."""
    if name in VENDORED or name.endswith(".egg-info"):
        return True
    return name in BUILT and any(re.fullmatch(BUILT[name], other) for other in siblings)


@dataclass(frozen=True, slots=True)
class Pattern:
    """A line of a .gitignore: the folder that it stands in, and its parts between slashes."""

    folder: tuple[str, ...]
    parts: tuple[str, ...]
    is_back: bool
    """`!`: not ignored after all."""


def patterns(text: str, folder: Sequence[str]) -> Iterator[Pattern]:
    for line in text.splitlines():
        line = line.strip()
        is_back = line.startswith("!")
        rule = line[is_back:].rstrip("/")
        if not rule or line.startswith("#") or len(line) > MAX_PATTERN:
            continue
        is_anchored = "/" in rule
        parts = tuple(part for part in rule.split("/") if part)
        yield Pattern(tuple(folder), parts if is_anchored else ("**", *parts), is_back)


def is_ignored(folder: Sequence[str], rules: Sequence[Pattern]) -> bool:
    """Of rules that fit, the last one counts. `folder` is the path in the tree, in parts."""
    ignored = False
    for rule in rules[:MAX_PATTERNS]:
        depth = len(rule.folder)
        is_below = tuple(folder[:depth]) == rule.folder
        if is_below and rule.is_back is ignored and _fits(folder[depth:], rule.parts):
            ignored = not rule.is_back
    return ignored


def _fits(path: Sequence[str], parts: Sequence[str]) -> bool:
    """Whether the parts match the whole path; `**` stands for any number of folders. It goes back
    to the last `**` only, which is enough, as with `*` in a file name.
    """
    at = part = 0
    again: tuple[int, int] | None = None
    while at < len(path):
        if part < len(parts) and parts[part] == "**":
            part += 1
            again = at, part
        elif part < len(parts) and fnmatch.fnmatchcase(path[at], parts[part]):
            at, part = at + 1, part + 1
        elif again:
            at, part = again[0] + 1, again[1]
            again = at, part
        else:
            return False
    return all(rest == "**" for rest in parts[part:])
