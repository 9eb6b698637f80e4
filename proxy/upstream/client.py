"""The calls of VirtualSMS's customer API.

Every failure is a ProblemError: with the Problem of the upstream's refusal, with TRY_AGAIN if the
request was not sent, or with UNCLEAR if it may have had its effect.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from functools import partial
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import msgspec
from cachetools import TTLCache

from proxy.model import ClientKey, Market, Order, Price, Service, Transaction, UpstreamKey
from proxy.model.errors import HttpError, NoConnectionError, NotSentError, Problem, ProblemError
from proxy.runtime import log_events
from proxy.runtime.clock import monotonic
from proxy.runtime.counters import Counters
from proxy.upstream import fields, refusals, webhooks, wire
from proxy.upstream.budget import Budget
from proxy.upstream.clock import UpstreamClock
from proxy.upstream.endpoints import ENDPOINTS
from proxy.upstream.fields import Rows
from proxy.upstream.health import Health
from proxy.upstream.http import Http, Reply, Transport, certificates
from proxy.upstream.rate_window import PACED, Urgency
from proxy.upstream.refusals import classify
from proxy.upstream.trace import TRACED_CALLS, TracedCall
from proxy.upstream.webhooks import Delivery, QueuedTest, Webhook

T = TypeVar("T")

log = logging.getLogger(__name__)

LONGEST_BODY = 4 * 1024 * 1024
LONGEST_PURCHASE = 60.0
"""Seconds. A purchase goes on after its client's deadline."""
TIMEOUT_FRACTION = 0.75
"""Other calls end after this part of the timeout, so that an old answer can still be given."""
TURN_FRACTION = 0.5
"""A request waits for its turn for this part of the timeout."""
REFUSED_SECONDS = 10.0
"""A key that the upstream refused is not sent again for so long."""
MAX_REFUSED = 10_000


