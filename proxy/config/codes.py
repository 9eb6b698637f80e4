"""Country ids and service codes of the old protocol, and the upstream's codes for them. Pure."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

ID = re.compile(r"0|[1-9][0-9]{0,3}")


@dataclass(frozen=True, slots=True)
class Country:
    """`legacy` is the English name that the old server sent. `dial` has the dial codes in digits;
    () means no check. `reads_back` is False for an id that can be bought but is never in an answer.
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
    """`buys` is the upstream code; None: DaisySMS had this service, the upstream has not."""

    name: str
    buys: str | None


@dataclass(frozen=True, slots=True)
class Codes:
    """All tables, read-only. `table` is the dialect's table of service codes (Dialect.services)."""

    countries: Mapping[int, Country]
    services: Mapping[str, str]
    aliases: Mapping[str, str]
    daisysms: Mapping[str, DaisyService]
    _ids: Mapping[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        ids = {country.iso: id for id, country in self.countries.items() if country.reads_back}
        object.__setattr__(self, "_ids", MappingProxyType(ids))

    def country(self, text: str) -> Country | None:
        """The country of an id that a client sent; None unless it is known and ASCII digits."""
        return self.countries.get(int(text)) if ID.fullmatch(text) else None

    def country_id(self, iso: str) -> int | None:
        """The id of an ISO country code in answers, such as 187 for US; None if it has none."""
        return self._ids.get(iso)

    def service(self, code: str, table: str = "") -> str | None:
        """The upstream code for a service code that a client sent, or None. Case counts."""
        if table == "daisysms":
            row = self.daisysms.get(code)
            return row.buys if row else None
        return code if code in self.services else self.aliases.get(code)

    def listed(self, table: str = "") -> Iterator[tuple[str, str, str]]:
        """Code, upstream code and name of each service of a table that can be bought."""
        if table == "daisysms":
            rows = self.daisysms.items()
            yield from ((code, row.buys, row.name) for code, row in rows if row.buys)
        else:
            yield from ((code, code, name) for code, name in self.services.items())

    @staticmethod
    def dial_fits(country: Country, phone: str) -> bool:
        """Whether a phone number (digits, dial code first) can belong to the country."""
        return not country.dial or phone.startswith(country.dial)
