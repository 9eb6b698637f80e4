"""Builds the console, and hands it what it needs of the endpoint."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from starlette.types import Receive, Scope, Send

from proxy.config.programs import Program
from proxy.config.settings import Config
from proxy.endpoint.actions import ACTIONS
from proxy.endpoint.explain.explanation import explain
from proxy.endpoint.explain.limits import RunningUsage
from proxy.endpoint.explain.question import Question
from proxy.endpoint.paths import ByHost
from proxy.endpoint.search import Kind, nearest
from proxy.legacy.dialects import DIALECTS
from proxy.legacy.request import Request
from proxy.model.errors import Problem
from proxy.runtime.logs import Secrets
from proxy.services import Services

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from proxy.console import Console


def console_of(
    config: Config,
    services: Services,
    secrets: Secrets,
    plain: ByHost,
    by_path: Mapping[str, "ASGIApp"],
    sandbox: bool,
) -> "Console | None":
    """The console, imported only if it is enabled. `plain` has the endpoint of the default dialect,
    `by_path` are the endpoints of the paths.
    """
    if not config.console.enabled:
        return None
    from proxy.console import Console
    from proxy.console.endpoint import Endpoint

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await by_path[scope["path"]](scope, receive, send)

    async def ask(program: Program, parameters: Mapping[str, str]) -> tuple[str, Problem | None]:
        endpoint, action = plain.default, parameters["action"]
        answer, problem = await endpoint.ask(program, parameters)
        word = endpoint.dialect.word(problem, action) if problem else answer.body.decode()
        return word, problem

    def right(kind: Kind, word: str, dialect: str) -> str | None:
        row = nearest(services.codes, word, kind, dialect)
        return row.code if row else None

    async def explained(
        parameters: Mapping[str, str], dialect: str, program: str
    ) -> dict[str, Any]:
        request = Request({"action": "getNumber", **parameters})
        question = Question(DIALECTS[dialect or plain.default.dialect.name], request, program)
        return (await explain(services, question, RunningUsage(services.store))).as_json()

    return Console(
        services,
        secrets,
        Endpoint(app, ACTIONS, ask, right, explained),
        token=config.console.token,
        hosts=config.hosts,
        sandbox=sandbox,
        per_minute=config.upstream.requests_per_minute,
    )
