"""Caches answers by dialect and query string: a repeated GET is answered from memory while valid.

Old programs send the same GET again and again. The cache has the bytes of the answer and a function
that says whether it is still valid; nothing is parsed or looked up. Only requests that have their
key in the query string are cached.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from starlette.types import Scope, Send

from proxy.legacy.answers import Answer

MAX_BYTES = 16 * 1024 * 1024
"""Memory for the answers of all dialects together."""
MAX_QUERY = 512
"""Bytes of a query string: programs do not repeat longer ones."""
IDLE_SECONDS = 30.0
"""An entry that is not used for so long is removed, after at most twice as long."""
ENTRY_BYTES = 1500
"""Memory of an entry beside its query and body (measured with tracemalloc: 1,200 to 1,400)."""


class Reply:
    """An answer as ASGI messages."""

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
class CachedReply:
    """An answer in the cache, with the labels of its counter."""

    is_valid: Callable[[], bool]
    reply: Reply
    counter: tuple[str, ...]
    size: int
    """Bytes of memory, estimated."""


Key = tuple[str, bytes]
"""The name of the dialect, and the query string."""


class ResponseCache:
    """Answers of all dialects, `max_bytes` together. There are two generations: a used entry moves
    into the young one. When that is full, or after IDLE_SECONDS, it replaces the old one.
    """

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_young = max_bytes // 2
        self._young: dict[Key, CachedReply] = {}
        self._old: dict[Key, CachedReply] = {}
        self._bytes = 0
        self._timer: asyncio.TimerHandle | None = None

    def get(self, dialect: str, scope: Scope) -> CachedReply | None:
        """The valid answer to a request, if the cache has one."""
        key = (dialect, scope["query_string"])
        cached = self._young.get(key) or self._old.get(key)
        if cached is None or scope["method"] != "GET":
            return None
        if not cached.is_valid():
            self._remove(key)
            return None
        if key not in self._young:
            self._add(key, cached)
        return cached

    def put(self, dialect: str, scope: Scope, answer: Answer, counter: tuple[str, ...]) -> None:
        """Caches an answer that has `is_valid`, and does nothing with any other."""
        query, is_valid = scope["query_string"], answer.is_valid
        if is_valid is None or scope["method"] != "GET" or len(query) > MAX_QUERY:
            return
        if "X-Cache" in answer.headers:
            answer = answer.with_headers({"X-Cache": "HIT"})
        key = (dialect, query)
        self._remove(key)
        size = ENTRY_BYTES + len(query) + len(answer.body)
        self._add(key, CachedReply(is_valid, Reply(answer), counter, size))

    def __len__(self) -> int:
        return len(self._young.keys() | self._old.keys())

    def _add(self, key: Key, cached: CachedReply) -> None:
        if self._bytes + cached.size > self._max_young:
            self._rotate()
        if cached.size > self._max_young:
            return
        self._old.pop(key, None)
        self._young[key] = cached
        self._bytes += cached.size
        if self._timer is None:
            self._start_timer()

    def _remove(self, key: Key) -> None:
        if cached := self._young.pop(key, None):
            self._bytes -= cached.size
        self._old.pop(key, None)

    def _rotate(self) -> None:
        """The young generation becomes the old one."""
        self._old, self._young, self._bytes = self._young, {}, 0

    def _start_timer(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._expire)

    def _expire(self) -> None:
        self._timer = None
        self._rotate()
        if self._old:
            self._start_timer()


class CurrentCache:
    """The cache that all dialects share. A reload replaces it: an answer by the old tables that is
    under way goes into the old one.
    """

    def __init__(self) -> None:
        self.cache = ResponseCache()

    def replace(self) -> None:
        self.cache = ResponseCache()
