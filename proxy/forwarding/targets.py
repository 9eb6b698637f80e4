"""Who is told of an SMS, and in which words: the targets of `forward` in the configuration."""

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
    """Signs what it gets; empty: nothing is signed."""
    owners: frozenset[str] | None = None
    """The hashes of the keys whose messages it gets; None: of all."""
    news: asyncio.Event = field(default_factory=asyncio.Event)
    """Something was queued for it."""

    @property
    def shown(self) -> str:
        """Without what may be secret in its address."""
        return shown_host(self.url)


class Targets:
    """`clock` is this machine's wall clock: what is queued outlives the process."""

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

    def __iter__(self) -> Iterator[Target]:
        return iter(self._targets)

    def __bool__(self) -> bool:
        return bool(self._targets)

    def forwards(self, key: str, activation: Activation) -> tuple[Forward, ...]:
        """What is to be queued of an activation of the key with that hash: what its client can see
        and nobody was told so far. The same SMS has the same id, whenever it is asked for.
        """
        if not (self._targets and activation.delivered) or activation.cancelling:
            return ()
        targets = [t for t in self._targets if t.owners is None or key in t.owners]
        return tuple(
            self._forward(target, activation, sms)
            for sms in activation.unforwarded
            for target in targets
        )

    def queued(self, forwards: Iterable[Forward]) -> None:
        """They are in the store now."""
        urls = {forward.target for forward in forwards}
        for target in self._targets:
            if target.url in urls:
                target.news.set()

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
    """Raises ConfigError."""
    owners = {program.name: program.key.hash for program in programs}
    targets: dict[str, Target] = {}
    for wanted in config.forward:
        if wanted.url in targets:
            raise ConfigError(
                f"forward: {shown_url(wanted.url)} is here twice: take one of them away"
            )
        for name in wanted.programs or ():
            if name not in owners:
                fix = nearest(name, owners) if owners else "there are no `keys`"
                raise ConfigError(f"forward: programs: {name} is none of `keys`: {fix}")
        secret = secret_of(wanted.secret or "", "forward: secret", environ)
        names = (
            None if wanted.programs is None else frozenset(owners[name] for name in wanted.programs)
        )
        targets[wanted.url] = Target(wanted.url, DIALECTS[wanted.dialect], secret, names)
    return Targets(targets.values(), codes, config.default_country, clock)
