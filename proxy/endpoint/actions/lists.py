"""Lists of a key's activations: the active ones, and the history."""

from collections.abc import Sequence

from proxy.endpoint.actions.call import Call
from proxy.legacy import answers
from proxy.legacy.activation import View
from proxy.legacy.answers import Answer
from proxy.legacy.status import Phase
from proxy.model.errors import Problem, ProblemError
from proxy.orders.tracked import TrackedActivation

ACTIVE = (Phase.WAITING, Phase.RECEIVED, Phase.RETRYING)

MAX_ROWS = 100
MAX_READS = 5
"""Reads of single orders for one list, so that a list does not use up the key's requests."""
MAX_HISTORY_SECONDS = 30 * 86_400
"""sms-activate's history had thirty days."""


async def get_active_activations(call: Call) -> Answer:
    known = await call.services.reads.all(call.key)
    active = [one for one in known if one.phase in ACTIVE and not call.view(one).is_over]
    start, length = _page(call, "offset", "start", default=MAX_ROWS)
    page = await _read(call, active[start : start + length])
    return answers.json(call.dialect.shapes.active(page))


async def get_history(call: Call) -> Answer:
    """Newest first: the upstream's order list and the orders known here."""
    first, last = _time(call, "start"), _time(call, "end")
    end = float("inf") if last is None else last
    begin = 0 if first is None else first
    upstream = call.services.upstream
    if begin > end or (first and min(end, upstream.wall_clock()) - begin > MAX_HISTORY_SECONDS):
        raise ProblemError(Problem.BAD_DATE, parameter="start")
    # A client's times are on its own clock, which is taken for this machine's.
    ahead = upstream.clock.ahead
    known = [
        one
        for one in await call.services.reads.all(call.key)
        if begin <= int(call.view(one).bought_at - ahead) <= end
    ]
    offset, limit = _page(call, "offset", default=50)
    page = await _read(call, known[offset : offset + limit])
    return answers.json(call.dialect.shapes.history(page))


async def _read(call: Call, page: Sequence[TrackedActivation]) -> list[View]:
    """Reads some changed orders of a page first: a program may get its codes only from a list."""
    page = await call.services.journal.deliveries.shown(call.key, page)
    unread = [activation for activation in page if activation.is_unread]
    for activation in unread[:MAX_READS]:
        await call.services.reads.refresh(call.key, activation)
    return [call.view(activation) for activation in page]


def _page(call: Call, *offset_names: str, default: int) -> tuple[int, int]:
    """Offset and length of the requested page; the length is `default` if none was sent."""
    length = call.request.number("limit", "size", "length")
    return call.request.number(*offset_names) or 0, min(length or default, MAX_ROWS)


def _time(call: Call, name: str) -> int | None:
    """A Unix time in seconds; None if it was not sent. Raises ProblemError (BAD_DATE)."""
    value = call.request.number(name)
    if value is None and call.request.text(name):
        raise ProblemError(Problem.BAD_DATE, name, parameter=name)
    return value
