"""The offers: about 700 services in 60 countries; hashes decide their prices and stock."""

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from proxy.sandbox.state.countries import COUNTRIES
from proxy.sandbox.state.scenarios import SCENARIOS

# The live number in May 2026.
SERVICES_ON_SALE = 719
FLOOR_CENTS = 5
# Seen live by third parties; the rest comes from this project's own table.
SEEN_LIVE = (
    "aav abn abt aem afd afp agb agw ah ahb ajy alg am anb apd aul aws axs ayb ayo bbi bcg bdo "
    "bgt bl blq blx blz bn bnp bow bpi bqr brv bsm bst bsv bsy btx bw bxr byd byh bz bzk dh dr ds "
    "ew fb fd fu go gp gx hw hx ig im jg ka ki kt lf li ls ma mb me mm mt nf nh nv nz oi ok pf pm "
    "qj qq re rr rt ry sa sg sn tc tg tm tn ts tw tx ub uk uu uz vi vk vz wa wb wc wg wx xz ya yl "
    "yn yw za zk zl zr zy"
)
# "Any other": third parties list it, and a first try often asks for it.
ANY_OTHER = "ot"
# All services are in stock there: clients that send no other country buy there.
DEFAULT_COUNTRY = "RU"
SAMPLE_CENTS = {("wa", "AR"): 80, ("wa", "GB"): 90, ("wa", "AT"): 27}


@dataclass(slots=True)
class Offer:
    """One service in one country. `charge` differs from `cents` only by the control API."""

    cents: int
    charge: int
    stock: int

    @property
    def availability(self) -> str:
        # Thresholds: vendor's stock.ts, 0 / 1-5 / more.
        if self.stock <= 0:
            return "out_of_stock"
        return "low_stock" if self.stock <= 5 else "in_stock"


class Catalogue:
    """`services` maps codes to English names. Not every service is offered in every country."""

    def __init__(self, services: Mapping[str, str]) -> None:
        self.services = _on_sale(services)
        self.countries = {country.iso: country for country in COUNTRIES}
        self._changed: dict[tuple[str, str], Offer] = {}

    def offer(self, service: str, country: str) -> Offer | None:
        """Returns the current offer; None if the pair is not offered or unknown."""
        if service not in self.services or country not in self.countries:
            return None
        changed = self._changed.get((service, country))
        if changed is None and (listed := _listed(service, country)):
            return Offer(listed[0], listed[0], listed[1])
        return changed

    def change(
        self,
        service: str,
        country: str,
        *,
        cents: int | None,
        charge: int | None,
        stock: int | None,
    ) -> Offer:
        """Sets the values that are not None. A new price without `charge` is also charged."""
        offer = self.offer(service, country) or Offer(FLOOR_CENTS, FLOOR_CENTS, 0)
        if cents is not None:
            offer.cents = offer.charge = cents
        offer.charge = offer.charge if charge is None else charge
        offer.stock = offer.stock if stock is None else stock
        self._changed[service, country] = offer
        return offer

    def take(self, service: str, country: str, amount: int) -> None:
        """Takes numbers out of stock; a negative amount puts them back."""
        offer = self.offer(service, country)
        if offer is not None:
            self.change(service, country, cents=None, charge=None, stock=offer.stock - amount)

    def offers_of(self, service: str) -> dict[str, Offer]:
        """Returns the offers of a service by country."""
        pairs = ((iso, self.offer(service, iso)) for iso in self.countries)
        return {iso: offer for iso, offer in pairs if offer is not None}

    def prices_of(self, service: str) -> Mapping[str, int]:
        """Returns the prices of a service in cents, by country."""
        changed = {iso: it.cents for (code, iso), it in self._changed.items() if code == service}
        return _prices_of(service) | changed

    def prices_in(self, country: str) -> Mapping[str, int]:
        """Returns the prices in a country in cents, by service."""
        changed = {code: it.cents for (code, iso), it in self._changed.items() if iso == country}
        return _prices_in(country, tuple(self.services)) | changed


def _on_sale(services: Mapping[str, str]) -> dict[str, str]:
    first = [*SCENARIOS, ANY_OTHER, *SEEN_LIVE.split()]
    rest = sorted(services, key=_draw)
    chosen = [code for code in dict.fromkeys([*first, *rest]) if code in services]
    return {code: services[code] for code in sorted(chosen[:SERVICES_ON_SALE])}


@functools.cache
def _listed(service: str, country: str) -> tuple[int, int] | None:
    """Returns the initial price in cents and stock; None if not offered."""
    drawn = _draw(f"{service}/{country}")
    level = 5 + _draw(service) % 60
    spread = 50 + _draw(country) % 200
    cents = SAMPLE_CENTS.get((service, country), level * spread // 100 + drawn % 7)
    cents = max(FLOOR_CENTS, cents)
    if service in SCENARIOS:
        return cents, 20_000 + drawn % 9_000 if SCENARIOS[service].stocked else 0
    if service == ANY_OTHER or country == DEFAULT_COUNTRY:
        return cents, 6 + drawn % 9_000
    fate = drawn // 7 % 100
    if fate < 15 and (service, country) not in SAMPLE_CENTS:
        return None
    if fate < 22:
        return cents, 0
    return cents, 1 + drawn % 5 if fate < 32 else 6 + drawn % 9_000


# An answer about all services has 43,000 prices: they are drawn once in a process.
@functools.cache
def _prices_of(service: str) -> dict[str, int]:
    drawn = ((country.iso, _listed(service, country.iso)) for country in COUNTRIES)
    return {iso: found[0] for iso, found in drawn if found}


@functools.cache
def _prices_in(country: str, services: tuple[str, ...]) -> dict[str, int]:
    drawn = ((service, _listed(service, country)) for service in services)
    return {service: found[0] for service, found in drawn if found}


def _draw(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())
