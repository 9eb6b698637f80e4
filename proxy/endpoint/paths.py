"""The paths of the legacy endpoints, and the choice of a dialect by path or host."""

from collections.abc import Mapping, Sequence

from starlette.types import ASGIApp, Receive, Scope, Send

from proxy.legacy.dialects import DIALECTS

PATHS = ("/stubs/handler_api.php", "/stubs/handler_api", "/handler_api.php", "/api/handler_api.php")


def endpoints(dialects: Mapping[str, ASGIApp], default: str) -> Mapping[str, ASGIApp]:
    """The legacy endpoint of each path; plain paths choose by host, else the `default` dialect."""
    hosts = [(DIALECTS[name].host, endpoint) for name, endpoint in dialects.items()]
    found: dict[str, ASGIApp] = dict.fromkeys(PATHS, ByHost(hosts, dialects[default]))
    for name, endpoint in dialects.items():
        found |= {f"/{name}{path}": endpoint for path in PATHS}
    return found


class ByHost:
    """Chooses the dialect by the Host header, for programs repointed by a hosts file."""

    def __init__(self, by_host: Sequence[tuple[str, ASGIApp]], default: ASGIApp) -> None:
        self._by_host = by_host
        self._default = default

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        host = header(scope, b"host").lower()
        app = next((app for name, app in self._by_host if name in host), self._default)
        await app(scope, receive, send)


def header(scope: Scope, name: bytes) -> str:
    for header, value in scope["headers"]:
        if header == name:
            return str(value.decode("latin-1"))
    return ""
