"""The code of a text, by kinds of texts and by rules; `sms_kinds.txt` has the texts."""

import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.config.sms_words import load_sms_words
from proxy.legacy.answers import safe
from proxy.legacy.code import CodeFinder, find_code
from proxy.legacy.code.plain import MAX_SEARCHED, plain
from proxy.legacy.code.rules import REFERENCE, RULES, WEB_OTP
from proxy.model.sms_words import KINDS as KINDS_OF_WORDS
from proxy.model.sms_words import SmsWords
from tests.support.sms import TESTS, by_kind, by_service

KINDS = by_kind()
FINDER = CodeFinder(load_sms_words())


@pytest.mark.parametrize("kind", KINDS)
def test_the_code_is_found_in_texts_of_each_kind(kind):
    found = [(find_code(text), code, text) for code, text in KINDS[kind]]
    assert [one for one in found if one[0] != one[1]] == []


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_eight_texts_some_with_a_code_and_some_without(kind):
    codes = [sample.code for sample in KINDS[kind]]
    assert len(codes) >= 8
    assert None in codes
    assert any(codes)


def test_each_rule_decides_a_text():
    texts = [sample.text for samples in (*KINDS.values(), by_service()) for sample in samples]
    decided = {FINDER.explain(text).rule for text in texts} - {None}
    assert {WEB_OTP, REFERENCE, *(rule.name for rule in RULES)} == decided


@pytest.mark.parametrize(
    ("text", "rule", "decoys"),
    [
        (
            "Card *4471: 448120 is your code for EUR 120.00, ref 5512",
            "number is called code",
            [
                ("*4471", "masked number"),
                ("120.00", "amount"),
                ("5512", "behind a word for a reference"),
            ],
        ),
        (
            "Order 88120. Code 448120. Call 1414",
            "word points at number",
            [("88120", "behind a word for another number"), ("1414", "behind a word for calling")],
        ),
        ("Hi\n@shop.example #4412", WEB_OTP, []),
        ("Reference code: 448120", REFERENCE, [("448120", "behind a word for a reference")]),
        ("Dial *123*45# in 5 minutes", None, [("*123*45#", "USSD"), ("5", "measure")]),
    ],
)
def test_the_rule_and_the_decoys_are_explained(text, rule, decoys):
    found = FINDER.explain(text)
    assert (found.rule, list(found.decoys)) == (rule, decoys)


def test_a_number_beats_letters_with_digits_unless_a_word_points_at_them():
    assert find_code("b3tter: use 448120") == "448120"
    assert find_code("Order 448120: your code is A1B2C3") == "A1B2C3"


# The rest holds for every text.

PIECES = (
    "code is", "Ваш код", "验证码", "รหัส", "ref", "call", "order", "EUR", "@a.example #", "*", "#",
    "-", ":", ".", "\n", " ", "482913", "12", "A1B2", "QWERTY", "\ufdfa", "\u0344", "١٢٣٤", "\x00",
    "\u202e", "1️⃣", "http://", "SQL",
)  # fmt: skip
TEXTS = st.text(max_size=200) | st.lists(st.sampled_from(PIECES), max_size=60).map("".join)


@given(TEXTS)
@settings(deadline=None)
def test_the_code_is_legal_and_its_digits_stand_in_the_text(text):
    code = find_code(text)
    if code is None:
        return
    assert re.fullmatch(r"[0-9A-Za-z-]{1,64}", code)
    assert safe(code) == code.replace("SQL", "S-Q-L")
    digits = re.sub(r"\D", "", code)
    assert digits in re.sub(r"[^0-9]", "", plain(text))


@given(TEXTS)
@settings(deadline=None)
def test_the_same_text_has_the_same_code_whatever_was_asked_before(text):
    assert CodeFinder.__call__(FINDER, text) == FINDER.explain(text).code


def test_no_character_makes_the_searched_text_longer():
    for text in ("\ufdfa" * 2000, "a" * 2000, "\u0344" * 2000, "½" * 2000):
        assert len(plain(text)) <= MAX_SEARCHED


def test_small_letters_take_as_much_place_as_capital_ones():
    """The marks of the words are places in the text."""
    odd = [one for one in map(chr, range(0x110000)) if len(one.lower()) != 1]
    assert odd, "Unicode has none any more: the mark of `plain` is not needed"
    assert [one for one in odd if len(plain(one).lower()) != len(plain(one))] == []


def test_every_digit_of_unicode_is_read():
    zeros = (one for one in map(chr, range(0x20000)) if unicodedata.decimal(one, -1) == 0)
    for zero in zeros:
        four = "".join(chr(ord(zero) + n) for n in (4, 8, 2, 9))
        assert find_code(f"Your code is {four}") == "4829"


def test_a_finder_without_words_finds_what_stands_alone():
    finder = CodeFinder(SmsWords({}))
    assert finder("448120") == "448120"
    assert finder("Hello") is None


def test_the_page_has_every_rule_and_every_kind_of_words():
    page = (TESTS.parent / "docs" / "codes.md").read_text(encoding="utf-8")
    first_cells = re.findall(r"^\| `?([^|`]+?)`? \|", page, re.MULTILINE)
    rules = [WEB_OTP, *(rule.name for rule in RULES), REFERENCE, "no code"]
    assert first_cells == ["rule", *rules, "kind", *KINDS_OF_WORDS]
