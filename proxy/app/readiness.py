"""/readyz: whether the process can answer, and which troubles it has."""

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from proxy.orders.list_reads import ListReads
from proxy.store import Store
from proxy.upstream.client import Upstream

SERVER = "virtualsms-proxy"
"""The Server header of /readyz: `doctor` recognizes the proxy by it."""


class Readiness:
    """The lifespan sets the state. Trouble upstream or in the store is shown and does not change
    the status: the proxy can still answer, the old protocol has words for it.
    """

    def __init__(self, upstream: Upstream, lists: ListReads, store: Store) -> None:
        self._upstream = upstream
        self._lists = lists
        self._store = store
        self._state = "starting"

    def begin(self) -> None:
        self._state = "ok"

    def end(self) -> None:
        self._state = "stopping"

    async def show(self, request: Request) -> Response:
        """Answers with the state in the first line, then a line for each trouble."""
        troubles = {
            "upstream": self._upstream.health.trouble,
            "order lists": self._lists.trouble,
            "store": self._store.trouble,
        }
        lines = [self._state, *(f"{name}: {what}" for name, what in troubles.items() if what)]
        status = 200 if self._state == "ok" else 503
        headers = {"Server": SERVER, "Cache-Control": "no-store"}
        return PlainTextResponse("\n".join(lines) + "\n", status, headers)
