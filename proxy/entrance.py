"""The fast entrance: a question asked before is answered from memory while its answer stands.

Old programs ask the same GET again and again. Its query string leads to the bytes that were the
answer, and to the answer's own word on whether it still stands; nothing is parsed or looked up.
Only a question that brings its key in the query string is remembered.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.types import Scope, Send

from proxy.legacy.answers import Answer

if TYPE_CHECKING:
    from prometheus_client import Counter

MOST = 50_000
"""Questions that are remembered in each dialect; the oldest goes first."""


class Reply:
    """An answer as the server sends it."""

    __slots__ = ("_body", "_headers", "_status")

    def __init__(self, answer: Answer) -> None:
        headers = {"content-type": answer.content_type, "content-length": str(len(answer.body))}
        if answer.status == 204:
            headers = {}
        headers |= {"cache-control": "no-store", **answer.headers}
        self._status = answer.status
        self._headers = [(n.lower().encode(), value.encode()) for n, value in headers.items()]
        self._body = {"type": "http.response.body", "body": answer.body}

    async def send(self, send: Send, request_id: bytes) -> None:
        headers = [*self._headers, (b"x-request-id", request_id)]
        await send({"type": "http.response.start", "status": self._status, "headers": headers})
        await send(self._body)


@dataclass(slots=True, eq=False)
class Repeat:
    """A question that was answered, and can be answered so again while that `stands`."""

    stands: Callable[[], bool]
    reply: Reply
    counter: "Counter"


class Repeats:
    """By query string. `get` forgets what stands no longer."""

    def __init__(self) -> None:
        self._known: dict[bytes, Repeat] = {}

    def get(self, scope: Scope) -> Repeat | None:
        repeat = self._known.get(scope["query_string"])
        if repeat is None or scope["method"] != "GET":
            return None
        if repeat.stands():
            return repeat
        del self._known[scope["query_string"]]
        return None

    def remember(self, scope: Scope, answer: Answer, counter: "Counter") -> None:
        """Does nothing with an answer that has to be looked for anew each time."""
        stands = answer.stands
        if stands is None or scope["method"] != "GET":
            return
        if "X-Cache" in answer.headers:
            answer = answer.with_headers({"X-Cache": "HIT"})
        if len(self._known) >= MOST:
            del self._known[next(iter(self._known))]
        self._known[scope["query_string"]] = Repeat(stands, Reply(answer), counter)

    def __len__(self) -> int:
        return len(self._known)
