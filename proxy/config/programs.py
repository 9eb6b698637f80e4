"""The programs that may use the proxy: their client keys, upstream keys and limits."""

import asyncio
import hashlib
import hmac
import logging
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from pathlib import Path

from cachetools import TTLCache

from proxy.config.codes import Codes
from proxy.config.environment import LONGEST_VALUE
from proxy.config.plain_file import read_plain
from proxy.config.settings import Config, LimitsConfig, ProgramConfig
from proxy.config.yaml_file import nearest
from proxy.model import ClientKey, Limits, UpstreamKey, is_key, money
from proxy.model.errors import ConfigError, Problem, ProblemError
from proxy.runtime.clock import monotonic

log = logging.getLogger(__name__)

MAX_FAILED_KEYS = 10_000
FREE_TRIES, FAILED_KEY_SECONDS = 5, 60.0
"""Wrong keys of one address in these seconds that are answered at once."""
SLOW_SECONDS = 2.0
MAX_SLOWED = 200
"""Requests that are delayed at the same time: each holds a connection. More are not delayed."""


@dataclass(frozen=True, slots=True)
class Program:
    """A client with its key and limits; the name of a key that is passed through is ""."""

    name: str
    key: ClientKey
    limits: Limits

    def check(self, now: float, action: str) -> None:
        """Raises ProblemError if it is paused or expired, or if it may not use the action."""
        limits = self.limits
        if limits.paused or (limits.expires is not None and now >= limits.expires):
            raise ProblemError(Problem.PAUSED, self.name)
        if limits.actions is not None and action not in limits.actions:
            raise ProblemError(Problem.BAD_ACTION, f"{self.name} may not use it")


class Programs:
    """All programs. `entries` are by the SHA-256 of the client key; with `passthrough`, any other
    key is an upstream key and has the `limits`.
    """

    def __init__(
        self, entries: Mapping[str, Program], limits: Limits, *, passthrough: bool
    ) -> None:
        self._entries = entries
        self.limits = limits
        self.passthrough = passthrough

    def __iter__(self) -> Iterator[Program]:
        return iter(self._entries.values())

    def of(self, client_key: str) -> Program:
        """The program of a client key. Raises ProblemError (BAD_KEY); the upstream is not asked."""
        digest = sha256(client_key)
        program = self._entries.get(digest)
        if program and hmac.compare_digest(program.key.hash, digest):
            return program
        if self.passthrough:
            return Program("", ClientKey.of(client_key), self.limits)
        raise ProblemError(Problem.BAD_KEY, "no program has this key")

    def by_hash(self, hash: str) -> Program | None:
        """The program whose client key has that hash."""
        return self._entries.get(hash)

    def name_of(self, hash: str) -> str:
        """The name of the program whose client key has that hash; "" if there is none."""
        program = self.by_hash(hash)
        return program.name if program else ""

    def with_keys(self, known: Mapping[str, ClientKey]) -> "Programs":
        """The same programs, with the key objects of an earlier table where they say the same:
        requests and pending operations hold them.
        """
        entries = {
            digest: replace(program, key=known[digest])
            if digest in known and known[digest].upstream == program.key.upstream
            else program
            for digest, program in self._entries.items()
        }
        return Programs(entries, self.limits, passthrough=self.passthrough)

    def renewed(self, key: ClientKey) -> ClientKey:
        """The key of the same program with its present upstream key."""
        program = self._entries.get(key.hash)
        return program.key if program else key


class FailedKeyThrottle:
    """Delays the answers to an address that tries many wrong keys."""

    def __init__(self) -> None:
        self._tries: TTLCache[str, int] = TTLCache(MAX_FAILED_KEYS, FAILED_KEY_SECONDS, monotonic)
        self._slowed = 0

    async def wait(self, address: str) -> None:
        """Counts a wrong key of an address, and waits if there were too many."""
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
    """The programs of `keys`; `environ` and files have upstream keys. Raises ConfigError."""
    limits = _limits(config.limits, "limits", codes, actions)
    entries: dict[str, Program] = {}
    names: set[str] = set()
    secrets = [_secret(entry, environ) for entry in config.keys.values()]
    for (client_key, entry), secret in zip(config.keys.items(), secrets, strict=True):
        digest = _digest(client_key, entry.name)
        if digest in entries:
            raise ConfigError(f"keys: {entry.name} has the key of {entries[digest].name}")
        if entry.name in names:
            raise ConfigError(f"keys: two have the name {entry.name}: give each its own name")
        names.add(entry.name)
        # Two upstream keys can have one account: then a program sees only the orders it bought,
        # unless its client has the upstream key itself, and may see all.
        is_only = not config.passthrough and len(config.keys) == 1
        is_sole = is_only or sha256(secret) == digest
        key = ClientKey(UpstreamKey(secret), digest, is_sole)
        own = _limits(entry, f"keys: {entry.name}", codes, actions).within(limits)
        entries[digest] = Program(entry.name, key, own)
    _check_accounts(entries)
    return Programs(entries, limits, passthrough=config.passthrough or not entries)


