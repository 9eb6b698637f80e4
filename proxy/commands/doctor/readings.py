"""Which reading of each doubtful fact the answers show. Pure.

The facts have the names and readings of the sandbox's switches; a test compares both.
"""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

from proxy.commands.doctor import order_readings as orders
from proxy.commands.doctor.answers import OTHER, Answers, Reading, Unread, error_form, same
from proxy.commands.doctor.order_readings import sms_form
from proxy.sandbox.state.switches import known_switches
from proxy.upstream.fields import Row, is_row
from proxy.upstream.raw import RawAnswer

Fact = Callable[[Answers], Reading | Unread]

BUY = "only a purchase shows it: --buy"


def readings(answers: Answers) -> dict[str, Reading | Unread]:
    """Each fact with its reading, or why it has none, in the order of the switches."""
    return {name: _known(FACTS[name](answers), known) for name, known in known_switches().items()}


def _known(reading: Reading | Unread, known: list[Any] | str) -> Reading | Unread:
    is_known = isinstance(reading, Unread) or not isinstance(known, list) or reading in known
    return reading if is_known else Unread(f"{reading}: a reading that no source has")


MONEY = (
    "balance", "balance_usd", "price", "base_price", "min_price", "price_charged", "amount",
    "refund_amount", "total_spent_usd",
)  # fmt: skip


def balance_field(answers: Answers) -> Reading | Unread:
    names = ("balance", "balance_usd")
    bodies = [it.json for it in answers.good("balance") if is_row(it.json)]
    shown = ([name for name in names if name in body] for body in bodies)
    seen = (it[0] if len(it) == 1 else "both" if it else OTHER for it in shown)
    return same(seen, answers.missing("balance"))


def money(answers: Answers) -> Reading | Unread:
    kinds = {str: "text", float: "number", int: "number"}
    seen = (kinds[type(it)] for it in answers.fields(MONEY) if type(it) in kinds)
    return same(seen, "no answer has an amount")


def transactions_count(answers: Answers) -> Reading | Unread:
    bodies = [it.json for it in answers.good("transactions") if is_row(it.json)]
    if not bodies:
        return answers.missing("transactions")
    count, rows = bodies[0].get("count"), bodies[0].get("transactions")
    if not (isinstance(count, int) and isinstance(rows, list) and rows):
        return Unread("there is no transaction, or no count")
    if count > len(rows):
        return "total"
    before = rows[-1].get("balance_before") if is_row(rows[-1]) else None
    has_more = before not in (None, 0, "0", "0.00") or (answers.total_orders() or 0) > len(rows)
    return "page" if has_more else Unread("there is only one transaction")


def catalogue_keys(answers: Answers) -> Reading | Unread:
    shown = [("service_id" in row, "service_code" in row)
             for row in answers.list_of("services", "services")]  # fmt: skip
    forms = {(True, False): "id", (False, True): "code", (True, True): "both"}
    return same((forms.get(it, OTHER) for it in shown), answers.missing("services"))


def catalogue_auth(answers: Answers) -> Reading | Unread:
    forms = {200: "public", 401: "key", 403: "key"}
    seen = (forms[it.status] for it in answers.of("services_without_key") if it.status in forms)
    return same(seen, answers.missing("services_without_key"))


def price_unavailable(answers: Answers) -> Reading | Unread:
    asked = answers.of("price_not_offered")
    seen = (it.status for it in asked if it.status in (404, 200) and not it.is_success)
    if any(it.is_success for it in asked):
        return Unread("the pair that was asked for has a price after all")
    return same(seen, answers.missing("price_not_offered"))


def price_available(answers: Answers) -> Reading | Unread:
    bodies = [it.json for it in answers.good("price") if is_row(it.json)]
    seen = ("present" if "available" in body else "absent" for body in bodies)
    return same(seen, answers.missing("price"))


def stock_field(answers: Answers) -> Reading | Unread:
    shown = [("availability" in row, "count" in row)
             for row in answers.list_of("prices", "countries")]  # fmt: skip
    forms = {(True, False): "availability", (False, True): "count", (True, True): "both"}
    return same((forms.get(it, "neither") for it in shown), answers.missing("prices"))


def errors(answers: Answers) -> Reading | Unread:
    """`{"error": "<sentence>"}` alone proves nothing: some refusals never have a message."""
    forms = [(form, it.question) for it in answers.found if (form := error_form(it))]
    kinds = {form for form, _ in forms} - {"sentence"}
    if kinds:
        return same(kinds, "")
    has_message = ("services_without_key", "orders_filtered")
    if any(question in has_message for _, question in forms):
        return "sentence"
    return Unread("object or sentence: no refusal came that has a message in one of them")


NO_STOCK = "only a purchase without stock shows it"


