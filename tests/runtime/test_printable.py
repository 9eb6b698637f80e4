"""Texts of strangers as they are printed: escapes instead of control characters and formulas."""

import csv
import io
import json
import unicodedata

import pytest

from proxy.commands.columns import columns
from proxy.commands.ledger.report import as_csv, as_json, table
from proxy.runtime.printable import spreadsheet_cell, visible, visible_json
from proxy.store import Entry

C0_C1_DEL = [chr(code) for code in (*range(32), *range(127, 160))]
BIDI = list("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
OTHERS = ["\u2028", "\u2029", "\ufeff", "\xa0", "\ud800", "\U000e0041"]


@pytest.mark.parametrize("char", [*C0_C1_DEL, *BIDI, *OTHERS], ids=ascii)
def test_what_cannot_be_seen_is_escaped(char):
    said = visible(f"a{char}b")
    assert said.isprintable() and said.isascii()
    assert said[:2] == "a\\" and said[-1] == "b"
    text = json.dumps({"said": f"a{char}b"}, ensure_ascii=False, indent=1)
    assert json.loads(visible_json(text)) == json.loads(text)
    assert visible_json(text).replace("\n", "").isprintable()


@pytest.mark.parametrize(
    "text", ["", "plain text", "Ваш код", "验证码 305518", "äöü ¿ñ?", "😀", "‑€"]
)
def test_what_can_be_seen_stays_as_it_is(text):
    assert (visible(text), visible_json(text)) == (text, text)


def test_no_category_of_control_or_format_characters_is_forgotten():
    kinds = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    hidden = [chr(c) for c in range(0x110000) if unicodedata.category(chr(c)) in kinds]
    assert len(hidden) > 2000
    assert [char for char in hidden if visible(char) == char] == []


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
        ("+1-2", "'+1-2"),
        ("-1-2", "'-1-2"),
        ("-", "'-"),
        ("@SUM(1)", "'@SUM(1)"),
        ("\t=1", "'\\t=1"),
        ("\r=1", "'\\r=1"),
        ("\n=1", "'\\n=1"),
        ("  =1", "'  =1"),
        ("＝1", "'＝1"),
        ("-1.50", "-1.50"),
        ("-3", "-3"),
        ("1.50", "1.50"),
        ("", ""),
        ("a=b", "a=b"),
        ("2027-01-31T00:00:00Z", "2027-01-31T00:00:00Z"),
        ("a\x1b[31m", "a\\x1b[31m"),
    ],
)
def test_a_cell_is_no_formula_and_a_number_is_a_number(text, cell):
    assert spreadsheet_cell(text) == cell


def test_a_hostile_row_is_a_row_in_every_form_of_the_ledger():
    what = "=HYPERLINK(1)\n\x1b]0;title\x07\u202e"
    entries = [Entry(0.0, "k" * 64, "\torder\r", "charge", -150, what)]
    head, row, total = table(entries).split("\n")
    assert r"\torder\r" in row and r"=HYPERLINK(1)\n\x1b]0;title\x07\u202e" in row
    assert all(line.isprintable() for line in (head, row, total))
    _, cells = csv.reader(io.StringIO(as_csv(entries)))
    assert cells[2:] == [
        r"'\torder\r", "charge", "-1.50", r"'=HYPERLINK(1)\n\x1b]0;title\x07\u202e"
    ]  # fmt: skip
    assert json.loads(as_json(entries))[0]["what"] == what
    assert as_json(entries).replace("\n", "").isprintable()


def test_columns_are_aligned_by_what_is_printed():
    assert columns([("a\x1b", "b"), ("c", "d")]) == "a\\x1b  b\nc      d"
