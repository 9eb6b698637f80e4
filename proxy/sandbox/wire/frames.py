"""The frames of the socket for an SMS and for the expiry of an order, by the switches."""

import json
import re
from typing import Any, Literal

from proxy.sandbox.state.accounts import Message, Order
from proxy.sandbox.state.switches import Switches

_CODE = re.compile(r"\b\d{3}-\d{3}\b|(?<!\d)\d{4,8}(?!\d)")


def frame(switches: Switches, order: Order, event: Message | Literal["expired"]) -> str | None:
    """Returns the text of the frame; None if the upstream sends none.

    Field names: vendor's MCP server, tools.ts. Its examples say that `order_status` comes with the
    SMS, and show no fields: those here are a guess.
    """
    if switches.ws_frame in ("order_status", "order_status_sms"):
        state = {"type": "order_status", "order_id": order.id, "status": order.status}
        if switches.ws_frame == "order_status_sms" and event != "expired":
            state |= _sms(event, "full_text")
        return encoded(state)
    if event == "expired":
        return encoded({"type": "expired"}) if switches.ws_expired == "sent" else None
    name = "full_text" if switches.ws_frame == "sms" else "message"
    return encoded({"type": switches.ws_frame, **_sms(event, name)})


def _sms(message: Message, name: str) -> dict[str, str]:
    found = code_in(message.text)
    return {**({"code": found} if found else {}), name: message.text}


def encoded(frame: Any) -> str:
    """Returns a string as it is, anything else as JSON."""
    if isinstance(frame, str):
        return frame
    return json.dumps(frame, separators=(",", ":"), ensure_ascii=False)


def code_in(text: str) -> str | None:
    """Returns what the upstream takes for the code of an SMS."""
    found = _CODE.search(text)
    return found[0].replace("-", "") if found else None
