"""What is refused of a table: one line, FILE:LINE: what is wrong: the fix."""

import pytest

from proxy.config.mappings import load_codes
from proxy.config.yaml_file import YamlFileError


def gb(iso="GB", dial="[44]", eng="X", more=""):
    return f"16: {{iso: {iso}, dial: {dial}, eng: {eng}{more}}}"


GB = "{iso: GB, dial: [44], eng: X}"
LIKE_GB = "as in 16: {iso: GB, dial: [44], eng: United Kingdom}"
TWICE = "is repeated, first in line 1: remove one of them"
NO_ID = "is not a country id: write plain digits, at most four"
NO_ISO = "is not an ISO 3166-1 code: write"
NO_DIAL = "is not a dial code: write digits without + or 00 in front, as [44] or [1787, 1939]"
NO_FLAG = "reads_back: neither true nor false: write true or false"
COUNTRIES_REFUSED = [
    (f"16: {GB}\n\n16: {GB}", f"3: 16 {TWICE}"),
    ("16: {iso: GB, iso: US}", f"1: iso {TWICE}"),
    (f"# ours\n010: {GB}", "2: 010 is not a country id: write 10"),
    (f"1_0: {GB}", "1: 1_0 is not a country id: write 10"),
    (f"0x10: {GB}", f"1: 0x10 {NO_ID}"),
    (f"-1: {GB}", f"1: -1 {NO_ID}"),
    (f"12345: {GB}", f"1: 12345 {NO_ID}"),
    (f"GB: {GB}", f"1: GB {NO_ID}"),
    (gb(iso="NO"), '1: iso: NO is read as false: write "NO" in quotes'),
    ("16:\n  dial: [47]\n  eng: X\n  iso: ON", '4: iso: ON is read as true: write "ON" in quotes'),
    (gb(iso="UK"), f"1: iso: UK {NO_ISO} GB"),
    (gb(iso="gb"), f"1: iso: gb {NO_ISO} GB"),
    (gb(iso="QX"), f"1: iso: QX {NO_ISO} the two capital letters of ISO 3166-1"),
    (gb(more=", dail: [4]"), "1: dail is no field: write dial"),
    (
        gb(more=", colour: red"),
        "1: colour is no field: write one of iso, dial, eng, rus, chn, legacy, reads_back",
    ),
    ("16: {iso: GB, dial: [44]}", f"1: eng is missing: write it {LIKE_GB}"),
    ("16: null", f"1: iso is missing: write it {LIKE_GB}"),
    ("\n16: GB", f"2: rows are expected: write them {LIKE_GB}"),
    ("[16, 17]", f"1: rows are expected: write them {LIKE_GB}"),
    ("? [16]\n: GB", f"1: the key of a row is a plain word: write it {LIKE_GB}"),
    (gb(dial="44"), "1: dial: a list is expected: write it in brackets, as [44]"),
    (gb(dial="[+44]"), f"1: dial: +44 {NO_DIAL}"),
    (gb(dial="[44, '0044']"), f"1: dial: 0044 {NO_DIAL}"),
    (gb(dial="[44 20]"), f"1: dial: 44 20 {NO_DIAL}"),
    (gb(dial="['']"), f"1: dial:  {NO_DIAL}"),
    (gb(dial="[[44]]"), f"1: dial: this {NO_DIAL}"),
    (gb(eng="16"), '1: eng: 16 is read as a number: write "16" in quotes'),
    (gb(eng="1.5"), '1: eng: 1.5 is read as a number: write "1.5" in quotes'),
    (gb(eng="2024-01-01"), '1: eng: 2024-01-01 is read as a date: write "2024-01-01" in quotes'),
    (gb(eng=""), "1: eng: it is empty: write the text"),
    (gb(eng="[X]"), "1: eng: a text is expected: write it without brackets"),
    (gb(more=", rus: Yes"), '1: rus: Yes is read as true: write "Yes" in quotes'),
    (gb(more=", reads_back: maybe"), f"1: {NO_FLAG}"),
    (gb(more=", reads_back: 0"), f"1: {NO_FLAG}"),
    (
        f"\n205: {GB}",
        "2: 205 and 16 both read back as GB: write reads_back: false into one of them",
    ),
    (
        "12: {iso: US, dial: [1], eng: USA}",
        "1: 12 and 187 both read back as US: write reads_back: false into one of them",
    ),
    (
        gb(more=", reads_back: false"),
        "1: no id reads back as GB: remove reads_back: false from one",
    ),
]
NO_CODE = "is not a code: write 2 to 20 small letters, digits or _"
NO_NAME = "is not a name: write it in one line, without spaces around it"
POISON = "which an old client reads as an error"
SERVICES_REFUSED = [
    ("services: {tg: A,\n  tg: B}", f"2: tg {TWICE}"),
    ("services:\n  no: Virgo", '2: code: no is read as false: write "no" in quotes'),
    ("services:\n  on: Onwards", '2: code: on is read as true: write "on" in quotes'),
    ("services:\n  99: A", '2: code: 99 is read as a number: write "99" in quotes'),
    ("services:\n  null: A", '2: code: null is read as nothing: write "null" in quotes'),
    ("services:\n  xx: Yes", '2: xx: Yes is read as true: write "Yes" in quotes'),
    ("services:\n  xx: 1688", '2: xx: 1688 is read as a number: write "1688" in quotes'),
    ("services:\n  xx:", "2: xx: it is empty: write the text"),
    ("services:\n  xx: ' A'", f"2: xx: ' A' {NO_NAME}"),
    ('services:\n  xx: ""', f"2: xx: '' {NO_NAME}"),
    ('services:\n  xx: "a\\nb"', f"2: xx: 'a\\nb' {NO_NAME}"),
    ("services:\n  xx: MySQL", f"2: xx: MySQL has the letters SQL, {POISON}: write Sql"),
    ("services:\n  xx: BANNED", f"2: xx: BANNED has the letters BANNED, {POISON}: write Banned"),
    ("services:\n  WhatsApp: wa", f"2: code: WhatsApp {NO_CODE}"),
    ("services:\n  x: A", f"2: code: x {NO_CODE}"),
    ("services:\n  x-y: A", f"2: code: x-y {NO_CODE}"),
    (f"services:\n  {'x' * 21}: A", f"2: code: {'x' * 21} {NO_CODE}"),
    ("services:\n  zzz: null", "2: zzz: no shipped row to remove: remove this row"),
    ("wa: WhatsApp", "1: wa is no field: write one of services, aliases"),
    ("service:\n  wa: WhatsApp", "1: service is no field: write services"),
    ("services: [wa]", "1: rows are expected: write them as in wa: WhatsApp"),
    ("aliases:\n  zzz: zzy", "2: zzy is not a service code: write one of services.yaml"),
    ("aliases:\n  zzz: WhatsApp", "2: WhatsApp is a name, not a code: write wa"),
    ("aliases:\n  zzz: youtube", "2: youtube is a name, not a code: write go"),
    ("aliases:\n  zzz: no", '2: zzz: no is read as false: write "no" in quotes'),
    ("aliases:\n  ZZZ: wa", f"2: alias: ZZZ {NO_CODE}"),
    ("aliases:\n  zzz: zzy\n  zzy: wa", "2: zzy is not a service code: write one of services.yaml"),
    ("aliases:\n  zzz: null", "2: zzz: no shipped row to remove: remove this row"),
    ("aliases:\n  hn: hw", "2: hn is itself a service (Bonia): remove the alias"),
    (
        "aliases:\n  whatsapp: wa",
        "2: whatsapp is a name of wa, not an old code: remove the alias",
    ),
    (
        "services:\n  wa: null\naliases:\n  zzz: wa",
        "4: wa is not a service code: write one of services.yaml",
    ),
]
LIKE_CHIME = "as in chime: {name: Chime, buys: bbq}"
DAISYSMS_REFUSED = [
    ("chime: {name: A, buys: wa}\nchime: {name: B, buys: tg}", f"2: chime {TWICE}"),
    ("chime: {name: Chime, buys: Chime}", "1: Chime is a name, not a code: write bbq"),
    (
        "\nchime: {name: Chime, buys: zzz}",
        "2: zzz is not a service code: write one of services.yaml",
    ),
    ("chime: {name: Chime}", f"1: buys is missing: write it {LIKE_CHIME}"),
    ("abf: null", f"1: name is missing: write it {LIKE_CHIME}"),
    ("abf: axr", f"1: rows are expected: write them {LIKE_CHIME}"),
    ("chime: {name: Chime, buy: bbq}", "1: buy is no field: write buys"),
    ("chime: {name: Chime, buys: }", "1: buys: it is empty: write the text"),
    ("chime: {name: A, buys: no}", '1: buys: no is read as false: write "no" in quotes'),
    ("chime: {name: SQL, buys: bbq}", f"1: name: SQL has the letters SQL, {POISON}: write Sql"),
    ("Chime: {name: Chime, buys: bbq}", f"1: code: Chime {NO_CODE}"),
]
REFUSED = [
    *(("countries", *case) for case in COUNTRIES_REFUSED),
    *(("services", *case) for case in SERVICES_REFUSED),
    *(("daisysms", *case) for case in DAISYSMS_REFUSED),
]


