"""Activations as the page shows them: rows, their stories and their messages."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from proxy.legacy.activation import code_of
from proxy.legacy.status import Phase
from proxy.model import OVER, ClientKey, OrderState, money
from proxy.orders.tracked import TrackedActivation
from proxy.services import Services

Place = tuple[ClientKey, int]
Row = dict[str, object]

# The parts of a story, in words for people; {} is the money.
STORY: Mapping[str, str] = {
    "bought": "Bought for {}",
    "told": "The program was told the number",
    "asked": "The program asked for its SMS for the first time",
    "sms": "An SMS came",
    "answered": "The program was given the code",
    "asked_again": "The program asked for one more SMS",
    "finished": "The program finished it",
    "swapped": "Swapped for another number",
    "promised": "The program cancelled early: the cancel is promised",
    "too_late": "The promised cancel came too late: an SMS was first",
    "cancelled": "The upstream has cancelled it",
    "expired": "Its time is over",
    "completed": "The upstream has closed it",
    "waiting": "Its end is certain",
    "refunded": "{} came back",
    "refunded_promise": "{} came back: the promised cancel was kept",
    "refunded_orphan": "{} came back: no program had been told of it",
    "orphan": "Paid, and nobody was told: it waits for the next who asks for the same",
    "handed_over": "Handed over to who asked next: {} saved",
}


@dataclass(frozen=True, slots=True)
class RowState:
    """What is shown of an activation; two are equal while its row is the same."""

    order: object
    said: tuple[object, ...]
    told: bool | None
    is_pushed: bool
    parts: int
    state: str


class Rows:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._names = {program.key.hash: program.name for program in services.programs}

    def sights(self) -> Iterator[tuple[Place, TrackedActivation, RowState]]:
        """Of every activation of the last hour that was bought or asked for here."""
        now, counters = self._services.upstream.now(), self._services.counters
        for key, activation in self._services.orders.young():
            if not (activation.is_worth_keeping or activation.was_asked):
                continue
            sight = RowState(
                activation.order,
                activation.said,
                activation.told,
                activation.open_at < math.inf,
                len(counters.story(activation.order.id)),
                state(activation, now),
            )
            yield (key, activation.id), activation, sight

    def row(self, place: Place, activation: TrackedActivation, sight: RowState) -> Row:
        key, order, clock = place[0], activation.order, self._services.upstream.clock
        return {
            "row": name(place),
            "id": activation.id,
            "place": activation.place,
            "phone": order.phone,
            "program": self.program(key),
            "bought_at": clock.to_wall(order.created_at),
            # By the upstream's own clock: rows are made at different moments, and the difference of
            # the two clocks may have changed between.
            "created_at": order.created_at,
            "expires_at": clock.to_wall(order.expires_at),
            "state": sight.state,
            "cents": order.cents,
            "sms": len(order.messages),
            "push": sight.is_pushed,
            "parts": sight.parts,
            **self.bought(order.service, order.country),
        }

    def all(self) -> list[Row]:
        return [self.row(*found) for found in self.sights()]

    def find(self, row: str) -> tuple[Place, TrackedActivation, RowState] | None:
        return next((found for found in self.sights() if name(found[0]) == row), None)

    def program(self, key: ClientKey) -> str:
        return self._names.get(key.hash) or str(key)

    def bought(self, service: str, iso: str) -> Row:
        """Both by their legacy code and by name."""
        codes = self._services.codes
        id = codes.country_id(iso)
        return {
            "service": service,
            "service_name": codes.services.get(service, service),
            "country": id,
            "country_name": iso if id is None else codes.countries[id].eng,
        }

    def story(self, activation: TrackedActivation) -> list[Row]:
        """What happened since the start of the proxy, oldest first."""
        return [
            {"at": part.at, "what": part.what, "text": told(part.what, part.cents)}
            for part in self._services.counters.story(activation.order.id)
        ]

    def messages(self, activation: TrackedActivation) -> list[Row]:
        """The SMS, oldest first: the code is in them, so only who asks for it sees them."""
        clock = self._services.upstream.clock
        return [
            {
                "at": clock.to_wall(sms.received_at),
                "sender": sms.sender,
                "text": sms.text,
                "code": code_of(sms),
            }
            for sms in activation.order.messages
        ]


def name(place: Place) -> str:
    """An id is unique among those of one key only."""
    return f"{place[0].fingerprint}-{place[1]}"


def told(what: str, cents: int) -> str:
    return STORY.get(what, what).format(f"{money.dollars(cents)} USD")


def state(activation: TrackedActivation, now: float) -> str:
    """One word for all that is known of it."""
    order, phase = activation.order, activation.phase
    is_over = order.state in OVER or activation.confirmed
    if activation.cancelling and not is_over:
        return "cancelling"
    if activation.told is False and not is_over:
        return "orphan"
    if phase is Phase.CANCELLED:
        return "expired" if order.state is OrderState.EXPIRED else "cancelled"
    if phase is Phase.WAITING and not is_over:
        if activation.is_unread:
            return "unread"
        return "expired" if (order.expires_at or math.inf) < now else "waiting"
    return "cancelled" if phase is Phase.WAITING else phase.name.lower()