def no_stock(answers: Answers) -> Reading | Unread:
    return same((it.status for it in answers.of("purchase_no_stock")), NO_STOCK)


def no_stock_text(answers: Answers) -> Reading | Unread:
    texts = [it.content.lower() for it in answers.of("purchase_no_stock")]
    return same(("out_of_stock" if b"out of stock" in it else "no_numbers" for it in texts),
                NO_STOCK)  # fmt: skip


def too_early(answers: Answers) -> Reading | Unread:
    asked = [it for it in answers.of("cancel_early") if it.status == 425]
    form = same((_early_form(it) for it in asked), f"{BUY}, with --early-cancel")
    if form == "plain" and errors(answers) == "text":
        return Unread("plain, as all errors are: no more can be read")
    return form


def _early_form(answer: RawAnswer) -> str:
    data = answer.json
    if not is_row(data):
        return "plain"
    return "seconds" if "seconds_remaining" in data else "text"


def rate_limit(answers: Answers) -> Reading | Unread:
    refused = [{name.lower() for name in it.headers} for it in answers.found if it.status == 429]
    seen = (
        "retry_after" if "retry-after" in names
        else "x_ratelimit" if "x-ratelimit-limit" in names
        else "bare"
        for names in refused
    )  # fmt: skip
    return same(seen, "only a 429 shows it")


def malformed_id(answers: Answers) -> Reading | Unread:
    asked = answers.of("order_malformed")
    return same((it.status for it in asked if it.status in (404, 400)),
                 answers.missing("order_malformed"))  # fmt: skip


def ws(answers: Answers) -> Reading | Unread:
    opened = answers.of("socket", "socket_of_order")
    if any(it.status >= 500 for it in opened):
        return "refused"
    if answers.of("frame"):
        return "talks"
    if answers.of("socket_closed"):
        return "drops"
    if answers.of("socket_of_order"):
        is_mute = any(sms_form(order) for order in answers.details())
        return "silent" if is_mute else Unread("it opens; no SMS came to show more")
    return answers.missing("socket") if not opened or not opened[-1].status else Unread(BUY)


def ws_frame(answers: Answers) -> Reading | Unread:
    frames = [it.json for it in answers.of("frame") if is_row(it.json)]
    return same((_frame_form(it) for it in frames), "only a frame of an SMS shows it")


def _frame_form(frame: Row) -> str:
    kind = frame.get("type")
    if kind == "order_status":
        return "order_status_sms" if frame.get("full_text") else "order_status"
    return str(kind) if kind in ("sms", "sms_received") else OTHER


def _never(why: str, answers: Answers) -> Unread:
    return Unread(why)


_EXPIRES = "only an order that expires shows it"
_SWAP = "only a swap shows it"
_EVENT = "only an event shows it: not asked for"
_ABSENT: Mapping[str, str] = MappingProxyType(
    {
        "refund_delay": _EXPIRES,
        "requests_per_minute": "only a 429 shows it",
        "narrow": "only a 429 shows it",
        "no_funds": "only a purchase without funds shows it",
        "idempotency": "a purchase is never repeated to see it",
        "swap_id": _SWAP,
        "swap_status": _SWAP,
        "swap_phone": _SWAP,
        "retry": "only a retry shows it",
        "ws_expired": _EXPIRES,
        "ws_replay": "only a second socket of an order with an SMS shows it",
        "webhooks": "not asked for: see `webhooks list`",
        "webhook_answer": "only a subscription shows it",
        "webhook_urls": "only a subscription shows it",
        "webhook_events": _EVENT,
        "webhook_service": _EVENT,
        "webhook_signature": _EVENT,
        "webhook_timestamp": _EVENT,
        "webhook_attempts": _EVENT,
        "expiry_event": _EVENT,
        "balance_low": _EVENT,
    }
)
_READ: tuple[Fact, ...] = (
    orders.phone, orders.timestamps, orders.order_id, orders.order_fields, orders.order_status,
    orders.orders_row, orders.orders_list, orders.orders_bad_row, orders.orders_filter,
    orders.orders_cap, orders.messages, orders.messages_waiting, orders.messages_order,
    orders.sms_received, orders.sms_sender, orders.lifetime, orders.hold, orders.further_sms,
    balance_field, money,
    transactions_count, catalogue_keys, catalogue_auth, price_unavailable, price_available,
    stock_field, errors, no_stock, no_stock_text, too_early, rate_limit, malformed_id, ws, ws_frame,
)  # fmt: skip
FACTS: Mapping[str, Fact] = MappingProxyType(
    {
        **{fact.__name__: fact for fact in _READ},
        **{name: partial(_never, why) for name, why in _ABSENT.items()},
    }
)
