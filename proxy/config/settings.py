"""The configuration: a YAML file, the environment over it, and a default for every key."""

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct, field
from msgspec.structs import replace
from yaml.nodes import Node

from proxy.config.environment import FILE, Parse, environment_name, from_environment, is_list
from proxy.config.yaml_file import YamlFile, nearest
from proxy.model.errors import ConfigError
from proxy.runtime.urls import url_fault

SECRET = Meta(extra={"is_secret": True})
"""Marks what can be in a file of its own: see `environment.py`."""

Seconds = Annotated[float, Meta(ge=0, le=1e9)]
Dollars = Annotated[float, Meta(ge=0, le=1_000_000)]
Text = Annotated[str, Meta(min_length=1)]
Words = tuple[Text, ...]
Address = Annotated[str, Meta(pattern="^https?://."), SECRET]
Secret = Annotated[str, SECRET]

DialectName = Literal["sms-activate", "daisysms", "herosms"]
"""The names of `legacy.dialects`; a test compares both."""


class Section(Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Listen(Section, frozen=True):
    host: Text = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] = 8080
    tls_cert: str | None = None
    tls_key: str | None = None


class UpstreamConfig(Section, frozen=True):
    url: Address = "https://virtualsms.io/api/v1"
    websocket_url: Annotated[str, Meta(pattern="^wss?://."), SECRET] | None = None
    api_key: Secret | None = None
    timeout: Annotated[float, Meta(gt=0, le=3600)] = 12.0
    requests_per_minute: Annotated[int, Meta(ge=1, le=1_000_000)] = 60
    push: bool = True
    push_sockets: Annotated[int, Meta(ge=0, le=100_000)] = 500

    @property
    def sockets_url(self) -> str:
        """The address of the order sockets: by default on the API's host, as the key is for it."""
        api = urlsplit(self.url)
        scheme = "wss" if api.scheme == "https" else "ws"
        return self.websocket_url or f"{scheme}://{api.netloc}/ws/orders"


class LimitsConfig(Section, frozen=True, kw_only=True):
    """What a program may do and spend; None is no limit."""

    max_price: Dollars | None = None
    active: Annotated[int, Meta(ge=0)] | None = None
    spend_per_day: Dollars | None = None
    spend_per_month: Dollars | None = None
    services: Words | None = None
    countries: tuple[int, ...] | None = None
    actions: Words | None = None
    paused: bool = False
    expires: Text | None = None


class ProgramConfig(LimitsConfig, frozen=True, kw_only=True):
    name: Text
    upstream_key: Text


class StoreConfig(Section, frozen=True):
    url: Annotated[str, Meta(pattern="(?s)^(sqlite://(/.+)?|postgres(ql)?://.+)$"), SECRET] = (
        "sqlite:///virtualsms-proxy.db"
    )
    secret: Secret | None = None
    retention: Seconds = 2_592_000.0


class Orphan(Section, frozen=True):
    reuse_seconds: Seconds = 300.0


class Prices(Section, frozen=True):
    ttl: Seconds = 60.0


class Catalog(Section, frozen=True):
    ttl: Seconds = 3600.0
    sweep_per_second: Annotated[float, Meta(gt=0, le=20)] = 2.0


class Balance(Section, frozen=True):
    ttl: Seconds = 5.0


class WebhooksConfig(Section, frozen=True):
    public_url: Address | None = None
    secrets: tuple[Annotated[Text, SECRET], ...] = ()
    check_timestamp: bool = False


class ForwardConfig(Section, frozen=True, kw_only=True):
    """One target; without `programs` it gets the SMS of all programs."""

    url: Address
    dialect: DialectName = "sms-activate"
    secret: Text | None = None
    programs: Words | None = None


class ConsoleConfig(Section, frozen=True):
    enabled: bool | None = None
    token: (
        Annotated[str, Meta(min_length=16, max_length=256, pattern="^[!-~]*$"), SECRET] | None
    ) = None
    hosts: Words | None = None


class Log(Section, frozen=True):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "text", "json"] = "auto"
    sample: Annotated[float, Meta(ge=0, le=1)] = 0.0


