"""An activation: an order as the client holds it, under its legacy id. Pure."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

from proxy.legacy.answers import safe
from proxy.legacy.code import FindCode, find_code
from proxy.legacy.status import Phase
from proxy.model import OVER, ActivationFlags, Order, OrderState, Sms, money
from proxy.model.flags import flag_values

MAX_ID = 2**31 - 1
"""The official Java client reads an id with Integer.parseInt, which takes 31 bits."""


@dataclass(slots=True)
class Activation(ActivationFlags):
    """An order under its legacy id, with the state that the client's requests have set."""

    id: int
    order: Order
    service: str
    """The service code that the client sent; the upstream's code if no client is known."""
    place: int = 0
    """Its position among the activations of its key, from 1, in the order they became known."""
    reference: str = ""
    """The client's `orderId` for it."""
    asked_at: int | None = None
    """The number of messages when the client last asked for another SMS."""
    read_at: float = 0.0
    """When the order itself, not only its row in the list, was last read: upstream's clock."""
    forwarded: tuple[str, ...] = ()
    """Texts of the SMS that are or were queued for the targets of `forward`."""
    find: FindCode = field(default=find_code, repr=False, compare=False)
    """Finds the code of a text, by the words of the configuration."""

    @property
    def client_state(self) -> tuple[object, ...]:
        """Everything that can change while the order stays the same: requests and flags."""
        return self.asked_at, flag_values(self)

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
            # The activation is charged; after its end no further SMS can come.
            return Phase.FINISHED if self._was_read_after_its_end else Phase.RETRYING
        return Phase.CANCELLED if self.confirmed else Phase.WAITING

    @property
    def _was_read_after_its_end(self) -> bool:
        expires = self.order.expires_at
        return self.confirmed or (expires is not None and self.read_at >= expires)

    @property
    def in_doubt(self) -> bool:
        """Nobody knows whether a client has received the number: no other client gets it."""
        return self.doubted and not self.delivered

    @property
    def is_untouched(self) -> bool:
        """It is waiting and has no messages: the order list shows everything about it."""
        return self.order.state is OrderState.WAITING and not self.order.messages

    @property
    def is_without_sms(self) -> bool:
        """It has no messages, and its order is not over as far as known."""
        return self.order.state not in OVER and not self.order.messages

    @property
    def is_unread(self) -> bool:
        """The list shows that it has changed, and the order has not been read since."""
        is_waiting = self.order.state is OrderState.WAITING
        return not (is_waiting or self.order.messages or self.confirmed)

    @property
    def is_settled(self) -> bool:
        """No further read of the order can change the answer of getStatus."""
        if self.phase is Phase.RECEIVED:
            # A welcome SMS may come before the one with the code.
            return self.sms is not None and self.find(self.sms.text) is not None
        return self.phase in (Phase.FINISHED, Phase.CANCELLED)

    @property
    def is_only_pushed(self) -> bool:
        """All its messages came by push; no read of the order has shown them yet."""
        return bool(self.order.messages) and all(sms.pushed for sms in self.order.messages)

    @property
    def unforwarded(self) -> list[Sms]:
        """The messages that were never queued for the targets of `forward`."""
        left, fresh = list(self.forwarded), []
        for sms in self.order.messages:
            if sms.text in left:
                left.remove(sms.text)
            else:
                fresh.append(sms)
        # The text of a pushed SMS may differ from the text in the order.
        codes = {self.find(text) for text in left} - {None}
        return [sms for sms in fresh if self.find(sms.text) not in codes]

    def nth(self, sms: Sms) -> int:
        """The number of messages with the same code before this one."""
        before = self.order.messages[: self.order.messages.index(sms)]
        return sum(self.code_of(other) == self.code_of(sms) for other in before)

    def name_of(self, sms: Sms) -> str:
        """A unique name of the SMS, the same in every process."""
        return f"{self.order.id}/{self.nth(sms)}/{self.code_of(sms)}"

    @property
    def is_worth_keeping(self) -> bool:
        """It was bought here, or a setStatus of its client has changed it."""
        is_changed = self.finished or self.cancelling or self.asked_at is not None
        return self.delivered is not None or is_changed

    @property
    def sms(self) -> Sms | None:
        """The newest message with a code; without any, the newest message.

        After the client has asked for another SMS, older messages count only until one has come.
        """
        messages = self.order.messages
        newest = messages[self.asked_at or 0 :] or messages
        with_code = (sms for sms in reversed(newest) if self.find(sms.text))
        return next(with_code, newest[-1] if newest else None)

    @property
    def code(self) -> str:
        """The code of `sms`, or its text if it has none, safe for the wire."""
        return self.code_of(self.sms) if self.sms else ""

    def code_of(self, sms: Sms) -> str:
        """The code of an SMS, or its text if it has none, safe for the wire."""
        return safe(self.find(sms.text) or sms.text)


@dataclass(frozen=True, slots=True)
class View:
    """An activation with everything that an answer can show. `now` is the upstream's clock."""

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
    def has_ended_without_sms(self) -> bool:
        """Cancelled, expired or finished, and there is no SMS to show."""
        return self.phase in (Phase.FINISHED, Phase.CANCELLED) and self.sms is None

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
        """The SMS to show: None while the client waits for another one, and after a cancel."""
        shown = self.phase in (Phase.RECEIVED, Phase.FINISHED)
        return self.activation.sms if shown else None


def candidates(order_id: str) -> Iterator[int]:
    """The legacy ids that an order may get, from 1 to MAX_ID, the preferred one first; endless."""
    for attempt in count():
        digest = hashlib.blake2b(f"{order_id}:{attempt}".encode(), digest_size=8).digest()
        yield int.from_bytes(digest) % MAX_ID + 1
