"""Finds the words of the table in a text: each is a mark with its kind. Pure.

A word in capitals counts in capitals only: TRY is a currency, try is none. In scripts with capital
letters a word is a whole word of the text, or its beginning or end; in all others it may stand
anywhere, as they write words and codes without spaces, or with prefixes.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple, TypeAlias

from proxy.legacy.code.plain import plain, without_accents
from proxy.model.sms_words import SmsWords

CASED = "A-Za-z\u00aa\u00b5\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u0370-\u0587\u1e00-\u1fff"
"""Latin, Greek, Cyrillic and Armenian letters, for a character class."""

_TOKEN = re.compile(f"[{CASED}]+")
_PHRASE = re.compile(f"[{CASED}]+(?:[ '’-][{CASED}]+)*")
_BETWEEN = re.compile(r"[ '’\-\n]{1,3}")
MIN_PART = 4
"""Letters of a word for code that counts also inside of a longer word: Sicherheitscode, kodunuz."""
SHORT = 3
"""Letters of the words OTP, PIN, TAN."""
MIN_ACCENTED = 3
"""Letters of a word of which more also count without accents."""
MIN_STEM = 5
"""Letters of any other word that counts also with an ending."""
MAX_WORD = 40
MAX_TOKENS = 8
"""Words of a phrase of the table."""
MAX_KNOWN = 4096
# Parts of longer words that decide what the longer word is.
_PARTS = ("other", "code")


Token: TypeAlias = tuple[str, int, int]
"""A word of a text with its beginning and its end."""
Phrase: TypeAlias = tuple[tuple[str, ...], str]
"""Its words and its kind."""
Tree: TypeAlias = "dict[str, Tree]"


class Mark(NamedTuple):
    start: int
    end: int
    kind: str


class Marks:
    """The words of one table, ready to be found."""

    def __init__(self, words: SmsWords) -> None:
        self._phrases: dict[str, dict[str, list[Phrase]]] = {}
        """By their first word, then by their second; the longest first."""
        self._single: dict[str, str] = {}
        self._kinds: dict[str, str] = {}
        self._capitals: dict[str, str] = {}
        for kind, listed in words.kinds.items():
            for written in listed:
                word = _shaped(written)
                if written.isascii() and written.isalpha() and written.isupper():
                    self._capitals.setdefault(word, kind)
                elif _PHRASE.fullmatch(word):
                    self._add(word, kind)
                    if len(word) > MIN_ACCENTED:
                        self._add(without_accents(word), kind)
                else:
                    self._kinds.setdefault(word, kind)
        for seconds in self._phrases.values():
            for phrases in seconds.values():
                phrases.sort(key=lambda phrase: len(phrase[0]), reverse=True)
        self._signs = _any_of(word for word in self._kinds if word.isascii())
        self._script = _any_of(self._kinds)
        self._kind_of = lru_cache(MAX_KNOWN)(self._kind_of_token)

    def _add(self, word: str, kind: str) -> None:
        tokens = tuple(_TOKEN.findall(word))
        if len(tokens) == 1:
            self._single.setdefault(word, kind)
        else:
            seconds = self._phrases.setdefault(tokens[0], {})
            seconds.setdefault(tokens[1], []).append((tokens, kind))

    def find(self, text: str) -> list[Mark]:
        """The marks of a plain text, from its beginning to its end."""
        small = text.lower()
        found = list(self._cased(small, text))
        others = (self._signs if small.isascii() else self._script).finditer(small)
        found += [Mark(one.start(), one.end(), self._kinds[one[0]]) for one in others]
        found.sort()
        return found

    def _cased(self, text: str, written: str) -> Iterator[Mark]:
        tokens = [(one[0], one.start(), one.end()) for one in _TOKEN.finditer(text)]
        done = 0
        for number, (word, start, end) in enumerate(tokens):
            if number < done:
                continue
            seconds = self._phrases.get(word)
            if seconds and number + 1 < len(tokens):
                phrases = seconds.get(tokens[number + 1][0], ())
                if phrase := _phrase(phrases, text, tokens[number : number + MAX_TOKENS]):
                    count, kind = phrase
                    done = number + count
                    yield Mark(start, tokens[done - 1][2], kind)
                    continue
            if word in self._capitals and written[start:end].isupper():
                yield Mark(start, end, self._capitals[word])
            elif kind := self._kind_of(word[:MAX_WORD]):
                yield Mark(start, end, kind)
            elif self._ends_in_code(word, written[:end]) and text[end : end + 1].isdigit():
                yield Mark(end - SHORT, end, "code")

    def _ends_in_code(self, word: str, written: str) -> bool:
        """Whether digits behind it are a code, though the word is short: `LoginOTP123456`."""
        return self._single.get(word[-SHORT:]) == "code" and written[-SHORT:].isupper()

    def _kind_of_token(self, token: str) -> str:
        """The kind of a word of the text, or ""."""
        if kind := self._single.get(token):
            return kind
        for size in range(len(token) - 1, MIN_PART - 1, -1):
            stem = self._single.get(token[:size], "")
            if stem in _PARTS or (stem not in ("", "never") and size >= MIN_STEM):
                return stem
            for start in range(1, len(token) - size + 1):
                kind = self._single.get(token[start : start + size], "")
                is_end = start + size == len(token)
                if kind in _PARTS or (kind == "call" and is_end and size > MIN_STEM):
                    return kind
        return ""


def _phrase(
    phrases: Iterable[Phrase], text: str, tokens: Sequence[Token]
) -> tuple[int, str] | None:
    """The number of tokens and the kind of the first phrase that the tokens begin with."""
    for words, kind in phrases:
        part = tokens[: len(words)]
        if tuple(word for word, _, _ in part) == words and all(
            _BETWEEN.fullmatch(text, one[2], other[1]) for one, other in pairwise(part)
        ):
            return len(words), kind
    return None


def _any_of(words: Iterable[str]) -> re.Pattern[str]:
    """A pattern that finds the longest of the words at each place, written as a tree: tried one
    by one, a thousand words take a millisecond.
    """
    tree: Tree = {}
    for word in words:
        node = tree
        for char in word:
            node = node.setdefault(char, {})
        node[""] = {}
    return re.compile(_branches(tree) or "(?!)")


def _branches(node: Tree) -> str:
    branches = [re.escape(char) + _branches(below) for char, below in node.items() if char]
    if not branches:
        return ""
    return f"(?:{'|'.join(branches)}){'?' if '' in node else ''}"


def _shaped(word: str) -> str:
    return plain(word).lower()
