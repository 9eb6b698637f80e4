"""An activation: an order as the client holds it, under its legacy id. Pure."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count

from proxy.legacy.answers import safe
from proxy.legacy.code import find_code
from proxy.legacy.status import Phase
from proxy.model import Order, OrderState, Sms

MAX_ID = 2**31 - 1
"""The official Java client reads an id with Integer.parseInt."""

_OVER = (OrderState.CANCELLED, OrderState.EXPIRED)


@dataclass(slots=True)
class Activation:
    """What the client holds: an order under its legacy id, and what the client has said of it."""

    id: int
    order: Order
    finished: bool = False
    asked_at: int | None = None
    """How many messages were known when the client asked for one more."""

    def phase(self, now: float) -> Phase:
        messages = len(self.order.messages)
        if self.finished:
            return Phase.FINISHED
        if messages > (self.asked_at or 0):
            return Phase.RECEIVED
        if messages:
            # The activation was paid for; when its time is over, no further SMS can come.
            return Phase.FINISHED if self._is_over(now) else Phase.RETRYING
        return Phase.CANCELLED if self.order.state in _OVER else Phase.WAITING

    def _is_over(self, now: float) -> bool:
        expires = self.order.expires_at
        return self.order.state in _OVER or (expires is not None and now >= expires)

    @property
    def code(self) -> str:
        """Of the newest message that has one, safe for the wire; else the newest text itself.

        After a further SMS was asked for, an older message is looked at only while none has come.
        """
        messages = self.order.messages
        newest = messages[self.asked_at or 0 :] or messages
        found = (code for sms in reversed(newest) if (code := find_code(sms.text)))
        return next(found, None) or safe(newest[-1].text if newest else "")


def candidates(order_id: str) -> Iterator[int]:
    """The legacy ids that an order may have, in order of preference: 1 to MAX_ID, for ever."""
    for attempt in count():
        digest = hashlib.blake2b(f"{order_id}:{attempt}".encode(), digest_size=8).digest()
        yield int.from_bytes(digest) % MAX_ID + 1


def merge(old: Order, new: Order) -> Order:
    """What is known after `new` was read. Nothing seen is unseen: reads can overtake each other."""
    return replace(
        new,
        phone=new.phone or old.phone,
        service=new.service or old.service,
        country=new.country or old.country,
        state=old.state if old.state in _OVER else new.state,
        cents=old.cents if new.cents is None else new.cents,
        created_at=old.created_at if new.created_at is None else new.created_at,
        expires_at=old.expires_at if new.expires_at is None else new.expires_at,
        cancel_at=old.cancel_at if new.cancel_at is None else new.cancel_at,
        messages=_longer(old.messages, new.messages),
    )


def _longer(old: tuple[Sms, ...], new: tuple[Sms, ...]) -> tuple[Sms, ...]:
    return new if len(new) >= len(old) else old
