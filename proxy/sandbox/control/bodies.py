"""The JSON bodies of the control API, as msgspec checks them, and its error."""

from typing import Annotated, Any, Literal

import msgspec

from proxy.sandbox.state.switches import Seconds

Dollars = Annotated[float, msgspec.Meta(ge=0, le=1e6)]


class InvalidBodyError(Exception):
    """A wrong control call: `known` lists what would be right."""

    def __init__(self, text: str, known: Any):
        super().__init__(text)
        self.known = known


class ControlBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The body of a control call."""


class OrderRef(ControlBody, kw_only=True):
    """An order, by its id or its current number."""

    order_id: str | None = None
    phone: str | None = None


class SmsBody(OrderRef, kw_only=True):
    """An SMS, `after` seconds from now."""

    text: str
    sender: str = ""
    after: Seconds = 0.0


class ResetBody(ControlBody, kw_only=True):
    """Another `seed` gives other order ids and numbers than before. `report` empties the report of
    the programs, too.
    """

    seed: int | None = None
    report: bool = False


class ClockBody(ControlBody, kw_only=True):
    seconds: Seconds


class OfferBody(ControlBody, kw_only=True):
    """Without `country` for all. `charge` is what a purchase really costs, if not the price."""

    service: str
    country: str | None = None
    stock: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] | None = None
    price: Dollars | None = None
    charge: Dollars | None = None


class BalanceBody(ControlBody, kw_only=True):
    key: str
    balance: Dollars


class PhoneBody(ControlBody, kw_only=True):
    phone: Annotated[str, msgspec.Meta(pattern=r"^\+?\d+$")]


class SocketBody(ControlBody, kw_only=True):
    """Without `order_id` for all; mute also covers later sockets. `frame` is for say."""

    do: Literal["drop", "mute", "unmute", "say"]
    order_id: str | None = None
    frame: Any = msgspec.UNSET


class WebhookBody(ControlBody, kw_only=True):
    """Without `webhook_id` for all; without `event` a test event. `age` is in seconds."""

    do: Literal["send", "forge", "repeat"]
    webhook_id: str | None = None
    event: Any = msgspec.UNSET
    age: Seconds = 0.0
