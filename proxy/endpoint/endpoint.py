"""The legacy endpoint over HTTP: reads a request, calls its action, and has the one `except`."""

import asyncio
import logging
import random
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from itertools import count
from secrets import token_hex
from types import MappingProxyType

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from proxy.config.programs import FailedKeyThrottle, Program
from proxy.endpoint.actions import ACTIONS, Call, Client
from proxy.endpoint.actions.parameters import check, ignored
from proxy.endpoint.compatibility import Compatibility
from proxy.endpoint.response_cache import MAX_BYTES, Reply, ResponseCache
from proxy.legacy.answers import Answer, first_word
from proxy.legacy.dialects import DIALECTS, Dialect
from proxy.legacy.dialects.dialect import refusal
from proxy.legacy.request import MAX_BODY, Request, parse
from proxy.model import ClientKey
from proxy.model.errors import Problem, ProblemError
from proxy.runtime import log_events
from proxy.runtime.clock import monotonic
from proxy.runtime.logs import REQUEST, Secrets
from proxy.services import Services

log = logging.getLogger(__name__)

BODY_SECONDS = 9.5
"""A little less than http_connection.BODY_SECONDS, so that the client gets a legal word."""

# The rest of the body is not read.
CLOSE = MappingProxyType({"Connection": "close"})
TOO_LONG = Answer(b"the body is over 64 KiB", status=413, headers=CLOSE)


class ByHost:
    """Chooses the dialect by the Host header, for programs repointed by a hosts file."""

    def __init__(self, by_host: Sequence[tuple[str, ASGIApp]], default: ASGIApp) -> None:
        self._by_host = by_host
        self.default = default

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        host = _header(scope, b"host").lower()
        app = next((app for name, app in self._by_host if name in host), self.default)
        await app(scope, receive, send)


