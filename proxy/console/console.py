"""The console as an ASGI app: the page, its files and its API, behind access control."""

from collections.abc import Awaitable, Callable, Collection
from pathlib import Path
from secrets import token_urlsafe

import msgspec
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from proxy.console.access import PAGE, AccessMiddleware
from proxy.console.api import Api
from proxy.console.balances import Balances
from proxy.console.clicks import Clicks
from proxy.console.endpoint import Endpoint
from proxy.console.history import History
from proxy.console.problems import Problems
from proxy.console.rows import Rows
from proxy.console.stored import StoredRows
from proxy.console.stream import Streams
from proxy.console.summary import Money, Summary
from proxy.console.warnings import Warnings
from proxy.model.errors import StoreError
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
    """`endpoint` answers what the page asks. Without `token` the sandbox is open to everybody
    who reaches the port; elsewhere a random token is used. `per_minute` is the upstream's limit.
    """

    def __init__(
        self,
        services: Services,
        secrets: Secrets,
        endpoint: Endpoint,
        *,
        token: str | None,
        hosts: Collection[str],
        sandbox: bool,
        per_minute: int,
    ) -> None:
        now = services.upstream.wall_clock
        rows = Rows(services)
        self._is_drawn = not (token or sandbox)
        self.token = token_urlsafe(24) if self._is_drawn else token
        secrets.pin(self.token or "")
        self.history = History(services.counters.words, lambda: services.budget.states["left"], now)
        self.warnings = Warnings(secrets, now)
        self.balances = Balances(services, lambda: self.streams.has_any)
        summary = Summary(
            services,
            rows,
            self.history,
            Problems(services.counters.problems, endpoint),
            self.warnings,
            Money(services),
            self.balances.failed,
            sandbox,
            per_minute,
            started_at=now(),
        )
        self.streams = Streams(rows, summary, now)
        stored = StoredRows(services, rows)
        self.clicks = Clicks(services, rows, stored, endpoint, secrets)
        shown = rows, stored, self.clicks, summary
        api = Api(services, *shown, self.streams, self.balances, secrets, endpoint)
        self._app = Starlette(
            routes=[*_files(), *api.routes()],
            middleware=[Middleware(AccessMiddleware, token=self.token, hosts=hosts)],
            exception_handlers={**disconnect.HANDLERS, StoreError: _unread},
        )
        self._app.router.redirect_slashes = False
        self._tasks = BackgroundTasks()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)

    @property
    def path(self) -> str:
        """The path and query to open in a browser. A token of the configuration is not in it."""
        return f"{PAGE}?token={self.token}" if self._is_drawn else PAGE

    @property
    def note(self) -> str:
        """A text to print behind the address."""
        return " (sign in with console.token)" if self.token and not self._is_drawn else ""

    def start(self) -> None:
        self.warnings.start()
        self._tasks.loop(self.history.run, "history of the console")
        self._tasks.loop(self.balances.run, "balances of the console")

    async def close(self) -> None:
        self.warnings.stop()
        self.streams.stop()
        await self.clicks.close()
        await self._tasks.aclose()


async def _unread(request: Request, error: Exception) -> Response:
    """What the store does not give is said, and never shown as empty."""
    body = msgspec.json.encode({"error": f"the store cannot be read: {error}"})
    return Response(body, 503, media_type="application/json")


def _files() -> list[BaseRoute]:
    """Returns the routes of the page and of the other files of its folder."""
    names = [path.name for path in sorted(FOLDER.iterdir()) if path.suffix in TYPES]
    files = [Route(f"{PAGE}/{name}", _file(name)) for name in names if ".html" not in name]
    return [Route(PAGE, _file("page.html")), *files]


def _file(name: str) -> Callable[[Request], Awaitable[Response]]:
    body, media_type = (FOLDER / name).read_bytes(), TYPES[Path(name).suffix]

    async def serve(request: Request) -> Response:
        return Response(body, media_type=media_type)

    return serve
