"""Country ids and service codes of the old protocol, and what the upstream calls them. Pure."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

ID = re.compile(r"0|[1-9][0-9]{0,3}")


@dataclass(frozen=True, slots=True)
class Country:
    """`legacy` is the English name as the old server sent it; `dial` holds digits, () is no check.

    `reads_back` is False for an id that can be bought but that answers never name.
    """

    id: int
    iso: str
    dial: tuple[str, ...]
    eng: str
    rus: str
    chn: str
    legacy: str
    reads_back: bool = True


@dataclass(frozen=True, slots=True)
class DaisyService:
    """`buys` is the upstream code; None: DaisySMS had this service, upstream has not."""

    name: str
    buys: str | None


@dataclass(frozen=True, slots=True)
class Codes:
    """All tables, read-only. A dialect names the table that its service codes stand in."""

    countries: Mapping[int, Country]
    services: Mapping[str, str]
    aliases: Mapping[str, str]
    daisysms: Mapping[str, DaisyService]
    _ids: Mapping[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        ids = {country.iso: id for id, country in self.countries.items() if country.reads_back}
        object.__setattr__(self, "_ids", MappingProxyType(ids))

    def country(self, text: str) -> Country | None:
        """The country of an id as a client sends it: plain ASCII digits, else None."""
        return self.countries.get(int(text)) if ID.fullmatch(text) else None

    def country_id(self, iso: str) -> int | None:
        """The id that answers give for a country of the upstream: 187 for US."""
        return self._ids.get(iso)

    def service(self, code: str, table: str = "") -> str | None:
        """The upstream code for a code as a client sends it, exactly, else None."""
        if table == "daisysms":
            row = self.daisysms.get(code)
            return row.buys if row else None
        return code if code in self.services else self.aliases.get(code)

    def listed(self, table: str = "") -> Iterator[tuple[str, str, str]]:
        """Each code of a dialect's table that buys something: code, upstream code, name."""
        if table == "daisysms":
            rows = self.daisysms.items()
            yield from ((code, row.buys, row.name) for code, row in rows if row.buys)
        else:
            yield from ((code, code, name) for code, name in self.services.items())

    @staticmethod
    def dial_fits(country: Country, phone: str) -> bool:
        """Whether a number (digits, country code first) can belong to the country."""
        return not country.dial or phone.startswith(country.dial)
