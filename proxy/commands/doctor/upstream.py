"""Checks of the upstream: its address, its clock, its sockets, and each configured key."""

import asyncio
import time
from collections.abc import Sequence
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import urlsplit
from uuid import uuid4

from proxy.commands.doctor import Finding, good, wrong
from proxy.config.programs import Programs
from proxy.config.settings import Config
from proxy.model import WINDOW, ClientKey, Order
from proxy.model.errors import Problem, ProblemError, SocketError, StoreError
from proxy.model.money import dollars
from proxy.runtime.counters import Counters
from proxy.runtime.plural import counted
from proxy.runtime.urls import shown_host
from proxy.store import OperationKind, file_of, open_read_only, open_store
from proxy.upstream.budget import Budget
from proxy.upstream.client import TIMEOUT_FRACTION, Upstream
from proxy.upstream.order_socket import SocketClient
from proxy.upstream.rate_window import Urgency

SECONDS = 5.0
"""The timeout of each request."""
MAX_SKEW = 30.0
"""Seconds. A larger error gives certificates and the limits of a day or month a wrong date."""
RECENT_SECONDS = 3600.0
MIN_LEFT = 4
"""Requests that must be left in a key's minute: `doctor` must not delay clients."""


class NamedKey(NamedTuple):
    """An upstream key with its names in the configuration."""

    name: str
    key: ClientKey


def accounts(config: Config, programs: Programs) -> list[NamedKey]:
    """Each upstream key once, with all its names."""
    names: dict[str, list[str]] = {}
    for program in programs:
        names.setdefault(program.key.upstream.secret, []).append(program.name)
    if config.upstream.api_key:
        names.setdefault(config.upstream.api_key, []).append("upstream.api_key")
    return [NamedKey(", ".join(found), ClientKey.of(secret)) for secret, found in names.items()]


def requests_left(config: Config, key: ClientKey) -> tuple[int | None, str]:
    """The requests left in this minute, by the store, and a text; None if not known."""
    limit = config.upstream.requests_per_minute
    try:
        with open_read_only(config.store.url) as seen:
            left = max(limit - seen.requests(key.hash, time.time() - WINDOW), 0)
    except StoreError:
        requests = counted(limit, "request")
        return None, f"{requests} a minute; how many are left is not known without a store"
    return left, f"{left} of {counted(limit, 'request')} left in this minute"


def sends_in_clear(url: str) -> bool:
    """Whether keys would cross the net unencrypted."""
    parts = urlsplit(url)
    return parts.scheme == "http" and not _is_near(parts.hostname or "")


def _is_near(host: str) -> bool:
    """Whether a host is on this machine or in its private network, such as another container."""
    try:
        return ip_address(host).is_private
    except ValueError:
        return "." not in host


