"""What the ceilings of a program leave for one more number, by the store that the proxy keeps."""

from collections.abc import Iterator

from proxy.commands.plural import counted
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


def in_words(caps: Limits, key: ClientKey | None, store: str, now: float) -> str:
    """Each ceiling there is, and how near it is; without a `key`, nobody's in particular."""
    words = list(_fixed(caps))
    try:
        if key and _is_there(store):
            with open_read_only(store) as seen:
                words += list(_counted(caps, seen, key, now))
        else:
            words += _counted(caps, None, key, now)
    except StoreError as error:
        words += [*_counted(caps, None, None, now), f"not known how near: {error}"]
    return "; ".join(words) or "none"


def check(caps: Limits, key: ClientKey | None, cents: int, store: str, now: float) -> None:
    """ProblemError where a number of that price does not fit under them."""
    counts = caps.active is not None or caps.counts_money
    if key is None or not counts or not _is_there(store):
        return
    ceiling = SpendingLimit(now, caps.active, tuple(caps.money(now)))
    reference = PendingOperation("", OperationKind.PURCHASE, key, "", "", now, cents=cents)
    try:
        with open_read_only(store) as seen:
            problem = seen.refusal(reference, ceiling)
    except StoreError as error:
        raise ProblemError(Problem.TRY_AGAIN, str(error)) from error
    if problem is Problem.TOO_MANY_ACTIVE:
        held = counted(caps.active or 0, "number")
        raise ProblemError(problem, f"{held} held, and no more may be")
    if problem:
        raise ProblemError(problem, "a ceiling of spending is reached")


def _is_there(store: str) -> bool:
    """Before its first start, a proxy has spent nothing."""
    if is_postgres(store):
        return True
    path = file_of(store)
    return path is not None and path.exists()


def _fixed(caps: Limits) -> Iterator[str]:
    if caps.max_price is not None:
        yield f"at most {dollars(caps.max_price)} for one number"
    if caps.services is not None:
        yield f"services {', '.join(sorted(caps.services))} alone"
    if caps.countries is not None:
        yield f"countries {', '.join(sorted(caps.countries))} alone"


def _counted(
    caps: Limits, seen: ReadOnlyStore | None, key: ClientKey | None, now: float
) -> Iterator[str]:
    if caps.active is not None:
        held = f"{seen.held(key.hash, now) if seen and key else 0} of " if key else ""
        yield f"{held}{counted(caps.active, 'number')} held at once"
    most_of = zip(caps.since(now), (caps.per_day, caps.per_month), PERIODS, strict=True)
    for since, most, period in most_of:
        if most is not None:
            spent = seen.spent(key.hash, since) if seen and key else 0
            yield f"{f'{dollars(spent)} of ' if key else ''}{dollars(most)} spent {period}"
