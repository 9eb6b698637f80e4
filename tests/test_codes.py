"""The mapping tables: what they hold, how a user's own lie over them, and what is refused."""

import json
import re
import shutil
import tempfile
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import proxy.config.mappings
import proxy.config.yaml_file
from proxy.config.codes import Codes
from proxy.config.mappings import load_codes
from proxy.model.errors import YamlFileError

MAPPINGS = Path(__file__).parent.parent / "mappings"

# The 59 countries that were on sale upstream in May 2026, with their ids in the old protocol.
ON_SALE = """
AO:76 AR:39 AT:50 BA:108 BD:60 BE:82 BG:83 BR:73 CA:36 CM:41 CN:3 CO:33 CZ:63 DE:43 EE:34
EG:21 ES:56 FR:78 GB:16 GE:128 GR:129 HK:14 HR:45 HU:84 ID:6 IE:23 IL:13 IN:22 IQ:47 IT:86
KE:8 KG:11 KZ:2 LR:135 LT:44 LV:49 MA:37 MD:85 MX:54 MY:7 NG:19 NL:48 NZ:67 PE:65 PH:4
PL:15 PT:117 RO:32 SE:46 SI:59 SK:141 TD:42 TH:52 TR:62 UA:1 US:187 UZ:40 VN:10 ZA:31
"""
# Rows that the code tables of old clients have wrong, or have not.
EASILY_WRONG = """
RU:0 CD:18 CG:150 BT:158 BM:195 SY:110 PS:188 KR:190 KP:191 EH:192 SB:193 JE:194 TO:197 WS:198
MT:199 LI:200 XK:203 NU:204 DM:126 DO:109 GN:68 GW:130 GQ:167 GY:131 PG:79 NE:139 NO:174 SD:98
SS:177 AU:175 SK:141 SI:59 NA:138 AE:95
"""
# 117 of the service codes that were seen upstream.
SEEN_UPSTREAM = """
aav abn abt aem afd afp agb agw ah ahb ajy alg am anb apd aul aws axs ayb ayo bbi bcg bdo
bgt bl blq blx blz bn bnp bow bpi bqr brv bsm bst bsv bsy btx bw bxr byd byh bz bzk dh dr
ds ew fb fd fu go gp gx hw hx ig im jg ka ki kt lf li ls ma mb me mm mt nf nh nv nz oi ok
pf pm qj qq re rr rt ry sa sg sn tc tg tm tn ts tw tx ub uk uu uz vi vk vz wa wb wc wg wx
xz ya yl yn yw za zk zl zr zy
"""
# DaisySMS codes that mean there what they mean everywhere.
SAME_AT_DAISYSMS = """
abb abk ac acz ada aez afk aft agk ajj ajn alf alq am apr aqt are asf auw bbg bdx bw bz cn
dg dh dr ds ep ew ex fb fp fu gf go gp hb ie ig ir it kt lf lj mb me mj mm mo mt oi oz pf
pm qo qv re rr rt sx tg tn ts tu tw ub uf vi vk vm vz wa wb wc wr ws wx yw yy za zk zm
"""


def pairs(text: str) -> list[tuple[str, int]]:
    return [(iso, int(id)) for iso, id in (pair.split(":") for pair in text.split())]


@pytest.fixture(scope="module")
def codes() -> Codes:
    return load_codes()


@pytest.fixture
def own(tmp_path):
    """Writes one table of a user's own and loads all with it."""

    def load(file: str, text: str) -> Codes:
        (tmp_path / file).write_text(text, encoding="utf-8")
        return load_codes(tmp_path)

    return load


# The shipped tables


def test_every_id_of_the_old_protocol_has_a_country(codes):
    assert list(codes.countries) == list(range(205))


@pytest.mark.parametrize(("iso", "id"), pairs(ON_SALE) + pairs(EASILY_WRONG))
def test_a_country_has_the_id_it_always_had(codes, iso, id):
    assert codes.countries[id].iso == iso
    assert codes.country_id(iso) == id