def _check_accounts(entries: Mapping[str, Program]) -> None:
    """Raises ConfigError if a client key is the upstream key of another program: the orders of that
    account, which no program bought, are kept under its hash.
    """
    for program in entries.values():
        other = entries.get(program.key.upstream.hash)
        if other and other.key.upstream != program.key.upstream:
            text = f"{other.name} has the upstream key of {program.name} for its client key"
            raise ConfigError(f"keys: {text}: give it a client key of its own")


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _digest(client_key: str, name: str) -> str:
    kind, _, digest = client_key.partition(":")
    if kind != "sha256":
        if kind.lower() == "sha256" or not is_key(client_key):
            text = "must be printable ASCII without spaces, or sha256: and its hash"
            raise ConfigError(f"keys: {name}: the client key {text}")
        return sha256(client_key)
    if len(digest) != 64 or set(digest.lower()) - set("0123456789abcdef"):
        raise ConfigError(f"keys: {name}: sha256: must have 64 hexadecimal digits")
    return digest.lower()


def _secret(entry: ProgramConfig, environ: Mapping[str, str]) -> str:
    where = f"keys: {entry.name}: upstream_key"
    secret = secret_of(entry.upstream_key, where, environ)
    if not is_key(secret):
        place = "it" if secret == entry.upstream_key else entry.upstream_key.partition(":")[2]
        raise ConfigError(f"{where}: {place} has no key: a key is printable ASCII without spaces")
    return secret


def secret_of(text: str, where: str, environ: Mapping[str, str]) -> str:
    """The secret: `text` itself, or the value that its `env:NAME` or `file:PATH` names. Raises
    ConfigError, with `where` as the key of the configuration.
    """
    kind, _, place = text.partition(":")
    if kind == "env":
        secret = environ.get(place, "").strip()
        if not secret:
            raise ConfigError(f"{where}: the environment has no {place}: set it")
        return secret
    if kind == "file":
        try:
            secret = read_plain(Path(place), LONGEST_VALUE).decode().strip()
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "it is no text"
            raise ConfigError(f"{where}: {place} cannot be read: {why}") from error
        if not secret:
            raise ConfigError(f"{where}: {place} is empty")
        return secret
    return text


def _limits(config: LimitsConfig, where: str, codes: Codes, actions: Collection[str]) -> Limits:
    for action in config.actions or ():
        if action not in actions:
            text = f"{action} is no action: {nearest(action, actions)}"
            raise ConfigError(f"{where}: actions: {text}")
    by_id = {str(id): country.iso for id, country in codes.countries.items()}
    by_code = {code: code for code in codes.services}
    return Limits(
        max_price=_cents(config.max_price),
        active=config.active,
        per_day=_cents(config.spend_per_day),
        per_month=_cents(config.spend_per_month),
        services=_known(config.services, f"{where}: services", by_code),
        countries=_known(config.countries, f"{where}: countries", by_id),
        actions=None if config.actions is None else frozenset(config.actions),
        paused=config.paused,
        expires=_instant(config.expires, f"{where}: expires"),
    )


def _known(
    allowed: Iterable[object] | None, where: str, known: Mapping[str, str]
) -> frozenset[str] | None:
    """The upstream's codes of what is `allowed`. Raises ConfigError for one that is not `known`."""
    if allowed is None:
        return None
    codes = [str(code) for code in allowed]
    for code in codes:
        if code not in known:
            fix = nearest(code, known) if len(known) < 50 else "see mappings/"
            raise ConfigError(f"{where}: {code} is not in the tables: {fix}")
    return frozenset(known[code] for code in codes)


def _cents(dollars: float | None) -> int | None:
    return None if dollars is None else money.cents(dollars)


def _instant(text: str | None, where: str) -> float | None:
    """Seconds since the epoch of a date or time; a date is midnight, the default zone UTC."""
    if text is None:
        return None
    try:
        when = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"{where}: {text} is no date: write it as 2027-01-31") from error
    if len(text) == len("2027-01-31"):
        when = datetime.combine(date.fromisoformat(text), time())
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