class Upstream:
    """All calls of the process. `timeout` is a client's deadline in seconds; `transport` replaces
    the network in tests.
    """

    def __init__(
        self,
        url: str,
        timeout: float,
        budget: Budget,
        counters: Counters,
        wall_clock: Callable[[], float] = time.time,
        transport: Transport | None = None,
    ) -> None:
        self._budget = budget
        self._counters = counters
        self._refused = TTLCache[UpstreamKey, None](MAX_REFUSED, REFUSED_SECONDS, monotonic)
        self._url = url
        self._transport = transport
        # Two pools: slow purchases hold connections for long, and must not stop all reads.
        self._reads: Http | None = None
        self._purchases: Http | None = None
        self._timeout = timeout
        self._warned: set[str] = set()
        """Calls whose unreadable rows were logged once."""
        self.wall_clock = wall_clock
        """This machine's clock, for money, limits and the age of rows."""
        self.clock = UpstreamClock(wall_clock)
        self.health = Health(wall_clock)

    async def close(self) -> None:
        async with AsyncExitStack() as closes:
            closes.push_async_callback(self._budget.close)
            for http in (self._reads, self._purchases):
                if http:
                    closes.push_async_callback(http.close)

    def now(self) -> float:
        """The time on the upstream's clock. Times of the upstream are compared with it."""
        return self.clock.now()

    async def balance(self, key: ClientKey) -> int:
        """In cents."""
        return await self._call("balance", wire.balance, key)

    async def services(self, key: ClientKey) -> tuple[Service, ...]:
        return await self._call("services", wire.services, key)

    async def countries(self, key: ClientKey) -> tuple[Market, ...]:
        return await self._call("countries", wire.countries, key)

    async def transactions(self, key: ClientKey) -> tuple[Transaction, ...]:
        """The last hundred transactions of the account, newest first."""
        params = {"limit": "100"}
        return await self._call("transactions", wire.transactions, key, params=params)

    async def price(self, service: str, country: str) -> int:
        """In cents. Public, without a key. Raises NO_NUMBERS if the pair is not for sale."""
        params = {"service": service, "country": country}
        return await self._call("price", wire.price, params=params)

    async def prices(self, service: str) -> tuple[Price, ...]:
        """The prices of one service in all countries. Public, without a key."""
        return await self._call("prices", wire.prices, params={"service": service})

    async def admit(
        self, call: str, key: ClientKey | None, urgency: Urgency, since: float = 0.0
    ) -> None:
        """Waits for the turn of one call: the most urgent first, then the earliest `since`
        (monotonic clock). Raises RATE_LIMITED if it does not come in time, and BAD_KEY if the
        upstream refused the key some seconds ago.
        """
        self._check_key(call, key)
        # No client waits for paced reads: they may wait for their turn without a limit.
        patience = math.inf if urgency in PACED else self._timeout * TURN_FRACTION
        await self._budget.take(key, call, urgency, since, patience)

    async def admit_now(self, call: str, key: ClientKey, urgency: Urgency) -> bool:
        """Takes the turn if there is one without waiting; else returns False. Raises BAD_KEY."""
        self._check_key(call, key)
        return await self._budget.take_now(key, call, urgency)

    async def purchase(self, key: ClientKey, service: str, country: str) -> Order:
        """Spends money and is not idempotent: never repeat it after UNCLEAR."""
        body = {"service": service, "country": country}
        return await self._call("purchase", wire.purchased, key, json=body)

    async def order(self, key: ClientKey, order: str) -> Order:
        return await self._call("order", partial(wire.asked_order, asked=order), key, id=order)

    async def orders(self, key: ClientKey, limit: int = 200, status: str = "") -> Rows[Order]:
        """Newest first, without messages. The upstream lists at most 200 rows, or 50, or 500:
        sources disagree. One source has a filter by `status`, which the upstream may ignore.
        """
        params = {"limit": str(limit)} | ({"status": status} if status else {})
        return await self._call("orders", wire.orders, key, params=params)

    async def cancel(self, key: ClientKey, order: str) -> None:
        await self._call("cancel", wire.cancelled, key, id=order, json={})

    async def swap(self, key: ClientKey, order: str) -> Order:
        """Another number for the order, without a charge. The answer may have a new order id."""
        read = partial(wire.purchased, asked=order)
        return await self._call("swap", read, key, id=order, json={})

    async def retry(self, key: ClientKey, order: str) -> None:
        """Asks for one more SMS to the same number."""
        await self._call("retry", lambda data: None, key, id=order, json={})

    async def webhooks(self, key: ClientKey) -> tuple[Webhook, ...]:
        """The subscriptions of the account."""
        return await self._call("webhooks", webhooks.webhooks, key)

    async def create_webhook(self, key: ClientKey, **fields: Any) -> Webhook:
        """Only this answer has the secret. `fields`: url, events, description, threshold."""
        return await self._call("webhook_create", webhooks.webhook, key, json=fields)

    async def webhook(self, key: ClientKey, id: str) -> Webhook:
        return await self._call("webhook", webhooks.webhook, key, id=id)

    async def change_webhook(self, key: ClientKey, id: str, **fields: Any) -> Webhook:
        """`fields`: those of `create_webhook`, active and paused."""
        return await self._call("webhook_change", webhooks.webhook, key, id=id, json=fields)

    async def delete_webhook(self, key: ClientKey, id: str) -> None:
        await self._call("webhook_delete", lambda data: None, key, id=id)

    async def test_webhook(self, key: ClientKey, id: str) -> QueuedTest:
        return await self._call("webhook_test", webhooks.queued_test, key, id=id, json={})

    async def deliveries(
        self, key: ClientKey, id: str, limit: int, offset: int
    ) -> tuple[Delivery, ...]:
        """Deliveries to a subscription, newest first, at most 500."""
        params = {"limit": str(limit), "offset": str(offset)}
        read = webhooks.deliveries
        return await self._call("webhook_deliveries", read, key, id=id, params=params)

    async def _call(
        self,
        call: str,
        read: Callable[[Any], T],
        key: ClientKey | None = None,
        *,
        id: str = "",
        **request: Any,
    ) -> T:
        is_sent = key is None or not self.is_refused(key)
        try:
            answer = await self._answer(call, read, key, id, request)
        except ProblemError as error:
            self._counters.count("upstream_calls", call, error.problem.name.lower())
            # RATE_LIMITED concerns one key, and says nothing about the upstream.
            if is_sent and error.problem is not Problem.RATE_LIMITED:
                self._note_failure(error)
            raise
        self._counters.count("upstream_calls", call, "ok")
        if isinstance(answer, Rows) and answer.unread:
            self._counters.count("unreadable_rows", call, by=answer.unread)
            if call not in self._warned:
                self._warned.add(call)
                log.warning(log_events.ROWS_UNREADABLE, call, answer.unread, answer.listed)
        self.health.answered()
        return answer

    def _note_failure(self, error: ProblemError) -> None:
        if not error.problem.is_doubt:
            return self.health.answered()
        is_connected = not isinstance(error.__cause__, NoConnectionError)
        self.health.failed_call(" ".join(error.detail.split()), is_connected=is_connected)

    async def _answer(
        self,
        call: str,
        read: Callable[[Any], T],
        key: ClientKey | None,
        id: str,
        request: Mapping[str, Any],
    ) -> T:
        _, path, urgency = ENDPOINTS[call]
        path = path.format(id=quote(id, safe=""))
        auth = {"X-API-Key": key.upstream.secret} if key else {}
        headers = {"Accept": "application/json"} | auth
        is_purchase = call == "purchase"
        http = self._client(is_purchase)
        seconds = LONGEST_PURCHASE if is_purchase else self._timeout * TIMEOUT_FRACTION
        sent = asyncio.Event()
        request = {**request, "sending": sent.set}
        try:
            async with asyncio.timeout(seconds):
                if urgency is not None:
                    await self.admit(call, key, urgency)
                reply = await _send(http, call, path, headers, request)
        except TimeoutError as error:
            problem = Problem.UNCLEAR if sent.is_set() else Problem.TRY_AGAIN
            raise ProblemError(problem, f"{call}: no answer in time") from error
        except NotSentError as error:
            raise ProblemError(Problem.TRY_AGAIN, f"{call}: {error}") from error
        except HttpError as error:
            raise ProblemError(Problem.UNCLEAR, f"{call}: {error}") from error
        self.clock.take_in(reply.headers.get("Date", ""))
        self._read_limits(call, key, reply)
        return read(_body(call, reply, key))

    def _client(self, for_purchases: bool) -> Http:
        """Creates both pools at the first call: it takes long to load the certificates."""
        if self._reads is None or self._purchases is None:
            verify, transport = certificates(self._url), self._transport
            make = partial(Http, self._url, verify=verify, transport=transport)
            self._reads = make(self._timeout, LONGEST_BODY)
            # A purchase that still waits for a connection at its client's deadline is not sent.
            self._purchases = make(self._timeout / 3, LONGEST_BODY, read=LONGEST_PURCHASE)
        return self._purchases if for_purchases else self._reads

    def is_refused(self, key: ClientKey) -> bool:
        """Whether the upstream refused the key some seconds ago."""
        return key.upstream in self._refused

    def _check_key(self, call: str, key: ClientKey | None) -> None:
        if key and self.is_refused(key):
            raise ProblemError(Problem.BAD_KEY, f"{call}: refused a moment ago")

    def _read_limits(self, call: str, key: ClientKey | None, reply: Reply) -> None:
        """Takes over what the answer says about the key and its budget."""
        status, headers = reply.status, reply.headers
        if status == 429:
            seconds = refusals.retry_after(headers.get("Retry-After", ""), self.now())
            limit = refusals.per_minute(headers.get("X-RateLimit-Limit", ""), reply.content)
            self._budget.refused(key, call, seconds, limit)
            return
        self._budget.answered(key, call)
        if key and status == 401:
            text = refusals.refusal_text(status, reply.content)
            if classify(call, status, text) is Problem.BAD_KEY:
                self._refused[key.upstream] = None


