"""The activations of a key: those that live, and those that were."""

from collections.abc import Sequence

from proxy.endpoint.actions.call import Call
from proxy.legacy import answers
from proxy.legacy.activation import View
from proxy.legacy.answers import Answer
from proxy.legacy.status import Phase
from proxy.model.errors import Problem, ProblemError
from proxy.orders.tracked import TrackedActivation

LIVE = (Phase.WAITING, Phase.RECEIVED, Phase.RETRYING)

MOST_ROWS = 100
MOST_READS = 5
"""Reads of single orders for one list, so that a list does not use up the key's requests."""
LONGEST = 30 * 86_400
"""sms-activate's history reached back thirty days at most."""


async def get_active_activations(call: Call) -> Answer:
    known = await call.services.reads.all(call.key)
    live = [one for one in known if one.phase in LIVE and not call.view(one).is_over]
    start, length = _page(call, "offset", "start", most=MOST_ROWS)
    page = await _read(call, live[start : start + length])
    return answers.json(call.dialect.shapes.active(page))


async def get_history(call: Call) -> Answer:
    """Newest first: what the upstream still lists, and what is known here."""
    first, last = _time(call, "start"), _time(call, "end")
    end = float("inf") if last is None else last
    begin = 0 if first is None else first
    upstream = call.services.upstream
    if begin > end or (first and min(end, upstream.wall_clock()) - begin > LONGEST):
        raise ProblemError(Problem.BAD_DATE)
    # What a client names is in its own time, which is this machine's.
    ahead = upstream.clock.ahead
    known = [
        one
        for one in await call.services.reads.all(call.key)
        if begin <= int(call.view(one).bought_at - ahead) <= end
    ]
    offset, limit = _page(call, "offset", most=50)
    page = await _read(call, known[offset : offset + limit])
    return answers.json(call.dialect.shapes.history(page))


async def _read(call: Call, page: Sequence[TrackedActivation]) -> list[View]:
    """A program may have no other call for its code than these: what has come is read, some now."""
    unread = [activation for activation in page if activation.is_unread]
    for activation in unread[:MOST_READS]:
        await call.services.reads.refresh(call.key, activation)
    return [call.view(activation) for activation in page]


def _page(call: Call, *first: str, most: int) -> tuple[int, int]:
    """Offset, by these names, and length: `most` unless the client wants another, up to 100."""
    length = call.request.number("limit", "size", "length")
    return call.request.number(*first) or 0, min(length or most, MOST_ROWS)


def _time(call: Call, name: str) -> int | None:
    """A Unix time; WRONG_DATE where the client sent something else."""
    value = call.request.number(name)
    if value is None and call.request.text(name):
        raise ProblemError(Problem.BAD_DATE, name)
    return value
