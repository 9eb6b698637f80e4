"""The words for the code of an SMS: the shipped ones, a user's own, and what is refused."""

from pathlib import Path

import pytest
import yaml

from proxy.config.mappings import load_codes
from proxy.config.sms_words import load_sms_words
from proxy.legacy.code import CodeFinder
from proxy.model.errors import YamlFileError
from proxy.model.sms_words import KINDS

SHIPPED = Path(__file__).parents[2] / "mappings" / "sms_words.yaml"
FINDER = CodeFinder(load_sms_words())
TABLE = yaml.load(SHIPPED.read_text(encoding="utf-8"), yaml.CSafeLoader)

# ISO 4217 of 2026, without testing and no currency (XTS, XXX).
_CURRENCIES = (
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BOV BRL BSD BTN BWP BYN "
    "BZD CAD CDF CHE CHF CHW CLF CLP CNY COP COU CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR "
    "FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY "
    "KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU "
    "MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON "
    "RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP "
    "TRY TTD TWD TZS UAH UGX USD USN UYI UYU UYW UZS VED VES VND VUV WST XAF XAG XAU XBA XBB XBC "
    "XBD XCD XCG XDR XOF XPD XPF XPT XSU XUA YER ZAR ZMW ZWG"
)

# Languages with over twenty million speakers, second speakers included.
_LANGUAGES = (
    "am ar as az bho bn de en es fa fil fr gu ha hi ig id it ja jv kn ko ku mai mg ml mr ms my ne "
    "nl om or pa pl ps pt ro ru rw sd so sr su sw ta te th tr uk ur uz vi yo yue zh zu"
)


@pytest.fixture
def own(tmp_path):
    """Returns a finder by the shipped words with these rows over them."""

    def finder(rows: str) -> CodeFinder:
        (tmp_path / "sms_words.yaml").write_text(rows, encoding="utf-8")
        return CodeFinder(load_sms_words(tmp_path))

    return finder


def test_the_table_has_every_kind_and_every_word_once():
    assert tuple(TABLE) == KINDS
    words = [word for rows in TABLE.values() for words in rows.values() for word in words]
    assert len(words) > 4000
    kinds: dict[str, set[str]] = {}
    for kind, rows in TABLE.items():
        for word in (word for words in rows.values() for word in words):
            kinds.setdefault(word, set()).add(kind)
    assert {word: found for word, found in kinds.items() if len(found) > 1} == {}


def test_the_table_has_words_for_code_in_every_great_language():
    assert [language for language in _LANGUAGES.split() if language not in TABLE["code"]] == []


@pytest.mark.parametrize("currency", _CURRENCIES.split())
def test_an_amount_in_every_currency_is_no_code(currency):
    assert FINDER(f"Your account: {currency} 4500 paid in") is None
    assert FINDER(f"Pay 4500 {currency} with your code 7719") == "7719"


def test_the_shipped_words_count_without_an_own_folder(tmp_path):
    assert load_sms_words(tmp_path) == load_sms_words()


def test_own_words_are_added_as_a_language_of_their_own(own):
    text = "Zugangslosung gleich 448120, Haus 5512"
    assert own("code: {ours: [Zugangslosung]}\nlink: {ours: [gleich]}")(text) == "448120"


def test_an_own_row_replaces_the_shipped_row(own):
    find = own("call: {en: [beep]}")
    assert find("Beep 4412 for help") is None
    assert find("Your code: 448120. Ring 4412") == "448120"


def test_null_removes_a_row(own):
    text = "Su clave es WXYZQ"
    assert FINDER(text) == "WXYZQ"
    assert own("code: {es: null}")(text) is None


def test_own_words_may_be_of_any_script_and_have_signs(own):
    assert own("currency: {ours: [¤¤]}")("Pay 4412¤¤ now") is None
    assert own("code: {ours: [ᚱᚢᚾ]}")("ᚱᚢᚾ4412 x 99120") == "4412"


def test_the_other_tables_take_a_folder_with_words(tmp_path):
    (tmp_path / "sms_words.yaml").write_text("code: {en: [code]}")
    assert load_codes(tmp_path) == load_codes()


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("cod: {en: [code]}", ":1: cod is no kind of words: write code"),
        ("code: [otp]", ":1: rows are expected: write them as in code: {en: [code, password]}"),
        ("code: {en: otp}", ":1: a list is expected: write it as in code: {en: [code, password]}"),
        ("code:\n  en: [no]", ':2: word: no is read as false: write "no" in quotes'),
        ("code: {en: [pin1]}", ":1: word: 'pin1' has a digit, as codes have: leave the digit out"),
        ("code: {en: [' pin']}", ":1: word: ' pin' is not a word: write it in one line, "
         "without spaces around it"),
        ("code: {en: [pin, pin]}", ":1: word: pin is repeated: remove one of them"),
        ("code: {xx: null}", ":1: code, xx: no shipped words to remove: remove this row"),
        ("code: {en: [" + "x" * 41 + "]}", ":1: word: '" + "x" * 41
         + "' is longer than 40 characters: write a shorter part of it"),
        ("code: {en: [a], en: [b]}", ":1: en is repeated, first in line 1: remove one of them"),
        ("code: {en: [}", ":1: not YAML:"),
    ],
)  # fmt: skip
def test_a_wrong_row_is_refused_with_its_line(own, tmp_path, rows, said):
    with pytest.raises(YamlFileError) as refused:
        own(rows)
    assert str(refused.value).startswith(f"{tmp_path}/sms_words.yaml{said}")
