"""What stands around a candidate: the word that points at it, and the word that names it. Pure."""

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from proxy.legacy.code.forms import Candidate
from proxy.legacy.code.marks import CASED, Mark

MAX_GAP = 45
"""Characters between a word and the candidate that it is about."""
MAX_REACH = 60
"""The same with a word for something else between them."""
MAX_MARKS = 10
"""Words of the table among which a word for code is looked for there."""
MAX_ABBREVIATION = 4
"""Letters of a word before a full stop that ends no sentence: `tel. 12345`."""

# How far a word reaches that makes the number behind it no code.
_REACH = {"reference": 12, "other": 16, "call": 26, "card": 20}
_WHY = {
    "reference": "behind a word for a reference",
    "other": "behind a word for another number",
    "call": "behind a word for calling",
    "card": "behind a word for a card or an account",
}
_BESIDE = ("link", "use", "verify")
_DECIDING = frozenset((*_REACH, "code"))
_BREAK = re.compile(r"[.!?](?=\s|\Z)|[。।！？\n]|\.{3}")
_STOP = re.compile(r"[.!?](?=\s|\Z)|[。।！？]")
_LETTER = re.compile(r"[^\W\d_]")
_WORD = re.compile(r"[^\W_]")
# A number of its own, not the digits of a name: Web3.
_NUMBER = re.compile(f"(?<![{CASED}0-9])[0-9]+(?![{CASED}0-9])")
_POINTER = re.compile(r"[:=>\[({<\"'«“„»”*#~→-][\s\"'«“„#(\[{<*]*\Z")
# `branch no. 12345`: the sign between a word and its number.
_NUMERO = re.compile(
    r"^ ?(?:no|nr|num|n°|nº|number|nummer|numero|número|номер)\.? ?", re.IGNORECASE
)
_COLON = re.compile(r"[:=][\s\"'«“„*]*\Z")
_OPENING = re.compile(r"(?:\A|[.!?:;,>)\]\n】。]|\s[-–—])[\s\"'*<(\[#]*\Z")
_CLOSING = re.compile(r"[\s\"'*>)\]]*(?:\Z|[.!?,;:\n)(【。]|[-–—] )")
_TITLE = re.compile(r" ?[:=] ?[0-9]")
_SHORT_WORD = re.compile(r"(?<!\w)(?=[^\W\d_]{1,3} \Z)(?:[^\W\d_A-Z]+) \Z")
_SENTENCE = re.compile(r"(?:.*[.!?:;\n。])?\s*(.*)\Z", re.DOTALL)
MAX_BARE_WORDS = 4
"""Words of a sentence that ends with its code and has no word for it: `Your Apple ID 482913`."""


@dataclass(slots=True)
class Context:
    """A candidate's surroundings, as far as the rules ask."""

    around: "Surroundings"
    candidate: Candidate
    pointed: str = ""
    """How a word for code before it points at it: "straight", "near" or not."""
    is_linked: bool = False
    """A link (`is`) or a sign (`:`) is right before it."""
    named: str = ""
    """How a word for code behind it names it: "linked" (`123456 is your code`), "near" or not."""
    used: frozenset[str] = frozenset()
    """The kinds `use` and `verify`, if such a word is beside it: `enter 123456 to log in`."""
    is_barred: bool = False
    """The word that makes it a decoy is right before it."""
    why: str = ""
    """Why it is a decoy, or ""."""

    @property
    def opens(self) -> bool:
        """It is the first of its sentence."""
        return self.around.opens(self.candidate)

    @property
    def is_bare(self) -> bool:
        """It is a sentence of its own, or ends a short one, or the text has no words."""
        return self.around.is_bare(self.candidate)

    @property
    def is_title(self) -> bool:
        """A colon and another number are behind it: `code for bike 4410: 7702`."""
        return bool(_TITLE.match(self.around.text, self.candidate.end))

    @property
    def is_placed(self) -> bool:
        """A short word is before it that makes it a place or a time rather: `gate at 4410`."""
        return self.around.is_placed(self.candidate)

    @property
    def is_reference(self) -> bool:
        return self.why == _WHY["reference"]


