"""A call of an action: the request, its program, and the services that answer it."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from starlette.types import Receive

from proxy.config.codes import Country
from proxy.config.programs import Program
from proxy.legacy.activation import View
from proxy.legacy.answers import Answer
from proxy.legacy.dialects import Dialect
from proxy.legacy.request import Request
from proxy.model import ClientKey
from proxy.model.errors import Problem, ProblemError
from proxy.orders.tracked import TrackedActivation
from proxy.purchases.delivery import Handover
from proxy.runtime.tasks import child_task
from proxy.services import Services


class Client:
    """The connection of a client. `handover` is set while its answer has a bought number."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.handover: Handover | None = None

    def disconnected(self) -> "AbstractAsyncContextManager[asyncio.Task[None]]":
        """A context with a task that ends when the client disconnects."""
        return child_task(self._wait_for_disconnect(), "client hangs up")

    async def send(self, send: Callable[[], Awaitable[None]]) -> None:
        """Sends the answer by `send`. A bought number in it is the client's when `send` returns; it
        is unclaimed if the client has disconnected before that.
        """
        handover, self.handover = self.handover, None
        if handover is None:
            return await send()
        async with self.disconnected() as gone:
            try:
                # Lets `gone` see a disconnect that came before.
                await asyncio.sleep(0)
                await send()
            except BaseException:
                handover.failed()
                raise
            # Without a pause after `send`: receive() says "disconnect" after each answer, too.
            if gone.done():
                handover.withheld()
            else:
                handover.delivered()

    def withhold(self) -> None:
        """The answer has no number: one that was bought for it is unclaimed."""
        if self.handover:
            self.handover.withheld()
            self.handover = None

    async def _wait_for_disconnect(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass


@dataclass(frozen=True, slots=True)
class Call:
    services: Services
    dialect: Dialect
    request: Request
    program: Program
    client: Client

    @property
    def key(self) -> ClientKey:
        return self.program.key

    @property
    def has_key(self) -> bool:
        """False in actions that the dialect answers without a key."""
        return bool(self.request.text("api_key"))

    @property
    def defers_cancel(self) -> bool:
        """Whether an early cancel is scheduled or refused: `early_cancel`, else the dialect."""
        configured = self.services.defers_cancel
        return self.dialect.defers_cancel if configured is None else configured

    def service(self) -> str:
        """The upstream code of the requested service. Raises ProblemError (BAD_SERVICE)."""
        text = self.request.text("service")
        service = self.services.codes.service(text, self.dialect.services)
        if service is None:
            raise ProblemError(Problem.BAD_SERVICE, "not in the tables")
        return service

    def country(self) -> Country:
        """The requested country, or the default if none was sent. Raises ProblemError."""
        # An empty country is a mistake: it does not mean the default.
        if self.dialect.country is None and self.request.has("country"):
            text = self.request.text("country")
        else:
            text = str(self.dialect.country or self.services.default_country)
        country = self.services.codes.country(text)
        if country is None:
            raise ProblemError(Problem.BAD_COUNTRY, "not in the tables")
        return country

    def country_filter(self) -> Country | None:
        """The one country that a list has to show; None for all. Raises ProblemError."""
        is_one = self.dialect.country is not None or self.request.text("country")
        return self.country() if is_one else None

    async def activation(self) -> TrackedActivation:
        """The activation of the request's id, which counts as delivered from now on. Raises
        ProblemError (NO_ACTIVATION).
        """
        id = self.request.text("id", "activationId")
        activation = await self.services.reads.find(self.key, id)
        await self.services.journal.deliveries.named(self.key, activation)
        return activation

    def view(self, activation: TrackedActivation) -> View:
        codes = self.services.codes
        id = codes.country_id(activation.order.country)
        country = codes.countries[self.services.default_country if id is None else id]
        dial = country.dial[0] if country.dial else ""
        now = self.services.upstream.now()
        return View(activation, activation.phase, country.id, country.eng, dial, now)


Action = Callable[[Call], Awaitable[Answer]]
