"""Reads the configuration anew while the proxy runs: all of it is checked, then it is applied."""

import asyncio
import logging
import os
import ssl
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from types import MappingProxyType

from proxy.app.loaded import CurrentFinder, Loaded, load
from proxy.app.tls import ReplaceableContext, tls_context
from proxy.config.programs import Program, Programs
from proxy.config.settings import Config, LimitsConfig, values
from proxy.endpoint.endpoint import LegacyEndpoint
from proxy.endpoint.paths import ByHost
from proxy.endpoint.response_cache import CurrentCache
from proxy.forwarding.delivery import ForwardDelivery
from proxy.model import ClientKey
from proxy.model.errors import ConfigError, ProblemError, StoreError, TlsError, YamlFileError
from proxy.runtime import log_events, logs, systemd
from proxy.services import Services
from proxy.webhooks.subscriptions import Subscriptions, subscribed_keys

log = logging.getLogger(__name__)

LONGEST_READ = 30.0
"""Seconds to read all files: one may be a pipe that nobody writes to."""

DEFERS = MappingProxyType({"auto": None, "deny": False, "defer": True})
"""Services.defers_cancel for each value of early_cancel."""

REFUSED = (ConfigError, YamlFileError, StoreError, TlsError, ProblemError)


@dataclass(eq=False)
class Changeable:
    """The parts that have something of the configuration that can change."""

    services: Services
    finder: CurrentFinder
    forwards: ForwardDelivery
    subscriptions: Subscriptions
    dialects: Mapping[str, LegacyEndpoint]
    plain: ByHost
    """The endpoint of the paths without a dialect."""
    answers: CurrentCache
    tls: ReplaceableContext | None = None


def _programs(parts: Changeable, loaded: Loaded) -> None:
    services = parts.services
    services.programs = loaded.programs
    for program in loaded.programs:
        services.orders.renew(program.key)
    parts.subscriptions.follow(subscribed_keys(loaded.config, loaded.programs), loaded.given)


def _tables(parts: Changeable, loaded: Loaded) -> None:
    parts.services.codes = loaded.codes
    parts.services.default_country = loaded.config.default_country
    parts.finder.find = loaded.finder


def _forwards(parts: Changeable, loaded: Loaded) -> None:
    parts.services.targets.replace(loaded.targets)
    parts.forwards.start()


def _dialect(parts: Changeable, loaded: Loaded) -> None:
    parts.plain.default = parts.dialects[loaded.config.dialect]


def _early_cancel(parts: Changeable, loaded: Loaded) -> None:
    parts.services.defers_cancel = DEFERS[loaded.config.early_cancel]


def _ages(parts: Changeable, loaded: Loaded) -> None:
    services, config = parts.services, loaded.config
    services.balances.set_ttl(config.balance.ttl)
    services.catalogue.set_pace(
        prices_ttl=config.prices.ttl,
        catalog_ttl=config.catalog.ttl,
        per_second=config.catalog.sweep_per_second,
    )
    services.journal.unclaimed.reuse_seconds = config.orphan.reuse_seconds


def _sample(parts: Changeable, loaded: Loaded) -> None:
    for endpoint in parts.dialects.values():
        endpoint.sample = loaded.config.log.sample


Apply = Callable[[Changeable, Loaded], None]

APPLIED: Mapping[str, Apply] = {
    "keys": _programs,
    "passthrough": _programs,
    **{f"limits.{name}": _programs for name in LimitsConfig.__struct_fields__},
    "upstream.api_key": _programs,
    "webhooks.secrets": _programs,
    "mappings": _tables,
    "default_country": _tables,
    "forward": _forwards,
    "dialect": _dialect,
    "early_cancel": _early_cancel,
    "prices.ttl": _ages,
    "catalog.ttl": _ages,
    "catalog.sweep_per_second": _ages,
    "balance.ttl": _ages,
    "orphan.reuse_seconds": _ages,
    "log.sample": _sample,
}
"""How each setting is applied to the parts."""

APPLIED_BY_RELOAD = ("log.level", "log.format", "listen.tls_cert", "listen.tls_key")
"""Settings of the process: `Reload` applies them itself."""

RESTART = (
    "listen.host",
    "listen.port",
    "upstream.url",
    "upstream.websocket_url",
    "upstream.timeout",
    "upstream.requests_per_minute",
    "upstream.push",
    "upstream.push_sockets",
    "store.url",
    "store.secret",
    "store.retention",
    "webhooks.public_url",
    "webhooks.check_timestamp",
    "console.enabled",
    "console.token",
    "console.hosts",
)
"""Settings that need a restart."""


