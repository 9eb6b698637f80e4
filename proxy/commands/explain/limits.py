"""The limits of a program, and what it has used of them by the running proxy's store."""

from collections.abc import Iterator

from proxy.commands.columns import counted
from proxy.model import ClientKey, Limits
from proxy.model.errors import Problem, ProblemError, StoreError
from proxy.model.money import dollars
from proxy.store import (
    OperationKind,
    PendingOperation,
    ReadOnlyStore,
    SpendingLimit,
    file_of,
    is_postgres,
    open_read_only,
)

PERIODS = ("today", "this month")


def describe_limits(limits: Limits, key: ClientKey | None, store: str, now: float) -> str:
    """Each limit as text; with a `key`, also how much of it is used."""
    texts = list(_fixed(limits))
    try:
        if key and _exists(store):
            with open_read_only(store) as seen:
                # As a list: if the store fails half-way, no text is added.
                texts += list(_counted(limits, seen, key, now))
        else:
            texts += _counted(limits, None, key, now)
    except StoreError as error:
        texts += [*_counted(limits, None, None, now), f"how much is used is not known: {error}"]
    return "; ".join(texts) or "none"


def check_limits(limits: Limits, key: ClientKey | None, cents: int, store: str, now: float) -> None:
    """Raises ProblemError if a number at this price would be over a limit."""
    is_limited = limits.active is not None or limits.counts_money
    if key is None or not is_limited or not _exists(store):
        return
    spending = SpendingLimit(now, limits.active, tuple(limits.money(now)))
    purchase = PendingOperation("", OperationKind.PURCHASE, key, "", "", now, cents=cents)
    try:
        with open_read_only(store) as seen:
            problem = seen.refusal(purchase, spending)
    except StoreError as error:
        raise ProblemError(Problem.TRY_AGAIN, str(error)) from error
    if problem is Problem.TOO_MANY_ACTIVE:
        numbers = counted(limits.active or 0, "active number")
        raise ProblemError(problem, f"the limit of {numbers} is reached")
    if problem:
        raise ProblemError(problem, "a spending limit is reached")


def _exists(store: str) -> bool:
    """Whether there is a store: before its first start a proxy has spent nothing."""
    if is_postgres(store):
        return True
    path = file_of(store)
    return path is not None and path.exists()


def _fixed(limits: Limits) -> Iterator[str]:
    if limits.max_price is not None:
        yield f"at most {dollars(limits.max_price)} for one number"
    if limits.services is not None:
        yield f"only services {', '.join(sorted(limits.services))}"
    if limits.countries is not None:
        yield f"only countries {', '.join(sorted(limits.countries))}"


def _counted(
    limits: Limits, seen: ReadOnlyStore | None, key: ClientKey | None, now: float
) -> Iterator[str]:
    if limits.active is not None:
        used = f"{seen.held(key.hash, now) if seen and key else 0} of" if key else "at most"
        yield f"{used} {counted(limits.active, 'active number')}"
    periods = zip(limits.since(now), (limits.per_day, limits.per_month), PERIODS, strict=True)
    for since, limit, period in periods:
        if limit is not None:
            spent = dollars(seen.spent(key.hash, since) if seen and key else 0)
            yield f"{f'{spent} of' if key else 'at most'} {dollars(limit)} spent {period}"
