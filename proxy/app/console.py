"""Builds the console, and hands it what it needs of the endpoint."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from starlette.types import Receive, Scope, Send

from proxy.config.settings import Config
from proxy.endpoint.actions import ACTIONS
from proxy.endpoint.endpoint import LegacyEndpoint
from proxy.endpoint.search import Kind, nearest
from proxy.runtime.logs import Secrets
from proxy.services import Services

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from proxy.console import Console


def console_of(
    config: Config,
    services: Services,
    secrets: Secrets,
    dialects: Mapping[str, LegacyEndpoint],
    by_path: Mapping[str, "ASGIApp"],
    sandbox: bool,
) -> "Console | None":
    """The console, imported only if it is enabled. `by_path` are the endpoints of the paths."""
    if not config.console.enabled:
        return None
    from proxy.console import Console
    from proxy.console.endpoint import Endpoint

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await by_path[scope["path"]](scope, receive, send)

    def right(kind: Kind, word: str, dialect: str) -> str | None:
        row = nearest(services.codes, word, kind, dialect)
        return row.code if row else None

    return Console(
        services,
        secrets,
        Endpoint(app, ACTIONS, dialects[config.dialect].ask, right),
        token=config.console.token,
        hosts=config.hosts,
        sandbox=sandbox,
        per_minute=config.upstream.requests_per_minute,
    )
