"""What `doctor --readings` asks a real account: nothing of it costs money or changes anything."""

import asyncio
from collections.abc import Iterator
from typing import Any, NamedTuple
from uuid import uuid4

from proxy.commands.doctor.answers import LIVE, Answers, readable
from proxy.model import ClientKey
from proxy.model.errors import HttpError, Problem, ProblemError, SocketError
from proxy.upstream.fields import Row, first, text, texts
from proxy.upstream.order_socket import SocketClient
from proxy.upstream.raw import RawAnswer, RawCalls

MAX_REQUESTS = 15
"""The socket is one of them."""
SOCKET_SECONDS = 5.0
MAX_CODE = 20
"""Characters of a service or country code that the upstream names."""
POPULAR = "wa"
"""The service that is asked for if it is on sale: it was seen live."""


class Pair(NamedTuple):
    service: str
    country: str


class Questions:
    """Asks one account. `answers` has all that was learnt, also after `ask_all` has failed."""

    def __init__(self, calls: RawCalls, key: ClientKey, sockets: SocketClient) -> None:
        self._calls, self.key, self.sockets = calls, key, sockets
        self.answers = Answers([])

    async def ask_all(self) -> None:
        """Raises ProblemError if the upstream refuses the key or limits it, and HttpError if an
        answer does not come.
        """
        # The balance first: it shows whether the key is good.
        for call in ("balance", "services"):
            await self.ask(call)
        await self.ask("services", "services_without_key", has_key=False)
        await self.ask("countries")
        service, missing = self._service(), self._not_offered()
        await self.ask("prices", has_key=False, params={"service": service})
        offered = Pair(service, self._offered(service))
        await self.ask("price", has_key=False, params=offered._asdict())
        missing = self._not_offered_by_prices(service) or missing or Pair(POPULAR, "RU")
        await self.ask("price", "price_not_offered", has_key=False, params=missing._asdict())
        await self.ask_orders()
        await self.ask("transactions", params={"limit": "1"})
        if order := self._order_to_read():
            await self.ask("order", id=order)
        await self.ask("order", "order_unknown", id=str(uuid4()))
        await self.ask("order", "order_malformed", id="no-order-id")
        await self._open_socket()
        if self._calls.count < MAX_REQUESTS:
            await self.ask("profile")

    async def ask(
        self, call: str, question: str = "", *, has_key: bool = True, **sent: Any
    ) -> RawAnswer:
        """Asks and keeps the answer. Raises as `ask_all`."""
        key, name = self.key if has_key else None, question or call
        try:
            answer = await self._calls.ask(call, key, name, **sent)
        except HttpError as error:
            raise type(error)(f"{name}: {error}") from error
        self.answers.found.append(answer)
        if answer.status == 429:
            raise ProblemError(Problem.RATE_LIMITED, f"{name}: HTTP 429: too many requests")
        if answer.status == 401 and has_key:
            raise ProblemError(Problem.BAD_KEY, f"{name}: HTTP 401: the upstream refuses the key")
        return answer

    async def ask_orders(self) -> None:
        """The order list as it is, and by a state. The filter shows how a live order is called
        there, and an empty answer how an empty list looks.
        """
        whole = await self.ask("orders", params={"limit": "500"})
        if not whole.is_success:
            return
        await self._filter("pending")
        seen = {_state(row) for row in readable(self.answers.found[-1])}
        if seen and seen <= set(LIVE):
            listed = {_state(row) for row in readable(whole)}
            unseen = ("completed", "cancelled", "expired", "failed")
            await self._filter(next((it for it in unseen if it not in listed), "waiting"))

    async def _filter(self, state: str) -> None:
        params = {"limit": "500", "status": state}
        await self.ask("orders", "orders_filtered", params=params)

    async def _open_socket(self) -> None:
        """Opens the socket of a made-up order."""
        await self._calls.turn()
        frames = self.sockets.raw_frames(self.key, str(uuid4()))
        status = 101
        try:
            async with asyncio.timeout(SOCKET_SECONDS):
                await anext(frames)
        except (TimeoutError, SocketError) as error:
            status = getattr(error, "status", None) or 0
        finally:
            await frames.aclose()
        self.answers.found.append(socket_answer("socket", status))

    def _order_to_read(self) -> str:
        """The newest listed order with an SMS, else the newest listed one, else that of the newest
        transaction; empty if there is none.
        """
        rows = self.answers.order_rows()
        done = [row for row in rows if _state(row) in ("completed", "sms_received")]
        paid = self.answers.list_of("transactions", "transactions")
        ids = [first(row, "order_id", "id") for row in done or rows]
        ids += [row.get("order_id") for row in paid]
        return next((str(id) for id in ids if id), "")

    def _service(self) -> str:
        codes = [it for _, offered in self._markets() for it in offered]
        named = self.answers.list_of("services", "services")
        codes += [_code(row, "service_code", "service_id", "code", "id") for row in named]
        return POPULAR if POPULAR in codes else next(filter(None, codes), POPULAR)

    def _offered(self, service: str) -> str:
        """A country in which the service has a price."""
        markets = (country for country, offered in self._markets() if service in offered)
        return next(iter(self._priced()), "") or next(markets, "GB")

    def _priced(self) -> list[str]:
        rows = self.answers.list_of("prices", "countries")
        return list(filter(None, (_country(row) for row in rows)))

    def _not_offered(self) -> Pair | None:
        """A service and a country that does not list it."""
        markets = list(self._markets())
        codes = {it for _, offered in markets for it in offered}
        pairs = (Pair(min(codes - set(offered)), country)
                 for country, offered in markets if offered and codes - set(offered))  # fmt: skip
        return next(pairs, None)

    def _not_offered_by_prices(self, service: str) -> Pair | None:
        """A country that is sold to, but not this service."""
        priced = self._priced()
        others = (country for country, _ in self._markets() if country not in priced)
        return next((Pair(service, country) for country in others), None) if priced else None

    def _markets(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        for row in self.answers.list_of("countries", "countries"):
            if country := _country(row):
                offered = texts(row.get("services"))
                yield country, tuple(it for it in offered if len(it) <= MAX_CODE)


def socket_answer(question: str, status: int, frame: bytes = b"") -> RawAnswer:
    return RawAnswer(question, "GET", "/ws/orders", {}, True, status, {}, frame)


def _code(row: Row, *names: str) -> str:
    found = next((row[name] for name in names if isinstance(row.get(name), str)), "")
    return text(found) if len(found) <= MAX_CODE else ""


def _country(row: Row) -> str:
    return _code(row, "country_code", "iso", "id", "country", "country_id")


def _state(row: Row) -> str:
    return str(row.get("status", "")).lower()
