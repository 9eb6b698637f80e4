"""The programs that may use the proxy: whose client key, with which upstream key and ceilings."""

import asyncio
import hashlib
import hmac
import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path

from cachetools import TTLCache

from proxy.config.codes import Codes
from proxy.config.settings import Config, LimitsConfig, ProgramConfig
from proxy.config.yaml_file import nearest
from proxy.model import ClientKey, Limits, UpstreamKey, is_key, money
from proxy.model.errors import ConfigError, Problem, ProblemError
from proxy.runtime.clock import monotonic

log = logging.getLogger(__name__)

MAX_FAILED_KEYS = 10_000
FREE_TRIES, FAILED_KEY_SECONDS = 5, 60.0
"""So many wrong keys a minute from one address are answered at once."""
SLOW_SECONDS = 2.0
MAX_SLOWED = 200
"""Requests that wait so at the same time: each holds its connection. Over that, none waits."""


@dataclass(frozen=True, slots=True)
class Program:
    """Who asks. Its `key` names it by `owner`; a key that is passed through has no name."""

    name: str
    key: ClientKey
    caps: Limits

    def check(self, now: float, action: str) -> None:
        """Whether it may ask for that at all."""
        caps = self.caps
        if caps.paused or (caps.expires is not None and now >= caps.expires):
            raise ProblemError(Problem.PAUSED, self.name)
        if caps.actions is not None and action not in caps.actions:
            raise ProblemError(Problem.BAD_ACTION, f"{self.name} may not ask for it")


class Programs:
    """`entries` by the SHA-256 of their client keys; without any, keys are passed through."""

    def __init__(
        self, entries: Mapping[str, Program], limits: Limits, *, passthrough: bool
    ) -> None:
        self._entries = entries
        self.limits = limits
        self.passthrough = passthrough
        self._owners = {program.key.hash: program for program in entries.values()}

    def __iter__(self) -> Iterator[Program]:
        return iter(self._entries.values())

    def of(self, client_key: str) -> Program:
        """BAD_KEY for a key that is none of them, without asking the upstream."""
        digest = sha256(client_key)
        program = self._entries.get(digest)
        if program and hmac.compare_digest(program.key.hash, digest):
            return program
        if self.passthrough:
            return Program("", ClientKey.of(client_key), self.limits)
        raise ProblemError(Problem.BAD_KEY, "no program has this key")

    def renewed(self, key: ClientKey) -> ClientKey:
        """The same program's key, with the upstream key that it has now."""
        program = self._owners.get(key.hash)
        return program.key if program else key


class FailedKeyThrottle:
    """Slows down whoever tries one wrong key after the other."""

    def __init__(self) -> None:
        self._tries: TTLCache[str, int] = TTLCache(MAX_FAILED_KEYS, FAILED_KEY_SECONDS, monotonic)
        self._slowed = 0

    async def wait(self, address: str) -> None:
        """After a wrong key from that address."""
        tries = self._tries[address] = self._tries.get(address, 0) + 1
        if tries <= FREE_TRIES or self._slowed >= MAX_SLOWED:
            return
        self._slowed += 1
        try:
            await asyncio.sleep(SLOW_SECONDS)
        finally:
            self._slowed -= 1