class Probe:
    """The checks of the upstream. Each takes SECONDS at most."""

    def __init__(self, config: Config, found: Sequence[NamedKey]) -> None:
        self._config, self._accounts = config, found
        self._accepted: ClientKey | None = None
        self._store = open_store("sqlite://")
        budget = Budget(config.upstream.requests_per_minute, self._store, time.time)
        self._upstream = Upstream(
            config.upstream.url, SECONDS / TIMEOUT_FRACTION, budget, Counters()
        )

    async def close(self) -> None:
        await self._upstream.close()
        await self._store.close()

    async def reach(self) -> Finding:
        """Checks the address and its certificate by reading a price, which needs no key."""
        url, begun = urlsplit(self._config.upstream.url), time.monotonic()
        where = shown_host(self._config.upstream.url)
        if sends_in_clear(self._config.upstream.url):
            return wrong("upstream", f"{where}: keys are sent unencrypted: write https://")
        try:
            await self._upstream.price("wa", "US")
        except ProblemError as error:
            if error.problem.is_doubt:
                return self._unreached(error)
        milliseconds = (time.monotonic() - begun) * 1000
        tls = ", its certificate is valid" if url.scheme == "https" else ""
        return good("upstream", f"{where} answers in {milliseconds:.0f} ms{tls}")

    def _unreached(self, error: ProblemError) -> Finding:
        where = shown_host(self._config.upstream.url)
        fix = "check upstream.url, the network and HTTPS_PROXY"
        if "CERTIFICATE_VERIFY_FAILED" in error.detail:
            fix = "check the clock, and name the certificate to trust in SSL_CERT_FILE"
        return wrong("upstream", f"{where}: {error.detail}: {fix}; the rest is not checked")

    def clock(self) -> Finding:
        ahead = self._upstream.clock.last_ahead
        if ahead is None:
            return good("clock", "the upstream sends no Date to compare with")
        if abs(ahead) < MAX_SKEW:
            return good("clock", f"within {MAX_SKEW:g} s of the upstream's")
        which = "behind" if ahead > 0 else "ahead of"
        return wrong("clock", f"{abs(ahead):.0f} s {which} the upstream's: set it by NTP")

    async def keys(self) -> list[Finding]:
        if not self._accounts:
            says = "none configured: clients send their own; set upstream.api_key to check one"
            return [good("key", says)]
        found = await asyncio.gather(*(self._account(account) for account in self._accounts))
        return [finding for findings in found for finding in findings]

    async def _account(self, account: NamedKey) -> list[Finding]:
        left, says = requests_left(self._config, account.key)
        if left is not None and left < MIN_LEFT:
            fix = "try again in a minute; if it happens often, see docs/limits.md"
            return [wrong("budget", f"{account.name}: {says}: {fix}")]
        budget = good("budget", f"{account.name}: {says}")
        balance = await self._balance(account)
        if balance.is_wrong:
            return [balance, budget]
        return [balance, budget, await self._sharing(account)]

    async def _balance(self, account: NamedKey) -> Finding:
        try:
            cents = await self._upstream.balance(account.key)
        except ProblemError as error:
            if error.problem is Problem.BAD_KEY:
                fix = "put a key of your VirtualSMS account there"
                return wrong("key", f"{account.name}: the upstream refuses it: {fix}")
            return wrong("key", f"{account.name}: {error.detail}: try again")
        self._accepted = self._accepted or account.key
        if cents <= 0:
            return wrong("key", f"{account.name}: balance {dollars(cents)}: top it up")
        return good("key", f"{account.name}: balance {dollars(cents)}")

    async def _sharing(self, account: NamedKey) -> Finding:
        """Checks whether another program buys with the key."""
        try:
            await self._upstream.admit("orders", account.key, Urgency.LIST)
            orders = await self._upstream.orders(account.key)
        except ProblemError as error:
            effect = "orders are read one by one, a purchase of unknown outcome cannot be found"
            says = f"{account.name}: no order list: {error.detail}: {effect}: try again"
            return wrong("orders", says)
        since = self._upstream.now() - RECENT_SECONDS
        recent = [order for order in orders if (order.created_at or 0.0) > since]
        if not recent:
            return good("sharing", f"{account.name}: nothing was bought in the last hour")
        return self._foreign(account, recent)

    def _foreign(self, account: NamedKey, recent: Sequence[Order]) -> Finding:
        """Compares the orders of the last hour with the store."""
        try:
            with open_read_only(self._config.store.url) as seen:
                foreign = sum(not seen.bought(order.id) for order in recent)
                # The order of a running purchase can be in the list before it is in the store.
                foreign -= seen.owed().get(OperationKind.PURCHASE, 0)
        except StoreError:
            path = file_of(self._config.store.url)
            if path is None or path.exists():
                return good("sharing", f"{account.name}: not known without the proxy's store")
            foreign = len(recent)
        if foreign <= 0:
            return good("sharing", f"{account.name}: no other program has bought in the last hour")
        what = f"not in the store: {foreign} of {counted(len(recent), 'order')} of the last hour"
        why = "another program buys with this key, or the store is not the proxy's"
        return wrong("sharing", f"{account.name}: {what}: {why}: give each program its own key")

    async def push(self) -> Finding:
        """Opens the socket of a made-up order, with a key that the upstream accepts."""
        config = self._config.upstream
        if not (config.push and config.push_sockets):
            return good("push", "off: codes come by polling, some seconds later")
        fix = "allow WebSockets, or set upstream.push to false; until then codes come by polling"
        key = self._accepted or ClientKey.of("none")
        frames = SocketClient(config.sockets_url).frames(key, str(uuid4()))
        where = shown_host(config.sockets_url)
        try:
            async with asyncio.timeout(SECONDS):
                await anext(frames)
        except TimeoutError:
            return wrong("push", f"{where}: no answer in {SECONDS:g} s: {fix}")
        except SocketError as error:
            if error.status is None or not self._is_fine(error.status):
                what = f"HTTP {error.status}" if error.status else str(error)
                return wrong("push", f"{where}: {what}: {fix}")
            return good("push", f"{where} answers: HTTP {error.status} to a made-up order")
        finally:
            await frames.aclose()
        return good("push", f"{where} opens a socket")

    def _is_fine(self, status: int) -> bool:
        """A made-up order may be refused; an accepted key may not."""
        return 400 <= status < 500 and not (self._accepted and status in (401, 403))