class Surroundings:
    """The contexts of the candidates of one text, whose decoys are blanked out."""

    def __init__(self, text: str, marks: Sequence[Mark], original: str) -> None:
        self.text = text
        self._original = original
        self._has_words = bool(_LETTER.search(text))
        self._marks = marks
        self._starts = [mark.start for mark in marks]

    def of(self, candidate: Candidate) -> Context:
        context = Context(self, candidate)
        self._look_back(candidate, context)
        self._look_ahead(candidate, context)
        if context.named == "linked" and not context.is_barred:
            context.why = ""
        return context

    def opens(self, candidate: Candidate) -> bool:
        return bool(_OPENING.search(self._before(candidate)))

    def is_bare(self, candidate: Candidate) -> bool:
        if not self._has_words:
            return True
        if not _CLOSING.match(self.text, candidate.end):
            return False
        if self.opens(candidate):
            return True
        if self.text != self._original:
            return False  # Among amounts and phone numbers it may be anything.
        sentence = _SENTENCE.match(self._before(candidate))
        words = sentence[1].split() if sentence else []
        if self.is_placed(candidate):
            return False
        return len(words) < MAX_BARE_WORDS and not any(map(_NUMBER.search, words))

    def is_placed(self, candidate: Candidate) -> bool:
        """Whether a short word is before it that is none of the table: `at`, `in`."""
        word = _SHORT_WORD.search(self._before(candidate))
        end = candidate.start - 1
        return bool(word) and not any(mark.end == end for mark in self._marks)

    def _before(self, candidate: Candidate) -> str:
        return self.text[max(candidate.start - 60, 0) : candidate.start]

    def _look_back(self, candidate: Candidate, context: Context) -> None:
        at, is_beside = candidate.start, True
        for number in range(bisect_left(self._starts, candidate.start) - 1, -1, -1):
            mark = self._marks[number]
            if candidate.start - mark.end > MAX_REACH:
                return
            if mark.end > candidate.start:
                continue
            gap = self.text[mark.end : at]
            if mark.kind == "code" or self._has_no_number(mark, at):
                self._decide(number, at, context)
                return
            if mark.kind in ("use", "verify") and _is_near(gap, MAX_GAP):
                context.used |= {mark.kind}
            is_beside = is_beside and mark.kind in _BESIDE and not _has_word(gap)
            if is_beside:
                at = mark.start
                context.is_linked |= mark.kind == "link"

    def _has_no_number(self, mark: Mark, at: int) -> bool:
        """Whether a word decides about the next number, as none between them is its own."""
        return mark.kind in _REACH and not _NUMBER.search(self._original[mark.end : at])

    def _decide(self, number: int, at: int, context: Context) -> None:
        mark = self._marks[number]
        gap = self.text[mark.end : at]
        if mark.kind != "code":
            gap = _NUMERO.sub("", gap)
            if mark.end - mark.start <= MAX_ABBREVIATION and gap[:1] == ".":
                gap = gap[1:]
        is_said = context.is_linked
        context.is_linked |= bool(_POINTER.search(gap))
        is_direct = not (_has_word(gap) or _STOP.search(gap))
        if mark.kind == "code":
            self._point(mark, at, context, is_direct)
        else:
            is_said |= bool(_COLON.search(gap)) and (mark.kind != "call" or not is_direct)
            if is_said and self._is_of_code(number, at):
                context.pointed = "straight"
                return
            context.is_barred = is_direct
            if is_direct or _is_near(gap, _REACH[mark.kind]):
                context.why = _WHY[mark.kind]

    def _point(self, mark: Mark, at: int, context: Context, is_direct: bool) -> None:
        if is_direct:
            context.pointed = "straight"
        elif _is_near(self.text[mark.end : at], MAX_REACH if context.is_linked else MAX_GAP):
            context.pointed = "straight" if context.is_linked else "near"

    def _is_of_code(self, number: int, at: int) -> bool:
        """Whether a word for code is before the word: `the code for your order is 123456`."""
        for mark in self._marks[max(number - MAX_MARKS, 0) : number]:
            if mark.kind == "code" and _is_near(self.text[mark.end : at], MAX_REACH):
                return True
        return False

    def _look_ahead(self, candidate: Candidate, context: Context) -> None:
        at, is_linked = candidate.end, False
        for number in range(bisect_left(self._starts, candidate.end), len(self._marks)):
            mark = self._marks[number]
            if mark.start - candidate.end > MAX_REACH:
                return
            gap = self.text[at : mark.start]
            if mark.kind == "link" and not is_linked and not _has_word(gap):
                at, is_linked = mark.end, True
            elif mark.kind in _DECIDING or mark.kind in ("use", "verify"):
                if not _is_near(gap, MAX_GAP):
                    return
                if mark.kind == "code":
                    context.named = "linked" if is_linked else "near"
                    return
                if mark.kind in _DECIDING and not is_linked:
                    return
                context.used |= {mark.kind} & {"use", "verify"}


def _has_word(gap: str) -> bool:
    return bool(_WORD.search(gap))


def _is_near(gap: str, reach: int) -> bool:
    """Whether a word and a candidate with this gap between them belong together."""
    return len(gap) <= reach and not _BREAK.search(gap) and not _NUMBER.search(gap)
