"""The legacy endpoint over HTTP: reads a request, calls its action, and has the one `except`."""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import count
from secrets import token_hex
from types import MappingProxyType

from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from proxy.config.programs import FailedKeyThrottle, Program
from proxy.endpoint.actions import ACTIONS, Call, Client
from proxy.endpoint.actions.parameters import check, ignored
from proxy.endpoint.compatibility import Compatibility
from proxy.endpoint.refused import refusal_of
from proxy.endpoint.response_cache import CurrentCache, Reply
from proxy.endpoint.scope import header
from proxy.legacy.answers import Answer, first_word
from proxy.legacy.dialects import Dialect
from proxy.legacy.dialects.dialect import refusal
from proxy.legacy.request import MAX_BODY, Request, parse
from proxy.model import ClientKey, Limits
from proxy.model.errors import Problem, ProblemError
from proxy.runtime import log_events
from proxy.runtime.clock import monotonic
from proxy.runtime.logs import REQUEST, Secrets
from proxy.services import Services

log = logging.getLogger(__name__)

BODY_SECONDS = 9.5
"""A little less than http_connection.BODY_SECONDS, so that the client gets a legal word."""

NOTHING = Request(MappingProxyType({}))
NOBODY = Program("", ClientKey.of(""), Limits())

# The rest of the body is not read.
CLOSE = MappingProxyType({"Connection": "close"})
TOO_LONG = Answer(b"the body is over 64 KiB", status=413, headers=CLOSE)


@dataclass(slots=True)
class Turn:
    """A request on its way to its answer. `deadline` is on the event loop's clock."""

    client: Client
    deadline: float
    request: Request = NOTHING
    program: Program = NOBODY
    """NOBODY until the key is known."""
    is_of_client: bool = True
    """A program has sent it."""
    is_known_as_bad: bool = False
    """The upstream has refused the key a moment ago."""
    problem: Problem | None = None
    """What the answer says went wrong."""
    is_slowed: bool = False
    """The answer to a wrong key has to wait."""

    @property
    def action(self) -> str:
        return self.request.action

    @property
    def known_action(self) -> str:
        """For the metrics: clients can send any action."""
        return self.action if self.action in ACTIONS else "other"


