"""What a getNumber would buy: asked of the upstream's public prices, for no money."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from proxy.app.build import build_services
from proxy.commands.explain import limits
from proxy.commands.explain.parameters import Facts, better_country, better_service, parameters
from proxy.commands.explain.question import Question
from proxy.config.programs import Program, Programs
from proxy.config.settings import Config, StoreConfig
from proxy.config.yaml_file import nearest
from proxy.endpoint.actions import ACTIONS, Call, Client
from proxy.endpoint.actions.numbers import wished
from proxy.legacy.answers import Answer
from proxy.legacy.dialects.dialect import written
from proxy.model import ClientKey, lowest, money
from proxy.model.errors import Problem, ProblemError, QuestionError
from proxy.model.money import dollars
from proxy.purchases.buying import CLOSED_SECONDS, SOLD_OUT_SECONDS
from proxy.services import Services
from proxy.upstream.client import TIMEOUT_FRACTION

SECONDS = 4.0
"""The deadline of each question to the upstream."""

BUYS = ("getNumber", "getNumberV2")


@dataclass(slots=True)
class Explanation:
    """`facts` are lines for a person: what, and what of it."""

    dialect: str
    facts: list[tuple[str, str]] = field(default_factory=list)
    service: str | None = None
    country: str | None = None
    cents: int | None = None
    count: int | None = None
    """How many are surely in stock: 0 is none that is known."""
    refused: str | None = None
    """What the client would get instead of a number."""
    why: str | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "dialect": self.dialect,
            "service": self.service,
            "country": self.country,
            "price": None if self.cents is None else money.as_number(self.cents),
            "count": self.count,
            "refused": self.refused,
            "why": self.why,
            "facts": [list(fact) for fact in self.facts],
        }


async def explain(config: Config, question: Question) -> Explanation:
    """QuestionError where it is about something else; and what build_house raises."""
    upstream = replace(config.upstream, timeout=SECONDS / TIMEOUT_FRACTION)
    # The file is the running proxy's; nothing is bought that would have to be kept.
    services = build_services(
        replace(config, upstream=upstream, store=StoreConfig(url="sqlite://"))
    )
    try:
        return await _explained(services, question, config.store.url)
    finally:
        await services.catalogue.close()
        await services.upstream.close()
        await services.store.close()


async def _explained(services: Services, question: Question, store: str) -> Explanation:
    program, problem = _program(services.programs, question)
    dialect, request = question.dialect, question.request
    call = Call(services, dialect, request, program, Client(_nobody))
    said = Explanation(dialect.name, [("dialect", dialect.name), *parameters(call, question)])
    try:
        if problem:
            raise problem
        refused = _refused_action(call)
        if refused is None:
            await _buy(call, said, store, is_somebody=_is_somebody(question))
    except ProblemError as error:
        refused, said.why = dialect.refuse(error, request.action), _why(call, error)
    if refused is not None:
        said.refused = _shown(refused)
        said.why = said.why or "the upstream has nothing for this action"
    said.facts += _end(call, said)
    return said


async def _nobody() -> Any:
    """The client that a Call wants; nothing is bought, so nobody listens to it."""


def _is_somebody(question: Question) -> bool:
    return bool(question.program or question.request.text("api_key"))


def _program(programs: Programs, question: Question) -> tuple[Program, ProblemError | None]:
    """Whose question it is: a nameless one under the limits of all, where that is not known."""
    anybody = Program("", ClientKey.of(""), programs.limits)
    if question.program:
        known = {program.name: program for program in programs}
        if question.program not in known:
            fix = nearest(question.program, known) if known else "the configuration has no keys"
            raise QuestionError(f"key: {question.program} is no program: {fix}")
        return known[question.program], None
    is_elsewhere = not question.is_whole or question.dialect.key_header is not None
    if not question.request.text("api_key") and is_elsewhere:
        return anybody, None
    try:
        return programs.of(question.request.key), None
    except ProblemError as error:
        return anybody, error


def _refused_action(call: Call) -> Answer | None:
    """As the endpoint does, before any action begins."""
    action = call.request.action
    call.program.check(call.services.upstream.wall_clock(), action)
    if refused := call.dialect.refused.get(action):
        return written(refused)
    if action not in ACTIONS:
        raise ProblemError(Problem.BAD_ACTION, f"no such action: {nearest(action, BUYS)}")
    if action not in BUYS:
        raise QuestionError(f"{action} buys nothing: explain is about {' and '.join(BUYS)}")
    return None


async def _buy(call: Call, said: Explanation, store: str, *, is_somebody: bool) -> None:
    """Everything that is asked before a purchase is sent, in the same order."""
    caps, key = call.program.caps, call.program.key if is_somebody else None
    now = call.services.upstream.wall_clock()
    said.facts.append(("ceilings", limits.in_words(caps, key, store, now)))
    said.service, country, cap = wished(call)
    said.country = country.iso
    problem, stock = await asyncio.gather(_price(call, said), _stock(call, said))
    # Behind the price, whichever comes first.
    said.facts.append(("stock", stock))
    if problem:
        raise problem
    cents, cap = said.cents or 0, lowest(cap, caps.max_price)
    if money.is_over(cents, cap):
        why = f"it costs {dollars(cents)}, and at most {dollars(cap or 0)} may be paid"
        raise ProblemError(Problem.PRICE_TOO_HIGH, why, cents=cents)
    limits.check(caps, key, cents, store, now)


async def _price(call: Call, said: Explanation) -> ProblemError | None:
    """Why there is none. Not raised: the stock is told all the same."""
    try:
        said.cents = await call.services.catalogue.price(said.service or "", said.country or "")
    except ProblemError as error:
        said.facts.append(("price", f"not known: {error.detail}"))
        return error
    said.facts.append(("price", f"{dollars(said.cents)} dollars now"))
    return None


async def _stock(call: Call, said: Explanation) -> str:
    try:
        rows = (await call.services.catalogue.prices(said.service or "")).value
    except ProblemError as error:
        return f"not known: {error.detail}"
    said.count = sum(row.count for row in rows if row.country == said.country)
    none = "none that is known: perhaps NO_NUMBERS"
    return f"at least {said.count}" if said.count else none


def _why(call: Call, error: ProblemError) -> str:
    detail = error.detail or error.problem.name
    match error.problem:
        case Problem.NO_KEY:
            return "no api_key is sent"
        case Problem.PAUSED:
            return f"{call.program.name or 'every key'} is paused, or its time is over"
        case Problem.BAD_SERVICE if detail == "not in the tables":
            return f"no service of this dialect{better_service(call)}"
        case Problem.BAD_COUNTRY if detail == "not in the tables":
            return f"no country{better_country(call)}"
        case Problem.UNSUPPORTED_WISH:
            return f"{detail}: the upstream has no such numbers"
    return detail


def _shown(answer: Answer) -> str:
    status = f"{answer.status} " if answer.status != 200 else ""
    return f"{status}{answer.body.decode()}"


def _end(call: Call, said: Explanation) -> Facts:
    """The answer, and what comes after a number."""
    if said.refused is not None:
        yield "answer", said.refused
        yield "because", said.why or ""
        return
    yield "answer", f"a number, for {dollars(said.cents or 0)} dollars or what is then charged"
    until = "until the upstream allows it, some two minutes after the purchase"
    early = call.dialect.refuse(ProblemError(Problem.EARLY_CANCEL), "setStatus")
    cancel = "accepted, and kept" if call.defers_cancel else _shown(early)
    yield "cancel", f"{cancel} {until}"
    yield "unused", "refunded by the upstream when it expires, after some twenty minutes"
    again = f"NO_NUMBERS is said again for {SOLD_OUT_SECONDS:g} seconds without asking"
    yield "again", f"{again}; for {CLOSED_SECONDS:g}, if a number of another country came"
