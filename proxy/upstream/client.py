"""The calls of VirtualSMS's customer API. The only file that imports httpx.

Every failure is a ProblemError: what the upstream refused by its own word, TRY_AGAIN when the
request never left, UNCLEAR when it may have had its effect.
"""

import asyncio
import math
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from functools import partial
from http.cookiejar import CookieJar, DefaultCookiePolicy
from ssl import SSLContext
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlencode

import httpx
import msgspec

from proxy.errors import Problem, ProblemError, classify
from proxy.model import Key, Market, Order, Price, Service, Transaction
from proxy.tally import TRIAL, Sent, Tally
from proxy.upstream import wire
from proxy.upstream.budget import Budget
from proxy.upstream.cache import Cache
from proxy.upstream.window import Urgency

T = TypeVar("T")
Transport = httpx.AsyncBaseTransport

# httpx walks its whole pool at every call: a small pool is a fast one.
POOL = 16
# A purchase that was sent runs on behind its client's deadline, for at most this long.
LONGEST_PURCHASE = 60.0
# Other calls end before their client's deadline, so that an old answer can still be given.
SHARE = 0.75
# So much of it a request waits for its turn.
PATIENCE = 0.5


REFUSED_SECONDS = 10.0
"""How long a key that the upstream refused is not shown to it again."""
MAX_REFUSED = 10_000


class Endpoint(NamedTuple):
    method: str
    path: str
    urgency: Urgency | None
    """None: its caller has it admitted, and so knows when it is sent."""


ENDPOINTS = MappingProxyType(
    {
        "balance": Endpoint("GET", "/customer/balance", Urgency.LIST),
        "countries": Endpoint("GET", "/customer/countries", Urgency.CATALOGUE),
        "services": Endpoint("GET", "/customer/services", Urgency.CATALOGUE),
        "price": Endpoint("GET", "/price", Urgency.PAID),
        "prices": Endpoint("GET", "/catalog/countries", Urgency.CATALOGUE),
        "purchase": Endpoint("POST", "/customer/purchase", None),
        "order": Endpoint("GET", "/customer/order/{id}", None),
        "orders": Endpoint("GET", "/customer/orders", None),
        "cancel": Endpoint("POST", "/customer/cancel/{id}", Urgency.PAID),
        "swap": Endpoint("POST", "/customer/swap/{id}", Urgency.PAID),
        "transactions": Endpoint("GET", "/customer/transactions", Urgency.CATALOGUE),
        "retry": Endpoint("POST", "/orders/{id}/retry", Urgency.PAID),
    }
)

# Raised before a byte of the request left: nothing can have happened upstream.
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


