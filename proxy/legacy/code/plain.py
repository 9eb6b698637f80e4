"""The text of an SMS in one plain form: ASCII digits, ASCII marks, nothing invisible. Pure."""

import re
import unicodedata

MAX_SEARCHED = 1600
"""Characters of a text that are searched: ten parts of an SMS."""

# Marks that NFKC would turn into commas and letters, and the forms of the dash.
_MARKS = str.maketrans(
    {
        **dict.fromkeys("，、；،؛", " "),
        **dict.fromkeys("‐‑‒–−﹣－", "-"),
        **dict.fromkeys("\u0085\u2028\u2029", "\n"),
        "№": "#",
        # The only letter that is two when it is made small.
        "İ": "I",
        # Digits in circles without a decomposition.
        **{chr(0x2776 + n): str((n + 1) % 10) for n in range(9)},
        **{chr(0x2780 + n): str((n + 1) % 10) for n in range(9)},
        **{chr(0x278A + n): str((n + 1) % 10) for n in range(9)},
        **{chr(0x24F5 + n): str((n + 1) % 10) for n in range(9)},
        **dict.fromkeys("\u24ea\u24ff\U0001f10b\U0001f10c", "0"),
    }
)
# What is not seen: format characters (Cf), variation selectors, the frame of keycap digits, and
# accents that NFKC could not put onto their letter.
_INVISIBLE = re.compile(
    "[\u00ad\u0300-\u036f\u0600-\u0605\u061c\u06dd\u070f\u08e2\u180b-\u180e\u200b-\u200f"
    "\u202a-\u202e\u2060-\u206f\u20e3\ufe00-\ufe0f\ufeff\ufff9-\ufffb\U000110bd"
    "\U0001d173-\U0001d17a\U000e0001-\U000e007f\U000e0100-\U000e01ef]+"
)
_DIGIT = re.compile(r"[^\D0-9]")
_CONTROL = re.compile(r"[^\S\n ]|[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def plain(text: str) -> str:
    """The beginning of the text in the plain form, MAX_SEARCHED characters at most."""
    text = text[:MAX_SEARCHED]
    if not text.isascii():
        # NFKC makes up to eighteen characters of one.
        text = unicodedata.normalize("NFKC", text.translate(_MARKS))[:MAX_SEARCHED]
        text = _DIGIT.sub(lambda found: str(unicodedata.decimal(found[0])), text)
        text = _INVISIBLE.sub("", text)
    return _CONTROL.sub(" ", text)


_STROKES = str.maketrans("ıłøđðŧħæœß", "iloddthaos")


def without_accents(word: str) -> str:
    """The word as an SMS without accents has it: `código` is `codigo`, letter for letter."""
    parts = (unicodedata.normalize("NFD", char)[0] for char in word.translate(_STROKES))
    return "".join(parts)
