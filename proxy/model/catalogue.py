"""The upstream's offer: services, countries and prices. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Service:
    code: str
    name: str


@dataclass(frozen=True, slots=True)
class Market:
    """A country (ISO) and the upstream codes of the services that are sold there."""

    country: str
    services: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Price:
    """Price of one service in one country. `count` is a lower bound of the free numbers."""

    country: str
    cents: int
    count: int


@dataclass(frozen=True, slots=True)
class CatalogueAnswer:
    """An answer of the upstream's catalogue, as JSON; `at` is on this machine's clock."""

    name: str
    at: float
    body: bytes
