"""The paths of the legacy endpoints, and the choice of a dialect by path or host."""

from collections.abc import Mapping, Sequence

from starlette.types import ASGIApp, Receive, Scope, Send

from proxy.endpoint.endpoint import LegacyEndpoint
from proxy.endpoint.scope import header
from proxy.legacy.dialects import DIALECTS

PATHS = ("/stubs/handler_api.php", "/stubs/handler_api", "/handler_api.php", "/api/handler_api.php")


class ByHost:
    """Chooses the dialect by the Host header, for programs repointed by a hosts file. A reload can
    replace `default`, which answers all others.
    """

    def __init__(
        self, by_host: Sequence[tuple[str, LegacyEndpoint]], default: LegacyEndpoint
    ) -> None:
        self._by_host = by_host
        self.default = default

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        host = header(scope, b"host").lower()
        app = next((app for name, app in self._by_host if name in host), self.default)
        await app(scope, receive, send)


def plain_paths(dialects: Mapping[str, LegacyEndpoint], default: str) -> ByHost:
    """The endpoint of the paths without a dialect."""
    hosts = [(DIALECTS[name].host, endpoint) for name, endpoint in dialects.items()]
    return ByHost(hosts, dialects[default])


def endpoints(dialects: Mapping[str, LegacyEndpoint], plain: ByHost) -> Mapping[str, ASGIApp]:
    """The legacy endpoint of each path."""
    found: dict[str, ASGIApp] = dict.fromkeys(PATHS, plain)
    for name, endpoint in dialects.items():
        found |= {f"/{name}{path}": endpoint for path in PATHS}
    return found