class Config(Section, frozen=True):
    """All durations are in seconds; config.example.yaml explains each key."""

    listen: Listen = field(default_factory=Listen)
    dialect: DialectName = "sms-activate"
    default_country: Annotated[int, Meta(ge=0)] = 187
    early_cancel: Literal["auto", "deny", "defer"] = "auto"
    upstream: UpstreamConfig = field(default_factory=UpstreamConfig)
    keys: dict[str, ProgramConfig] = field(default_factory=dict)
    passthrough: bool = False
    limits: LimitsConfig = field(default_factory=LimitsConfig)
    store: StoreConfig = field(default_factory=StoreConfig)
    orphan: Orphan = field(default_factory=Orphan)
    prices: Prices = field(default_factory=Prices)
    catalog: Catalog = field(default_factory=Catalog)
    balance: Balance = field(default_factory=Balance)
    mappings: str | None = None
    webhooks: WebhooksConfig = field(default_factory=WebhooksConfig)
    forward: tuple[ForwardConfig, ...] = ()
    console: ConsoleConfig = field(default_factory=ConsoleConfig)
    log: Log = field(default_factory=Log)

    @property
    def own_tables(self) -> Path | None:
        """The folder of tables that replace shipped rows."""
        return Path(self.mappings) if self.mappings else None

    @property
    def hosts(self) -> tuple[str, ...]:
        """Host names that the console accepts beside localhost and IP addresses."""
        return (self.listen.host, *(self.console.hosts or ()))

    def listening(self, host: str | None, port: int | None) -> "Config":
        """The same configuration with another host, port or both."""
        port = self.listen.port if port is None else port
        return replace(self, listen=replace(self.listen, host=host or self.listen.host, port=port))

    def logging(self, level: str | None) -> "Config":
        """The same configuration with another log level, if one is given."""
        return replace(self, log=replace(self.log, level=level or self.log.level))

    def for_sandbox(self, url: str) -> "Config":
        """The same configuration with this upstream and a store in memory."""
        upstream = replace(self.upstream, url=url, websocket_url=None)
        console = replace(self.console, enabled=self.console.enabled is not False)
        return replace(self, upstream=upstream, store=StoreConfig(url="sqlite://"), console=console)


def load_config(path: Path | None, environ: Mapping[str, str]) -> Config:
    """The file, if any, with the environment over it. Raises ConfigError or YamlFileError."""
    values = dict(_from_file(YamlFile(path), None, "", Config)) if path else {}
    settings = {key: _parsed(type_, key) for key, type_ in keys()}
    values |= from_environment(environ, settings, [key for key, _ in secret_keys()], TABLES)
    nested: dict[str, Any] = {}
    for name, value in values.items():
        *sections, key = name.split(".")
        place = nested
        for section in sections:
            place = place.setdefault(section, {})
        place[key] = value
    return msgspec.convert(nested, Config)


def _fault(key: str, value: Any) -> str:
    """What is wrong with a value of the right type; "" if nothing is."""
    return url_fault(value) if key.endswith("url") and isinstance(value, str) else ""


