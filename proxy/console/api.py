"""The API behind the page, /console/api/v1: see docs/console.md."""

from collections.abc import Collection, Mapping

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from proxy.console.balances import Balances
from proxy.console.rows import Rows
from proxy.console.stream import Streams
from proxy.console.summary import Summary, is_orphan
from proxy.console.trial import Trial, tried
from proxy.legacy.dialects import DIALECTS
from proxy.model.errors import ProblemError
from proxy.runtime.logs import Secrets
from proxy.services import Services
from proxy.upstream.fields import UNREADABLE

PREFIX = "/console/api/v1"
MOST_BYTES = 16_384

# What can be sent with each action, in the order of the form; what is not here takes nothing.
FIELDS: Mapping[str, tuple[str, ...]] = {
    "cancelActivation": ("id",),
    "finishActivation": ("id",),
    "getAllSms": ("id",),
    "getFullSms": ("id",),
    "getListOfTopCountriesByService": ("service",),
    "getNumber": ("service", "country", "maxPrice"),
    "getNumberV2": ("service", "country", "maxPrice"),
    "getNumbersStatus": ("country",),
    "getOperators": ("country",),
    "getPrices": ("service", "country"),
    "getPricesExtended": ("service", "country"),
    "getPricesV2": ("service", "country"),
    "getPricesV3": ("service", "country"),
    "getPricesVerification": ("service",),
    "getServices": ("country",),
    "getServicesList": ("country",),
    "getStatus": ("id",),
    "getStatusV2": ("id",),
    "getTopCountriesByService": ("service",),
    "getTopCountriesByServiceRank": ("service",),
    "setStatus": ("id", "status"),
    "swapNumber": ("id",),
}

SAMPLES = (
    "Your verification code is 482913. Do not share it with anyone.",
    "G-739204 is your Google verification code.",
    "Telegram code: 51882",
    "Your WhatsApp code: 604-117",
    "Ваш код: 9920. Никому его не сообщайте.",
    "【Sample】验证码 305518，5分钟内有效。",
    "Welcome! Your account is ready.",
)


class Api:
    def __init__(
        self,
        services: Services,
        rows: Rows,
        summary: Summary,
        streams: Streams,
        balances: Balances,
        secrets: Secrets,
        protocol: ASGIApp,
        actions: Collection[str],
    ) -> None:
        self._services = services
        self._rows = rows
        self._summary = summary
        self._streams = streams
        self._balances = balances
        self._secrets = secrets
        self._protocol = protocol
        self._actions = actions

    def routes(self) -> list[BaseRoute]:
        return [
            Route(f"{PREFIX}/stream", self.stream),
            Route(f"{PREFIX}/summary", self.summary),
            Route(f"{PREFIX}/activations", self.activations),
            Route(f"{PREFIX}/activations/{{row}}", self.story),
            Route(f"{PREFIX}/activations/{{row}}/messages", self.messages),
            Route(f"{PREFIX}/lists", self.lists),
            Route(f"{PREFIX}/try", self.trial, methods=["POST"]),
            Route(f"{PREFIX}/balances", self.refresh, methods=["POST"]),
            Route(f"{PREFIX}/promises/{{id}}", self.hurry, methods=["POST"]),
            Route(f"{PREFIX}/orphans/{{id}}", self.give_back, methods=["POST"]),
        ]

    async def stream(self, request: Request) -> Response:
        if self._streams.is_full:
            return _problem(503, "too many pages are open: close one")
        headers = {"X-Accel-Buffering": "no"}
        events = self._streams.events()
        return StreamingResponse(events, headers=headers, media_type="text/event-stream")

    async def summary(self, request: Request) -> Response:
        return _json({"now": self._services.upstream.wall_clock(), **await self._summary.row()})

    async def activations(self, request: Request) -> Response:
        return _json({"now": self._services.upstream.wall_clock(), "activations": self._rows.all()})

    async def story(self, request: Request) -> Response:
        found = self._rows.find(request.path_params["row"])
        if found is None:
            return _unknown()
        return _json({"activation": self._rows.row(*found), "story": self._rows.story(found[1])})

    async def messages(self, request: Request) -> Response:
        found = self._rows.find(request.path_params["row"])
        return _json({"messages": self._rows.messages(found[1])}) if found else _unknown()

    async def lists(self, request: Request) -> Response:
        codes, services = self._services.codes, self._services
        return _json(
            {
                "actions": {action: FIELDS.get(action, ()) for action in self._actions},
                "dialects": list(DIALECTS),
                "services": [[code, name] for code, name in codes.services.items()],
                "daisysms": [[code, name] for code, _, name in codes.listed("daisysms")],
                "countries": [[c.id, c.eng] for c in codes.countries.values() if c.reads_back],
                "default_country": services.default_country,
                "samples": SAMPLES,
            }
        )

    async def trial(self, request: Request) -> Response:
        """Answers once the proxy has, with whatever it said."""
        try:
            trial = msgspec.json.decode(await _body(request), type=Trial)
        except UNREADABLE as error:
            return _problem(400, str(error))
        return _json(await tried(self._protocol, trial, request.scope, self._secrets))

    async def refresh(self, request: Request) -> Response:
        await self._balances.refresh(at_once=True)
        return await self.summary(request)

    async def hurry(self, request: Request) -> Response:
        """The promised cancel is tried now; the upstream may still find it too early."""
        promise = self._services.cancels.promises.get(request.path_params["id"])
        if promise is None:
            return _unknown()
        promise.hurry.set()
        return _json({"done": "it is tried now"})

    async def give_back(self, request: Request) -> Response:
        """The orphan is cancelled as soon as the upstream allows it."""
        journal, id = self._services.journal, request.path_params["id"]
        orphan = next((p for p in journal.pending if p.owed.id == id and is_orphan(p)), None)
        if orphan is None:
            return _unknown()
        try:
            await journal.return_now(orphan)
        except ProblemError as error:
            return _problem(503, self._secrets.redact(str(error)))
        return _json({"done": "it goes back as soon as the upstream allows it"})


async def _body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            return b""
    return body


def _json(value: object) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")


def _problem(status: int, text: str) -> Response:
    body = msgspec.json.encode({"error": text})
    return Response(body, status, media_type="application/json")


def _unknown() -> Response:
    return _problem(404, "not there any more")
