"""The switches: what the sources leave open about the upstream, with all readings of it."""

from collections.abc import Iterable, Mapping
from difflib import SequenceMatcher
from random import Random
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec

Seconds = Annotated[float, msgspec.Meta(ge=0, le=1e9)]
Count = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]


class Switches(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One reading of the upstream. The first value of each list is the default."""

    # Fields of an order.
    phone: Literal["digits", "plus", "spaces"] = "digits"
    timestamps: Literal["z", "offset", "fraction"] = "z"
    order_id: Literal["present", "absent"] = "present"
    order_fields: Literal["all", "sample"] = "all"
    order_status: Literal["waiting", "created", "pending", "life_cycle"] = "waiting"
    orders_row: Literal["id", "order_id"] = "id"
    orders_list: Literal["wrapped", "bare", "missing", "hidden", "null"] = "wrapped"
    orders_bad_row: Literal["absent", "present"] = "absent"
    orders_filter: Literal["waiting", "pending", "ignored", "refused"] = "waiting"
    orders_cap: Literal[200, 50, 500] = 200
    messages: Literal["list", "sms_text"] = "list"
    messages_waiting: Literal["empty", "absent", "null"] = "empty"
    messages_order: Literal["oldest", "newest"] = "oldest"
    sms_received: Literal["true", "false"] = "true"
    sms_sender: Literal["name", "empty"] = "name"
    # Life of an order, in seconds. Upstream, a separate worker refunds expired orders.
    lifetime: Seconds = 1200.0
    hold: Seconds = 120.0
    refund_delay: Seconds = 0.0
    further_sms: Literal["appended", "refused"] = "appended"
    # Money, catalogue and prices.
    balance_field: Literal["balance", "balance_usd", "both"] = "balance"
    money: Literal["number", "text"] = "number"
    transactions_count: Literal["total", "page"] = "total"
    catalogue_keys: Literal["id", "code", "both"] = "id"
    catalogue_auth: Literal["key", "public"] = "key"
    price_unavailable: Literal[404, 200] = 404
    price_available: Literal["absent", "present"] = "absent"
    stock_field: Literal["availability", "count", "neither", "both"] = "availability"
    # Requests per minute and key (0: no limit), and a call with a lower limit of its own.
    requests_per_minute: Count = 60
    narrow: Literal["none", "purchase"] = "none"
    # Refusals.
    errors: Literal["object", "text", "nested", "sentence"] = "object"
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
    retry: Literal["kept", "waiting", "unsupported", "refused"] = "kept"
    # Push and webhooks.
    ws: Literal["talks", "silent", "drops", "refused"] = "talks"
    ws_frame: Literal["sms", "sms_received", "order_status", "order_status_sms"] = "sms"
    ws_expired: Literal["absent", "sent"] = "absent"
    ws_replay: Literal["no", "yes"] = "no"
    webhooks: Literal["present", "absent"] = "present"
    webhook_answer: Literal["wrapped", "flat"] = "wrapped"
    webhook_urls: Literal["https", "any"] = "https"
    webhook_events: Literal["sms.received", "order.sms_received"] = "sms.received"
    webhook_service: Literal["code", "slug"] = "code"
    webhook_signature: Literal["prefixed", "hex"] = "prefixed"
    webhook_timestamp: Literal["seconds", "iso", "absent"] = "seconds"
    webhook_attempts: Literal[5, 6] = 5
    expiry_event: Literal["order.expired", "order.cancelled"] = "order.expired"
    balance_low: Literal["below", "at"] = "below"


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


class UnknownSwitchError(msgspec.ValidationError):
    """An unknown switch, or an unknown reading of one. `known` has all switches with their
    readings, the nearest first.
    """

    def __init__(self, text: str, known: dict[str, list[Any] | str]) -> None:
        super().__init__(text)
        self.known = known


def switched(switches: Switches, changes: Mapping[str, Any]) -> Switches:
    """Returns the switches with some changed. Numbers may be text, as on a command line.

    Raises UnknownSwitchError on an unknown name or value.
    """
    known = known_switches()
    for name in changes:
        if name not in known:
            nearest = {near: known[near] for near in _nearest(name, known)}
            raise UnknownSwitchError(f"no switch has the name {name!r}", nearest)
    wanted = msgspec.structs.asdict(switches)
    for name, value in changes.items():
        try:
            switches = msgspec.convert(wanted | {name: value}, Switches, strict=False)
        except msgspec.ValidationError as error:
            readings = known[name]
            near = _nearest(value, readings) if isinstance(readings, list) else readings
            first = {name: near}
            raise UnknownSwitchError(str(error), first | known | first) from error
        wanted[name] = getattr(switches, name)
    return msgspec.convert(wanted, Switches, strict=False)


def drawn(seed: str) -> dict[str, Any]:
    """Returns one reading of each switch that has a list of them; the same for the same seed.

    Each is drawn by itself, so that a new switch does not change the others.
    """
    listed = {name: it for name, it in known_switches().items() if isinstance(it, list)}
    return {name: Random(f"{seed} {name}").choice(it) for name, it in listed.items()}


def _nearest(word: Any, known: Iterable[Any]) -> list[Any]:
    def likeness(one: Any) -> float:
        return SequenceMatcher(None, str(word).lower(), str(one).lower()).ratio()

    return sorted(known, key=likeness, reverse=True)