def test_both_american_ids_buy_us_and_us_reads_back_as_187(codes):
    assert codes.country("12").iso == codes.country("187").iso == "US"
    assert codes.country_id("US") == 187
    assert [id for id, country in codes.countries.items() if not country.reads_back] == [12]


def test_every_country_but_the_first_american_one_reads_back_as_itself(codes):
    for id, country in codes.countries.items():
        assert codes.country_id(country.iso) == (187 if id == 12 else id)


@pytest.mark.parametrize("iso", ["UK", "gb", "EU", "", "AQ"])
def test_an_iso_code_without_an_old_id_reads_back_as_none(codes, iso):
    assert codes.country_id(iso) is None


@pytest.mark.parametrize(
    "text",
    [
        *("", "-1", "+16", "016", "00", "16 ", "16\n", "1_6", "0x10", "1e1", "16.0", "١٦", "１６"),
        *("GB", "Russia", "205", "9999", "9" * 5000),
    ],
)
def test_what_is_not_a_known_id_in_plain_digits_is_no_country(codes, text):
    assert codes.country(text) is None


@pytest.mark.parametrize(
    ("id", "eng", "legacy"),
    [
        (12, "United States (virtual)", "USA (virtual)"),
        (14, "Hong Kong", "HongKong"),
        (16, "United Kingdom", "England"),
        (18, "DR Congo", "DCongo"),
        (43, "Germany", "Germany"),
        (95, "United Arab Emirates", "Uae"),
        (125, "Central African Republic", "Caf"),
        (187, "United States", "USA"),
        (190, "South Korea", "Southkorea"),
    ],
)
def test_a_country_has_a_clean_name_and_keeps_its_old_one(codes, id, eng, legacy):
    assert (codes.countries[id].eng, codes.countries[id].legacy) == (eng, legacy)


def test_russian_and_chinese_names_are_never_in_latin_letters(codes):
    for country in codes.countries.values():
        assert not any("a" <= char <= "z" for char in (country.rus + country.chn).lower())


def test_no_two_countries_share_a_name(codes):
    for names in ("eng", "legacy", "rus", "chn"):
        assert len({getattr(country, names) for country in codes.countries.values()}) == 205


@pytest.mark.parametrize("code", SEEN_UPSTREAM.split())
def test_a_service_code_seen_upstream_is_known_and_passes_through(codes, code):
    assert codes.service(code) == code
    assert codes.services[code]


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("tg", "Telegram"),
        ("wa", "WhatsApp"),
        ("go", "Google, YouTube, Gmail"),
        ("fb", "Facebook"),
        ("li", "Baidu"),
        ("tn", "LinkedIn"),
        ("uk", "Airbnb"),
        ("no", "Virgo"),
        ("ot", "Any other"),
        ("uj", "Champion Casino"),
    ],
)
def test_a_service_has_its_name(codes, code, name):
    assert codes.services[code] == name


@pytest.mark.parametrize(
    "code", ["whatsapp", "WhatsApp", "Telegram", "TG", " tg", "tg_0", "full", "zzzz", "", "tg\n"]
)
def test_a_name_or_an_inexact_code_is_no_service(codes, code):
    assert codes.service(code) is None
    assert codes.service(code, "daisysms") is None


def test_the_service_table_is_complete(codes):
    assert len(codes.services) == 2037


def test_no_name_mixes_cyrillic_into_a_latin_word(codes):
    latin, cyrillic = "abcdefghijklmnopqrstuvwxyz", "абвгдежзийклмнопрстуфхцчшщъыьэюя"
    for name in codes.services.values():
        for word in name.lower().split():
            assert not (set(word) & set(latin) and set(word) & set(cyrillic)), name


# DaisySMS


