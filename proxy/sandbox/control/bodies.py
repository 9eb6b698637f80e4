"""The bodies of the control calls, as msgspec checks them, and what a wrong call is told."""

from typing import Annotated, Any, Literal

import msgspec

from proxy.sandbox.state.switches import Seconds

Dollars = Annotated[float, msgspec.Meta(ge=0, le=1e6)]


class InvalidBodyError(Exception):
    """A wrong control call: what is wrong, and what is known instead."""

    def __init__(self, text: str, known: Any):
        super().__init__(text)
        self.known = known


class ControlBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The body of a control call."""


class Which(ControlBody, kw_only=True):
    """An order, by its id or by its present number."""

    order_id: str | None = None
    phone: str | None = None


class Text(Which, kw_only=True):
    """An SMS, `after` seconds from now."""

    text: str
    sender: str = ""
    after: Seconds = 0.0


class Reset(ControlBody, kw_only=True):
    """With another `seed` order ids and numbers are drawn that were not there before."""

    seed: int | None = None


class Push(ControlBody, kw_only=True):
    seconds: Seconds


class OfferBody(ControlBody, kw_only=True):
    """Without `country` for all; `charge` is what a purchase really takes, if not the price."""

    service: str
    country: str | None = None
    stock: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] | None = None
    price: Dollars | None = None
    charge: Dollars | None = None


class Balance(ControlBody, kw_only=True):
    key: str
    balance: Dollars


class Phone(ControlBody, kw_only=True):
    phone: Annotated[str, msgspec.Meta(pattern=r"^\+?\d+$")]


class SocketBody(ControlBody, kw_only=True):
    """Without `order_id` for all; mute covers sockets opened later, too. `frame` is for say."""

    do: Literal["drop", "mute", "unmute", "say"]
    order_id: str | None = None
    frame: Any = msgspec.UNSET


class WebhookBody(ControlBody, kw_only=True):
    """Without `webhook_id` for all; without `event` a test event. `age` makes timestamps old."""

    do: Literal["send", "forge", "repeat"]
    webhook_id: str | None = None
    event: Any = msgspec.UNSET
    age: Seconds = 0.0