@pytest.mark.parametrize(("table", "text", "message"), REFUSED)
def test_a_wrong_row_is_refused_with_its_line_and_the_fix(own, tmp_path, table, text, message):
    with pytest.raises(YamlFileError) as refused:
        own(f"{table}.yaml", text)
    assert str(refused.value) == f"{tmp_path}/{table}.yaml:{message}"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("services:\n  xx: 'open\n", 3),
        ("services:\n\txx: Tab\n", 2),
        ("services:\n  xx: {a\n", 3),
        ("services:\n  xx: a: b\n", 2),
        ("services:\n  xx: *nowhere\n", 2),
        ("services: {}\n---\nservices: {}\n", 2),
    ],
)
def test_what_is_not_yaml_is_refused_with_its_line(own, tmp_path, text, line):
    with pytest.raises(YamlFileError) as refused:
        own("services.yaml", text)
    message = str(refused.value)
    assert message.startswith(f"{tmp_path}/services.yaml:{line}: not YAML: ")
    assert message.endswith(
        "check the quotes, colons, brackets and spaces here and in the line before"
    )
    assert "\n" not in message


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"services:\n  xx: Caf\xe9\n", "2: not UTF-8: save the file as UTF-8"),
        ("services:\n".encode("utf-16"), "1: not UTF-8: save the file as UTF-8"),
        (b"#\n#\nservices: \x00\n", "3: the character '\\x00' is not allowed: remove it"),
    ],
)
def test_what_is_not_text_is_refused_with_its_line(tmp_path, raw, message):
    (tmp_path / "services.yaml").write_bytes(raw)
    with pytest.raises(YamlFileError) as refused:
        load_codes(tmp_path)
    assert str(refused.value) == f"{tmp_path}/services.yaml:{message}"


