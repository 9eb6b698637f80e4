"""The targets of `forward` in the configuration, and the messages that are queued for them."""

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from proxy.config.codes import Codes
from proxy.config.programs import Programs, secret_of
from proxy.config.settings import Config
from proxy.config.yaml_file import nearest
from proxy.legacy import answers
from proxy.legacy.activation import Activation
from proxy.legacy.dialects import DIALECTS, Dialect
from proxy.model import Sms
from proxy.model.errors import ConfigError
from proxy.runtime.urls import shown_host, shown_url
from proxy.store import Forward


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    url: str
    dialect: Dialect
    secret: str = ""
    """Signs its messages; empty: they are not signed."""
    keys: frozenset[str] | None = None
    """The hashes of the keys whose SMS it gets; None: all keys."""
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a message was queued for it."""

    @property
    def what(self) -> tuple[str, str, str, frozenset[str] | None]:
        """What the configuration says of it."""
        return self.url, self.dialect.name, self.secret, self.keys

    @property
    def shown(self) -> str:
        """Its host and port: the rest of the URL may be secret."""
        return shown_host(self.url)


class Targets:
    """`clock` is this machine's wall clock; queued messages survive a restart."""

    def __init__(
        self,
        targets: Iterable[Target],
        codes: Codes,
        default_country: int,
        clock: Callable[[], float],
    ) -> None:
        self._targets = tuple(targets)
        self._codes = codes
        self._default_country = default_country
        self._clock = clock

    def replace(self, others: "Targets") -> None:
        """Has the targets and tables of `others`; one that stays the same stays the same object,
        for its worker.
        """
        same = {one.what: one for one in self._targets}
        self._targets = tuple(same.get(one.what, one) for one in others._targets)
        self._codes, self._default_country = others._codes, others._default_country

    def __iter__(self) -> Iterator[Target]:
        return iter(self._targets)

    def __bool__(self) -> bool:
        return bool(self._targets)

    def forwards(self, key: str, activation: Activation) -> tuple[Forward, ...]:
        """The messages to queue for an activation; `key` is the hash of its key. They have the SMS
        that its client can read and that were not forwarded before. The same SMS always gets the
        same id.
        """
        if not (self._targets and activation.delivered) or activation.cancelling:
            return ()
        targets = [t for t in self._targets if t.keys is None or key in t.keys]
        return tuple(
            self._forward(target, activation, sms)
            for sms in activation.unforwarded
            for target in targets
        )

    def queued(self, forwards: Iterable[Forward]) -> None:
        """Wakes the workers of their targets, after the messages were saved."""
        urls = {forward.target for forward in forwards}
        for target in self._targets:
            if target.url in urls:
                target.wake.set()

    def _forward(self, target: Target, activation: Activation, sms: Sms) -> Forward:
        known = self._codes.country_id(activation.order.country)
        country = self._default_country if known is None else known
        body = target.dialect.shapes.forward(activation, sms, country)
        name = activation.name_of(sms).encode()
        id, now = hashlib.blake2b(name, digest_size=16).hexdigest(), self._clock()
        return Forward(id, target.url, answers.json(body).body, now, now)


def load_targets(
    config: Config,
    environ: Mapping[str, str],
    programs: Programs,
    codes: Codes,
    clock: Callable[[], float],
) -> Targets:
    """The targets of the configuration. Raises ConfigError."""
    hashes = {program.name: program.key.hash for program in programs}
    targets: dict[str, Target] = {}
    for wanted in config.forward:
        if wanted.url in targets:
            shown = shown_url(wanted.url)
            raise ConfigError(f"forward: {shown} is here twice: take one of them away")
        chosen = wanted.programs
        for name in chosen or ():
            if name not in hashes:
                fix = nearest(name, hashes) if hashes else "there are no `keys`"
                raise ConfigError(f"forward: programs: {name} is none of `keys`: {fix}")
        secret = secret_of(wanted.secret or "", "forward: secret", environ)
        keys = None if chosen is None else frozenset(hashes[name] for name in chosen)
        targets[wanted.url] = Target(wanted.url, DIALECTS[wanted.dialect], secret, keys)
    return Targets(targets.values(), codes, config.default_country, clock)
