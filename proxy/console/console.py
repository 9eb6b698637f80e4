"""The console as an ASGI app: the page, its files and its API behind one door."""

from collections.abc import Awaitable, Callable, Collection
from pathlib import Path
from secrets import token_urlsafe

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from proxy.config.programs import FailedKeyThrottle
from proxy.console.access import PAGE, AccessMiddleware
from proxy.console.api import Api
from proxy.console.balances import Balances
from proxy.console.history import History
from proxy.console.rows import Rows
from proxy.console.stream import Streams
from proxy.console.summary import Summary
from proxy.console.warnings import Warnings
from proxy.runtime import disconnect
from proxy.runtime.logs import Secrets
from proxy.runtime.tasks import BackgroundTasks
from proxy.services import Services

FOLDER = Path(__file__).parent / "static"
TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}


class Console:
    """`protocol` answers the requests that are tried. In the sandbox it may do without a token,
    elsewhere one is drawn where none is given.
    """

    def __init__(
        self,
        services: Services,
        secrets: Secrets,
        protocol: ASGIApp,
        actions: Collection[str],
        *,
        token: str | None,
        hosts: Collection[str],
        sandbox: bool,
        per_minute: int,
    ) -> None:
        now = services.upstream.wall_clock
        rows = Rows(services)
        self.token = token if token or sandbox else token_urlsafe(24)
        secrets.pin(self.token or "")
        self.history = History(services.counters.words, lambda: services.budget.states["left"], now)
        self.warnings = Warnings(services.counters, secrets, now)
        summary = Summary(
            services,
            rows,
            self.history,
            self.warnings,
            sandbox=sandbox,
            per_minute=per_minute,
            now=now,
        )
        self.streams = Streams(rows, summary, now)
        self.balances = Balances(services, lambda: self.streams.has_any)
        api = Api(services, rows, summary, self.streams, self.balances, secrets, protocol, actions)
        door = Middleware(
            AccessMiddleware, token=self.token, hosts=hosts, failed_keys=FailedKeyThrottle()
        )
        routes = [*_files(), *api.routes()]
        self._app = Starlette(
            routes=routes, middleware=[door], exception_handlers=disconnect.HANDLERS
        )
        self._app.router.redirect_slashes = False
        self._tasks = BackgroundTasks()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)

    @property
    def path(self) -> str:
        """To be opened in a browser."""
        return f"{PAGE}?token={self.token}" if self.token else PAGE

    def start(self) -> None:
        self.warnings.start()
        self._tasks.loop(self.history.keep, "history of the console")
        self._tasks.loop(self.balances.keep, "balances of the console")

    async def close(self) -> None:
        self.warnings.stop()
        self.streams.stop()
        await self._tasks.aclose()


def _files() -> list[BaseRoute]:
    """The page, and what lies beside it by its name."""
    names = [path.name for path in sorted(FOLDER.iterdir()) if path.suffix in TYPES]
    files = [Route(f"{PAGE}/{name}", _file(name)) for name in names if name != "page.html"]
    return [Route(PAGE, _file("page.html")), *files]


def _file(name: str) -> Callable[[Request], Awaitable[Response]]:
    body, media_type = (FOLDER / name).read_bytes(), TYPES[Path(name).suffix]

    async def serve(request: Request) -> Response:
        return Response(body, media_type=media_type)

    return serve
