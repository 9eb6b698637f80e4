"""CodeFinder: finds the code of an SMS text by the words of one table. Pure.

The text is put into one form (`plain.py`), words are marked (`marks.py`), what cannot be a code is
blanked out (`decoys.py`), what has the form of a code becomes a candidate (`forms.py`) with what
stands around it (`context.py`), and the first rule that holds for one decides (`rules.py`).
"""

import functools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias

from proxy.legacy.code.context import Context, Surroundings
from proxy.legacy.code.decoys import Blank, Decoy
from proxy.legacy.code.forms import Candidate, candidates, letters
from proxy.legacy.code.marks import Mark, Marks
from proxy.legacy.code.plain import MAX_SEARCHED, plain
from proxy.legacy.code.rules import REFERENCE, RULES, WEB_OTP, Rule, Tone
from proxy.model.sms_words import SmsWords

MAX_CACHED = 2048
"""Texts whose code is cached: each answer about an order searches all its texts."""
MAX_CANDIDATES = 100
"""Candidates of a text that are looked at; an SMS has a few."""

# https://wicg.github.io/sms-one-time-codes/ with the code bound to the last line; gateways may
# have made one line of all.
_WEB_OTP = re.compile(
    r"(?<!\S)@[^\s@#]{1,253}\s+#([A-Za-z0-9-]{1,64})(?:\s+[@%][^\s@#]{1,253})?\s*\Z"
)
_DIGIT = re.compile(r"\d")


FindCode: TypeAlias = Callable[[str], str | None]
"""Returns the code of an SMS text, or None."""


@dataclass(frozen=True, slots=True)
class Found:
    """What was found in a text: its code, the name of the rule, and what was taken for a decoy,
    each as its text and the reason.
    """

    code: str | None
    rule: str | None
    decoys: tuple[tuple[str, str], ...]


class CodeFinder:
    def __init__(self, words: SmsWords) -> None:
        self.marks = Marks(words)
        self._cached = functools.lru_cache(MAX_CACHED)(self._find)

    def __call__(self, text: str) -> str | None:
        """Returns the code of an SMS text, without separators if it is a number, or None."""
        return self._cached(text[:MAX_SEARCHED])

    def explain(self, text: str) -> Found:
        """Returns the code with the rule that found it and all decoys."""
        text = plain(text)
        code, rule, decoys = self._search(text)
        shown = ((text[one.start : one.end].strip(), one.why) for one in sorted(decoys))
        return Found(code, rule, tuple(dict.fromkeys(shown)))

    def _find(self, text: str) -> str | None:
        return self._search(plain(text))[0]

    def _search(self, text: str) -> tuple[str | None, str | None, Sequence[Decoy]]:
        """Code, rule and decoys of a plain text."""
        last = _WEB_OTP.search(text)
        if last and _DIGIT.search(last[1]):
            return last[1], WEB_OTP, ()
        marks = self.marks.find(text)
        blank = Blank(text)
        if _DIGIT.search(text):
            blank.measures(marks)
            blank.shapes()
        search = _Search(blank, marks)
        code, rule = search.decided()
        return code, rule, blank.decoys


class _Search:
    """The candidates of one text, which the rules are asked about."""

    def __init__(self, blank: Blank, marks: Sequence[Mark]) -> None:
        self._marks = marks
        self._tone = Tone.of(blank.original, marks)
        self._contexts: dict[Candidate, Context] = {}
        self._references: list[Candidate] = []
        text = blank.text
        found = list(islice(candidates(text, marks), MAX_CANDIDATES))
        self._around = Surroundings(text, marks, blank.original)
        # All are asked before any is blanked out.
        if blocked := [one for one in found if self._context(one).why]:
            for one in blocked:
                self._take_for_decoy(one, blank)
            # Now they no longer stand between a word and the code behind them.
            self._around = Surroundings(blank.text, marks, blank.original)
            self._contexts.clear()
            found = [one for one in found if one.part_of(text) == one.part_of(blank.text)]
        taken = {blank.original[one.start : one.end].strip() for one in blank.decoys}
        self._found = [one for one in found if one.code not in taken or self._is_told(one)]
        self._text = blank.text
        self._end = len(blank.original.rstrip(" .\n"))
        self._letters: list[Candidate] | None = None

    def decided(self) -> tuple[str | None, str | None]:
        """The code and the name of the first rule that holds for any candidate; of several
        candidates the first, then the longest.
        """
        for rule in RULES:
            held = [
                one
                for one in self._candidates(rule)
                if one.form in rule.forms and rule.holds(one, self._context(one), self._tone)
            ]
            if held:
                return min(held, key=lambda one: (one.start, -one.end)).code, rule.name
        if self._references and self._tone.is_about_a_reference:
            found, begins = self._references[0], self._marks[0]
            is_all = begins.start == 0 and begins.kind == "reference" and found.end == self._end
            if is_all:
                return found.code, REFERENCE
        return None, None

    def _candidates(self, rule: Rule) -> list[Candidate]:
        if not rule.is_about_letters:
            return self._found
        if self._letters is None:
            self._letters = list(islice(letters(self._text), MAX_CANDIDATES))
        return self._letters

    def _context(self, found: Candidate) -> Context:
        context = self._contexts.get(found)
        if context is None:
            context = self._contexts[found] = self._around.of(found)
        return context

    def _take_for_decoy(self, found: Candidate, blank: Blank) -> None:
        context = self._context(found)
        blank.blank(found.start, found.end, context.why)
        if context.is_reference and found.is_number:
            self._references.append(found)

    def _is_told(self, found: Candidate) -> bool:
        context = self._context(found)
        return context.pointed == "straight" or bool(context.named)
