"""API keys, and the limits of a program. Pure."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

WINDOW = 61.0
"""Seconds that a request counts in the upstream's limit of its key: a minute, and one second more
because requests reach the upstream after different delays.
"""

_KEY = re.compile(r"[!-~]{1,256}")


@dataclass(frozen=True, slots=True)
class UpstreamKey:
    """A VirtualSMS API key, which stands for its account. It is printed as a fingerprint only."""

    secret: str = field(repr=False)

    @property
    def hash(self) -> str:
        """SHA-256 of the key in hex, used where the key itself must not be stored."""
        return hashlib.sha256(self.secret.encode()).hexdigest()

    def __str__(self) -> str:
        return f"key {self.hash[:8]}"

    __repr__ = __str__


NO_KEY = UpstreamKey("")
"""For activations of which only the hash of the key is known."""


@dataclass(frozen=True, slots=True)
class ClientKey:
    """The key of a program, and the upstream key that is used for it. Two are equal if clients send
    the same key: its numbers stay the program's when a reload changes the rest.
    """

    upstream: UpstreamKey = field(compare=False)
    hash: str
    """SHA-256 of the key that clients send, in hex; this can be the upstream key itself."""
    is_sole: bool = field(default=True, compare=False)
    """No other program uses the upstream key: all orders of the account are this program's."""

    @classmethod
    def of(cls, secret: str) -> "ClientKey":
        """For a client that sends the upstream key itself."""
        upstream = UpstreamKey(secret)
        return cls(upstream, upstream.hash)

    def share(self, *, is_sole: bool) -> None:
        """Changes `is_sole` in this object, which many parts hold, after a reload of the keys."""
        object.__setattr__(self, "is_sole", is_sole)

    @property
    def account(self) -> "ClientKey":
        """The key of the whole account, the same for all its programs."""
        return ClientKey(self.upstream, self.upstream.hash)

    @property
    def listing(self) -> "ClientKey":
        """The key that has the account's orders that no program has bought through the proxy."""
        return self if self.is_sole else self.account

    @property
    def fingerprint(self) -> str:
        return self.hash[:8]

    @property
    def program(self) -> str:
        """The hash; empty if clients send the upstream key itself."""
        return "" if self.hash == self.upstream.hash else self.hash

    def __str__(self) -> str:
        return f"key {self.fingerprint}"

    __repr__ = __str__


def is_key(text: str) -> bool:
    """Whether an HTTP header can carry the text: 1 to 256 printable ASCII characters, no space."""
    return _KEY.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Limits:
    """What one key may do and spend. Money is in cents, None is no limit. Services are upstream
    codes, countries ISO codes; `expires` is on this machine's clock.
    """

    max_price: int | None = None
    active: int | None = None
    per_day: int | None = None
    per_month: int | None = None
    services: frozenset[str] | None = None
    countries: frozenset[str] | None = None
    actions: frozenset[str] | None = None
    paused: bool = False
    expires: float | None = None

    def within(self, other: "Limits") -> "Limits":
        """The stricter limit of both in each field."""
        return Limits(
            max_price=lowest(self.max_price, other.max_price),
            active=lowest(self.active, other.active),
            per_day=lowest(self.per_day, other.per_day),
            per_month=lowest(self.per_month, other.per_month),
            services=_both(self.services, other.services),
            countries=_both(self.countries, other.countries),
            actions=_both(self.actions, other.actions),
            paused=self.paused or other.paused,
            expires=lowest(self.expires, other.expires),
        )

    @property
    def counts_money(self) -> bool:
        return self.per_day is not None or self.per_month is not None

    def since(self, now: float) -> tuple[float, float]:
        """Start of the day and of the month of `now`, at midnight UTC."""
        today = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return today.timestamp(), today.replace(day=1).timestamp()

    def money(self, now: float) -> Iterator[tuple[float, int]]:
        """Yields the start of each limited period and the cents that may be spent in it."""
        for since, cents in zip(self.since(now), (self.per_day, self.per_month), strict=True):
            if cents is not None:
                yield since, cents


N = TypeVar("N", int, float)


def lowest(*limits: N | None) -> N | None:
    return min((limit for limit in limits if limit is not None), default=None)


def _both(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    return one if other is None else other if one is None else one & other