def load_programs(
    config: Config, environ: Mapping[str, str], codes: Codes, actions: Collection[str]
) -> Programs:
    """Reads the upstream keys where they are kept. Raises ConfigError."""
    limits = _caps(config.limits, "limits", codes, actions)
    entries: dict[str, Program] = {}
    names: set[str] = set()
    secrets = [_secret(entry, environ) for entry in config.keys.values()]
    for (client_key, entry), secret in zip(config.keys.items(), secrets, strict=True):
        digest = _digest(client_key, entry.name)
        if digest in entries:
            raise ConfigError(f"keys: {entry.name} has the key of {entries[digest].name}")
        if entry.name in names:
            raise ConfigError(f"keys: two are called {entry.name}: give each its own name")
        names.add(entry.name)
        # Two keys can be of one account: who is not alone has what it bought, and nothing else.
        is_sole = not config.passthrough and len(config.keys) == 1
        caps = _caps(entry, f"keys: {entry.name}", codes, actions).within(limits)
        entries[digest] = Program(entry.name, ClientKey(UpstreamKey(secret), digest, is_sole), caps)
    return Programs(entries, limits, passthrough=config.passthrough or not entries)


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _digest(client_key: str, name: str) -> str:
    kind, _, digest = client_key.partition(":")
    if kind != "sha256":
        if kind.lower() == "sha256" or not is_key(client_key):
            text = "wants printable ASCII without spaces, or sha256: and its hash"
            raise ConfigError(f"keys: {name}: the client key {text}")
        return sha256(client_key)
    if len(digest) != 64 or set(digest.lower()) - set("0123456789abcdef"):
        raise ConfigError(f"keys: {name}: sha256: wants 64 hexadecimal digits")
    return digest.lower()


def _secret(entry: ProgramConfig, environ: Mapping[str, str]) -> str:
    where = f"keys: {entry.name}: upstream_key"
    secret = secret_of(entry.upstream_key, where, environ)
    if not is_key(secret):
        place = "it" if secret == entry.upstream_key else entry.upstream_key.partition(":")[2]
        raise ConfigError(f"{where}: {place} holds no key: it is printable ASCII without spaces")
    return secret


def secret_of(text: str, where: str, environ: Mapping[str, str]) -> str:
    """A secret, or what `env:NAME` or `file:PATH` says instead. Raises ConfigError."""
    kind, _, place = text.partition(":")
    if kind == "env":
        secret = environ.get(place, "").strip()
        if not secret:
            raise ConfigError(f"{where}: the environment has no {place}: set it")
        return secret
    if kind == "file":
        try:
            secret = Path(place).read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "it is no text"
            raise ConfigError(f"{where}: {place} cannot be read: {why}") from error
        if not secret:
            raise ConfigError(f"{where}: {place} is empty")
        return secret
    return text


def _caps(config: LimitsConfig, where: str, codes: Codes, actions: Collection[str]) -> Limits:
    for action in config.actions or ():
        if action not in actions:
            raise ConfigError(
                f"{where}: actions: {action} is no action: {nearest(action, actions)}"
            )
    return Limits(
        max_price=_cents(config.max_price),
        active=config.active,
        per_day=_cents(config.spend_per_day),
        per_month=_cents(config.spend_per_month),
        services=_known(config.services, f"{where}: services", codes.services, str),
        countries=_known(config.countries, f"{where}: countries", *_countries(codes)),
        actions=None if config.actions is None else frozenset(config.actions),
        paused=config.paused,
        expires=_instant(config.expires, f"{where}: expires"),
    )


def _countries(codes: Codes) -> "tuple[Mapping[str, str], Callable[[str], str]]":
    by_id = {str(id): country.iso for id, country in codes.countries.items()}
    return by_id, by_id.__getitem__


def _known(
    wished: Iterable[object] | None,
    where: str,
    known: Mapping[str, object],
    meant: Callable[[str], str],
) -> frozenset[str] | None:
    if wished is None:
        return None
    for one in map(str, wished):
        if one not in known:
            fix = nearest(one, known) if len(known) < 50 else "see mappings/"
            raise ConfigError(f"{where}: {one} is not in the tables: {fix}")
    return frozenset(meant(str(one)) for one in wished)


def _cents(dollars: float | None) -> int | None:
    return None if dollars is None else money.cents(dollars)


def _instant(text: str | None, where: str) -> float | None:
    """Of a date, its first moment; in UTC where nothing else is said."""
    if text is None:
        return None
    try:
        when = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"{where}: {text} is no date: write it as 2027-01-31") from error
    if len(text) == len("2027-01-31"):
        when = datetime.combine(date.fromisoformat(text), time())
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
