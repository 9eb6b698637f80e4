"""What is known of the old sites and of the packages that speak to them: mappings/clients.yaml."""

from collections.abc import Mapping
from typing import Any

import msgspec

from proxy.config.mappings import CLIENTS
from proxy.config.settings import DialectName
from proxy.config.yaml_file import YamlFile
from proxy.model.errors import YamlFileError
from proxy.model.shipped import shipped_folder


class Site(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A server that spoke the protocol. `others` are beginnings of paths of its other APIs; with
    `is_shared` an address without handler_api may be meant for one of them.
    """

    dialect: DialectName
    hosts: tuple[str, ...]
    is_shared: bool = False
    others: tuple[str, ...] = ()


class Package(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A client of the protocol. `change` says how it is repointed; see the table."""

    dialect: DialectName
    modules: tuple[str, ...]
    change: str
    version: str = ""


class Clients(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`packages` are by ecosystem and name, `currencies` by the ISO 4217 number in digits."""

    sites: Mapping[str, Site]
    packages: Mapping[str, Mapping[str, Package]]
    actions: tuple[str, ...]
    currencies: Mapping[str, tuple[str, ...]]

    def site_of(self, host: str) -> Site | None:
        """The site of a host in lower case; a subdomain belongs to it."""
        parts = host.split(".")
        names = {".".join(parts[start:]) for start in range(len(parts))}
        return next((s for s in self.sites.values() if not names.isdisjoint(s.hosts)), None)


def load_clients() -> Clients:
    """The shipped table. Raises YamlFileError."""
    file = YamlFile(shipped_folder() / CLIENTS)
    found: Any = file.value(file.root) if file.root else {}
    try:
        return msgspec.convert(found, Clients)
    except msgspec.ValidationError as error:
        raise YamlFileError(f"{file.path}: {error}") from error