@pytest.mark.parametrize(
    ("name", "fix"),
    [
        ("countrys.yaml", "write countries.yaml"),
        ("services.yml", "write services.yaml"),
        ("Countries.yaml", "write countries.yaml"),
        ("README", "write one of countries.yaml, services.yaml, daisysms.yaml, sms_words.yaml"),
    ],
)
def test_a_file_of_an_unknown_name_is_refused(tmp_path, name, fix):
    (tmp_path / name).write_text("")
    with pytest.raises(YamlFileError) as refused:
        load_codes(tmp_path)
    assert str(refused.value) == f"{tmp_path}/{name}: not a table: {fix}"


def test_a_table_that_cannot_be_read_is_refused(tmp_path):
    (tmp_path / "services.yaml").mkdir()
    with pytest.raises(YamlFileError) as refused:
        load_codes(tmp_path)
    message = "cannot be read: Is a directory: name another file"
    assert str(refused.value) == f"{tmp_path}/services.yaml: {message}"


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(YamlFileError) as refused:
        load_codes(tmp_path / "gone")
    message = " no such folder: create it, or set mappings to another"
    assert str(refused.value) == f"{tmp_path}/gone:{message}"


def test_a_message_is_one_line_whatever_the_table_holds(own):
    with pytest.raises(YamlFileError) as refused:
        own("services.yaml", 'services: {"a\\nb\\x1b": X}')
    assert str(refused.value).isprintable()
