"""What a configuration names, read and checked before anything of it is used."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from proxy.config.codes import Codes
from proxy.config.mappings import load_codes
from proxy.config.programs import Programs, load_programs
from proxy.config.secrets import config_secrets
from proxy.config.settings import Config
from proxy.config.sms_words import load_sms_words
from proxy.endpoint.actions import ACTIONS
from proxy.forwarding.targets import Targets, load_targets
from proxy.legacy.code import CodeFinder, FindCode, find_code
from proxy.model.errors import ConfigError
from proxy.model.sms_words import SmsWords
from proxy.runtime.logs import Secrets
from proxy.store import check_store
from proxy.webhooks.subscriptions import given_secrets


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration with its tables. `words` are those that replace the shipped ones, `given` the
    secrets of webhook subscriptions.
    """

    config: Config
    codes: Codes
    words: SmsWords | None
    programs: Programs
    targets: Targets
    given: tuple[str, ...]

    @property
    def finder(self) -> FindCode:
        """Finds codes by the words; the shipped ones are read once."""
        if self.words is not None:
            return CodeFinder(self.words)
        find_code("")  # It reads them now, and not while a client waits for its first code.
        return find_code


class CurrentFinder:
    """Finds codes by the words of the last reload; activations keep this object."""

    def __init__(self, find: FindCode) -> None:
        self.find = find

    def __call__(self, text: str) -> str | None:
        return self.find(text)


def load(
    config: Config,
    environ: Mapping[str, str],
    secrets: Secrets | None = None,
    clock: Callable[[], float] = time.time,
    codes: Codes | None = None,
) -> Loaded:
    """Reads and checks all that the configuration names, except the certificate. `secrets` learns
    every secret. `codes` are the tables, if they have been read before. Raises YamlFileError,
    ConfigError or StoreError.
    """
    secrets = secrets or Secrets()
    secrets.pin(*config_secrets(config))
    check_store(config.store.url, config.store.secret)
    codes = codes or codes_of(config)
    own = config.own_tables
    words = None if own is None else load_sms_words(own)
    programs = programs_of(config, codes, environ)
    secrets.pin(*(program.key.upstream.secret for program in programs))
    targets = load_targets(config, environ, programs, codes, clock)
    secrets.pin(*(target.secret for target in targets))
    given = tuple(given_secrets(config, environ))
    secrets.pin(*given)
    return Loaded(config, codes, words, programs, targets, given)


def programs_of(config: Config, codes: Codes, environ: Mapping[str, str] = os.environ) -> Programs:
    """The programs of `keys`. Raises ConfigError."""
    return load_programs(config, environ, codes, tuple(ACTIONS))


def codes_of(config: Config) -> Codes:
    """The tables, which must have the default country. Raises YamlFileError or ConfigError."""
    codes = load_codes(config.own_tables)
    if config.default_country not in codes.countries:
        text = f"{config.default_country} is no country id: see countries.yaml"
        raise ConfigError(f"default_country: {text}")
    return codes
