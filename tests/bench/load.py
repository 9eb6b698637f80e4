"""The load: a crowd of clients on one key, each polling for its own number, and what they see."""

import asyncio
import math
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx

from tests.support.running import PATH, Upstream

KEY = "bench"
NUMBER = "action=getNumber&service=wa&country=16"
NEWEST = 50
"""How many orders the upstream lists where it lists the fewest."""

SAY_EVERY = 15.0
LINES = 50
"""Connections that are kept open; more are opened when more clients ask at a time."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is going to happen. Durations are seconds; equal seeds draw equal moments."""

    seconds: float = 120.0
    activations: int = 200
    """At the end."""
    sms: int = 48
    seed: int = 1
    poll: float = 3.0
    buy_every: float = 12.0
    cancel_every: float = 20.0
    grace: float = 20.0
    """From the last SMS to the end, so that each has its time to become visible."""
    hold: float = 5.0
    """What the upstream's two minutes before a cancel are shortened to."""
    pause: float = 61.0
    """Between the purchases and the load, so that the load begins with an empty minute."""

    @property
    def first(self) -> int:
        """How many are there at the start; the others are bought during the run."""
        return self.activations - (math.ceil(self.seconds / self.buy_every) - 1)


@dataclass(eq=False, slots=True)
class Held:
    """A number of a client. Moments are on the monotonic clock."""

    id: str
    phone: str
    bought_at: float
    code: str = ""
    """Of the SMS that it gets; empty if it gets none."""
    sent_at: float | None = None
    seen_at: float | None = None
    was_newest: bool = False
    """Whether it was among the newest when its SMS was sent."""
    was_cancelled: bool = False
    is_over: bool = False


class Target:
    """The legacy server, as a client meets it."""

    def __init__(self, http: httpx.AsyncClient, key: str = KEY) -> None:
        self._http = http
        self._key = key

    async def ask(self, query: str) -> str:
        """The body; in parentheses what came instead of one with HTTP 200."""
        try:
            response = await self._http.get(f"{PATH}?api_key={self._key}&{query}")
        except httpx.HTTPError as error:
            return f"({type(error).__name__})"
        return response.text if response.status_code == 200 else f"({response.status_code})"

    async def buy(self) -> Held | str:
        """A number, or the word that was said instead."""
        said = await self.ask(NUMBER)
        word, _, rest = said.partition(":")
        if word != "ACCESS_NUMBER":
            return said
        id, _, phone = rest.partition(":")
        return Held(id, phone, time.monotonic())


@asynccontextmanager
async def a_target(url: str, key: str = KEY) -> AsyncIterator[Target]:
    # Servers close an idle connection after 5 s; one that is reused then would break.
    limits = httpx.Limits(max_keepalive_connections=LINES, keepalive_expiry=2.0)
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=30, trust_env=False) as http:
        yield Target(http, key)


async def bought(url: str, count: int, key: str = KEY) -> list[Held]:
    """That many numbers, one after the other."""
    async with a_target(url, key) as target:
        held = [await target.buy() for _ in range(count)]
    refused = [said for said in held if isinstance(said, str)]
    assert not refused, f"{len(refused)} of {count} purchases failed: {refused[0]}"
    return held