class Reload:
    """`read` reads the configuration; `parts` run with `loaded`. `secrets` learns new ones."""

    def __init__(
        self, read: Callable[[], Config], loaded: Loaded, parts: Changeable, secrets: logs.Secrets
    ) -> None:
        self._read = read
        self._started, self._current = loaded.config, loaded
        self.parts = parts
        self._secrets = secrets
        self._keys: dict[str, ClientKey] = {one.key.hash: one.key for one in loaded.programs}
        """Of every program that there was, by the hash."""
        self._asked = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "reload")

    def ask(self) -> None:
        """Asks for a reload, at any time, from the thread of the loop. Several that are asked for
        while one runs become one after it.
        """
        self._asked.set()

    async def run(self) -> None:
        """Runs until it is cancelled."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            systemd.notify("RELOADING=1", systemd.now())
            try:
                await self.run_once()
            finally:
                systemd.notify("READY=1")

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def run_once(self) -> None:
        """Logs what has changed, or why nothing has."""
        try:
            async with asyncio.timeout(LONGEST_READ):
                loop = asyncio.get_running_loop()
                loaded, tls = await loop.run_in_executor(self._thread, self._load)
            await self._prepare(loaded)
        except TimeoutError:
            log.error(log_events.RELOAD_REFUSED, "its files cannot be read in time")
        except REFUSED as error:
            log.error(log_events.RELOAD_REFUSED, error)
        except Exception:
            log.exception(log_events.RELOAD_BUG)
        else:
            self._apply(loaded, tls)

    def _load(self) -> tuple[Loaded, ssl.SSLContext | None]:
        """In a thread: requests go on while the files are read. Raises what is wrong in them."""
        config = self._read()
        loaded = load(config, os.environ, self._secrets, self.parts.services.upstream.wall_clock)
        tls = tls_context(config.listen.tls_cert, config.listen.tls_key)
        return loaded, tls.current if tls else None

    async def _prepare(self, loaded: Loaded) -> None:
        """Opens the order lists of programs that get some of their own. Raises ProblemError."""
        orders = self.parts.services.orders
        for program in loaded.programs:
            known = self._keys.get(program.key.hash)
            if known and known.is_sole != program.key.is_sole:
                await orders.open(known.account)

    def _apply(self, loaded: Loaded, tls: ssl.SSLContext | None) -> None:
        """Without a pause: a request finds all as it was before, or all as it is after it."""
        before = self._current
        loaded = replace(loaded, programs=self._with_known_keys(loaded.programs))
        for apply in dict.fromkeys(APPLIED.values()):
            apply(self.parts, loaded)
        self.parts.answers.replace()
        if self.parts.tls and tls:
            self.parts.tls.current = tls
        self._current = loaded
        if (new := loaded.config.log) != before.config.log:
            logs.set_up(new.level, new.format, self._secrets)
        log.info("reloaded: %s", ", ".join(_changes(before, loaded)) or "nothing has changed")
        if names := self._restart_needed(loaded.config):
            log.warning(log_events.RESTART_NEEDED, ", ".join(names))

    def _with_known_keys(self, programs: Programs) -> Programs:
        """The programs with the key objects that requests and purchases have."""
        for program in programs:
            known = self._keys.setdefault(program.key.hash, program.key)
            if known.is_sole != program.key.is_sole:
                known.share(is_sole=program.key.is_sole)
                self.parts.services.journal.pending.renew(known)
        programs = programs.with_keys(self._keys)
        self._keys |= {program.key.hash: program.key for program in programs}
        return programs

    def _restart_needed(self, config: Config) -> list[str]:
        """The settings that differ from those of the start, and cannot be applied."""
        before, after = dict(values(self._started)), dict(values(config))
        names = [name for name in RESTART if before[name] != after[name]]
        has_tls = after["listen.tls_cert"] is not None
        return names + ["listen.tls_cert"] * (has_tls != (self.parts.tls is not None))


def _changes(before: Loaded, after: Loaded) -> list[str]:
    """What differs, by the names of settings and programs; no values, which may be secret."""
    old, new = dict(values(before.config)), dict(values(after.config))
    names = [name for name in (*APPLIED, *APPLIED_BY_RELOAD) if old[name] != new[name]]
    programs = _program_changes(before.programs, after.programs)
    if (before.codes, before.words) != (after.codes, after.words) and "mappings" not in names:
        names.append("mappings")
    return [*programs, *(name for name in names if not (programs and name == "keys"))]


def _program_changes(before: Programs, after: Programs) -> list[str]:
    old, new = ({one.name: one for one in programs} for programs in (before, after))
    said = {
        "new": [name for name in new if name not in old],
        "gone": [name for name in old if name not in new],
        "changed": [n for n in new if n in old and not _is_same(old[n], new[n])],
    }
    return [f"keys {word}: {' '.join(names)}" for word, names in said.items() if names]


def _is_same(one: Program, other: Program) -> bool:
    return one == other and one.key.upstream == other.key.upstream
