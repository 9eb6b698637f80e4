"""An activation: an order as the client holds it, under its legacy id. Pure."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

from proxy.legacy.answers import safe
from proxy.legacy.code import find_code
from proxy.legacy.status import Phase
from proxy.model import OVER, ActivationFlags, Order, OrderState, Sms, money

MAX_ID = 2**31 - 1
"""The official Java client reads an id with Integer.parseInt."""


@dataclass(slots=True)
class Activation(ActivationFlags):
    """What the client holds: an order under its legacy id, and what the client has said of it."""

    id: int
    order: Order
    service: str
    """The code that the client bought, else the upstream's."""
    place: int = 0
    """How many of its key were known before it, and itself."""
    reference: str = ""
    """The client's own `orderId` for it."""
    asked_at: int | None = None
    """How many messages were known when the client asked for one more."""
    read_at: float = 0.0
    """When the order itself, not just its row in the list, was last read: upstream's clock."""
    forwarded: tuple[str, ...] = ()
    """The texts of the SMS that are queued for the targets of the configuration, or were."""

    @property
    def said(self) -> tuple[object, ...]:
        """What is known beside the order: its client's words, and that its end is certain."""
        return self.asked_at, *self.flags().values()

    @property
    def phase(self) -> Phase:
        messages = len(self.order.messages)
        if self.cancelling:
            return Phase.CANCELLED
        if self.finished:
            return Phase.FINISHED
        if messages > (self.asked_at or 0):
            return Phase.RECEIVED
        if messages:
            # The activation was paid for; when its time is over, no further SMS can come.
            return Phase.FINISHED if self._was_read_after_its_end else Phase.RETRYING
        return Phase.CANCELLED if self.confirmed else Phase.WAITING

    @property
    def _was_read_after_its_end(self) -> bool:
        expires = self.order.expires_at
        return self.confirmed or (expires is not None and self.read_at >= expires)

    @property
    def is_untouched(self) -> bool:
        """Nothing but waiting is known of it: a row of the order list can tell all."""
        return self.order.state is OrderState.WAITING and not self.order.messages

    @property
    def is_without_sms(self) -> bool:
        """No SMS is known, and the order is not known to be over."""
        return self.order.state not in OVER and not self.order.messages

    @property
    def is_unread(self) -> bool:
        """The list says that something has come of it, and nobody has read what."""
        is_waiting = self.order.state is OrderState.WAITING
        return not (is_waiting or self.order.messages or self.confirmed)

    @property
    def is_settled(self) -> bool:
        """No read can change what the client is told."""
        if self.phase is Phase.RECEIVED:
            # A welcome may come before the code.
            return self.sms is not None and find_code(self.sms.text) is not None
        return self.phase in (Phase.FINISHED, Phase.CANCELLED)

    @property
    def is_only_pushed(self) -> bool:
        """A socket has told its code; the order itself has not shown any."""
        return bool(self.order.messages) and all(sms.pushed for sms in self.order.messages)

    @property
    def unforwarded(self) -> list[Sms]:
        """The messages that no target was to get so far."""
        left, fresh = list(self.forwarded), []
        for sms in self.order.messages:
            if sms.text in left:
                left.remove(sms.text)
            else:
                fresh.append(sms)
        # What was only pushed may be worded otherwise in the order itself.
        codes = {find_code(text) for text in left} - {None}
        return [sms for sms in fresh if find_code(sms.text) not in codes]

    def nth(self, sms: Sms) -> int:
        """How many messages with the same code came before it."""
        before = self.order.messages[: self.order.messages.index(sms)]
        return sum(code_of(other) == code_of(sms) for other in before)

    def name_of(self, sms: Sms) -> str:
        """The same in every process: what is made of it tells one SMS from another."""
        return f"{self.order.id}/{self.nth(sms)}/{code_of(sms)}"

    @property
    def is_worth_keeping(self) -> bool:
        """It was bought here, or its client has said something of it."""
        spoken_of = self.finished or self.cancelling or self.asked_at is not None
        return self.delivered is not None or spoken_of

    @property
    def sms(self) -> Sms | None:
        """The newest message that has a code, else the newest.

        After a further SMS was asked for, an older message is looked at only while none has come.
        """
        messages = self.order.messages
        newest = messages[self.asked_at or 0 :] or messages
        with_code = (sms for sms in reversed(newest) if find_code(sms.text))
        return next(with_code, newest[-1] if newest else None)

    @property
    def code(self) -> str:
        """The code of `sms`, else its text, safe for the wire."""
        return code_of(self.sms) if self.sms else ""


def code_of(sms: Sms) -> str:
    return safe(find_code(sms.text) or sms.text)


@dataclass(frozen=True, slots=True)
class View:
    """An activation with all that a body can show of it."""

    activation: Activation
    phase: Phase
    country: int
    country_name: str
    dial: str
    now: float

    @property
    def order(self) -> Order:
        return self.activation.order

    @property
    def is_over(self) -> bool:
        expires = self.order.expires_at
        return self.order.state in OVER or (expires is not None and self.now >= expires)

    @property
    def bought_at(self) -> float:
        return self.order.created_at or self.now

    @property
    def dollars(self) -> str:
        return money.dollars(self.order.cents or 0)

    @property
    def cost(self) -> float:
        """`dollars`, as a number."""
        return money.as_number(self.order.cents or 0)

    @property
    def sms(self) -> Sms | None:
        """What may be shown: nothing while a further SMS is waited for, nor after a cancel."""
        shown = self.phase in (Phase.RECEIVED, Phase.FINISHED)
        return self.activation.sms if shown else None


def candidates(order_id: str) -> Iterator[int]:
    """The legacy ids that an order may have, in order of preference: 1 to MAX_ID, for ever."""
    for attempt in count():
        digest = hashlib.blake2b(f"{order_id}:{attempt}".encode(), digest_size=8).digest()
        yield int.from_bytes(digest) % MAX_ID + 1