def keys(kind: type[Section] = Config, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every key that the environment can set: its dotted name and its type."""
    for name, type_ in get_type_hints(kind, include_extras=True).items():
        if _is_section(type_):
            yield from keys(type_, f"{prefix}{name}.")
        elif f"{prefix}{name}" not in _TABLES:
            yield f"{prefix}{name}", type_


def secret_keys() -> Iterator[tuple[str, Any]]:
    """Those of `keys` whose value is a secret, or an address that may have a password."""
    return ((key, type_) for key, type_ in keys() if _is_secret(type_))


def values(section: Section, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every key of a configuration with its value, tables included."""
    for name in section.__struct_fields__:
        value = getattr(section, name)
        if isinstance(value, Section):
            yield from values(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def environment_names() -> set[str]:
    """Every name that the environment may set."""
    in_files = (*(key for key, _ in secret_keys()), *TABLES)
    plain = {environment_name(key) for key, _ in keys()}
    return plain | {environment_name(key) + FILE for key in in_files}


def _is_secret(type_: Any) -> bool:
    return SECRET in getattr(type_, "__metadata__", ()) or any(map(_is_secret, get_args(type_)))


def _is_section(type_: Any) -> bool:
    return isinstance(type_, type) and issubclass(type_, Section)


def _from_file(
    sheet: YamlFile, node: Node | None, prefix: str, kind: type[Section]
) -> Iterator[tuple[str, Any]]:
    types = get_type_hints(kind, include_extras=True)
    rows = sheet.rows(node if prefix else sheet.root, f"{next(iter(types))}: ...")
    for key, value in rows:
        name = f"{prefix}{key.value}"
        if key.value not in types:
            raise sheet.error(key, f"{name} is no key: {nearest(key.value, types)}")
        if name in TABLES:
            yield name, _TABLES[name](sheet, value)
        elif _is_section(types[key.value]):
            yield from _from_file(sheet, value, f"{name}.", types[key.value])
        else:
            yield name, _from_node(sheet, value, name, types[key.value])


def _programs(sheet: YamlFile, node: Node | None) -> dict[str, Any]:
    """The table of client keys. Its errors name the line of an entry, never its key."""
    rows = sheet.rows(node, "sha256:...: {name: ...}", is_secret=True)
    return {key.value: _entry(sheet, key, one, "keys: ", ProgramConfig) for key, one in rows}


def _targets(sheet: YamlFile, node: Node | None) -> list[Any]:
    items = sheet.items(node, "forward: [{...}]")
    return [_entry(sheet, item, item, "forward: ", ForwardConfig) for item in items]


_TABLES: Mapping[str, Callable[[YamlFile, Node | None], Any]] = MappingProxyType(
    {"keys": _programs, "forward": _targets}
)


def _table_of(read: Callable[[YamlFile, Node | None], Any]) -> Callable[[Path], Any]:
    def of_file(path: Path) -> Any:
        sheet = YamlFile(path)
        return read(sheet, sheet.root)

    return of_file


TABLES: Mapping[str, Callable[[Path], Any]] = MappingProxyType(
    {name: _table_of(read) for name, read in _TABLES.items()}
)
"""The settings that are tables: they are in the file, or in a file of their own."""


def _entry(
    sheet: YamlFile, where: Node, node: Node, prefix: str, kind: type[Section]
) -> dict[str, Any]:
    """One section of a list or table, as a dict; `prefix` is for its errors."""
    fields = dict(_from_file(sheet, node, prefix, kind))
    entry = {name.removeprefix(prefix): value for name, value in fields.items()}
    for one in msgspec.structs.fields(kind):
        if one.required and one.name not in entry:
            raise sheet.error(where, f"{prefix}this entry has no {one.name}: add it")
    return entry


def _from_node(sheet: YamlFile, node: Node, name: str, type_: Any) -> Any:
    value = sheet.value(node)
    if isinstance(value, date):
        value = value.isoformat()
    try:
        found = msgspec.convert(value, type_)
    except msgspec.ValidationError as error:
        raise sheet.error(node, f"{name}: {_wrong(error, type_)}") from error
    if fault := _fault(name, found):
        raise sheet.error(node, f"{name}: {fault}")
    return found


def _parsed(type_: Any, key: str) -> Parse:
    def parse(text: str, name: str) -> Any:
        value = [part.strip() for part in text.split(",")] if is_list(type_) else text
        try:
            found = msgspec.convert(value, type_, strict=False)
        except msgspec.ValidationError as error:
            raise ConfigError(f"{name}: {_wrong(error, type_)}") from error
        if fault := _fault(key, found):
            raise ConfigError(f"{name}: {fault}")
        return found

    return parse


def _wrong(error: msgspec.ValidationError, type_: Any) -> str:
    choices = get_args(type_) if get_origin(type_) is Literal else ()
    fix = f"write one of {', '.join(choices)}" if choices else "see config.example.yaml"
    text = str(error)
    return f"{text[0].lower()}{text[1:]}: {fix}"
