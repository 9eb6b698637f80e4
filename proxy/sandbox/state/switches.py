"""The switches: what the sources leave open about the upstream, with all readings of it."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec

Seconds = Annotated[float, msgspec.Meta(ge=0, le=1e9)]
Count = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]


class Switches(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One reading of the upstream. The first value of each list is the default."""

    # Fields of an order.
    phone: Literal["digits", "plus"] = "digits"
    timestamps: Literal["z", "offset", "fraction"] = "z"
    orders_row: Literal["id", "order_id"] = "id"
    orders_list: Literal["wrapped", "bare"] = "wrapped"
    orders_cap: Literal[200, 50] = 200
    messages_waiting: Literal["empty", "absent", "null"] = "empty"
    messages_order: Literal["oldest", "newest"] = "oldest"
    sms_received: Literal["true", "false"] = "true"
    # Life of an order, in seconds. Upstream, a separate worker refunds expired orders.
    lifetime: Seconds = 1200.0
    hold: Seconds = 120.0
    refund_delay: Seconds = 0.0
    further_sms: Literal["appended", "refused"] = "appended"
    # Catalogue and prices.
    catalogue_keys: Literal["id", "code"] = "id"
    catalogue_auth: Literal["key", "public"] = "key"
    price_unavailable: Literal[404, 200] = 404
    price_available: Literal["absent", "present"] = "absent"
    stock_field: Literal["availability", "count", "neither"] = "availability"
    # Requests per minute and key (0: no limit), and a call with a lower limit of its own.
    requests_per_minute: Count = 60
    narrow: Literal["none", "purchase"] = "none"
    # Refusals.
    no_stock: Literal[503, 404, 400, 409] = 503
    no_stock_text: Literal["no_numbers", "out_of_stock"] = "no_numbers"
    no_funds: Literal["merged", "numbers", "message"] = "merged"
    too_early: Literal["text", "seconds", "plain"] = "text"
    rate_limit: Literal["bare", "retry_after", "x_ratelimit"] = "bare"
    malformed_id: Literal[404, 400] = 404
    # Actions.
    idempotency: Literal["ignored", "honoured"] = "ignored"
    swap_id: Literal["same", "new"] = "same"
    swap_status: Literal["pending", "pending_order", "waiting"] = "pending"
    swap_phone: Literal["plus", "digits"] = "plus"
    retry: Literal["kept", "waiting", "unsupported"] = "kept"
    # Push and webhooks.
    ws: Literal["talks", "silent", "drops", "refused"] = "talks"
    ws_frame: Literal["sms", "sms_received", "order_status"] = "sms"
    ws_expired: Literal["absent", "sent"] = "absent"
    ws_replay: Literal["no", "yes"] = "no"
    webhooks: Literal["present", "absent"] = "present"
    webhook_urls: Literal["https", "any"] = "https"
    webhook_events: Literal["sms.received", "order.sms_received"] = "sms.received"
    webhook_service: Literal["code", "slug"] = "code"
    webhook_signature: Literal["prefixed", "hex"] = "prefixed"
    webhook_timestamp: Literal["seconds", "iso", "absent"] = "seconds"
    webhook_attempts: Literal[5, 6] = 5


def choices(struct: type[msgspec.Struct]) -> dict[str, list[Any] | str]:
    """Returns the allowed values of each field, else the name of its type."""
    hints = get_type_hints(struct)
    return {
        name: list(get_args(hint)) if get_origin(hint) is Literal else _type_name(hint)
        for name, hint in hints.items()
    }


def _type_name(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) else str(hint).replace("typing.", "")


def known_switches() -> dict[str, list[Any] | str]:
    """Returns the allowed values of each switch, the default first; else its type."""
    return choices(Switches)


def switched(switches: Switches, changes: Mapping[str, Any]) -> Switches:
    """Returns the switches with some changed. Numbers may be text, as on a command line.

    Raises msgspec.ValidationError on an unknown name or value.
    """
    wanted = {**msgspec.structs.asdict(switches), **changes}
    return msgspec.convert(wanted, Switches, strict=False)
