"""The legacy endpoint over HTTP: reads the request, has it answered, and has the one `except`."""

import asyncio
import logging
import random
import time
from collections.abc import Sequence
from itertools import count
from secrets import token_hex
from types import MappingProxyType

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from proxy.config.programs import FailedKeyThrottle, Program
from proxy.endpoint.actions import ACTIONS, Call, Client
from proxy.endpoint.response_cache import MAX_BYTES, Reply, ResponseCache
from proxy.legacy.answers import Answer, first_word
from proxy.legacy.dialects import DIALECTS, Dialect
from proxy.legacy.dialects.dialect import written
from proxy.legacy.request import MAX_BODY, Request, parse
from proxy.model.errors import Problem, ProblemError
from proxy.runtime import log_events
from proxy.runtime.clock import monotonic
from proxy.runtime.logs import REQUEST, Secrets
from proxy.services import Services

log = logging.getLogger(__name__)

BODY_SECONDS = 9.5
"""A little less than the connection gives a body, so that its client hears a legal word."""

# The rest of a body is not waited for.
CLOSE = MappingProxyType({"Connection": "close"})
TOO_LONG = Answer(b"the body is over 64 KiB", status=413, headers=CLOSE)


class ByHost:
    """Picks the dialect by the Host header, for programs that a hosts file has repointed."""

    def __init__(self, by_host: Sequence[tuple[str, ASGIApp]], default: ASGIApp) -> None:
        self._by_host = by_host
        self._default = default

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        host = _header(scope, b"host").lower()
        app = self._default
        for name, other in self._by_host:
            if name in host:
                app = other
                break
        await app(scope, receive, send)


class LegacyEndpoint:
    """The legacy endpoint in one dialect. Whatever happens, it answers with a legal word.

    `sample` is the share of requests that get a line in the log.
    """

    def __init__(
        self,
        services: Services,
        dialect: Dialect,
        failed_keys: FailedKeyThrottle,
        secrets: Secrets,
        timeout: float,
        sample: float,
    ) -> None:
        self._services = services
        self._dialect = dialect
        self._timeout = timeout
        self._sample = sample
        self._repeats = ResponseCache(MAX_BYTES // len(DIALECTS))
        self._failed_keys = failed_keys
        self._secrets = secrets
        self._run, self._places = token_hex(4), count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Unique in this run, and by its beginning among runs.
        request_id = f"{self._run}{next(self._places):08x}"
        repeat = self._repeats.get(scope)
        if repeat:
            self._services.counters.count(*repeat.counted)
            await repeat.reply.send(send, request_id.encode())
            if self._sample:
                REQUEST.set(request_id)
                self._note("a question asked before", 0.0)
            return
        begun = time.perf_counter()
        REQUEST.set(request_id)
        until = monotonic() + self._timeout
        action, answer = "", TOO_LONG
        try:
            body = await _read_body(scope, receive, min(until, monotonic() + BODY_SECONDS))
        except ClientDisconnect:
            return
        except (TimeoutError, asyncio.CancelledError):
            problem = ProblemError(Problem.TRY_AGAIN)
            answer = self._dialect.refuse(problem, action).with_headers(CLOSE)
        else:
            if body is not None:
                action, answer = await self._answer(scope, body, Client(receive), until)
        await Reply(answer).send(send, request_id.encode())
        known = action if action in ACTIONS else "other"
        counted = ("answers", self._dialect.name, known, first_word(answer.body))
        self._services.counters.count(*counted)
        self._repeats.remember(scope, answer, counted)
        if self._sample:
            self._note(known, time.perf_counter() - begun)

    async def _answer(
        self, scope: Scope, body: bytes, client: Client, until: float
    ) -> tuple[str, Answer]:
        """The action that was asked for, and its answer. `until` is a time of the event loop."""
        action = ""
        try:
            key = self._key_of(scope)
            content_type = _header(scope, b"content-type")
            request = parse(scope["query_string"], body, content_type, key)
            action = request.action
            program = await self._program(request.key, scope)
            async with asyncio.timeout_at(until):
                answer = await self._act(request, program, scope["method"], client)
            # With another key in the header, or at another time, it would be another question.
            is_the_same = not key and program.caps.expires is None
            return action, answer if is_the_same else answer.while_it(None)
        except ProblemError as error:
            log.debug("%s", error)
            self._refused(error, action)
            return action, self._dialect.refuse(error, action)
        except (TimeoutError, asyncio.CancelledError):
            # Cancelled is what the server does to the last requests when it stops.
            problem = ProblemError(Problem.TRY_AGAIN)
        except Exception:
            log.exception(log_events.ANSWER_BUG)
            problem = ProblemError(Problem.TRY_AGAIN)
        return action, self._dialect.refuse(problem, action)

    def _refused(self, error: ProblemError, action: str) -> None:
        known = action if action in ACTIONS else "other"
        now = self._services.upstream.wall_clock()
        self._services.counters.refused(error.problem.name, now, known, error.detail)

    def _key_of(self, scope: Scope) -> str:
        """The key that came in a header."""
        if self._dialect.key_header is None:
            return ""
        name, before = self._dialect.key_header
        sent = _header(scope, name.encode())
        is_named = sent[: len(before)].lower() == before.lower()
        return sent[len(before) :] if is_named else ""

    async def _program(self, key: str, scope: Scope) -> Program:
        try:
            program = self._services.programs.of(key)
        except ProblemError:
            # Such a key goes nowhere, and its sender has as many as he likes.
            await self._failed_keys.wait((scope.get("client") or ("", 0))[0])
            raise
        if program.name:
            self._secrets.pin(key)
        else:
            self._secrets.learn(key)
        return program

    async def _act(self, request: Request, program: Program, method: str, client: Client) -> Answer:
        program.check(self._services.upstream.wall_clock(), request.action)
        refused = self._dialect.refused.get(request.action)
        if refused:
            return written(refused)
        action = ACTIONS.get(request.action)
        # HEAD would lose the answer of what it bought.
        if action is None or method not in ("GET", "POST"):
            raise ProblemError(Problem.BAD_ACTION)
        return await action(Call(self._services, self._dialect, request, program, client))

    def _note(self, what: str, seconds: float) -> None:
        if random.random() < self._sample:
            log.info("%s: %s, %.1f ms", self._dialect.name, what, seconds * 1000)


async def _read_body(scope: Scope, receive: Receive, until: float) -> bytes | None:
    """The whole body; None where it is longer than a legacy request can be.

    Raises ClientDisconnect, or TimeoutError where it is not there by then.
    """
    body = b""
    if scope["method"] != "POST":
        return body
    async with asyncio.timeout_at(until):
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            body += bytes(message.get("body", b""))
            if len(body) > MAX_BODY:
                return None
            if not message.get("more_body"):
                return body


def _header(scope: Scope, name: bytes) -> str:
    for header, value in scope["headers"]:
        if header == name:
            return str(value.decode("latin-1"))
    return ""