def _body(call: str, reply: Reply, key: ClientKey | None) -> Any:
    """The JSON of a success. Raises the ProblemError of a refusal."""
    if reply.is_success:
        data = None if reply.status == 204 else fields.decode(reply.content)
        if not (isinstance(data, dict) and data.get("success") is False):
            return data
    text = refusals.refusal_text(reply.status, reply.content)
    problem = classify(call, reply.status, text)
    # Only after `classify`: a key of one letter would change the words that it looks for.
    shown = text.replace(key.upstream.secret, "[key]") if key else text
    detail = f"{call}: HTTP {reply.status} {shown[:200]}".rstrip()
    seconds = refusals.wait_seconds(reply.content)
    raise ProblemError(problem, detail, seconds=seconds, failed=reply.status >= 500)


async def _send(
    http: Http, call: str, path: str, headers: Mapping[str, str], request: Mapping[str, Any]
) -> Reply:
    """Sends the request; in a trial request the call is recorded, without its key."""
    method, trial, begun, status = ENDPOINTS[call].method, TRACED_CALLS.get(), time.monotonic(), 0
    try:
        reply = await http.request(method, path, headers, **request)
        status = reply.status
        return reply
    finally:
        if trial is not None:
            address = f"{path}?{urlencode(request.get('params') or {})}".rstrip("?")
            body = msgspec.json.encode(request["json"]).decode() if "json" in request else ""
            seconds = time.monotonic() - begun
            trial.append(TracedCall(call, method, address, body, status, seconds))
