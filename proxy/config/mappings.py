"""Reads the mapping tables into Codes, strictly: a wrong row would buy the wrong service."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from yaml.nodes import Node, ScalarNode, SequenceNode

from proxy.config.codes import ID, Codes, Country, DaisyService
from proxy.config.yaml_file import YamlFile, is_null, nearest
from proxy.model.errors import YamlFileError
from proxy.model.shipped import shipped_folder

K = TypeVar("K", int, str)
T = TypeVar("T")

SMS_WORDS = "sms_words.yaml"

_CODE = re.compile(r"[a-z0-9_]{2,20}")
_DIAL = re.compile(r"[1-9][0-9]{0,6}")
# The official Java client reads any body with one of these as an error.
_FORBIDDEN = ("SQL", "BANNED")
_COUNTRY = "16: {iso: GB, dial: [44], eng: United Kingdom}"
_SERVICE = "wa: WhatsApp"
_ALIAS = "old code: code"
_DAISY = "chime: {name: Chime, buys: bbq}"
_COUNTRY_FIELDS = ("iso", "dial", "eng", "rus", "chn", "legacy", "reads_back")
_READ_AS = {"int": "a number", "float": "a number", "timestamp": "a date", "null": "nothing"}
_TRUE = ("yes", "true", "on")
CLIENTS = "clients.yaml"
# ISO 3166-1 alpha-2 as of 2026, and XK, which HeroSMS's Kosovo needs.
_ISO_CODES = (
    "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR "
    "BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ "
    "EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW "
    "GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY "
    "KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV "
    "MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY "
    "QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG "
    "TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA "
    "ZM ZW"
)
_ISO = frozenset(_ISO_CODES.split())


def load_codes(overlay: Path | None = None) -> Codes:
    """The shipped tables, with the rows of the folder `overlay` over them. Raises YamlFileError."""
    own = None if overlay is None else _read_folder(overlay)
    tables = _read_folder(shipped_folder(), others=(CLIENTS,))
    if own is not None:
        tables = _lay_over(tables, own)
    _check(tables)
    services = {code: row.value for code, row in tables.services.items() if row.value is not None}
    aliases = {code: row.value for code, row in tables.aliases.items() if row.value is not None}
    return Codes(
        MappingProxyType({id: row.value for id, row in sorted(tables.countries.items())}),
        MappingProxyType(services),
        MappingProxyType(aliases),
        MappingProxyType({code: row.value for code, row in tables.daisysms.items()}),
    )


class Table(YamlFile):
    """A YAML file of names, codes and fields. Its methods raise YamlFileError."""

    def text(self, node: Node, what: str) -> str:
        if not isinstance(node, ScalarNode):
            raise self.error(node, f"{what}: a text is expected: write it without brackets")
        kind = node.tag.rpartition(":")[2]
        if kind == "str":
            return str(node.value)
        if not node.value:
            raise self.error(node, f"{what}: it is empty: write the text")
        read = str(node.value.lower() in _TRUE).lower() if kind == "bool" else _READ_AS.get(kind)
        fix = f'write "{node.value}" in quotes'
        raise self.error(node, f"{what}: {node.value} is read as {read or kind}: {fix}")

    def name(self, node: Node, what: str) -> str:
        """Reads a name that is safe in every answer."""
        name = self.text(node, what)
        if not name or name != name.strip() or not name.isprintable():
            fix = "write it in one line, without spaces around it"
            raise self.error(node, f"{what}: {name!a} is not a name: {fix}")
        for word in _FORBIDDEN:
            if word in name:
                why = f"{name} has the letters {word}, which an old client reads as an error"
                raise self.error(node, f"{what}: {why}: write {word.capitalize()}")
        return name

    def code(self, node: Node, what: str) -> str:
        code = self.text(node, what)
        if not _CODE.fullmatch(code):
            fix = "write 2 to 20 small letters, digits or _"
            raise self.error(node, f"{what}: {code} is not a code: {fix}")
        return code

    def fields(
        self, node: Node | None, shape: str, known: tuple[str, ...], needed: int
    ) -> dict[str, Node]:
        """The fields of one row; the first `needed` fields of `known` are required."""
        found: dict[str, Node] = {}
        for key, value in self.rows(node, shape):
            if key.value not in known:
                raise self.error(key, f"{key.value} is no field: {nearest(key.value, known)}")
            found[key.value] = value
        for name in known[:needed]:
            if name not in found:
                raise self.error(node or 1, f"{name} is missing: write it as in {shape}")
        return found


@dataclass(frozen=True, slots=True)
class _Row(Generic[T]):
    """A row with its place in the file; the value None removes a shipped row."""

    value: T
    sheet: Table
    node: Node

    def error(self, text: str) -> YamlFileError:
        return self.sheet.error(self.node, text)


@dataclass(frozen=True, slots=True)
class _Tables:
    countries: dict[int, _Row[Country]] = field(default_factory=dict)
    services: dict[str, _Row[str | None]] = field(default_factory=dict)
    aliases: dict[str, _Row[str | None]] = field(default_factory=dict)
    daisysms: dict[str, _Row[DaisyService]] = field(default_factory=dict)


def _read_folder(folder: Path, others: tuple[str, ...] = ()) -> _Tables:
    """`others` are files of the folder that are no tables of codes."""
    if not folder.is_dir():
        raise YamlFileError(f"{folder}: no such folder: create it, or set mappings to another")
    tables = _Tables()
    for path in sorted(folder.iterdir()):
        # Names with a dot are left by editors, file managers and Kubernetes volumes.
        if path.name.startswith(".") or path.name in others:
            continue
        if path.name == SMS_WORDS:
            continue  # `sms_words.py` reads it
        if path.name not in _READERS:
            known = (*_READERS, SMS_WORDS)
            raise YamlFileError(f"{path}: not a table: {nearest(path.name, known)}")
        _READERS[path.name](Table(path), tables)
    return tables


def _read_countries(sheet: Table, tables: _Tables) -> None:
    for key, node in sheet.rows(sheet.root, _COUNTRY):
        if not ID.fullmatch(key.value):
            plain = key.value.replace("_", "").lstrip("0")
            fix = plain if ID.fullmatch(plain) else "plain digits, at most four"
            raise sheet.error(key, f"{key.value} is not a country id: write {fix}")
        fields = sheet.fields(node, _COUNTRY, _COUNTRY_FIELDS, needed=3)
        country = _country(sheet, int(key.value), fields)
        tables.countries[country.id] = _Row(country, sheet, key)


def _country(sheet: Table, id: int, fields: dict[str, Node]) -> Country:
    eng = sheet.name(fields["eng"], "eng")
    others = {
        name: sheet.name(fields[name], name) if name in fields else eng
        for name in ("rus", "chn", "legacy")
    }
    return Country(
        id=id,
        iso=_iso(sheet, fields["iso"]),
        dial=_dial(sheet, fields["dial"]),
        eng=eng,
        **others,
        reads_back=_flag(sheet, fields["reads_back"]) if "reads_back" in fields else True,
    )


def _iso(sheet: Table, node: Node) -> str:
    iso = sheet.text(node, "iso")
    if iso not in _ISO:
        upper = "GB" if iso.upper() == "UK" else iso.upper()
        fix = upper if upper in _ISO else "the two capital letters of ISO 3166-1"
        raise sheet.error(node, f"iso: {iso} is not an ISO 3166-1 code: write {fix}")
    return iso


def _dial(sheet: Table, node: Node) -> tuple[str, ...]:
    """The dial codes as they are in the file; quotes make no difference."""
    if not isinstance(node, SequenceNode):
        raise sheet.error(node, "dial: a list is expected: write it in brackets, as [44]")
    for item in node.value:
        if not isinstance(item, ScalarNode) or not _DIAL.fullmatch(item.value):
            fix = "write digits without + or 00 in front, as [44] or [1787, 1939]"
            what = item.value if isinstance(item, ScalarNode) else "this"
            raise sheet.error(item, f"dial: {what} is not a dial code: {fix}")
    return tuple(str(item.value) for item in node.value)


def _flag(sheet: Table, node: Node) -> bool:
    if node.tag != "tag:yaml.org,2002:bool":
        raise sheet.error(node, "reads_back: neither true nor false: write true or false")
    return str(node.value).lower() in _TRUE


def _read_services(sheet: Table, tables: _Tables) -> None:
    parts = sheet.fields(sheet.root, f"services: {{{_SERVICE}}}", ("services", "aliases"), needed=0)
    for key, node in sheet.rows(parts.get("services"), _SERVICE):
        code = sheet.code(key, "code")
        name = None if is_null(node) else sheet.name(node, code)
        tables.services[code] = _Row(name, sheet, key)
    for key, node in sheet.rows(parts.get("aliases"), _ALIAS):
        code = sheet.code(key, "alias")
        target = None if is_null(node) else sheet.text(node, code)
        tables.aliases[code] = _Row(target, sheet, key)


def _read_daisysms(sheet: Table, tables: _Tables) -> None:
    for key, node in sheet.rows(sheet.root, _DAISY):
        code = sheet.code(key, "code")
        fields = sheet.fields(node, _DAISY, ("name", "buys"), needed=2)
        name = sheet.name(fields["name"], "name")
        buys = None if is_null(fields["buys"]) else sheet.text(fields["buys"], "buys")
        tables.daisysms[code] = _Row(DaisyService(name, buys), sheet, key)


_READERS = {
    "countries.yaml": _read_countries,
    "services.yaml": _read_services,
    "daisysms.yaml": _read_daisysms,
}


def _lay_over(shipped: _Tables, own: _Tables) -> _Tables:
    """Own rows over shipped rows. With a removed service go its shipped aliases, and its shipped
    DaisySMS rows buy nothing.
    """
    services = _without_removed(shipped.services, own.services)
    aliases = _without_removed(shipped.aliases, own.aliases)
    return _Tables(
        countries=_over(shipped.countries, own.countries),
        services=services,
        aliases={
            code: row
            for code, row in aliases.items()
            if code in own.aliases or (row.value in services and code not in services)
        },
        daisysms={
            code: row
            if code in own.daisysms or row.value.buys in services
            else replace(row, value=replace(row.value, buys=None))
            for code, row in _over(shipped.daisysms, own.daisysms).items()
        },
    )


def _over(shipped: dict[K, _Row[T]], own: dict[K, _Row[T]]) -> dict[K, _Row[T]]:
    """Own rows come last, so that an error about two rows names the own row."""
    return {key: row for key, row in shipped.items() if key not in own} | own


def _without_removed(
    shipped: dict[str, _Row[str | None]], own: dict[str, _Row[str | None]]
) -> dict[str, _Row[str | None]]:
    for code, row in own.items():
        if row.value is None and code not in shipped:
            raise row.error(f"{code}: no shipped row to remove: remove this row")
    return {code: row for code, row in _over(shipped, own).items() if row.value is not None}


def _check(tables: _Tables) -> None:
    """Checks the tables against each other."""
    _check_ids(tables.countries)
    names = {code: row.value or "" for code, row in tables.services.items()}
    for code, alias in tables.aliases.items():
        target = _check_target(names, alias, alias.value or "")
        if code in names:
            text = f"{code} is itself a service ({names[code]}): remove the alias"
            raise alias.error(text)
        if code in _words(names[target]):
            text = f"{code} is a name of {target}, not an old code: remove the alias"
            raise alias.error(text)
    for row in tables.daisysms.values():
        if row.value.buys is not None:
            _check_target(names, row, row.value.buys)


def _check_ids(countries: dict[int, _Row[Country]]) -> None:
    """Checks that answers have exactly one id for each ISO code."""
    ids: dict[str, int] = {}
    for id, row in countries.items():
        iso = row.value.iso
        if row.value.reads_back and ids.setdefault(iso, id) != id:
            text = f"{id} and {ids[iso]} both read back as {iso}"
            raise row.error(f"{text}: write reads_back: false into one of them")
    for row in countries.values():
        if row.value.iso not in ids:
            text = f"no id reads back as {row.value.iso}: remove reads_back: false from one"
            raise row.error(text)


def _check_target(names: Mapping[str, str], row: _Row[Any], target: str) -> str:
    if target not in names:
        for code, name in names.items():
            if target.lower() in _words(name):
                raise row.error(f"{target} is a name, not a code: write {code}")
        # No similar code is proposed: it would be another company's.
        raise row.error(f"{target} is not a service code: write one of services.yaml")
    return target


def _words(name: str) -> set[str]:
    """The forms of a service's name that a person may write instead of its code."""
    parts = {name, *re.split("[,/+]", name)}
    return {form for part in parts for form in (part.lower(), re.sub(r"\W", "", part.lower()))}
