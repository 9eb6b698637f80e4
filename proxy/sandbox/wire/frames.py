"""The frames of the socket for an SMS and for the expiry of an order, by the switches."""

import json
import re
from typing import Any, Literal

from proxy.sandbox.state.accounts import Message, Order
from proxy.sandbox.state.switches import Switches

_CODE = re.compile(r"\b\d{3}-\d{3}\b|(?<!\d)\d{4,8}(?!\d)")


def frame(switches: Switches, order: Order, event: Message | Literal["expired"]) -> str | None:
    """Returns the text of the frame; None if the upstream sends none.

    Field names: vendor's MCP server, tools.ts; it names `order_status` without fields.
    """
    if switches.ws_frame == "order_status":
        return encoded({"type": "order_status", "order_id": order.id, "status": order.status})
    if event == "expired":
        return encoded({"type": "expired"}) if switches.ws_expired == "sent" else None
    found = code_in(event.text)
    code = {"code": found} if found else {}
    text = "full_text" if switches.ws_frame == "sms" else "message"
    return encoded({"type": switches.ws_frame, **code, text: event.text})


def encoded(frame: Any) -> str:
    """Returns a string as it is, anything else as JSON."""
    if isinstance(frame, str):
        return frame
    return json.dumps(frame, separators=(",", ":"), ensure_ascii=False)


def code_in(text: str) -> str | None:
    """Returns what the upstream takes for the code of an SMS."""
    found = _CODE.search(text)
    return found[0].replace("-", "") if found else None