@pytest.mark.parametrize(
    ("code", "buys", "elsewhere"),
    [
        ("abf", "axr", "Parimatch"),
        ("blk", None, "HDI"),
        ("boa", None, "Excellent"),
        ("wu", None, "PrivetMir"),
    ],
)
def test_a_code_that_means_something_else_at_daisysms_is_never_bought_as_it_is(
    codes, code, buys, elsewhere
):
    assert codes.services[code] == elsewhere
    assert codes.service(code, "daisysms") == buys
    assert codes.daisysms[code].name != elsewhere


@pytest.mark.parametrize(
    ("code", "buys", "name"),
    [
        ("chase", "bhi", "Chase"),
        ("chime", "bbq", "Chime"),
        ("dutchbros", "byv", "Dutch Bros"),
        ("karma", "bqz", "Credit Karma"),
        ("ring4", "ari", "Ring4"),
        ("sideline", "apl", "Sideline"),
        ("abf", "axr", "Match"),
        ("unlisted", "ot", "Any other"),
    ],
)
def test_a_daisysms_code_buys_the_service_of_that_name(codes, code, buys, name):
    assert codes.service(code, "daisysms") == buys
    assert codes.services[buys] == name


@pytest.mark.parametrize("code", SAME_AT_DAISYSMS.split())
def test_a_code_that_means_the_same_at_daisysms_buys_itself(codes, code):
    assert codes.service(code, "daisysms") == code
    assert codes.daisysms[code].name == codes.services[code]


def test_a_code_that_no_daisysms_client_knows_is_not_guessed(codes):
    assert codes.service("aa") == "aa"
    assert codes.service("aa", "daisysms") is None


def test_what_is_listed_can_be_bought(codes):
    for table in ("", "daisysms"):
        listed = list(codes.listed(table))
        assert listed
        assert all(codes.service(code, table) == buys for code, buys, _ in listed)
        assert all(buys in codes.services and name for _, buys, name in listed)


def test_a_code_that_only_daisysms_had_means_nothing_elsewhere(codes):
    assert codes.daisysms["vision_engage"].buys is None
    assert codes.service("vision_engage") is None
    assert codes.service("chime") is None


# Dial prefixes

SAMPLES = [
    (0, "79161234567", "380501234567"),
    (1, "380501234567", "79161234567"),
    (2, "77011234567", "79161234567"),
    (4, "639171234567", "62812345678"),
    (6, "6281234567890", "60123456789"),
    (10, "84912345678", "85512345678"),
    (12, "12025550123", "447700900123"),
    (14, "85251234567", "8613812345678"),
    (15, "48512345678", "420601123456"),
    (16, "447700900123", "12025550123"),
    (18, "243812345678", "242061234567"),
    (20, "85366123456", "85251234567"),
    (22, "919812345678", "923001234567"),
    (36, "14165550123", "5215512345678"),
    (43, "4915112345678", "436641234567"),
    (54, "5215512345678", "12025550123"),
    (78, "33612345678", "262692123456"),
    (86, "393123456789", "38640123456"),
    (97, "17872345678", "12025550123"),
    (97, "19392345678", "18092345678"),
    (103, "18762101234", "12025550123"),
    (103, "16582101234", "18682911234"),
    (104, "18682911234", "18762101234"),
    (109, "18092345678", "17672251234"),
    (109, "18292345678", "17872345678"),
    (109, "18492345678", "18762101234"),
    (122, "12423591234", "12462501234"),
    (126, "17672251234", "18092345678"),
    (146, "262692123456", "33612345678"),
    (150, "242061234567", "243812345678"),
    (158, "97517123456", "14413701234"),
    (174, "4740612345", "46701234567"),
    (180, "16644923456", "12642351234"),
    (181, "12642351234", "16644923456"),
    (182, "819012345678", "821020000000"),
    (187, "12025550123", "447700900123"),
    (188, "970599123456", "972541234567"),
    (188, "972599123456", "972501234567"),
    (190, "821020000000", "8501921234567"),
    (194, "447797712345", "33612345678"),
    (195, "14413701234", "97517123456"),
    (203, "38343201234", "38160123456"),
    (203, "37744123456", "37761234567"),
    (203, "38649123456", "38640123456"),
    (204, "6838884012", "6841234567"),
]


