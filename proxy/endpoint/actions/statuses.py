"""The status of an activation, its messages, and setStatus."""

import logging

from proxy.endpoint.actions.call import Call
from proxy.legacy import answers, status
from proxy.legacy.activation import Activation, View
from proxy.legacy.answers import Answer
from proxy.legacy.status import Act, Phase, Step
from proxy.model.errors import Problem, ProblemError
from proxy.orders.tracked import TrackedActivation
from proxy.runtime import log_events

log = logging.getLogger(__name__)


async def get_status(call: Call) -> Answer:
    wants_text = call.request.text("text") == "1"
    activation = await call.activation()
    view = await _refreshed(call, activation)
    answer = call.dialect.shapes.status(view, wants_text)
    return answer.valid_while(call.services.reads.validity(call.key, activation))


async def get_status_v2(call: Call) -> Answer:
    activation = await call.activation()
    view = await _refreshed(call, activation, whole=call.dialect.shapes.shows_sender)
    if view.has_ended_without_sms:
        return answers.text("STATUS_CANCEL")
    return answers.json(call.dialect.shapes.status_v2(view))


async def get_full_sms(call: Call) -> Answer:
    view = await _refreshed(call, await call.activation())
    if view.sms:
        return answers.text(f"FULL_SMS:{answers.full(view.sms.text)}")
    return answers.text(status.get_status(view.phase, view.activation.code))


async def get_all_sms(call: Call) -> Answer:
    activation = await call.activation()
    await call.services.reads.refresh(call.key, activation, further=True)
    view = call.view(activation)
    if view.has_ended_without_sms:
        raise ProblemError(Problem.NOT_ACTIVE)
    size, page = call.request.number("size"), call.request.number("page")
    return answers.json(call.dialect.shapes.all_sms(view, size or None, page or 1))


async def set_status(call: Call) -> Answer:
    return answers.text((await _set(call, call.request.status)).word)


async def finish_activation(call: Call) -> Answer:
    return call.dialect.shapes.done((await _set(call, 6)).word)


async def cancel_activation(call: Call) -> Answer:
    return call.dialect.shapes.done((await _set(call, 8)).word)


async def _refreshed(call: Call, activation: TrackedActivation, *, whole: bool = False) -> View:
    """The activation after a read of the upstream, if one is due; writes its story."""
    if not activation.was_asked:
        activation.was_asked = True
        _happened(call, activation, "asked")
    await call.services.reads.refresh(call.key, activation, whole=whole)
    view = call.view(activation)
    story = call.services.counters.story(view.order.id)
    is_new = bool(story) and story[-1].what in ("asked", "sms")
    if is_new and view.phase is Phase.RECEIVED:
        _happened(call, activation, "answered")
    if view.phase is Phase.RECEIVED and view.sms and not activation.was_read:
        activation.was_read = True
        if view.sms.received_at:
            call.services.counters.read_after(view.now - view.sms.received_at)
    return view


def _happened(call: Call, activation: Activation, what: str) -> None:
    call.services.counters.happened(activation.order.id, what, call.services.upstream.wall_clock())


async def _set(call: Call, code: int | None) -> Step:
    """Carries out a setStatus with this status code."""
    try:
        return await _carry_out(call, code)
    except ProblemError as error:
        if error.problem is Problem.NO_ACTIVATION and status.is_cancel(code):
            raise ProblemError(Problem.NOTHING_TO_CANCEL) from error
        raise


async def _carry_out(call: Call, code: int | None) -> Step:
    activation = await call.activation()
    if activation.is_unread:
        await call.services.reads.refresh(call.key, activation)
    step = status.set_status(activation.phase, code)
    if isinstance(step, Problem):
        raise ProblemError(step, f"status {code}")
    match step.act:
        case Act.FINISH:
            activation.finished = True
            _happened(call, activation, "finished")
            await call.services.orders.save(call.key, activation)
        case Act.RETRY:
            await _ask_again(call, activation)
        case Act.CANCEL:
            await call.services.cancels.cancel(call.key, activation, defer=call.defers_cancel)
    return step


async def _ask_again(call: Call, activation: TrackedActivation) -> None:
    """Waits for another SMS, even if the upstream refuses the retry."""
    before = activation.asked_at, activation.asked_since, activation.offered
    activation.asked_at = len(activation.order.messages)
    if activation.asked_at != before[0]:
        # A repeat must not move the start: an SMS since the first setStatus is new.
        activation.asked_since, activation.offered = call.services.upstream.now(), None
    _happened(call, activation, "asked_again")
    try:
        await call.services.upstream.retry(call.key, activation.order.id)
    except ProblemError as error:
        if error.problem is Problem.BAD_KEY:
            activation.asked_at, activation.asked_since, activation.offered = before
            raise
        log.warning(log_events.RETRY_REFUSED, activation.order.id, error)
    await call.services.orders.save(call.key, activation)