class Upstream:
    """All calls of the process. `transport` stands in for the network in tests."""

    def __init__(
        self,
        url: str,
        timeout: float,
        budget: Budget,
        tally: Tally,
        clock: Callable[[], float] = time.time,
        transport: Transport | None = None,
    ) -> None:
        self._budget = budget
        self._tally = tally
        self._refused: Cache[Key, None] = Cache(REFUSED_SECONDS, MAX_REFUSED)
        self._url = url
        self._transport = transport
        # Slow purchases hold their connections for long; they must not stop every read.
        self._reads: httpx.AsyncClient | None = None
        self._purchases: httpx.AsyncClient | None = None
        self._timeout = timeout
        self._clock = clock
        self._ahead = 0.0

    async def close(self) -> None:
        for http in (self._reads, self._purchases):
            if http:
                await http.aclose()
        self._budget.close()

    def now(self) -> float:
        """The upstream's wall clock, by the last Date it sent."""
        return self._clock() + self._ahead

    async def balance(self, key: Key) -> int:
        """In cents."""
        return await self._call("balance", wire.balance, key)

    async def services(self, key: Key) -> tuple[Service, ...]:
        return await self._call("services", wire.services, key)

    async def countries(self, key: Key) -> tuple[Market, ...]:
        return await self._call("countries", wire.countries, key)

    async def transactions(self, key: Key) -> tuple[Transaction, ...]:
        """The upstream's own account of the last hundred movements, newest first."""
        params = {"limit": "100"}
        return await self._call("transactions", wire.transactions, key, params=params)

    async def price(self, service: str, country: str) -> int:
        """In cents. Public: no key. NO_NUMBERS where the pair is not for sale."""
        params = {"service": service, "country": country}
        return await self._call("price", wire.price, params=params)

    async def prices(self, service: str) -> tuple[Price, ...]:
        """One service in all countries. Public: no key."""
        return await self._call("prices", wire.prices, params={"service": service})

    async def admit(self, call: str, key: Key | None, urgency: Urgency, since: float = 0.0) -> None:
        """Waits for the turn of one call: the most urgent first, then who waits `since` the
        earliest. RATE_LIMITED if it does not come in time, BAD_KEY if the key was just refused.
        """
        self._check(call, key)
        # Turns are taken in order, however long that takes; nobody waits for them.
        patience = math.inf if urgency is Urgency.TURN else self._timeout * PATIENCE
        await self._budget.take(key, call, urgency, since, patience)

    async def admit_now(self, call: str, key: Key, urgency: Urgency) -> bool:
        """Whether its turn is there without waiting. BAD_KEY if the key was just refused."""
        self._check(call, key)
        return await self._budget.take_now(key, call, urgency)

    async def purchase(self, key: Key, service: str, country: str) -> Order:
        """Spends money, and is not idempotent: never repeat it after UNCLEAR."""
        body = {"service": service, "country": country}
        # A purchase that still waits for a connection when its client is told to try again is not
        # sent any more.
        limits = httpx.Timeout(self._timeout / 3, read=LONGEST_PURCHASE)
        return await self._call("purchase", wire.purchased, key, json=body, timeout=limits)

    async def order(self, key: Key, order: str) -> Order:
        return await self._call("order", wire.order, key, order=order)

    async def orders(self, key: Key) -> tuple[Order, ...]:
        """Newest first, without their messages; the upstream lists 200 rows at most, maybe 50."""
        params = {"limit": "200"}
        return await self._call("orders", wire.orders, key, params=params)

    async def cancel(self, key: Key, order: str) -> None:
        await self._call("cancel", wire.cancelled, key, order=order, json={})

    async def swap(self, key: Key, order: str) -> Order:
        """Another number for the order, free. The answer may carry a new order id."""
        return await self._call("swap", wire.purchased, key, order=order, json={})

    async def retry(self, key: Key, order: str) -> None:
        """Asks for one more SMS to the same number."""
        await self._call("retry", lambda data: None, key, order=order, json={})

    async def _call(
        self,
        call: str,
        read: Callable[[Any], T],
        key: Key | None = None,
        *,
        order: str = "",
        **request: Any,
    ) -> T:
        try:
            answer = await self._answer(call, read, key, order, request)
        except ProblemError as error:
            self._tally.count("upstream_calls", call, error.problem.name.lower())
            raise
        self._tally.count("upstream_calls", call, "ok")
        return answer

    async def _answer(
        self,
        call: str,
        read: Callable[[Any], T],
        key: Key | None,
        order: str,
        request: Mapping[str, Any],
    ) -> T:
        _, path, urgency = ENDPOINTS[call]
        headers = {"X-API-Key": key.secret} if key else {}
        is_purchase = call == "purchase"
        http = self._client(is_purchase)
        try:
            async with asyncio.timeout(LONGEST_PURCHASE if is_purchase else self._timeout * SHARE):
                if urgency is not None:
                    await self.admit(call, key, urgency)
                response = await _sent(http, call, path.format(id=order), headers, request)
        except TimeoutError as error:
            raise ProblemError(Problem.UNCLEAR, f"{call}: no answer in time") from error
        except _NOT_SENT as error:
            raise ProblemError(Problem.TRY_AGAIN, _said(call, error)) from error
        except httpx.HTTPError as error:
            raise ProblemError(Problem.UNCLEAR, _said(call, error)) from error
        self._look_at_clock(response)
        self._note(call, key, response)
        return read(_body(call, response, key))

    def _client(self, for_purchases: bool) -> httpx.AsyncClient:
        """Made at the first call: reading the certificates of the system takes its time."""
        if self._reads is None or self._purchases is None:
            verify = httpx.create_ssl_context() if self._url.startswith("https") else False
            make = partial(_client, self._url, self._timeout, self._transport, verify)
            self._reads, self._purchases = make(), make()
        return self._purchases if for_purchases else self._reads

    def _check(self, call: str, key: Key | None) -> None:
        if key and self._refused.is_fresh(key.upstream):
            raise ProblemError(Problem.BAD_KEY, f"{call}: refused a moment ago")

    def _note(self, call: str, key: Key | None, response: httpx.Response) -> None:
        """What the answer says of the key and of its budget."""
        status, headers = response.status_code, response.headers
        if status == 429:
            seconds = wire.retry_after(headers.get("Retry-After", ""), self.now())
            limit = wire.per_minute(headers.get("X-RateLimit-Limit", ""), response.content)
            self._budget.refused(key, call, seconds, limit)
            return
        self._budget.answered(key, call)
        said = wire.error_text(response.content)
        if key and status == 401 and classify(call, status, said) is Problem.BAD_KEY:
            self._refused.put(key.upstream, None)

    def _look_at_clock(self, response: httpx.Response) -> None:
        try:
            date = parsedate_to_datetime(response.headers.get("Date", "")).timestamp()
        except (ValueError, OverflowError):
            return
        self._ahead = date - self._clock()


