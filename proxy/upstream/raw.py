"""Calls of the customer API whose answers are returned unread, for `doctor --readings`."""

import asyncio
import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import quote

from proxy.model import ClientKey
from proxy.model.errors import HttpError, NotSentError
from proxy.runtime.clock import monotonic
from proxy.upstream import fields
from proxy.upstream.client import LONGEST_BODY, LONGEST_PURCHASE
from proxy.upstream.endpoints import ENDPOINTS, Endpoint
from proxy.upstream.http import Http, Transport, certificates
from proxy.upstream.rate_window import Urgency

# The proxy itself never reads the profile.
PATHS = MappingProxyType(
    {**ENDPOINTS, "profile": Endpoint("GET", "/customer/profile", Urgency.CATALOGUE)}
)


class RawAnswer(NamedTuple):
    """`question` is what was asked. `path` has `{id}` in place of an order id. `status` is 0 if no
    answer came.
    """

    question: str
    method: str
    path: str
    query: Mapping[str, str]
    has_key: bool
    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        """The JSON of the body; None for anything else."""
        return fields.parsed(self.content)

    @property
    def is_success(self) -> bool:
        """A 2xx with JSON that does not say `"success": false`."""
        data = self.json if 200 <= self.status < 300 else None
        return data is not None and not (isinstance(data, dict) and data.get("success") is False)


class RawCalls:
    """At most one request in `pause` seconds, each of which may take `timeout` seconds. Never
    repeats a request. `transport` replaces the network in tests.
    """

    def __init__(
        self, url: str, pause: float, timeout: float, transport: Transport | None = None
    ) -> None:
        self._timeout, self._pause = timeout, pause
        self._http = Http(
            url,
            timeout,
            LONGEST_BODY,
            read=LONGEST_PURCHASE,
            verify=certificates(url),
            transport=transport,
        )
        self._last = -math.inf
        self.count = 0
        """Requests that were sent."""

    async def close(self) -> None:
        await self._http.close()

    async def turn(self) -> None:
        """Waits until the next request may be sent, and counts it."""
        now = monotonic()
        self._last = max(now, self._last + self._pause)
        self.count += 1
        await asyncio.sleep(self._last - now)

    async def ask(
        self, call: str, key: ClientKey | None = None, question: str = "", id: str = "", **sent: Any
    ) -> RawAnswer:
        """`sent` is `params` or `json`. Raises HttpError if no complete answer comes, and
        NotSentError if the request was not sent.
        """
        method, path, _ = PATHS[call]
        auth = {"X-API-Key": key.upstream.secret} if key else {}
        has_left = asyncio.Event()
        await self.turn()
        try:
            async with asyncio.timeout(LONGEST_PURCHASE if call == "purchase" else self._timeout):
                reply = await self._http.request(
                    method,
                    path.format(id=quote(id, safe="")),
                    {"Accept": "application/json"} | auth,
                    sending=has_left.set,
                    **sent,
                )
        except TimeoutError as error:
            kind = HttpError if has_left.is_set() else NotSentError
            raise kind("no answer in time") from error
        query = sent.get("params") or {}
        name = question or call
        return RawAnswer(name, method, path, query, key is not None, *reply)
