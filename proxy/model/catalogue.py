"""What the upstream sells: services, countries and prices. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Service:
    code: str
    name: str


@dataclass(frozen=True, slots=True)
class Market:
    """A country in which something is for sale, and the service codes that are."""

    country: str
    services: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Price:
    """Of one service in one country. `count` is what is surely free, 0 when that is unknown."""

    country: str
    cents: int
    count: int


@dataclass(frozen=True, slots=True)
class CatalogueAnswer:
    """What the upstream said of its catalogue, as JSON, and when."""

    name: str
    at: float
    body: bytes
