"""The rules that say which candidate is the code, the strongest first. Pure."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from proxy.legacy.code.context import Context
from proxy.legacy.code.forms import NUMBERS, Candidate
from proxy.legacy.code.marks import Mark

_PLAIN_NUMBERS = ("number", "prefixed number")
_MIXED = ("capitals and digits", "letters and digits")
_LETTERS = ("capitals", "spelt")
_YEAR = re.compile(r"(?:19|20|25[5-8])\d{1,2}")
# The name of a firm with a number in it, rather than a code: Route66, 4you.
_NAME = re.compile(r"[0-9]{1,2}[A-Za-z]*[a-z]{2}|[A-Za-z]*[a-z]{2}[0-9]{1,2}|[a-z][0-9][a-z]{3,}")
_SMALL = re.compile(r"[^\W\d_A-Z]")


@dataclass(frozen=True, slots=True)
class Tone:
    """What a whole text is about. `security` and `promotion` are numbers of words."""

    has_code: bool
    security: int
    promotion: int
    is_about_a_reference: bool
    """Nothing in it is about advertising, calling or another number."""
    is_shouted: bool
    """It has no small letters, so capitals are nothing special."""
    never: frozenset[str]
    """Words in capitals that are no codes."""

    @classmethod
    def of(cls, text: str, marks: Sequence[Mark]) -> "Tone":
        kinds = [mark.kind for mark in marks]
        return cls(
            has_code="code" in kinds or "secret" in kinds,
            security=2 * kinds.count("secret") + kinds.count("verify"),
            promotion=kinds.count("promotion") + ("%" in text),
            is_about_a_reference=not {"promotion", "call", "other"} & set(kinds),
            is_shouted=not _SMALL.search(text),
            never=frozenset(text[mark.start : mark.end] for mark in marks),
        )


class Rule(NamedTuple):
    """`forms`: the forms of code that it is about; `holds`: whether it finds this one."""

    name: str
    forms: Sequence[str]
    holds: Callable[[Candidate, Context, Tone], bool]

    @property
    def is_about_letters(self) -> bool:
        return self.forms == _LETTERS


def _pointed_number(found: Candidate, context: Context, tone: Tone) -> bool:
    # A code that is said to be one may stand before an advertisement.
    return context.pointed == "straight" and _outweighs(tone, 4 if context.is_linked else 2)


def _named_number(found: Candidate, context: Context, tone: Tone) -> bool:
    return context.named == "linked" and _outweighs(tone, 4)


def _pointed_mixed(found: Candidate, context: Context, tone: Tone) -> bool:
    is_name = not context.is_linked and bool(_NAME.fullmatch(found.code))
    return context.pointed == "straight" and _is_serious(tone) and not is_name


def _named_mixed(found: Candidate, context: Context, tone: Tone) -> bool:
    return context.named == "linked" and _is_serious(tone)


def _pointed_capitals(found: Candidate, context: Context, tone: Tone) -> bool:
    if not (context.pointed == "straight" and context.is_linked):
        return False
    return _can_be_capitals(found, tone, is_said=context.is_bare)


def _named_capitals(found: Candidate, context: Context, tone: Tone) -> bool:
    is_named = context.named == "linked" and context.opens
    return is_named and _can_be_capitals(found, tone)


def _near_number(found: Candidate, context: Context, tone: Tone) -> bool:
    is_beside = bool(context.named) or (bool(context.pointed) and _is_likely(found, context))
    return is_beside and _outweighs(tone, 2) and not _is_year(found)


def _number_somewhere(found: Candidate, context: Context, tone: Tone) -> bool:
    # Four digits within a sentence may be anything: `our office in 2200 Copenhagen`.
    is_likely = len(found.code) > 4 or context.opens
    return tone.has_code and is_likely and _is_serious(tone) and not _is_year(found)


def _used_number(found: Candidate, context: Context, tone: Tone) -> bool:
    # Four digits beside a word for verifying may be anything: `confirm 2500 units`.
    is_used = "use" in context.used or ("verify" in context.used and len(found.code) > 4)
    return is_used and _is_serious(tone) and not _is_year(found)


def _used_mixed(found: Candidate, context: Context, tone: Tone) -> bool:
    is_likely = len(found.code) > 4 and sum(map(str.isdigit, found.code)) > 1
    return is_likely and bool(context.used or context.named) and _is_serious(tone)


def _adjacent_mixed(found: Candidate, context: Context, tone: Tone) -> bool:
    return context.pointed == "straight" and _is_serious(tone)


def _adjacent_capitals(found: Candidate, context: Context, tone: Tone) -> bool:
    return context.pointed == "straight" and _can_be_capitals(found, tone)


def _bare_number(found: Candidate, context: Context, tone: Tone) -> bool:
    is_alone = context.opens if tone.has_code else context.is_bare
    return is_alone and tone.promotion < 2 and not _is_year(found)


def _bare_mixed(found: Candidate, context: Context, tone: Tone) -> bool:
    return context.is_bare and context.opens and tone.promotion == 0


def _outweighs(tone: Tone, words: int) -> bool:
    """Whether there are fewer words of advertising than that, besides those about security."""
    return tone.promotion < tone.security + words


def _is_serious(tone: Tone) -> bool:
    return _outweighs(tone, 1)


def _is_likely(found: Candidate, context: Context) -> bool:
    """Four digits behind a preposition may be anything: `ask the office at 1120`."""
    return not context.is_title and (len(found.code) > 4 or not context.is_placed)


def _is_year(found: Candidate) -> bool:
    return bool(_YEAR.fullmatch(found.code))


def _can_be_capitals(found: Candidate, tone: Tone, *, is_said: bool = False) -> bool:
    """`is_said`: also where all is in capitals."""
    is_special = found.form == "spelt" or is_said or not tone.is_shouted
    return is_special and _is_serious(tone) and found.code not in tone.never


RULES = (
    Rule("word points at number", NUMBERS, _pointed_number),
    Rule("number is called code", NUMBERS, _named_number),
    Rule("word points at letters and digits", _MIXED, _pointed_mixed),
    Rule("letters and digits are called code", _MIXED, _named_mixed),
    Rule("word points at capitals", _LETTERS, _pointed_capitals),
    Rule("capitals are called code", _LETTERS, _named_capitals),
    Rule("number beside word", _PLAIN_NUMBERS, _near_number),
    Rule("number in text about code", _PLAIN_NUMBERS, _number_somewhere),
    Rule("number to use", _PLAIN_NUMBERS, _used_number),
    Rule("letters and digits to use", ("capitals and digits",), _used_mixed),
    Rule("name with digits beside word", _MIXED, _adjacent_mixed),
    Rule("capitals beside word", _LETTERS, _adjacent_capitals),
    Rule("number alone", _PLAIN_NUMBERS, _bare_number),
    Rule("letters and digits alone", ("capitals and digits",), _bare_mixed),
)
"""In the order of their rank: the first that holds for a candidate decides."""

WEB_OTP, REFERENCE = "line of @domain #code", "reference, as nothing else is there"
"""The names of the rules before and after RULES."""
