"""The limits of a program as `explain` shows them, and what the program has used of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from proxy.model import ClientKey, Limits
from proxy.model.errors import Problem, ProblemError
from proxy.model.money import dollars
from proxy.runtime.plural import counted
from proxy.store import SpendingLimit, Store, readable

PERIODS = ("today", "this month")


class Usage(Protocol):
    """What is known of the use of limits. `key` is None for a request without one; `now` is this
    machine's time.
    """

    async def described(self, limits: Limits, key: ClientKey | None, now: float) -> str:
        """Each limit as text; with a `key`, also how much of it is used."""

    async def check(self, limits: Limits, key: ClientKey | None, cents: int, now: float) -> None:
        """Raises ProblemError if a number at this price would be over a limit."""


@dataclass(frozen=True, slots=True)
class RunningUsage:
    """By the store of the running proxy."""

    store: Store

    async def described(self, limits: Limits, key: ClientKey | None, now: float) -> str:
        return "; ".join([*fixed(limits), *used_up(limits, None, None)]) or "none"

    async def check(self, limits: Limits, key: ClientKey | None, cents: int, now: float) -> None:
        if key and is_limited(limits):
            with readable():
                problem = await self.store.refusal(key.hash, cents, spending(limits, now))
            if problem:
                raise over(problem, limits)


def is_limited(limits: Limits) -> bool:
    return limits.active is not None or limits.counts_money


def spending(limits: Limits, now: float) -> SpendingLimit:
    return SpendingLimit(now, limits.active, tuple(limits.money(now)))


def over(problem: Problem, limits: Limits) -> ProblemError:
    if problem is Problem.TOO_MANY_ACTIVE:
        return ProblemError(
            problem, f"the limit of {counted(limits.active or 0, 'active number')} is reached"
        )
    return ProblemError(problem, "a spending limit is reached")


def fixed(limits: Limits) -> Iterator[str]:
    if limits.max_price is not None:
        yield f"at most {dollars(limits.max_price)} for one number"
    if limits.services is not None:
        yield f"only services {', '.join(sorted(limits.services))}"
    if limits.countries is not None:
        yield f"only countries {', '.join(sorted(limits.countries))}"


def used_up(limits: Limits, held: int | None, spent: tuple[int, int] | None) -> Iterator[str]:
    """`held` are numbers, `spent` the cents of today and of this month; None: not known."""
    if limits.active is not None:
        used = "at most" if held is None else f"{held} of"
        yield f"{used} {counted(limits.active, 'active number')}"
    for number, limit in enumerate((limits.per_day, limits.per_month)):
        if limit is not None:
            used = f"{dollars(spent[number])} of" if spent else "at most"
            yield f"{used} {dollars(limit)} spent {PERIODS[number]}"
