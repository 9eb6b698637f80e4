"""The frames of the socket: what push says of an SMS and of an order's end, by the switches."""

import json
import re
from typing import Any, Literal

from proxy.sandbox.state.accounts import Message, Order
from proxy.sandbox.state.switches import Switches

_CODE = re.compile(r"\b\d{3}-\d{3}\b|(?<!\d)\d{4,8}(?!\d)")


def frame(switches: Switches, order: Order, event: Message | Literal["expired"]) -> str | None:
    """The text of the frame; None when push is silent about it."""
    body = _body(switches, order, event)
    return None if body is None else written(body)


def written(frame: Any) -> str:
    """A frame's text: JSON, or a string as it is."""
    if isinstance(frame, str):
        return frame
    return json.dumps(frame, separators=(",", ":"), ensure_ascii=False)


def code_in(text: str) -> str | None:
    """What the upstream takes for the code of an SMS."""
    found = _CODE.search(text)
    return found[0].replace("-", "") if found else None


def _body(
    switches: Switches, order: Order, event: Message | Literal["expired"]
) -> dict[str, Any] | None:
    """Field names: vendor's MCP server, tools.ts; `order_status` is named without its fields."""
    if switches.ws_frame == "order_status":
        return {"type": "order_status", "order_id": order.id, "status": order.status}
    if event == "expired":
        return {"type": "expired"} if switches.ws_expired == "sent" else None
    found = code_in(event.text)
    code = {"code": found} if found else {}
    text = "full_text" if switches.ws_frame == "sms" else "message"
    return {"type": switches.ws_frame, **code, text: event.text}
