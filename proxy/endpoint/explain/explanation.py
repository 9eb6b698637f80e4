"""What a getNumber would buy, by the upstream's public prices: nothing is bought."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from proxy.config.programs import Program, Programs
from proxy.config.yaml_file import nearest
from proxy.endpoint.actions import ACTIONS, Call, Client
from proxy.endpoint.actions.numbers import purchase_request
from proxy.endpoint.actions.parameters import check
from proxy.endpoint.explain.limits import Usage
from proxy.endpoint.explain.parameters import Facts, better_country, better_service, parameters
from proxy.endpoint.explain.question import Question
from proxy.legacy.answers import Answer
from proxy.legacy.dialects.dialect import refusal
from proxy.model import ClientKey, money
from proxy.model.errors import Problem, ProblemError, QuestionError
from proxy.model.money import dollars
from proxy.purchases.buying import CLOSED_SECONDS, SOLD_OUT_SECONDS
from proxy.services import Services

BUYS = ("getNumber", "getNumberV2")


@dataclass(slots=True)
class Explanation:
    """`facts` are the lines for a person: a name and a text each."""

    dialect: str
    facts: list[tuple[str, str]] = field(default_factory=list)
    service: str | None = None
    country: str | None = None
    cents: int | None = None
    count: int | None = None
    """A lower bound of the stock; 0 if none is known."""
    refused: str | None = None
    """The answer that the client would get instead of a number."""
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


async def explain(services: Services, question: Question, usage: Usage) -> Explanation:
    """Raises QuestionError if the action buys nothing, or if there is no such program."""
    program, problem = _program(services.programs, question)
    dialect, request = question.dialect, question.request
    call = Call(services, dialect, request, program, Client(_no_client))
    # To search a right word for a wrong one takes up to 50 ms.
    facts = await asyncio.to_thread(lambda: [*parameters(call, question)])
    result = Explanation(dialect.name, [("dialect", dialect.name), *facts])
    try:
        if problem:
            raise problem
        refused = _refused_action(call)
        if refused is None:
            has_key = bool(question.program or request.text("api_key"))
            await _check_purchase(call, result, usage, program.key if has_key else None)
    except ProblemError as error:
        refused = dialect.refuse(error, request.action)
        result.why = await asyncio.to_thread(_why, call, error)
    if refused is not None:
        result.refused = _shown(refused)
        result.why = result.why or "the upstream has nothing for this action"
    result.facts += _end(call, result)
    return result


async def _no_client() -> Any:
    """The `receive` of the Call's client. It is never called: nothing is bought."""


def _program(programs: Programs, question: Question) -> tuple[Program, ProblemError | None]:
    """The program of a question; without a key, a nameless one with the limits for all."""
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
    """The refusal that the endpoint gives before the action, if any. Raises ProblemError, or
    QuestionError if the action buys nothing.
    """
    action = call.request.action
    call.program.check(call.services.upstream.wall_clock(), action)
    if refused := call.dialect.refused.get(action):
        return refusal(refused)
    if action not in ACTIONS:
        raise ProblemError(Problem.BAD_ACTION, f"no such action: {nearest(action, BUYS)}")
    if action not in BUYS:
        raise QuestionError(f"{action} buys nothing: explain takes {' and '.join(BUYS)}")
    return None


async def _check_purchase(
    call: Call, result: Explanation, usage: Usage, key: ClientKey | None
) -> None:
    """The checks before a purchase, in the same order. Raises ProblemError."""
    limits, now = call.program.limits, call.services.upstream.wall_clock()
    result.facts.append(("limits", await usage.described(limits, key, now)))
    check(call.request)
    request = purchase_request(call)
    result.service, result.country = request.pair.what
    problem, stock = await asyncio.gather(_price(call, result), _stock(call, result))
    # After the line of the price, whichever is read first.
    result.facts.append(("stock", stock))
    if problem:
        raise problem
    cents = result.cents or 0
    if money.is_over(cents, request.max_price):
        why = f"the price is {dollars(cents)}, the maximum {dollars(request.max_price or 0)}"
        raise ProblemError(Problem.PRICE_TOO_HIGH, why, cents=cents)
    if money.is_over(request.min_price, cents):
        why = f"the price is {dollars(cents)}, minPrice {dollars(request.min_price or 0)}"
        raise ProblemError(Problem.NO_NUMBERS, why)
    await usage.check(limits, key, cents, now)


async def _price(call: Call, result: Explanation) -> ProblemError | None:
    """Reads the price. A problem is returned, not raised: the stock is printed all the same."""
    try:
        result.cents = await call.services.catalogue.price(
            result.service or "", result.country or ""
        )
    except ProblemError as error:
        result.facts.append(("price", f"not known: {error.detail}"))
        return error
    result.facts.append(("price", f"{dollars(result.cents)} dollars now"))
    return None


async def _stock(call: Call, result: Explanation) -> str:
    try:
        rows = (await call.services.catalogue.prices(result.service or "")).value
    except ProblemError as error:
        return f"not known: {error.detail}"
    result.count = sum(row.count for row in rows if row.country == result.country)
    none = "none known: the answer may be NO_NUMBERS"
    return f"at least {result.count}" if result.count else none


def _why(call: Call, error: ProblemError) -> str:
    detail = error.detail or error.problem.name
    match error.problem:
        case Problem.NO_KEY:
            return "no api_key is sent"
        case Problem.PAUSED:
            return f"{call.program.name or 'every key'} is paused or has expired"
        case Problem.BAD_SERVICE if detail == "not in the tables":
            return f"no service of this dialect{better_service(call)}"
        case Problem.BAD_COUNTRY if detail == "not in the tables":
            return f"no country{better_country(call)}"
    return detail


def _shown(answer: Answer) -> str:
    status = f"{answer.status} " if answer.status != 200 else ""
    return f"{status}{answer.body.decode()}"


def _end(call: Call, result: Explanation) -> Facts:
    """The answer, and what the client can expect after a number."""
    if result.refused is not None:
        yield "answer", result.refused
        yield "because", result.why or ""
        return
    yield "answer", f"a number, for {dollars(result.cents or 0)} dollars or the price at that time"
    until = "until the upstream allows it, about two minutes after the purchase"
    early = call.dialect.refuse(ProblemError(Problem.EARLY_CANCEL), "setStatus")
    cancel = "accepted; it waits" if call.defers_cancel else _shown(early)
    yield "cancel", f"{cancel} {until}"
    yield "unused", "refunded by the upstream when it expires, after about twenty minutes"
    again = f"NO_NUMBERS is repeated for {SOLD_OUT_SECONDS:g} seconds without a call upstream"
    yield "again", f"{again}; {CLOSED_SECONDS:g} seconds after a number of another country"