@pytest.mark.parametrize(("id", "its", "foreign"), SAMPLES)
def test_a_number_fits_its_own_country_and_not_another(codes, id, its, foreign):
    assert codes.dial_fits(codes.countries[id], its)
    assert not codes.dial_fits(codes.countries[id], foreign)


def test_every_country_has_dial_prefixes_and_each_is_digits(codes):
    for country in codes.countries.values():
        assert country.dial
        assert all(prefix.isascii() and prefix.isdecimal() for prefix in country.dial)
        assert all(prefix[0] != "0" for prefix in country.dial)


def test_a_country_without_prefixes_takes_every_number(own):
    codes = own("countries.yaml", "16: {iso: GB, dial: [], eng: United Kingdom}")
    assert codes.dial_fits(codes.countries[16], "999")


# The form of the shipped files: one way to write each row, so that a change is one line


def rows_of(file: str) -> list[str]:
    lines = (MAPPINGS / file).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_country_rows_are_in_order_and_in_one_form(codes):
    written = []
    for country in codes.countries.values():
        iso = '"NO"' if country.iso == "NO" else country.iso
        dial = ", ".join(country.dial)
        row = f"iso: {iso}, dial: [{dial}], eng: {country.eng}, rus: {country.rus}"
        row += f", chn: {country.chn}"
        row += f", legacy: {country.legacy}" if country.legacy != country.eng else ""
        row += "" if country.reads_back else ", reads_back: false"
        written.append(f"{country.id}: {{{row}}}")
    assert rows_of("countries.yaml") == written


def test_service_rows_are_in_order_and_in_one_form(codes):
    def text(word: str) -> str:
        return word if isinstance(yaml.safe_load(word), str) else f'"{word}"'

    rows = [f"  {text(code)}: {text(codes.services[code])}" for code in sorted(codes.services)]
    assert rows_of("services.yaml") == ["aliases: {}", "services:", *rows]


def test_daisysms_rows_are_in_order_and_in_one_form(codes):
    def text(word: str) -> str:
        return f'"{word}"' if "," in word else word

    rows = rows_of("daisysms.yaml")
    own = sorted(row.partition(":")[0] for row in rows)
    assert len(own) == 156
    assert rows == [
        f"{code}: {{name: {text(row.name)}, buys: {row.buys or 'null'}}}"
        for code, row in ((code, codes.daisysms[code]) for code in own)
    ]


def test_the_tables_are_read_the_same_without_libyaml(codes, monkeypatch):
    monkeypatch.setattr(proxy.config.yaml_file, "_Loader", yaml.SafeLoader)
    assert load_codes() == codes


def test_the_tables_inside_an_installed_package_come_first(own, tmp_path, monkeypatch):
    shutil.copytree(MAPPINGS, tmp_path / "proxy" / "mappings")
    (tmp_path / "proxy" / "mappings" / "services.yaml").write_text("services: {tg: Installed}")
    (tmp_path / "proxy" / "mappings" / "daisysms.yaml").unlink()
    monkeypatch.setattr(
        proxy.config.mappings, "__file__", str(tmp_path / "proxy" / "config" / "mappings.py")
    )
    assert load_codes().services == {"tg": "Installed"}


def test_the_tables_cannot_be_changed_after_loading(codes):
    for table in (codes.countries, codes.services, codes.aliases, codes.daisysms):
        with pytest.raises(TypeError):
            table["xx"] = "changed"
    with pytest.raises(AttributeError):
        codes.services = {}


# A user's own tables


def test_an_empty_folder_changes_nothing(codes, tmp_path):
    assert load_codes(tmp_path) == codes


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "aliases:\n", "services: {}\n"])
def test_an_empty_table_changes_nothing(codes, own, text):
    assert own("services.yaml", text) == codes


def test_hidden_files_are_passed_over(codes, tmp_path):
    (tmp_path / "..data").mkdir()
    (tmp_path / ".DS_Store").write_bytes(b"\x00\xff")
    assert load_codes(tmp_path) == codes


