"""A service or a country of the tables, by whatever a person calls it. Pure."""

import difflib
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

from proxy.config.codes import Codes, Country
from proxy.legacy.dialects import DIALECTS

Kind = Literal["service", "country"]

# What people write for a country, where that is neither its name nor its ISO code.
NICKNAMES = {
    "GB": ("uk", "u.k.", "great britain", "britain"),
    "US": ("usa", "u.s.", "united states of america", "america"),
    "AE": ("uae",),
    "NL": ("holland",),
    "CZ": ("czechia",),
    "KR": ("korea",),
    "TR": ("türkiye",),
    "MK": ("macedonia",),
    "CI": ("cote d'ivoire",),
    "MM": ("burma",),
}

SHORTEST = 3
"""Letters below which nothing is looked for but codes: "wa" is in many names."""
ALIKE = 0.75
"""How alike a misspelt name must be: 1 is the same."""


@dataclass(frozen=True, slots=True)
class Row:
    """`code` is what a client sends, `buys` what is bought upstream: None, nothing."""

    kind: Kind
    code: str
    name: str
    buys: str | None
    dial: tuple[str, ...]
    dialects: tuple[str, ...]

    @property
    def cells(self) -> tuple[str, ...]:
        dialects = "all" if len(self.dialects) == len(DIALECTS) else " ".join(self.dialects)
        dial = " ".join(f"+{digits}" for digits in self.dial) or "-"
        return self.kind, self.code, self.name, self.buys or "nothing", dial, dialects

    def as_json(self) -> dict[str, Any]:
        """By column, and `null` for what there is not."""
        return asdict(self)


HEADS = ("kind", "code", "name", "buys", "dial", "dialects")


def find(codes: Codes, text: str) -> list[Row]:
    """The rows that are called so; else those with a word that begins so, the shortest name first;
    else those that are spelt alike, the most alike first.
    """
    wanted = " ".join(text.casefold().split())
    known = list(_known(codes))
    if same := [row for row, names in known if wanted in names]:
        return same
    if len(wanted) < SHORTEST:
        return []
    if begun := [row for row, names in known if any(_has_word(name, wanted) for name in names)]:
        return sorted(begun, key=lambda row: len(row.name))
    forms = {name for _, names in known for name in names if len(name) >= SHORTEST}
    alike = difflib.get_close_matches(wanted, sorted(forms), n=10, cutoff=ALIKE)
    found = [row for name in alike for row, names in known if name in names]
    return list(dict.fromkeys(found))


def nearest(codes: Codes, text: str, kind: Kind, dialect: str) -> Row | None:
    """What a wrong word may have been meant for: something that the dialect can buy, if need be by
    another code than the one found.
    """
    found = [row for row in find(codes, text) if row.kind == kind and row.buys]
    meant = {row.buys for row in found}
    rows = [*found, *(row for row, _ in _known(codes) if row.kind == kind and row.buys in meant)]
    return next((row for row in rows if dialect in row.dialects), None)


def _has_word(name: str, wanted: str) -> bool:
    return name.startswith(wanted) or f" {wanted}" in name


def _known(codes: Codes) -> Iterator[tuple[Row, set[str]]]:
    """Every row, with all that it may be called, in small letters."""
    yield from ((row, _forms(row)) for row in _services(codes))
    for country in codes.countries.values():
        yield _country(country), _country_forms(country)


def _services(codes: Codes) -> Iterator[Row]:
    plain = tuple(name for name, dialect in DIALECTS.items() if not dialect.services)
    own = tuple(name for name in DIALECTS if name not in plain)
    daisy = codes.daisysms
    for code, name in codes.services.items():
        is_same = code in daisy and daisy[code].buys == code
        yield Row("service", code, name, code, (), plain + own if is_same else plain)
    for code, target in codes.aliases.items():
        yield Row("service", code, codes.services[target], target, (), plain)
    for code, row in daisy.items():
        if row.buys != code:
            yield Row("service", code, row.name, row.buys, (), own)


def _forms(row: Row) -> set[str]:
    name = row.name.casefold()
    parts = {name, *(part.strip() for part in re.split("[,/+()]", name))}
    return {row.code, *parts, *(re.sub(r"\W", "", part) for part in parts)} - {""}


def _country(country: Country) -> Row:
    fits = (name for name, d in DIALECTS.items() if d.country in (None, country.id))
    name, iso, dial = country.eng, country.iso, country.dial
    return Row("country", str(country.id), name, iso, dial, tuple(fits))


def _country_forms(country: Country) -> set[str]:
    names = {country.eng, country.legacy, country.rus, country.chn, country.iso}
    dial = {f"+{digits}" for digits in country.dial}
    nicknames = NICKNAMES.get(country.iso, ())
    return {str(country.id), *(name.casefold() for name in names), *nicknames, *dial}