class LegacyEndpoint:
    """The legacy endpoint in one dialect; whatever fails, it answers with a legal word. `timeout`
    is in seconds, `sample` is the fraction of requests that get a line in the log. `compatibility`
    records what programs do not get as they mean it.
    """

    def __init__(
        self,
        services: Services,
        dialect: Dialect,
        failed_keys: FailedKeyThrottle,
        secrets: Secrets,
        timeout: float,
        sample: float,
        compatibility: Compatibility | None = None,
    ) -> None:
        self._compatibility = compatibility
        self._services = services
        self._counts = services.counters.counts
        self._dialect = dialect
        self._timeout = timeout
        self.sample = sample
        self._cache = ResponseCache(MAX_BYTES // len(DIALECTS))
        self._failed_keys = failed_keys
        self._secrets = secrets
        self._run_id, self._numbers = token_hex(4), count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = f"{self._run_id}{next(self._numbers):08x}"
        # A reload replaces it: an answer by the old tables goes into the old one.
        cache = self._cache
        cached = cache.get(scope)
        if cached:
            self._counts[cached.counter] += 1
            await cached.reply.send(send, request_id.encode())
            if self.sample:
                REQUEST.set(request_id)
                self._log_sample("answered from the cache", 0.0)
            return
        begun = time.perf_counter()
        REQUEST.set(request_id)
        deadline = monotonic() + self._timeout
        action, answer, client = "", TOO_LONG, Client(receive)
        try:
            body = await _read_body(scope, receive, min(deadline, monotonic() + BODY_SECONDS))
        except ClientDisconnect:
            return
        except (TimeoutError, asyncio.CancelledError):
            problem = ProblemError(Problem.TRY_AGAIN)
            answer = self._dialect.refuse(problem, action).with_headers(CLOSE)
        else:
            if body is not None:
                action, answer = await self._answer(scope, body, client, deadline)
        await client.send(partial(Reply(answer).send, send, request_id.encode()))
        known = action if action in ACTIONS else "other"
        counter = ("answers", self._dialect.name, known, first_word(answer.body))
        self._counts[counter] += 1
        cache.put(scope, answer, counter)
        seconds = time.perf_counter() - begun
        self._services.counters.answer_seconds[known].add(seconds)
        if self.sample:
            self._log_sample(known, seconds)

    def forget_answers(self) -> None:
        """Repeats no answer that was made before."""
        self._cache = ResponseCache(MAX_BYTES // len(DIALECTS))

    async def _answer(
        self, scope: Scope, body: bytes, client: Client, deadline: float
    ) -> tuple[str, Answer]:
        """The action of a request and its answer. `deadline` is on the event loop's clock."""
        action, is_known_as_bad = "", False
        try:
            key = self._key_of(scope)
            content_type = _header(scope, b"content-type")
            request = parse(scope["query_string"], body, content_type, key)
            action = request.action
            program = self._program(request)
            is_known_as_bad = self._services.upstream.is_refused(program.key)
            if self._compatibility:
                self._compatibility.record_request(self._dialect, request)
            async with asyncio.timeout_at(deadline):
                answer = await self._act(request, program, scope["method"], client)
            # The query string does not have a key from a header, nor the time of expiry.
            is_repeatable = not key and program.limits.expires is None
            return action, answer if is_repeatable else answer.valid_while(None)
        except ProblemError as error:
            log.debug("%s", error)
            known = action if action in ACTIONS else "other"
            now = self._services.upstream.wall_clock()
            self._services.counters.refused(error.problem.name, now, known, error.detail)
            if self._compatibility:
                self._compatibility.record_refusal(self._dialect, action, error)
            if error.problem is Problem.BAD_KEY and not is_known_as_bad:
                await self._slow_down(scope)
            return action, self._dialect.refuse(error, action)
        except (TimeoutError, asyncio.CancelledError):
            # The server cancels the last requests when it stops.
            problem = ProblemError(Problem.TRY_AGAIN)
        except Exception:
            log.exception(log_events.ANSWER_BUG)
            problem = ProblemError(Problem.TRY_AGAIN)
        return action, self._dialect.refuse(problem, action)

    def _key_of(self, scope: Scope) -> str:
        """The key from the dialect's header; "" if there is none."""
        if self._dialect.key_header is None:
            return ""
        name, prefix = self._dialect.key_header
        value = _header(scope, name.encode())
        return value[len(prefix) :] if value.lower().startswith(prefix.lower()) else ""

    def _program(self, request: Request) -> Program:
        """The program of the key; a nameless one without a key where the dialect needs none."""
        programs = self._services.programs
        if not request.text("api_key") and request.action in self._dialect.open:
            return Program("", ClientKey.of(""), programs.limits)
        key = request.key
        # A key of no program is not learned: it is not sent upstream, and there can be any number.
        program = programs.of(key)
        if program.name:
            self._secrets.pin(key)
        else:
            self._secrets.learn(key)
        return program

    async def _slow_down(self, scope: Scope) -> None:
        """Delays the answer to an address that tries many wrong keys, each of which may cost the
        upstream a read.
        """
        # The server cancels the last requests when it stops: they are answered at once.
        with suppress(asyncio.CancelledError):
            await self._failed_keys.wait((scope.get("client") or ("", 0))[0])

    async def _act(self, request: Request, program: Program, method: str, client: Client) -> Answer:
        program.check(self._services.upstream.wall_clock(), request.action)
        refused = self._dialect.refused.get(request.action)
        if refused:
            return refusal(refused)
        action = ACTIONS.get(request.action)
        # A HEAD would buy a number and get no body.
        if action is None or method not in ("GET", "POST"):
            raise ProblemError(Problem.BAD_ACTION)
        check(request)
        if names := ignored(request, self._dialect):
            log.info("ignored in %s: %s", request.action, ", ".join(names))
        try:
            return await action(Call(self._services, self._dialect, request, program, client))
        except BaseException:
            client.withhold()
            raise

    def _log_sample(self, what: str, seconds: float) -> None:
        if random.random() < self.sample:
            log.info("%s: %s, %.1f ms", self._dialect.name, what, seconds * 1000)


async def _read_body(scope: Scope, receive: Receive, deadline: float) -> bytes | None:
    """The whole body of a POST, b"" of other methods, None if it is over MAX_BODY. Raises
    ClientDisconnect, or TimeoutError at the deadline.
    """
    body = b""
    if scope["method"] != "POST":
        return body
    async with asyncio.timeout_at(deadline):
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