def test_an_own_country_row_replaces_the_shipped_one_as_a_whole(codes, own):
    changed = own("countries.yaml", "16: {iso: GB, dial: [4477, '4478'], eng: Britain}")
    country = changed.country("16")
    assert (country.dial, country.eng) == (("4477", "4478"), "Britain")
    assert (country.rus, country.chn, country.legacy) == ("Britain", "Britain", "Britain")
    assert list(changed.countries) == list(range(205))
    others = {id: row for id, row in codes.countries.items() if id != 16}
    assert {id: row for id, row in changed.countries.items() if id != 16} == others


def test_a_country_can_be_added_under_a_second_id(own):
    codes = own("countries.yaml", "222: {iso: RU, dial: [7], eng: Russia, reads_back: false}")
    assert codes.country("222").iso == "RU"
    assert codes.country_id("RU") == 0
    assert list(codes.countries)[-1] == 222


def test_the_id_that_is_read_back_can_be_changed(own):
    codes = own(
        "countries.yaml",
        "12: {iso: US, dial: [1], eng: USA}\n187: {iso: US, dial: [1], eng: USA, reads_back: no}",
    )
    assert codes.country_id("US") == 12


def test_services_are_added_renamed_and_taken_away(codes, own):
    changed = own("services.yaml", "services:\n  zzz: New\n  tg: Telegram X\n  wa: null\n")
    assert changed.service("zzz") == "zzz"
    assert changed.services["tg"] == "Telegram X"
    assert changed.service("wa") is None
    assert len(changed.services) == len(codes.services)


def test_the_daisysms_dialect_follows_the_services(own):
    codes = own("services.yaml", "services: {zzz: New, wa: null, bbq: ~}")
    assert codes.service("zzz", "daisysms") is None
    assert codes.service("wa", "daisysms") is None
    assert codes.service("chime", "daisysms") is None
    assert codes.daisysms["chime"].name == "Chime"


def test_an_alias_buys_what_its_code_buys(own):
    codes = own("services.yaml", "aliases: {zzz: wa}")
    assert codes.service("zzz") == "wa"
    assert "zzz" not in codes.services


def test_an_alias_may_take_a_code_that_was_taken_away(own):
    codes = own("services.yaml", "services: {hn: null}\naliases: {hn: hw}")
    assert codes.service("hn") == "hw"


def test_shipped_aliases_give_way_to_own_services(tmp_path, monkeypatch):
    package, mine = tmp_path / "proxy", tmp_path / "mine"
    shutil.copytree(MAPPINGS, package / "mappings")
    shipped = package / "mappings" / "services.yaml"
    text = shipped.read_text(encoding="utf-8")
    kept = "aliases: {zz1: wa, zz2: tg, zz3: wa, zz4: go}"
    shipped.write_text(text.replace("aliases: {}", kept), encoding="utf-8")
    monkeypatch.setattr(proxy.config.mappings, "__file__", str(package / "config" / "mappings.py"))
    mine.mkdir()
    (mine / "services.yaml").write_text(
        "services: {tg: null, zz3: Mine}\naliases: {zz4: null}", encoding="utf-8"
    )
    assert load_codes(mine).aliases == {"zz1": "wa"}


def test_own_daisysms_rows_lie_over_the_shipped_ones(own):
    codes = own(
        "daisysms.yaml",
        "fetchrewards: {name: Fetch, buys: bwd}\ntg: {name: Gone, buys: null}\n",
    )
    assert codes.service("fetchrewards", "daisysms") == "bwd"
    assert codes.service("tg", "daisysms") is None
    assert codes.service("tg") == "tg"
    assert codes.service("unlisted", "daisysms") == "ot"


