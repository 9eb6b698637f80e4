"""Key: an API key, and the limits of its program. Pure."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

WINDOW = 61.0
"""Seconds that a request counts in the limit of its key: a minute, and one more for what was sent
quickly after what had been sent slowly.
"""


_KEY = re.compile(r"[!-~]{1,256}")


@dataclass(frozen=True, slots=True)
class UpstreamKey:
    """A VirtualSMS API key, and so an account. It shows itself only as a fingerprint; `secret` goes
    upstream.
    """

    secret: str = field(repr=False)

    @property
    def hash(self) -> str:
        """What stands for it where the key itself must not stand: SHA-256, in hex."""
        return hashlib.sha256(self.secret.encode()).hexdigest()

    def __str__(self) -> str:
        return f"key {self.hash[:8]}"

    __repr__ = __str__


NO_KEY = UpstreamKey("")
"""Of what is known by the hash of its key only."""


@dataclass(frozen=True, slots=True)
class ClientKey:
    """The key of a program, and the upstream key that is used for it."""

    upstream: UpstreamKey
    hash: str
    """SHA-256 of the client key, in hex. Where clients send the upstream key itself, that one's."""
    is_sole: bool = True
    """No other program uses the upstream key: every order of the account is this program's."""

    @classmethod
    def of(cls, secret: str) -> "ClientKey":
        """Of a client that sends the upstream key itself."""
        upstream = UpstreamKey(secret)
        return cls(upstream, upstream.hash)

    @property
    def account(self) -> "ClientKey":
        """The account's own, whichever program asks."""
        return ClientKey(self.upstream, self.upstream.hash)

    @property
    def listing(self) -> "ClientKey":
        """Whose are the orders of the account that no program has bought here."""
        return self if self.is_sole else self.account

    @property
    def fingerprint(self) -> str:
        return self.hash[:8]

    @property
    def program(self) -> str:
        """Its hash; empty where clients send the upstream key itself."""
        return "" if self.hash == self.upstream.hash else self.hash

    def __str__(self) -> str:
        return f"key {self.hash[:8]}"

    __repr__ = __str__


def is_key(text: str) -> bool:
    """An HTTP header can carry it: printable ASCII without spaces."""
    return _KEY.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Limits:
    """What one key may do and spend, in cents; None is no cap. Services are upstream codes,
    countries ISO.
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
        """The stricter of both."""
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
        """When this day and this month began: at midnight UTC."""
        today = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return today.timestamp(), today.replace(day=1).timestamp()

    def money(self, now: float) -> Iterator[tuple[float, int]]:
        """Since when, and how many cents may be spent."""
        for since, most in zip(self.since(now), (self.per_day, self.per_month), strict=True):
            if most is not None:
                yield since, most


N = TypeVar("N", int, float)


def lowest(*caps: N | None) -> N | None:
    return min((cap for cap in caps if cap is not None), default=None)


def _both(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    return one if other is None else other if one is None else one & other
