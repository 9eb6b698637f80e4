"""What looks like a code and is none by its form alone: links, amounts, dates, phone numbers. Pure.

Each decoy is blanked out of the text, so that no form of code is found in it.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from proxy.legacy.code.marks import CASED, Mark


class Decoy(NamedTuple):
    """A part of a text that is no code, and why."""

    start: int
    end: int
    why: str


# A first digit. What may not be before it is said behind it: so a text is tried only where it has
# a digit.
_D = r"[0-9](?<![0-9].)"
_HOUR = r"[0-2](?<![0-9].)\d(?:00|15|30|45)"
_ZERO = r"0(?<![0-9].)"
_DAY = r"(?:0(?<!\d.)[1-9]|[12](?<!\d.)\d?|3(?<!\d.)[01]?|[4-9](?<!\d.))"
_MONTH = r"(?:0(?<!\d.)[1-9]|1(?<!\d.)[0-2]?|[2-9](?<!\d.))"

# In this order: each is looked for in what those before have left. The signs are those of which a
# text has at least one if it has the decoy: most texts have few.
SHAPES = tuple(
    (why, frozenset(signs), re.compile(pattern, re.IGNORECASE))
    for why, signs, pattern in (
        ("link", "/", r"\b[a-z][a-z0-9+.-]{1,15}://\S+"),
        ("link", "wW", r"\bwww\.\S+"),
        # The lengths of RFC 1035 and 5321: without them a long text takes 20 ms.
        ("address", "@", r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}\.[\w.]+"),
        (
            "link",
            "/",
            r"(?<![\w@.-])(?:[a-z0-9-]{1,63}\.){1,8}[a-z]{2,63}(?::\d+)?/\S*",
        ),
        (
            "domain",
            ".",
            rf"{_D}[0-9a-z-]{{0,62}}\.(?:com|net|org|info|io|co|me|ru|cn|de|uk)\b",
        ),
        (
            "hash",
            "-",
            r"[0-9a-f](?<![0-9a-f-].)[0-9a-f]{5,15}(?:-[0-9a-f]{4}){2,3}-[0-9a-f]{6,16}(?![0-9a-f])",
        ),
        (
            "hash",
            "abcdefABCDEF",
            r"[0-9a-f](?<![0-9a-z].)(?=[0-9a-f]{15})(?=[0-9]*[a-f])[0-9a-f]{15,63}(?![0-9a-z])",
        ),
        ("USSD", "#", r"[*#](?<![0-9*#].)(?:(?<=\*)[0-9*]{1,20}#|#?\d{1,3}(?:\*\d+)*#)"),
        ("phone", "+", r"\+\d(?:[ ().-]{0,2}\d){7,14}(?!\d)"),
        ("phone", "(", r"\(\d{3}\) ?\d{3}[ -]\d{2}[ -]?\d{2}(?!\d)"),
        (
            "phone",
            " -",
            rf"{_D}(?<!\*.)(?:\d?[ -]\(?\d{{3}}\)?|\d{{2}})[ -]\d{{3}}[ -]\d{{2}}"
            r"[ -]?\d{2}(?!\d)",
        ),
        ("phone", " -", rf"{_ZERO}(?<!\*.)\d{{1,4}}[ -]\d{{3,4}}[ -]\d{{3,4}}(?!\d)"),
        ("phone", "-", rf"{_ZERO}\d{{2,4}}-\d{{6,8}}(?!\d)"),
        ("phone", " ", rf"{_D}\d{{0,2}}(?: \d\d){{4}}(?!\d)"),
        (
            "phone",
            "(",
            rf"{_D}[ (-]{{1,2}}\d{{3}}[ )-]{{1,2}}\d{{3}}[ -]?\d{{2}}[ -]?\d{{2}}(?!\d)",
        ),
        ("masked number", "*", r"\*(?<![\w*].)\*{0,11}[ -]?\d{3,4}(?![\d*#])"),
        (
            "masked number",
            "*xX•.",
            rf"{_D}\d{{0,7}}(?:\*{{1,12}}|[x•]{{2,12}}|\.{{3,12}})\d{{1,8}}(?!\w)",
        ),
        (
            "masked number",
            "xXхХ•",
            r"[xх•](?<![^\W_].)(?:[xх•]{1,11}|(?=-))[ *-]{0,2}\d{3,4}(?!\d)",
        ),
        ("version", "vV", r"\bv\d+(?:[._]\d+){0,4}\b"),
        ("IP address", ".", rf"{_D}(?<!\..)\d{{1,2}}(?:\.\d{{1,3}}){{3}}(?::\d+)?(?![\d.])"),
        ("date", "-/.", r"[12](?<!\d.)(?:(?<=1)9|(?<=2)\d)\d{2}([-/.])\d{1,2}\1\d{1,2}(?!\d)"),
        ("date", "-/.", rf"{_DAY}([-/.])(?:1[0-2]|0?[1-9])\1(?:\d{{4}}|\d{{2}})(?!\d)"),
        ("date", "-/.", rf"{_MONTH}([-/.])(?:[12]\d|3[01]|0?[1-9])\1(?:\d{{4}}|\d{{2}})(?!\d)"),
        ("date", "ศี", r"(?:พ\.ศ\. ?|ค\.ศ\. ?|ปี ?)\d{4}(?!\d)"),
        ("date", "/", rf"{_D}(?<!/.)\d?(?<=[0-9])/(?:\d\d|20\d\d)(?![\d/])"),
        ("time", ":", rf"{_D}(?<!:.)\d?:\d{{2}}(?::\d{{2}})?(?:[.,]\d{{1,6}})?(?!\d)"),
        ("time", "-", rf"{_HOUR}-(?:[01]\d|2[0-4])(?:00|15|30|45)(?!\d)"),
        ("year", "©()rR", r"(?:©|\(c\)|copyright) ?(?:19|20)\d\d"),
        ("version", ".", rf"{_D}(?<![\w.-].)\d{{0,3}}(?:\.\d{{1,4}}){{2,4}}(?![\w.])"),
        # An amount without its currency.
        (
            "amount",
            ".,",
            rf"{_D}(?<![.,].)\d{{0,2}}(?:([.,])\d{{3}})*(?!\1)[.,]\d{{2}}(?![\d.,]*\d)",
        ),
    )
)
# The hash of Android's SMS Retriever API: a last word of eleven characters.
_APP_HASH = re.compile(r"\s(?=[\w+/]*[a-z])(?=[\w+/]*[A-Z+/])[\w+/]{11}\s{0,4}\Z")
_LAST = 16

_NUMBER = re.compile(
    r"(?<!\d)(?<!\d[.,])(?:\d{1,3}(?:[., '’]\d{3})+(?:[.,]\d{1,2})?|\d+(?:[.,]\d{1,2})?)(?!\d)"
)
_TO_NUMBER = re.compile(r"[.:]? ?-?")
_FROM_NUMBER = re.compile(r"[ -]?")
_LAST_PART = re.compile(r"(?<=\d{4}[.,])\d+\Z")
_CODE_SIZED = re.compile(r"\d{4,8}|\d{3}[ .]\d{3}")
_LETTER = re.compile(f"[{CASED}]")
_MEASURES = ("currency", "unit")


class Blank:
    """A plain text in which one decoy after the other is blanked out."""

    def __init__(self, text: str) -> None:
        self.original = self.text = text
        self.decoys: list[Decoy] = []

    def blank(self, start: int, end: int, why: str) -> None:
        self.decoys.append(Decoy(start, end, why))
        self.text = f"{self.text[:start]}{' ' * (end - start)}{self.text[end:]}"

    def shapes(self) -> None:
        """Blanks out what is none by its form alone."""
        if app_hash := _APP_HASH.search(self.text, max(len(self.text) - _LAST, 0)):
            self.blank(*app_hash.span(), "app hash")
        own = set(self.text)
        for why, signs, shape in SHAPES:
            if not own.isdisjoint(signs):
                for found in list(shape.finditer(self.text)):
                    self.blank(*found.span(), why)

    def measures(self, marks: Sequence[Mark]) -> None:
        """Blanks out numbers beside a currency, and numbers before a unit."""
        units = [mark for mark in marks if mark.kind in _MEASURES]
        if not units:
            return
        text, words = self.text, {mark.end for mark in marks}
        numbers = [one for one in _NUMBER.finditer(text) if _is_apart(text, *one.span(), words)]
        starts = {one.start(): one for one in numbers}
        ends = {one.end(): one for one in numbers}
        for mark in units:
            before = ends.get(mark.start) or ends.get(mark.start - 1)
            if before and not _FROM_NUMBER.fullmatch(text, before.end(), mark.start):
                before = None
            if mark.kind == "unit":
                if before:
                    # `482913,10 minutes`: only the last part is a time.
                    part = _LAST_PART.search(before[0])
                    begins = before.start() + (part.start() if part else 0)
                    self.blank(begins, before.end(), "measure")
                continue
            gap = _TO_NUMBER.match(text, mark.end)
            after = starts.get(gap.end()) if gap else None
            if owned := _owned(before, text[mark.start : mark.end], after):
                self.blank(*owned.span(), "amount")


def _owned(
    before: re.Match[str] | None, currency: str, after: re.Match[str] | None
) -> re.Match[str] | None:
    """The amount of a currency between two numbers. `482913 INR 500`, `500 руб 4829`: what has not
    the form of a code; else signs and codes stand before their number, words behind it.
    """
    if not (before and after):
        return before or after
    if not _CODE_SIZED.fullmatch(before[0]):
        return before
    if not _CODE_SIZED.fullmatch(after[0]) or currency.isupper() or not currency.isalpha():
        return after
    return before


def _is_apart(text: str, start: int, end: int, words: set[int]) -> bool:
    """Whether no letter is before the number, save those of a known word: `Rs500`."""
    if not (start and _LETTER.match(text, start - 1)):
        return True
    return start in words and not _LETTER.match(text, end)