def test_the_example_in_the_documentation_works(own):
    page = (MAPPINGS.parent / "docs" / "mappings.md").read_text(encoding="utf-8")
    codes = own("services.yaml", page.partition("```yaml\n")[2].partition("```")[0])
    assert (codes.service("zzy"), codes.service("zzz"), codes.service("wa")) == ("zzy", "tg", None)


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(tmp_path):
    raw = "\ufeffservices:\r\n  zzz: Neu\r\n  zzy: Ещё\r\n".encode()
    (tmp_path / "services.yaml").write_bytes(raw)
    codes = load_codes(tmp_path)
    assert (codes.services["zzz"], codes.services["zzy"]) == ("Neu", "Ещё")


# What is refused: one line, FILE:LINE: what is wrong: the fix


def gb(iso="GB", dial="[44]", eng="X", more=""):
    return f"16: {{iso: {iso}, dial: {dial}, eng: {eng}{more}}}"


GB = "{iso: GB, dial: [44], eng: X}"
LIKE_GB = "as in 16: {iso: GB, dial: [44], eng: United Kingdom}"
TWICE = "is here twice, first in line 1: take one of them away"
NO_ID = "is not a country id: write plain digits, at most four"
NO_ISO = "is not an ISO 3166-1 code: write"
NO_DIAL = (
    "is not how a number begins: write digits without + or 00 in front, as [44] or [1787, 1939]"
)
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
    ("\n16: GB", f"2: rows are wanted here: write them {LIKE_GB}"),
    ("[16, 17]", f"1: rows are wanted here: write them {LIKE_GB}"),
    ("? [16]\n: GB", f"1: a row begins with a plain word: write it {LIKE_GB}"),
    (gb(dial="44"), "1: dial: a list is wanted: write it in brackets, as [44]"),
    (gb(dial="[+44]"), f"1: dial: +44 {NO_DIAL}"),
    (gb(dial="[44, '0044']"), f"1: dial: 0044 {NO_DIAL}"),
    (gb(dial="[44 20]"), f"1: dial: 44 20 {NO_DIAL}"),
    (gb(dial="['']"), f"1: dial:  {NO_DIAL}"),
    (gb(dial="[[44]]"), f"1: dial: this {NO_DIAL}"),
    (gb(eng="16"), '1: eng: 16 is read as a number: write "16" in quotes'),
    (gb(eng="1.5"), '1: eng: 1.5 is read as a number: write "1.5" in quotes'),
    (gb(eng="2024-01-01"), '1: eng: 2024-01-01 is read as a date: write "2024-01-01" in quotes'),
    (gb(eng=""), "1: eng: nothing stands here: write the text"),
    (gb(eng="[X]"), "1: eng: a text is wanted here: write it without brackets"),
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
        "1: no id reads back as GB: take reads_back: false away from one",
    ),
]
NO_CODE = "is not a code: write 2 to 20 small letters, digits or _"
NO_NAME = "is not a name: write it in one line, without spaces around it"
POISON = "which an old client takes for an error"
SERVICES_REFUSED = [
    ("services: {tg: A,\n  tg: B}", f"2: tg {TWICE}"),
    ("services:\n  no: Virgo", '2: code: no is read as false: write "no" in quotes'),
    ("services:\n  on: Onwards", '2: code: on is read as true: write "on" in quotes'),
    ("services:\n  99: A", '2: code: 99 is read as a number: write "99" in quotes'),
    ("services:\n  null: A", '2: code: null is read as nothing: write "null" in quotes'),
    ("services:\n  xx: Yes", '2: xx: Yes is read as true: write "Yes" in quotes'),
    ("services:\n  xx: 1688", '2: xx: 1688 is read as a number: write "1688" in quotes'),
    ("services:\n  xx:", "2: xx: nothing stands here: write the text"),
    ("services:\n  xx: ' A'", f"2: xx: ' A' {NO_NAME}"),
    ('services:\n  xx: ""', f"2: xx: '' {NO_NAME}"),
    ('services:\n  xx: "a\\nb"', f"2: xx: 'a\\nb' {NO_NAME}"),
    ("services:\n  xx: MySQL", f"2: xx: MySQL holds the letters SQL, {POISON}: write Sql"),
    ("services:\n  xx: BANNED", f"2: xx: BANNED holds the letters BANNED, {POISON}: write Banned"),
    ("services:\n  WhatsApp: wa", f"2: code: WhatsApp {NO_CODE}"),
    ("services:\n  x: A", f"2: code: x {NO_CODE}"),
    ("services:\n  x-y: A", f"2: code: x-y {NO_CODE}"),
    (f"services:\n  {'x' * 21}: A", f"2: code: {'x' * 21} {NO_CODE}"),
    ("services:\n  zzz: null", "2: zzz: no shipped row to take away: take this one away"),
    ("wa: WhatsApp", "1: wa is no field: write one of services, aliases"),
    ("service:\n  wa: WhatsApp", "1: service is no field: write services"),
    ("services: [wa]", "1: rows are wanted here: write them as in wa: WhatsApp"),
    ("aliases:\n  zzz: zzy", "2: zzy is not a service code: write one of services.yaml"),
    ("aliases:\n  zzz: WhatsApp", "2: WhatsApp is a name, not a code: write wa"),
    ("aliases:\n  zzz: youtube", "2: youtube is a name, not a code: write go"),
    ("aliases:\n  zzz: no", '2: zzz: no is read as false: write "no" in quotes'),
    ("aliases:\n  ZZZ: wa", f"2: alias: ZZZ {NO_CODE}"),
    ("aliases:\n  zzz: zzy\n  zzy: wa", "2: zzy is not a service code: write one of services.yaml"),
    ("aliases:\n  zzz: null", "2: zzz: no shipped row to take away: take this one away"),
    ("aliases:\n  hn: hw", "2: hn is itself a service (Bonia): take the alias away"),
    (
        "aliases:\n  whatsapp: wa",
        "2: whatsapp is a name of wa, not an old code: take the alias away",
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
    ("abf: axr", f"1: rows are wanted here: write them {LIKE_CHIME}"),
    ("chime: {name: Chime, buy: bbq}", "1: buy is no field: write buys"),
    ("chime: {name: Chime, buys: }", "1: buys: nothing stands here: write the text"),
    ("chime: {name: A, buys: no}", '1: buys: no is read as false: write "no" in quotes'),
    ("chime: {name: SQL, buys: bbq}", f"1: name: SQL holds the letters SQL, {POISON}: write Sql"),
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
        (b"#\n#\nservices: \x00\n", "3: the character '\\x00' is not allowed: take it away"),
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
        ("README", "write one of countries.yaml, services.yaml, daisysms.yaml"),
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
    message = " no such folder: make it, or name another as mappings"
    assert str(refused.value) == f"{tmp_path}/gone:{message}"


def test_a_message_is_one_line_whatever_the_table_holds(own):
    with pytest.raises(YamlFileError) as refused:
        own("services.yaml", 'services: {"a\\nb\\x1b": X}')
    assert str(refused.value).isprintable()


# Properties


@settings(deadline=None)
@given(text=st.one_of(st.text(max_size=8), st.integers(-10, 300).map(str)))
def test_an_id_is_known_in_exactly_one_spelling(codes, text):
    country = codes.country(text)
    assert country is None or str(country.id) == text


@settings(deadline=None)
@given(text=st.one_of(st.text(max_size=8), st.text("abcdefghijklmnopqrstuvwxyz", max_size=4)))
def test_only_listed_codes_are_bought(codes, text):
    assert codes.service(text) == (text if text in codes.services else None)


def is_name(text: str) -> bool:
    return text == text.strip() != "" and text.isprintable() and not re.search("SQL|BANNED", text)


@settings(max_examples=40, deadline=None)
@given(name=st.text(min_size=1, max_size=30).filter(is_name))
def test_a_name_in_quotes_comes_back_as_it_was_written(name):
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder, "services.yaml")
        text = json.dumps({"services": {"xx": name}}, ensure_ascii=False)
        table.write_text(text, encoding="utf-8")
        assert load_codes(Path(folder)).services["xx"] == name