class LegacyEndpoint:
    """The legacy endpoint in one dialect; whatever fails, it answers with a legal word. `timeout`
    is in seconds, `sample` is the fraction of requests that get a line in the log. `compatibility`
    records what programs do not get as they mean it.
    """

    def __init__(
        self,
        services: Services,
        dialect: Dialect,
        answers: CurrentCache,
        failed_keys: FailedKeyThrottle,
        secrets: Secrets,
        timeout: float,
        sample: float,
        compatibility: Compatibility | None = None,
    ) -> None:
        self._compatibility = compatibility
        self._services = services
        self._counts = services.counters.counts
        self.dialect = dialect
        self._timeout = timeout
        self.sample = sample
        self._answers = answers
        self._failed_keys = failed_keys
        self._secrets = secrets
        self._run_id, self._numbers = token_hex(4), count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = self._next_id()
        cache, dialect = self._answers.cache, self.dialect.name
        cached = cache.get(dialect, scope)
        if cached:
            self._counts[cached.counter] += 1
            await cached.reply.send(send, request_id.encode())
            if self.sample:
                REQUEST.set(request_id)
                self._log_sample("answered from the cache", 0.0)
            return
        begun = time.perf_counter()
        REQUEST.set(request_id)
        turn = Turn(Client(receive), monotonic() + self._timeout)
        answer = TOO_LONG
        try:
            body = await _read_body(scope, receive, min(turn.deadline, monotonic() + BODY_SECONDS))
        except ClientDisconnect:
            return
        except (TimeoutError, asyncio.CancelledError):
            answer = self.dialect.refuse(ProblemError(Problem.TRY_AGAIN)).with_headers(CLOSE)
        else:
            if body is not None:
                answer = await self._answer(turn, partial(self._read, turn, scope, body))
                if turn.is_slowed:
                    await self._slow_down(scope)
        await turn.client.send(partial(Reply(answer).send, send, request_id.encode()))
        cache.put(dialect, scope, answer, self._count(turn, answer, begun))

    async def ask(
        self, program: Program, parameters: Mapping[str, str]
    ) -> tuple[Answer, Problem | None]:
        """The answer to a request that is made for a program, as to one of its own, and the problem
        that it says, if any. The parameters have no key. Nobody waits for a number in it.
        """
        begun = time.perf_counter()
        REQUEST.set(self._next_id())
        deadline = monotonic() + self._timeout
        turn = Turn(Client(_nobody), deadline, Request(parameters), program, is_of_client=False)
        answer = await self._answer(turn, partial(self._act, turn, "POST"))
        self._count(turn, answer, begun)
        return answer, turn.problem

    def _next_id(self) -> str:
        return f"{self._run_id}{next(self._numbers):08x}"

    def _count(self, turn: "Turn", answer: Answer, begun: float) -> tuple[str, ...]:
        """Counts an answer; returns the labels of its counter."""
        counter = ("answers", self.dialect.name, turn.known_action, first_word(answer.body))
        self._counts[counter] += 1
        seconds = time.perf_counter() - begun
        self._services.counters.answer_seconds[turn.known_action].add(seconds)
        if self.sample:
            self._log_sample(turn.known_action, seconds)
        return counter

    async def _answer(self, turn: "Turn", work: Callable[[], Awaitable[Answer]]) -> Answer:
        """What `work` returns; the word of the dialect for whatever it raises."""
        try:
            return await work()
        except ProblemError as error:
            log.debug("%s", error)
            problem = error
            turn.is_slowed = error.problem is Problem.BAD_KEY and not turn.is_known_as_bad
            if self._compatibility:
                self._compatibility.record_refusal(self.dialect, turn.action, error)
        except (TimeoutError, asyncio.CancelledError):
            # The server cancels the last requests when it stops.
            problem = ProblemError(Problem.TRY_AGAIN, "no answer in the time for a request")
        except Exception:
            log.exception(log_events.ANSWER_BUG)
            problem = ProblemError(Problem.TRY_AGAIN, "a bug: the log has it")
        turn.problem = problem.problem
        if turn.is_of_client:
            self._note(turn, problem)
        return self.dialect.refuse(problem, turn.action)

    def _note(self, turn: "Turn", error: ProblemError) -> None:
        """Adds the problem to those that the console shows."""
        name, key = turn.program.name, turn.request.text("api_key")
        program = name or (str(ClientKey.of(key)) if key else "")
        now, action = self._services.upstream.wall_clock(), turn.known_action
        self._services.counters.problems.add(
            refusal_of(turn.request, self.dialect, error, program, now, self._secrets,
                       has_program=bool(name), action=action)
        )  # fmt: skip

    async def _read(self, turn: "Turn", scope: Scope, body: bytes) -> Answer:
        """Reads a request and carries it out. Raises ProblemError."""
        key, content_type = self._key_of(scope), header(scope, b"content-type")
        turn.request = parse(scope["query_string"], body, content_type, key)
        program = turn.program = self._program(turn.request)
        answer = await self._act(turn, scope["method"])
        # The query string does not have a key from a header, nor the time of expiry.
        is_repeatable = not key and program.limits.expires is None
        return answer if is_repeatable else answer.valid_while(None)

    def _key_of(self, scope: Scope) -> str:
        """The key from the dialect's header; "" if there is none."""
        if self.dialect.key_header is None:
            return ""
        name, prefix = self.dialect.key_header
        value = header(scope, name.encode())
        return value[len(prefix) :] if value.lower().startswith(prefix.lower()) else ""

    def _program(self, request: Request) -> Program:
        """The program of the key; a nameless one without a key where the dialect needs none."""
        programs = self._services.programs
        if not request.text("api_key") and request.action in self.dialect.open:
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

    async def _act(self, turn: "Turn", method: str) -> Answer:
        """Raises ProblemError, or TimeoutError at the deadline."""
        turn.is_known_as_bad = self._services.upstream.is_refused(turn.program.key)
        if self._compatibility:
            self._compatibility.record_request(self.dialect, turn.request)
        async with asyncio.timeout_at(turn.deadline):
            return await self._call(turn, method)

    async def _call(self, turn: "Turn", method: str) -> Answer:
        request, program, client = turn.request, turn.program, turn.client
        program.check(self._services.upstream.wall_clock(), request.action)
        refused = self.dialect.refused.get(request.action)
        if refused:
            return refusal(refused)
        action = ACTIONS.get(request.action)
        # A HEAD would buy a number and get no body.
        if action is None or method not in ("GET", "POST"):
            raise ProblemError(Problem.BAD_ACTION)
        check(request)
        if names := ignored(request, self.dialect):
            log.info("ignored in %s: %s", request.action, ", ".join(names))
        try:
            return await action(Call(self._services, self.dialect, request, program, client))
        except BaseException:
            client.withhold()
            raise

    def _log_sample(self, what: str, seconds: float) -> None:
        if random.random() < self.sample:
            log.info("%s: %s, %.1f ms", self.dialect.name, what, seconds * 1000)


async def _nobody() -> Message:
    """The `receive` of a request that no client has sent: it is never disconnected."""
    await asyncio.Event().wait()
    raise AssertionError


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
