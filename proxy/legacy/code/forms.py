"""The forms that codes have, and the candidates of a text that have one. Pure."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from proxy.legacy.code.marks import CASED, Mark


class Candidate(NamedTuple):
    """A part of a text that may be its code; `form` is the name of its form."""

    start: int
    end: int
    code: str
    form: str

    @property
    def is_number(self) -> bool:
        return self.form in NUMBERS

    def part_of(self, text: str) -> str:
        return text[self.start : self.end]


NUMBERS = ("number", "unusual number", "prefixed number")

# Neither a letter nor a digit beside it: scripts without spaces touch their codes. The look back
# comes behind the first character, so that only places with such a character are tried.
_SIDE = f"[0-9{CASED}]"
_TO = rf"(?!{_SIDE}|%|[-_.,'/]{_SIDE})"
# Digits may touch a word: `OTP123456`. What word it is, `_is_apart` says.
_DIGITS_TO = rf"(?![0-9%]|[-.,'/:][0-9]|-[A-Z]{{1,2}}(?!{_SIDE}))"


def _first(one: str) -> str:
    """A first character with no letter and no digit before it."""
    return rf"{one}(?<!{_SIDE}{one})(?<!{_SIDE}[-_.,'/]{one})"


_D = "[0-9]"
_DIGIT = rf"{_D}(?<![0-9]{_D})(?<![0-9][-.,'/:]{_D})"
_CAPITAL, _MIXED, _ANY = _first("[A-Z]"), _first("[A-Z0-9]"), _first("[A-Za-z0-9]")

# The groups of unusual numbers, behind their first digit; the long ones first.
_GROUPS = (
    rf"{_D}(?:[- ]{_D}{{2}}){{3}}|{_D}[- ]{_D}{{2}}[- ]{_D}{{3}}"
    rf"|{_D}{{2}}([- ]){_D}{{3}}\2{_D}{{3}}|{_D}[- ]{_D}{{2,4}}"
    rf"|{_D}{{2}}[- ](?:{_D}{{2}}|{_D}{{4}})|{_D}{{3}}[- ]{_D}{{2,3}}|{_D}{{4}}[- ]{_D}{{5}}"
)
FORMS = (
    ("number", rf"({_DIGIT}(?:{_D}{{2}}[-. ]{_D}{{3}}|{_D}{{3}}[- ]{_D}{{4}})){_DIGITS_TO}"),
    ("number", rf"({_DIGIT}(?:(?:[- ]{_D}){{3,7}}|(?:\.{_D}){{5,7}})){_DIGITS_TO}"),
    ("number", rf"({_DIGIT}{_D}(?:[- ]{_D}{{2}}){{2}}){_DIGITS_TO}"),
    ("unusual number", rf"({_DIGIT}(?:{_GROUPS})){_DIGITS_TO}"),
    ("number", rf"({_DIGIT}{_D}{{3,7}}){_DIGITS_TO}"),
    ("unusual number", rf"({_DIGIT}(?:{_D}{{2}}|{_D}{{8,9}})){_DIGITS_TO}"),
    # Google sends G-123456, others FB-12345 or ABCD-123456. The digits are the code.
    ("prefixed number", rf"{_CAPITAL}[A-Z]{{0,2}}-({_D}{{4,8}}){_TO}"),
    ("prefixed number", rf"{_first('[A-Za-z]')}[A-Za-z]{{0,7}}-({_D}{{5,8}}){_TO}"),
    # Letters and digits: A1B2C3, X7K9-Q2M4, XK4-92P, 7F-3K-9Q, ABCD-1234.
    ("letters and digits", rf"({_ANY}[A-Za-z0-9]{{3,11}}){_TO}"),
    ("letters and digits", rf"({_MIXED}[A-Z0-9]{{1,5}}(?:-[A-Z0-9]{{2,6}}){{1,3}}){_TO}"),
)
# Their candidates are many and seldom wanted.
LETTERS = (
    ("spelt", rf"({_MIXED}([- ])(?:[A-Z0-9]\2){{2,8}}[A-Z0-9]){_TO}"),
    ("capitals", rf"({_CAPITAL}(?:[A-Z]{{3,7}}|[A-Z]{{2,4}}-[A-Z]{{3,5}})){_TO}"),
)
_FORMS = tuple((name, re.compile(pattern)) for name, pattern in FORMS)
_LETTERS = tuple((name, re.compile(pattern)) for name, pattern in LETTERS)

_LETTER = re.compile(f"[{CASED}]")
_SEPARATORS = re.compile("[-. ]")


def candidates(text: str, marks: Sequence[Mark]) -> Iterator[Candidate]:
    """Yields the candidates with a digit of a plain text whose decoys are blanked out. They may
    overlap.
    """
    edges = {mark.end for mark in marks}, {mark.start for mark in marks}
    for name, pattern in _FORMS:
        for found in pattern.finditer(text):
            code = found[1]
            if name == "letters and digits":
                if not _has_both(code):
                    continue
                form = name if any(map(str.islower, code)) else "capitals and digits"
                yield Candidate(found.start(), found.end(), code, form)
            elif name == "prefixed number" or _is_apart(text, *found.span(1), *edges):
                yield Candidate(found.start(), found.end(), _joined(code), name)


def letters(text: str) -> Iterator[Candidate]:
    """Yields the candidates of a plain text that are capitals alone, or spelt letter by letter."""
    for name, pattern in _LETTERS:
        for found in pattern.finditer(text):
            code = found[1]
            if name == "capitals":
                yield Candidate(found.start(), found.end(), code, name)
            elif not (bare := _joined(code)).isdigit():
                yield Candidate(found.start(), found.end(), bare, name)


def _has_both(code: str) -> bool:
    """Whether it has letters and digits."""
    bare = code.replace("-", "")
    return not (bare.isalpha() or bare.isdigit())


def _is_apart(text: str, start: int, end: int, ends: set[int], starts: set[int]) -> bool:
    """Whether no letter is beside the digits, save those of a known word: `OTP123456`."""
    before, after = text[start - 1 : start], text[end : end + 1]
    if before and _LETTER.match(before) and start not in ends:
        return False
    if before in ("-", "_", ".", "'") and _LETTER.match(text, start - 2) and start - 1 not in ends:
        return False
    return not (after and _LETTER.match(after)) or end in starts


def _joined(code: str) -> str:
    """A number or a spelt code without its separators."""
    return _SEPARATORS.sub("", code)