@dataclass
class Crowd:
    """Each number has one client, which polls until it reads a code or the end."""

    plan: Plan
    target: Target
    upstream: Upstream
    held: list[Held]
    say: Callable[[str], None]
    latencies: list[float] = field(default_factory=list)
    """Seconds, of each getStatus that was answered or failed."""
    errors: Counter[str] = field(default_factory=Counter)
    """What no client should see, by action and word."""
    wrong_codes: list[str] = field(default_factory=list)

    async def run(self) -> None:
        self._begin = time.monotonic()
        phases = self._draw("phases")
        async with asyncio.TaskGroup() as group:
            for held in self.held:
                group.create_task(self._poll(held, phases.uniform(0, self.plan.poll)))
            group.create_task(self._text())
            group.create_task(self._buy_on(group))
            group.create_task(self._cancel_some())
            group.create_task(self._report())

    @property
    def texted(self) -> list[Held]:
        return [held for held in self.held if held.sent_at is not None]

    @property
    def _elapsed(self) -> float:
        return time.monotonic() - self._begin

    def _draw(self, what: str) -> random.Random:
        return random.Random(f"{self.plan.seed}/{what}")

    async def _every(self, seconds: float, first: float | None = None) -> AsyncIterator[None]:
        """Until the end; a beat that is missed is left out."""
        due = seconds if first is None else first
        while due < self.plan.seconds:
            await asyncio.sleep(due - self._elapsed)
            yield
            due = max(due + seconds, self._elapsed)

    async def _poll(self, held: Held, phase: float) -> None:
        async for _ in self._every(self.plan.poll, phase):
            await self.look(held)
            if held.is_over:
                return

    async def look(self, held: Held) -> None:
        """One getStatus; after a code, the word that the client is done."""
        asked = time.monotonic()
        said = await self.target.ask(f"action=getStatus&id={held.id}")
        now = time.monotonic()
        self.latencies.append(now - asked)
        word, _, code = said.partition(":")
        held.is_over = word in ("STATUS_OK", "STATUS_CANCEL")
        if word == "STATUS_OK":
            held.seen_at = now
            if code != held.code:
                self.wrong_codes.append(f"{held.id}: {code} instead of {held.code}")
            await self._expect(f"setStatus&status=6&id={held.id}", "ACCESS_ACTIVATION")
        elif word == "STATUS_CANCEL" and not held.was_cancelled:
            self.errors["getStatus STATUS_CANCEL of a live one"] += 1
        elif word not in ("STATUS_WAIT_CODE", "STATUS_CANCEL"):
            self.errors[f"getStatus {said[:40]}"] += 1

    async def _expect(self, act: str, word: str) -> None:
        said = await self.target.ask(f"action={act}")
        if said != word:
            self.errors[f"{act.partition('&id')[0]} {said[:40]}"] += 1

    async def _text(self) -> None:
        draw = self._draw("sms")
        chosen = draw.sample(self.held, self.plan.sms)
        for held in chosen:
            held.code = str(draw.randrange(100_000, 1_000_000))
        last = max(self.plan.seconds - self.plan.grace, self.plan.seconds / 3)
        for moment, held in zip(sorted(draw.uniform(0, last) for _ in chosen), chosen, strict=True):
            await asyncio.sleep(moment - self._elapsed)
            held.was_newest = held in self.held[-NEWEST:]
            sms = {"phone": held.phone, "text": f"Your code is {held.code}"}
            await asyncio.to_thread(self.upstream.steer, "sms", sms)
            held.sent_at = time.monotonic()

    async def _buy_on(self, group: asyncio.TaskGroup) -> None:
        phases = self._draw("later phases")
        async for _ in self._every(self.plan.buy_every):
            held = await self.target.buy()
            if isinstance(held, str):
                self.errors[f"getNumber {held[:40]}"] += 1
                continue
            self.held.append(held)
            first = self._elapsed + phases.uniform(0, self.plan.poll)
            group.create_task(self._poll(held, first))

    async def _cancel_some(self) -> None:
        draw = self._draw("cancels")
        async for _ in self._every(self.plan.cancel_every):
            if free := [held for held in self.held if self._may_be_cancelled(held)]:
                held = draw.choice(free)
                held.was_cancelled = True
                await self._expect(f"setStatus&status=8&id={held.id}", "ACCESS_CANCEL")

    def _may_be_cancelled(self, held: Held) -> bool:
        is_free = time.monotonic() > held.bought_at + self.plan.hold
        return is_free and not (held.code or held.is_over or held.was_cancelled)

    async def _report(self) -> None:
        async for _ in self._every(SAY_EVERY):
            seen = sum(held.seen_at is not None for held in self.held)
            self.say(
                f"{self._elapsed:.0f} s: {len(self.latencies)} getStatus, "
                f"{len(self.texted)} SMS sent, {seen} seen, {self.errors.total()} errors"
            )
