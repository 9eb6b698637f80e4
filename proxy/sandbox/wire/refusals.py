"""All refusals of the upstream: status and body, by the switches."""

import math
from typing import Any

from proxy.sandbox.state.switches import Switches
from proxy.sandbox.wire.answers import dollars


class Refusal(Exception):
    """`body` is sent as JSON, or as plain text when it is a str."""

    def __init__(
        self, status: int, body: dict[str, Any] | str, headers: dict[str, str] | None = None
    ):
        super().__init__(status, body)
        self.status = status
        self.body = body
        self.headers = headers or {}


def body_of(switches: Switches, refusal: Refusal) -> dict[str, Any] | str:
    """Returns the body in the form of the switch `errors`. A 200 that refuses stays an object."""
    body, form = refusal.body, switches.errors
    if isinstance(body, str) or form == "object":
        return body
    code, sentence = body["error"], body.get("message") or body["error"]
    if form == "text" and refusal.status >= 400:
        return str(sentence)
    rest = {name: value for name, value in body.items() if name not in ("error", "message")}
    nested = form == "nested"
    return rest | {"error": {"code": code, "message": sentence} if nested else sentence}


def bad_key() -> Refusal:
    return Refusal(401, {"error": "invalid_api_key", "message": "Missing or invalid API key"})


def missing(*names: str) -> Refusal:
    text = f"Missing required parameters: {', '.join(names)}"
    return Refusal(400, {"error": "missing_params", "message": text})


def invalid(what: str, value: str) -> Refusal:
    return Refusal(400, {"error": f"invalid_{what}", "message": f"Unknown {what}: {value}"})


def not_found(what: str) -> Refusal:
    return Refusal(404, {"error": f"{what} not found"})


def no_such_path() -> Refusal:
    return Refusal(404, {"error": "Not Found"})


def bad_id(switches: Switches) -> Refusal:
    return Refusal(switches.malformed_id, {"error": "Invalid order ID"})


def no_stock(switches: Switches) -> Refusal:
    texts = {"no_numbers": "No numbers available", "out_of_stock": "This country is out of stock"}
    code = switches.no_stock_text
    return Refusal(switches.no_stock, {"error": code, "message": texts[code]})


def no_funds(switches: Switches, required: int, current: int) -> Refusal:
    numbers = {"required": dollars(switches, required), "current": dollars(switches, current)}
    message = {"message": "Balance too low for this order"}
    halves: dict[str, dict[str, Any]] = {
        "merged": message | numbers,
        "numbers": numbers,
        "message": message,
    }
    return Refusal(402, {"error": "insufficient_balance"} | halves[switches.no_funds])


def too_early_to_cancel(switches: Switches, seconds: int) -> Refusal:
    hold = math.ceil(switches.hold)
    text = f"Cannot cancel within {hold} seconds of purchase. Please wait {seconds} seconds."
    return _too_early(switches, text, seconds if switches.too_early == "seconds" else None)


def too_early_to_swap(switches: Switches, seconds: int) -> Refusal:
    # The documentation of swap always shows the seconds.
    text = f"Swap not allowed within {switches.hold / 60:g} minute hold period"
    return _too_early(switches, text, seconds)


def _too_early(switches: Switches, text: str, seconds: int | None) -> Refusal:
    if switches.too_early == "plain":
        return Refusal(425, text)
    return Refusal(425, {"error": text} | ({"seconds_remaining": seconds} if seconds else {}))


def wrong_status(verb: str, status: str) -> Refusal:
    return Refusal(400, {"error": f"Cannot {verb} order with status: {status}"})


def no_replacement() -> Refusal:
    return Refusal(404, {"error": "No replacement available"})


def retry_unsupported() -> Refusal:
    return Refusal(400, {"error": "Retry is not supported for this order"})


def retry_refused() -> Refusal:
    # Vendor's MCP server, tools.ts: "order must be in waiting/created status".
    return Refusal(400, {"error": "Order must be in waiting/created status"})


def rate_limited(switches: Switches, limit: int, seconds: int) -> Refusal:
    headers = {
        "bare": {},
        "retry_after": {"Retry-After": str(seconds)},
        "x_ratelimit": {
            "X-RateLimit-Limit": str(limit),
            "X-RateLimit-Remaining": "0",
            "X-RateLimit-Reset": str(seconds),
        },
    }
    return Refusal(429, {"error": "rate_limited"}, headers[switches.rate_limit])


def pair_unavailable(switches: Switches, service: str, country: str) -> Refusal:
    text = "Service/country combination not available"
    body = {"success": False, "service": service, "country": country, "error": text}
    return Refusal(switches.price_unavailable, body)
