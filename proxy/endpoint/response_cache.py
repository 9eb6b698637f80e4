"""The fast entrance: a question asked before is answered from memory while its answer stands.

Old programs ask the same GET again and again. Its query string leads to the bytes that were the
answer, and to the answer's own word on whether it still stands; nothing is parsed or looked up.
Only a question that brings its key in the query string is remembered.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from starlette.types import Scope, Send

from proxy.legacy.answers import Answer

MAX_BYTES = 16 * 1024 * 1024
"""Of all that is remembered, in all dialects together."""
MAX_QUESTION = 512
"""Bytes of a query string: no program asks the same longer one again and again."""
IDLE_SECONDS = 30.0
"""What is not asked for so long, up to twice as long, is forgotten, whether or not it stands."""
ENTRY_BYTES = 1500
"""What an entry takes beside its question and its body (tracemalloc: 1,200 to 1,400)."""


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
    counted: tuple[str, ...]
    """As what each answer is counted."""
    size: int
    """About so many bytes."""


class ResponseCache:
    """By query string, at most `most` bytes. `get` forgets what stands no longer; the rest goes by
    itself. Two generations: what is asked again moves into the young one, and when that is full or
    its time is over, it becomes the old one, whose place it takes.
    """

    def __init__(self, most: int = MAX_BYTES) -> None:
        self._most = most // 2
        self._young: dict[bytes, Repeat] = {}
        self._old: dict[bytes, Repeat] = {}
        self._bytes = 0
        self._timer: asyncio.TimerHandle | None = None

    def get(self, scope: Scope) -> Repeat | None:
        question = scope["query_string"]
        repeat = self._young.get(question) or self._old.get(question)
        if repeat is None or scope["method"] != "GET":
            return None
        if not repeat.stands():
            self._forget(question)
            return None
        if question not in self._young:
            self._keep(question, repeat)
        return repeat

    def remember(self, scope: Scope, answer: Answer, counted: tuple[str, ...]) -> None:
        """Does nothing with an answer that has to be looked for anew each time."""
        question, stands = scope["query_string"], answer.stands
        if stands is None or scope["method"] != "GET" or len(question) > MAX_QUESTION:
            return
        if "X-Cache" in answer.headers:
            answer = answer.with_headers({"X-Cache": "HIT"})
        self._forget(question)
        self._keep(question, Repeat(stands, Reply(answer), counted, _size(question, answer)))

    def __len__(self) -> int:
        return len(self._young.keys() | self._old.keys())

    def _keep(self, question: bytes, repeat: Repeat) -> None:
        if self._bytes + repeat.size > self._most:
            self._turn()
        if repeat.size > self._most:
            return
        self._old.pop(question, None)
        self._young[question] = repeat
        self._bytes += repeat.size
        if self._timer is None:
            self._wait()

    def _forget(self, question: bytes) -> None:
        if repeat := self._young.pop(question, None):
            self._bytes -= repeat.size
        self._old.pop(question, None)

    def _turn(self) -> None:
        """The young generation becomes the old one."""
        self._old, self._young, self._bytes = self._young, {}, 0

    def _wait(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._age)

    def _age(self) -> None:
        self._timer = None
        self._turn()
        if self._old:
            self._wait()


def _size(question: bytes, answer: Answer) -> int:
    return ENTRY_BYTES + len(question) + len(answer.body)
