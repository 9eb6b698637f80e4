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

import proxy.config.yaml_file
import proxy.model.shipped
from proxy.config.mappings import load_codes

MAPPINGS = Path(__file__).parents[2] / "mappings"
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


def test_the_tables_are_read_the_same_without_libyaml(codes, monkeypatch):
    # It is chosen at import.
    monkeypatch.setattr(proxy.config.yaml_file, "_Loader", yaml.SafeLoader)
    assert load_codes() == codes


def test_the_tables_inside_an_installed_package_come_first(own, tmp_path, monkeypatch):
    shutil.copytree(MAPPINGS, tmp_path / "proxy" / "mappings")
    (tmp_path / "proxy" / "mappings" / "services.yaml").write_text("services: {tg: Installed}")
    (tmp_path / "proxy" / "mappings" / "daisysms.yaml").unlink()
    monkeypatch.setattr(
        proxy.model.shipped, "__file__", str(tmp_path / "proxy" / "model" / "shipped.py")
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
    monkeypatch.setattr(proxy.model.shipped, "__file__", str(package / "model" / "shipped.py"))
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
