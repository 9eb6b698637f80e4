"""One YAML file, read strictly, as a tree of nodes with their lines."""

import difflib
import errno
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from proxy.config.plain_file import read_plain
from proxy.model.errors import YamlFileError

# libyaml reads the shipped tables about ten times as fast as the loader in Python.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

# Characters that YAML forbids. They are searched here because libyaml does not give the line.
_UNREADABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
DEEPEST = 20
"""Levels of a file; the configuration has four."""
_FIXES = {errno.EACCES: "change its permissions"}
_NULL = "tag:yaml.org,2002:null"


class YamlFile:
    """Its methods and its constructor raise YamlFileError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.root = self._compose(self._read())

    def error(self, where: Node | int, text: str) -> YamlFileError:
        line = where if isinstance(where, int) else where.start_mark.line + 1
        one_line = "".join(char if char.isprintable() else " " for char in text)
        return YamlFileError(f"{self.path}:{line}: {one_line}")

    def rows(
        self, node: Node | None, shape: str, *, is_secret: bool = False
    ) -> Iterator[tuple[ScalarNode, Node]]:
        """The keys and values of a mapping, which may be empty; no key may come twice. `shape` is
        an example row for errors. Secret keys are not in errors.
        """
        if node is None or node.tag == _NULL:
            return
        if not isinstance(node, MappingNode):
            raise self.error(node, f"rows are expected: write them as in {shape}")
        seen: dict[str, Node] = {}
        for key, value in node.value:
            if not isinstance(key, ScalarNode):
                raise self.error(key, f"the key of a row is a plain word: write it as in {shape}")
            first = seen.setdefault(key.value, key)
            if first is not key:
                line = first.start_mark.line + 1
                name = "this entry" if is_secret else key.value
                text = f"{name} is repeated, first in line {line}: remove one of them"
                raise self.error(key, text)
            yield key, value

    def items(self, node: Node | None, shape: str) -> list[Node]:
        """The entries of a list, which may be empty."""
        if node is None or node.tag == _NULL:
            return []
        if not isinstance(node, SequenceNode):
            raise self.error(node, f"a list is expected: write it as in {shape}")
        return list(node.value)

    def value(self, node: Node) -> Any:
        """The value of a node: text, number, bool, date, list, dict or None."""
        try:
            return yaml.SafeLoader("").construct_document(node)
        except (yaml.YAMLError, ValueError) as error:
            raise self.error(node, f"cannot be read: {error}: write it in quotes") from error

    def _read(self) -> str:
        try:
            raw = read_plain(self.path)
        except FileNotFoundError as error:
            raise YamlFileError(f"{self.path}: not found: name another file") from error
        except OSError as error:
            fix = _FIXES.get(error.errno or 0, "name another file")
            raise YamlFileError(f"{self.path}: cannot be read: {error.strerror}: {fix}") from error
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            line = raw.count(b"\n", 0, error.start) + 1
            raise self.error(line, "not UTF-8: save the file as UTF-8") from error
        if bad := _UNREADABLE.search(text):
            line = text.count("\n", 0, bad.start()) + 1
            raise self.error(line, f"the character {bad[0]!a} is not allowed: remove it")
        return text

    def _compose(self, text: str) -> Node | None:
        try:
            self._check_depth(text)
            root: Node | None = yaml.compose(text, Loader=_Loader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            fix = "check the quotes, colons, brackets and spaces here and in the line before"
            line = mark.line + 1 if mark else 1
            raise self.error(line, f"not YAML: {error.problem}: {fix}") from error
        return root

    def _check_depth(self, text: str) -> None:
        """libyaml's composer ends the process by a stack overflow at some thousand levels."""
        depth = 0
        event: Any
        for event in yaml.parse(text, Loader=_Loader):
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEPEST:
                line = text.count("\n", 0, event.start_mark.index) + 1
                raise self.error(line, f"more than {DEEPEST} levels: write fewer brackets")


def is_null(node: Node) -> bool:
    """Whether null is written out: an empty value may be a mistake."""
    return node.tag == _NULL and bool(node.value)


def nearest(word: str, known: Collection[str]) -> str:
    """The fix for an unknown word: the nearest known word, or all of them."""
    if close := difflib.get_close_matches(word.lower(), known, n=1):
        return f"write {close[0]}"
    return f"write one of {', '.join(known)}"
