"""A call of an action: the request, whose it is, and the house that can answer it."""

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
from proxy.runtime.tasks import child_task
from proxy.services import Services


class Client:
    """The connection of a client."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive

    def watched(self) -> "AbstractAsyncContextManager[asyncio.Task[None]]":
        """Gives a task that ends when the client hangs up."""
        return child_task(self._gone(), "client hangs up")

    async def _gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass


@dataclass(frozen=True, slots=True)
class Call:
    services: Services
    dialect: Dialect
    request: Request
    program: Program
    client: "Client"

    @property
    def key(self) -> ClientKey:
        return self.program.key

    @property
    def defers_cancel(self) -> bool:
        """An early cancel is promised, not refused: as configured, else as the dialect does."""
        configured = self.services.defers_cancel
        return self.dialect.defers_cancel if configured is None else configured

    def service(self) -> str:
        """The upstream code of the service that is asked for."""
        text = self.request.text("service")
        service = self.services.codes.service(text, self.dialect.services)
        if service is None:
            raise ProblemError(Problem.BAD_SERVICE, "not in the tables")
        return service

    def country(self) -> Country:
        """The country to buy. One that was sent empty is a mistake, not a wish for the default."""
        if self.dialect.country is None and self.request.has("country"):
            text = self.request.text("country")
        else:
            text = str(self.dialect.country or self.services.default_country)
        country = self.services.codes.country(text)
        if country is None:
            raise ProblemError(Problem.BAD_COUNTRY, "not in the tables")
        return country

    def only_country(self) -> Country | None:
        """The country that a list is to be of; None for all."""
        wished = self.dialect.country is not None or self.request.text("country")
        return self.country() if wished else None

    async def activation(self) -> TrackedActivation:
        return await self.services.reads.find(self.key, self.request.text("id", "activationId"))

    def view(self, activation: TrackedActivation) -> View:
        codes = self.services.codes
        id = codes.country_id(activation.order.country)
        country = codes.countries[self.services.default_country if id is None else id]
        return View(
            activation=activation,
            phase=activation.phase,
            country=country.id,
            country_name=country.eng,
            dial=country.dial[0] if country.dial else "",
            now=self.services.upstream.now(),
        )


Action = Callable[[Call], Awaitable[Answer]]
