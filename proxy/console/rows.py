"""Activations as the page shows them: rows, their stories and their messages."""

import asyncio
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from proxy.console.acts import Acts
from proxy.legacy.status import Phase
from proxy.model import NO_KEY, OVER, ClientKey, OrderState, money
from proxy.orders.tracked import TrackedActivation
from proxy.runtime.counters import StoryEvent
from proxy.services import Services

RowKey = tuple[str, int]
"""The hash of the client's key, and the activation's id, which is unique for that key only."""
Row = dict[str, object]

MAX_TEXT = 500
"""Characters of an SMS in a row."""
MAX_AT_ONCE = 50
"""Rows that are made without a thread."""

# Story events in words; {} is the amount of money.
STORY: Mapping[str, str] = {
    "bought": "Bought for {}",
    "told": "The program got the number",
    "in_doubt": "In doubt whether the program got it: kept for a request that names it",
    "named": "The program named the number: it has it",
    "charged_in_doubt": "An SMS came, and no program named the number: it stays charged",
    "asked": "The program asked for its SMS for the first time",
    "sms": "An SMS came",
    "answered": "The program got the code",
    "asked_again": "The program asked for another SMS",
    "finish_clicked": "Somebody asked from the console to finish it",
    "cancel_clicked": "Somebody asked from the console to cancel it",
    "swap_clicked": "Somebody asked from the console for another number",
    "finished": "Finished",
    "swapped": "Swapped for another number",
    "promised": "Cancelled early: the cancel is scheduled",
    "too_late": "The scheduled cancel came too late: an SMS came first",
    "cancelled": "The upstream cancelled it",
    "expired": "It expired",
    "completed": "The upstream completed it",
    "waiting": "The upstream ended it",
    "refunded": "{} came back",
    "refunded_promise": "{} came back: the scheduled cancel was carried out",
    "refunded_orphan": "{} came back: the number was unclaimed",
    "orphan": "Paid but unclaimed: the next matching request gets it",
    "handed_over": "Given to the next matching request: {} saved",
}


STATES = (
    "waiting", "unread", "received", "retrying", "cancelling", "unclaimed", "doubt", "finished",
    "cancelled", "expired",
)  # fmt: skip
"""The words of `state_of`."""


@dataclass(frozen=True, slots=True)
class RowState:
    """What a row is made of: two equal states make the same row."""

    order: object
    said: tuple[object, ...]
    told: bool | None
    is_pushed: bool
    parts: int
    state: str
    key: ClientKey


Found = tuple[RowKey, TrackedActivation, RowState]


class Rows:
    def __init__(self, services: Services) -> None:
        self._services = services
        self.acts = Acts(services)

    def states(self) -> Iterator[Found]:
        """Yields every activation of the last hour that was bought or requested here, by the store
        also before the last start.
        """
        for key, activation in self._services.orders.shown():
            if activation.is_worth_keeping or activation.was_asked:
                yield (key.hash, activation.id), activation, self.state(key, activation)

    def state(self, key: ClientKey, activation: TrackedActivation) -> RowState:
        services = self._services
        return RowState(
            activation.order,
            activation.client_state,
            activation.delivered,
            activation.open_at < math.inf,
            len(services.counters.story(activation.order.id)),
            state_of(activation, services.upstream.now()),
            key,
        )

    def _row(
        self, row_key: RowKey, activation: TrackedActivation, row_state: RowState, now: float
    ) -> Row:
        order, clock = activation.order, self._services.upstream.clock
        return {
            "row": row_id(row_key),
            "id": activation.id,
            "place": activation.place,
            "phone": order.phone,
            "program": self.program(row_state.key),
            # Without its key nothing can be asked of the upstream for it.
            "has_key": row_state.key.upstream is not NO_KEY
            or bool(self._services.programs.name_of(row_key[0])),
            "bought_at": clock.to_wall(order.created_at),
            # By the upstream's clock, for sorting: rows are made at different moments, between
            # which its difference from this machine's clock may change.
            "created_at": order.created_at,
            "expires_at": clock.to_wall(order.expires_at),
            "state": row_state.state,
            "cents": order.cents,
            "sms": len(order.messages),
            "push": row_state.is_pushed,
            "code": code_of(activation),
            "text": activation.order.messages[-1].text[:MAX_TEXT] if order.messages else None,
            "acts": self.why_not(activation, row_state, now),
            "parts": row_state.parts,
            **self.names(order.service, order.country),
        }

    def why_not(
        self, activation: TrackedActivation, row_state: RowState, now: float
    ) -> dict[str, str | None]:
        """For each act None, or why it is not possible. `now` is this machine's time."""
        return self.acts.why_not(row_state.key, activation.phase, row_state.state, now)

    async def all(self) -> list[Row]:
        return await self.made([*self.states()])

    async def made(self, found: Sequence[Found]) -> list[Row]:
        """Many are made in a thread: to find the code of a new text takes 0.3 ms."""
        now = self._services.upstream.wall_clock()
        if len(found) <= MAX_AT_ONCE:
            return [self._row(*one, now) for one in found]
        return await asyncio.to_thread(lambda: [self._row(*one, now) for one in found])

    def row(self, found: Found) -> Row:
        return self._row(*found, self._services.upstream.wall_clock())

    def find(self, row: str) -> Found | None:
        return next((found for found in self.states() if row_id(found[0]) == row), None)

    def program(self, key: ClientKey) -> str:
        return self._services.programs.name_of(key.hash) or str(key)

    def names(self, service: str, iso: str) -> Row:
        """Returns the legacy codes and the names of a service and a country."""
        codes = self._services.codes
        id = codes.country_id(iso)
        return {
            "service": service,
            "service_name": codes.services.get(service, service),
            "country": id,
            "country_name": iso if id is None else codes.countries[id].eng,
        }

    def story(self, events: Iterable[StoryEvent]) -> list[Row]:
        return [
            {
                "at": at,
                "what": what,
                "text": STORY.get(what, what).format(f"{money.dollars(cents)} USD"),
            }
            for at, what, cents in events
        ]

    def messages(self, activation: TrackedActivation) -> list[Row]:
        """Returns the SMS with their codes, oldest first."""
        clock = self._services.upstream.clock
        return [
            {
                "at": clock.to_wall(sms.received_at),
                "sender": sms.sender,
                "text": sms.text,
                "code": activation.code_of(sms),
            }
            for sms in activation.order.messages
        ]


def code_of(activation: TrackedActivation) -> str | None:
    """The code that getStatus gives the program, also when it is finished; None if no SMS has one,
    or if the activation is cancelled.
    """
    sms = None if activation.phase is Phase.CANCELLED else activation.sms
    return activation.code if sms and activation.find(sms.text) else None


def row_id(row_key: RowKey) -> str:
    return f"{row_key[0][:8]}-{row_key[1]}"


def state_of(activation: TrackedActivation, now: float) -> str:
    """Returns the state as one word. `now` is the upstream's time, in seconds."""
    order, phase = activation.order, activation.phase
    is_over = order.state in OVER or activation.confirmed
    if activation.cancelling and not is_over:
        return "cancelling"
    if activation.delivered is False and not is_over:
        return "doubt" if activation.in_doubt else "unclaimed"
    if phase is Phase.CANCELLED:
        return "expired" if order.state is OrderState.EXPIRED else "cancelled"
    if phase is Phase.WAITING and not is_over:
        if activation.is_unread:
            return "unread"
        return "expired" if (order.expires_at or math.inf) < now else "waiting"
    return "cancelled" if phase is Phase.WAITING else phase.name.lower()
