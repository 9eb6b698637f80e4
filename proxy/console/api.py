"""The API of the page, /console/api/v1: see docs/console.md."""

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from proxy.console.acts import REQUESTS
from proxy.console.balances import Balances
from proxy.console.clicks import Clicks
from proxy.console.endpoint import Endpoint
from proxy.console.rows import STATES, Rows
from proxy.console.stored import StoredRows
from proxy.console.stream import Streams
from proxy.console.summary import Summary, is_unclaimed
from proxy.console.try_request import TryRequest, send
from proxy.legacy.dialects import DIALECTS
from proxy.model.errors import ProblemError, QuestionError
from proxy.runtime.logs import Secrets
from proxy.services import Services
from proxy.upstream.fields import UNREADABLE

PREFIX = "/console/api/v1"
MAX_BYTES = 16_384

EXPLAINED = ("service", "country", "maxPrice")
MAX_WORD = 100
"""Characters of a parameter to explain."""
EXPLAIN_SECONDS = 8.0

# Parameters, in the order of the form, and the actions that take them; other actions take none.
_ACTIONS = {
    "service country maxPrice": "getNumber getNumberV2",
    "service country": "getPrices getPricesExtended getPricesV2 getPricesV3",
    "service": "getListOfTopCountriesByService getPricesVerification getTopCountriesByService "
    "getTopCountriesByServiceRank",
    "country": "getNumbersStatus getOperators getServices getServicesList",
    "id status": "setStatus",
    "id": "cancelActivation finishActivation getAllSms getFullSms getStatus getStatusV2 swapNumber",
}
FIELDS: Mapping[str, list[str]] = {
    action: fields.split() for fields, actions in _ACTIONS.items() for action in actions.split()
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


class Seen(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The number that the page shows in the row; None if it does not say."""

    phone: str | None = None


@dataclass(frozen=True, slots=True)
class Api:
    services: Services
    rows: Rows
    stored: StoredRows
    clicks: Clicks
    summaries: Summary
    streams: Streams
    balances: Balances
    secrets: Secrets
    endpoint: Endpoint

    def routes(self) -> list[BaseRoute]:
        return [
            Route(f"{PREFIX}/stream", self.stream),
            Route(f"{PREFIX}/summary", self.summary),
            Route(f"{PREFIX}/activations", self.all),
            Route(f"{PREFIX}/activations/{{row}}", self.story),
            Route(f"{PREFIX}/activations/{{row}}/messages", self.messages),
            *(
                Route(f"{PREFIX}/activations/{{row}}/{a}", self.act, methods=["POST"])
                for a in REQUESTS
            ),
            Route(f"{PREFIX}/lists", self.lists),
            Route(f"{PREFIX}/explain", self.explain),
            Route(f"{PREFIX}/try", self.try_request, methods=["POST"]),
            Route(f"{PREFIX}/balances", self.refresh, methods=["POST"]),
            Route(f"{PREFIX}/cancels/{{id}}", self.cancel_now, methods=["POST"]),
            Route(f"{PREFIX}/unclaimed/{{id}}", self.return_now, methods=["POST"]),
        ]

    async def stream(self, request: Request) -> Response:
        if self.streams.is_full:
            return _error(503, "too many pages are open: close one")
        headers = {"X-Accel-Buffering": "no"}
        events = self.streams.events()
        return StreamingResponse(events, headers=headers, media_type="text/event-stream")

    async def summary(self, request: Request) -> Response:
        return _json({"now": self.services.upstream.wall_clock(), **await self.summaries.row()})

    async def all(self, request: Request) -> Response:
        """The rows of the last hour, or of a span of time."""
        now = self.services.upstream.wall_clock()
        if not request.query_params.keys() & {"since", "until"}:
            return _json({"now": now, "activations": await self.rows.all(), "is_whole": True})
        try:
            since, until = (_time(request, name) for name in ("since", "until"))
        except ValueError:
            return _error(400, "since and until are seconds since 1970")
        rows, is_whole = await self.stored.between(since or 0.0, until or math.inf)
        return _json({"now": now, "activations": rows, "is_whole": is_whole})

    async def story(self, request: Request) -> Response:
        found = await self.stored.find(request.path_params["row"])
        if found is None:
            return _not_found()
        story = await self.stored.story(found[1])
        bought_at = self.services.upstream.clock.to_wall(found[1].order.created_at)
        started_at = self.summaries.started_at
        is_older = bought_at is not None and bought_at < started_at
        return _json(
            {
                "activation": self.rows.row(found),
                "story": self.rows.story(story),
                "known_since": started_at if is_older else None,
            }
        )

    async def messages(self, request: Request) -> Response:
        found = await self.stored.find(request.path_params["row"])
        return _json({"messages": self.rows.messages(found[1])}) if found else _not_found()

    async def act(self, request: Request) -> Response:
        row, act = request.path_params["row"], request.url.path.rpartition("/")[2]
        try:
            seen = msgspec.json.decode(await _body(request, b"{}"), type=Seen)
        except UNREADABLE as error:
            return _error(400, str(error))
        status, body = await self.clicks.carry_out(row, act, seen.phone)
        return _json(body, status)

    async def lists(self, request: Request) -> Response:
        codes = self.services.codes
        return _json(
            {
                "actions": {action: FIELDS.get(action, ()) for action in self.endpoint.actions},
                "dialects": list(DIALECTS),
                "states": STATES,
                "programs": [program.name for program in self.services.programs],
                "services": [[code, name] for code, name in codes.services.items()],
                "daisysms": [[code, name] for code, _, name in codes.listed("daisysms")],
                "countries": [[c.id, c.eng] for c in codes.countries.values() if c.reads_back],
                "default_country": self.services.default_country,
                "samples": SAMPLES,
            }
        )

    async def explain(self, request: Request) -> Response:
        """What a getNumber would get, and why. Nothing is bought."""
        asked = dict(request.query_params)
        dialect, program = asked.pop("dialect", ""), asked.pop("program", "")
        if dialect and dialect not in DIALECTS:
            return _error(400, f"dialect: one of {', '.join(DIALECTS)}")
        if asked.keys() - set(EXPLAINED):
            return _error(400, f"parameters: {', '.join((*EXPLAINED, 'dialect', 'program'))}")
        if any(len(value) > MAX_WORD for value in (program, *asked.values())):
            return _error(400, f"a parameter has at most {MAX_WORD} characters")
        try:
            async with asyncio.timeout(EXPLAIN_SECONDS):
                return _json(await self.endpoint.explain(asked, dialect, program))
        except QuestionError as error:
            return _error(400, self.secrets.redact(str(error)))
        except TimeoutError:
            return _error(503, "the upstream did not give the price in time")

    async def try_request(self, request: Request) -> Response:
        try:
            wanted = msgspec.json.decode(await _body(request), type=TryRequest)
        except UNREADABLE as error:
            return _error(400, str(error))
        return _json(await send(self.endpoint.app, wanted, request.scope, self.secrets))

    async def refresh(self, request: Request) -> Response:
        await self.balances.refresh(at_once=True)
        return await self.summary(request)

    async def cancel_now(self, request: Request) -> Response:
        """Tries a scheduled cancel now; the upstream may still refuse it as too early."""
        cancel = self.services.cancels.scheduled.get(request.path_params["id"])
        if cancel is None:
            return _not_found()
        cancel.try_now.set()
        return _json({"done": "the cancel is tried now"})

    async def return_now(self, request: Request) -> Response:
        """Cancels an unclaimed number as soon as the upstream allows it."""
        journal, id = self.services.journal, request.path_params["id"]
        found = next((p for p in journal.pending if p.operation.id == id and is_unclaimed(p)), None)
        if found is None:
            return _not_found()
        try:
            await journal.unclaimed.cancel_now(found)
        except ProblemError as error:
            return _error(503, self.secrets.redact(str(error)))
        return _json({"done": "it is cancelled as soon as the upstream allows it"})


def _time(request: Request, name: str) -> float | None:
    """Raises ValueError."""
    text = request.query_params.get(name)
    at = None if text is None else float(text)
    if at is not None and not math.isfinite(at):
        raise ValueError
    return at


async def _body(request: Request, default: bytes = b"") -> bytes:
    """The body; `default` for an empty one; nothing, which is no JSON, for one that is too long."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BYTES:
            return b""
    return body or default


def _json(value: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def _error(status: int, text: str) -> Response:
    return _json({"error": text}, status)


def _not_found() -> Response:
    return _error(404, "it does not exist any more")