def _client(
    url: str, timeout: float, transport: Transport | None, verify: SSLContext | bool
) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        verify=verify,
        base_url=url,
        headers={"Accept": "application/json", "User-Agent": "virtualsms-proxy"},
        timeout=timeout,
        limits=httpx.Limits(max_connections=POOL, max_keepalive_connections=POOL),
        transport=transport,
        # A cookie set for one key must not go out with another.
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        # The sandbox on this machine is not reached through a proxy of the environment.
        trust_env=httpx.URL(url).host not in ("127.0.0.1", "localhost", "::1"),
    )


def _body(call: str, response: httpx.Response, key: Key | None) -> Any:
    """The JSON of a success; every refusal is raised."""
    if response.is_success:
        data = wire.decode(response.content)
        if not (isinstance(data, dict) and data.get("success") is False):
            return data
    said = wire.error_text(response.content)
    if key:
        said = said.replace(key.secret, "[key]")
    problem = classify(call, response.status_code, said)
    detail = f"{call}: HTTP {response.status_code} {said[:200]}".rstrip()
    seconds = wire.wait_seconds(response.content)
    raise ProblemError(problem, detail, seconds=seconds, failed=response.status_code >= 500)


async def _sent(
    http: httpx.AsyncClient,
    call: str,
    path: str,
    headers: Mapping[str, str],
    request: Mapping[str, Any],
) -> httpx.Response:
    """The answer. Where the client's request is a trial, the call is noted, its key is not."""
    method, trial, begun, status = ENDPOINTS[call].method, TRIAL.get(), time.monotonic(), 0
    try:
        response = await http.request(method, path, headers=headers, **request)
        status = response.status_code
        return response
    finally:
        if trial is not None:
            address = f"{path}?{urlencode(request.get('params') or {})}".rstrip("?")
            body = msgspec.json.encode(request["json"]).decode() if "json" in request else ""
            seconds = time.monotonic() - begun
            trial.append(Sent(call, method, address, body, status, seconds))


def _said(call: str, error: Exception) -> str:
    return f"{call}: {type(error).__name__} {error}".rstrip()
