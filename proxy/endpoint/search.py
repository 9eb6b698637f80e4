"""Finds a service or a country in the tables by a name, code or id. Pure."""

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from proxy.config.codes import Codes, Country
from proxy.legacy.dialects import DIALECTS

Kind = Literal["service", "country"]

# Other names that people write for a country.
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

MIN_LENGTH = 3
"""Shorter texts are searched as codes only: "wa" is in many names."""
MIN_SIMILARITY = 0.75
"""Of a misspelt name; 1 is equality."""


@dataclass(frozen=True, slots=True)
class Row:
    """`code` is the code that a client sends, `buys` the upstream's; None if it is not for sale."""

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


HEADS = ("kind", "code", "name", "buys", "dial", "dialects")


def find(codes: Codes, text: str) -> list[Row]:
    """The rows with this name; else those with a word that begins with it, shortest name first;
    else those with a similar name, most similar first.
    """
    query = " ".join(text.casefold().split())
    known = list(_known(codes))
    if same := [row for row, names in known if query in names]:
        return same
    if len(query) < MIN_LENGTH:
        return []
    if begun := [row for row, names in known if any(_has_word(name, query) for name in names)]:
        return sorted(begun, key=lambda row: len(row.name))
    forms = {name for _, names in known for name in names if len(name) >= MIN_LENGTH}
    similar = difflib.get_close_matches(query, sorted(forms), n=10, cutoff=MIN_SIMILARITY)
    found = [row for name in similar for row, names in known if name in names]
    return list(dict.fromkeys(found))


def nearest(codes: Codes, text: str, kind: Kind, dialect: str) -> Row | None:
    """The row that a wrong word probably means, with a code of this dialect; None if none does."""
    found = [row for row in find(codes, text) if row.kind == kind and row.buys]
    bought = {row.buys for row in found}
    rows = [*found, *(row for row, _ in _known(codes) if row.kind == kind and row.buys in bought)]
    return next((row for row in rows if dialect in row.dialects), None)


def _has_word(name: str, query: str) -> bool:
    return name.startswith(query) or f" {query}" in name


def _known(codes: Codes) -> Iterator[tuple[Row, set[str]]]:
    """Every row with all its names, in lower case."""
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
