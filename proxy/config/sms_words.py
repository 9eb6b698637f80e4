"""Reads `sms_words.yaml`, the words by which the code of an SMS is found, strictly."""

from pathlib import Path

from yaml.nodes import Node

from proxy.config.mappings import SMS_WORDS, Table
from proxy.config.yaml_file import is_null, nearest
from proxy.model.shipped import shipped_folder
from proxy.model.sms_words import KINDS, SmsWords

MAX_WORD = 40

_ROW = "code: {en: [code, password]}"

Rows = dict[str, dict[str, tuple[str, ...] | None]]
"""The words by kind, then by language; None removes the shipped words."""


def load_sms_words(overlay: Path | None = None) -> SmsWords:
    """The shipped words, with the rows of the folder `overlay` over them. A row is all words of one
    kind and one language. Raises YamlFileError.
    """
    rows = _read(shipped_folder() / SMS_WORDS)
    own = None if overlay is None else overlay / SMS_WORDS
    if own is not None and own.is_file():
        for kind, languages in _read(own, rows).items():
            rows[kind] = rows.get(kind, {}) | languages
    return SmsWords.of(rows)


def _read(path: Path, shipped: Rows | None = None) -> Rows:
    table = Table(path)
    rows: Rows = {}
    for kind, languages in table.rows(table.root, _ROW):
        if kind.value not in KINDS:
            raise table.error(
                kind, f"{kind.value} is no kind of words: {nearest(kind.value, KINDS)}"
            )
        found = rows[kind.value] = {}
        for language, words in table.rows(languages, _ROW):
            if not is_null(words):
                found[language.value] = _words(table, words)
            elif shipped is not None and language.value in shipped.get(kind.value, {}):
                found[language.value] = None
            else:
                what = f"{kind.value}, {language.value}"
                raise table.error(language, f"{what}: no shipped words to remove: remove this row")
    return rows


def _words(table: Table, row: Node) -> tuple[str, ...]:
    words: dict[str, None] = {}
    for node in table.items(row, _ROW):
        word = table.text(node, "word")
        if fault := _fault(word):
            raise table.error(node, f"word: {word!a} {fault}")
        if word in words:
            raise table.error(node, f"word: {word} is repeated: remove one of them")
        words[word] = None
    return tuple(words)


def _fault(word: str) -> str:
    """What is wrong with a word, and what to do; empty if nothing is."""
    if not word.strip() or word != word.strip() or len(word.splitlines()) > 1:
        return "is not a word: write it in one line, without spaces around it"
    if len(word) > MAX_WORD:
        return f"is longer than {MAX_WORD} characters: write a shorter part of it"
    if any(char.isdigit() for char in word):
        return "has a digit, as codes have: leave the digit out"
    return ""
