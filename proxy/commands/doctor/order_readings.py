"""Which reading of the doubtful facts about orders and their list the answers show. Pure."""

from collections import Counter

from proxy.commands.doctor.answers import (
    LIVE,
    UNKNOWN_FORM,
    Answers,
    Reading,
    Unread,
    listed_rows,
    phone_form,
    readable,
    same,
    time_form,
)
from proxy.upstream.fields import Row, first, instant, is_row
from proxy.upstream.raw import RawAnswer

NO_ORDER = "no order is listed, so its form cannot be read"
NO_SMS = "no order with an SMS was read"


def phone(answers: Answers) -> Reading | Unread:
    phones = (first(order, "phone_number", "phone") for order in answers.orders())
    return same((phone_form(it) for it in phones if isinstance(it, str)), NO_ORDER)


def timestamps(answers: Answers) -> Reading | Unread:
    return same(map(time_form, answers.times()), "no answer has a time")


def order_fields(answers: Answers) -> Reading | Unread:
    seen = ("all" if "created_at" in order else "sample" for order in answers.details())
    return same(seen, _no_detail(answers))


def order_id(answers: Answers) -> Reading | Unread:
    if order_fields(answers) == "sample":
        return Unread("the order has the fields of the sample only, whatever else is true")
    seen = ("present" if "order_id" in order else "absent" for order in answers.details())
    return same(seen, _no_detail(answers))


def _no_detail(answers: Answers) -> Unread:
    return answers.missing("order") if answers.of("order") else Unread(NO_ORDER)


def order_status(answers: Answers) -> Reading | Unread:
    """`created` alone may be the beginning of the whole life cycle, and so may `waiting` be its
    second stage.
    """
    seen = {str(order.get("status", "")).lower() for order in answers.orders()}
    live = seen.intersection(LIVE)
    if "sms_received" in seen or {"created", "waiting"} <= live:
        return "life_cycle"
    if live == {"pending"}:
        return "pending"
    if live == {"waiting"}:
        begins = [it.json.get("status") for it in answers.good("purchase") if is_row(it.json)]
        if begins == ["waiting"] or completes_early(answers):
            return "waiting"
        return Unread("waiting, or the second stage of life_cycle: --buy shows which")
    if live == {"created"}:
        old = max((_age(answers, row) for row in answers.orders() if _is_live(row)), default=0.0)
        return "created" if old >= 60 else Unread("created, or the begin of life_cycle")
    return Unread("no live order was seen")


def completes_early(answers: Answers) -> bool:
    """Whether an order whose life is not over is completed: life_cycle has sms_received there."""
    rows = [row for row in answers.orders() if str(row.get("status")).lower() == "completed"]
    return any((instant(row.get("expires_at")) or 0.0) > answers.now for row in rows)


def _age(answers: Answers, row: Row) -> float:
    return answers.now - (instant(row.get("created_at")) or answers.now)


def _is_live(row: Row) -> bool:
    return str(row.get("status", "")).lower() in LIVE


def orders_row(answers: Answers) -> Reading | Unread:
    names = ("order_id", "id")
    seen = (next(name for name in names if name in row) for row in answers.order_rows())
    return same(seen, answers.missing("orders") if not answers.good("orders") else NO_ORDER)


def orders_list(answers: Answers) -> Reading | Unread:
    found = answers.of("orders")
    if found and found[-1].status == 404:
        return "missing"
    if not answers.good("orders"):
        return answers.missing("orders")
    bodies = [it.json for it in answers.good("orders", "orders_filtered")]
    if any(isinstance(data, list) for data in bodies):
        return "bare"
    if not all(is_row(data) and isinstance(data.get("orders", 0), list | None) for data in bodies):
        return Unread(UNKNOWN_FORM)
    if any(data["orders"] is None for data in bodies):
        return "null"
    empty = any(data["orders"] == [] for data in bodies)
    if answers.order_rows():
        return "wrapped" if empty else Unread("wrapped or null: no list was empty")
    if answers.total_orders() or answers.good("purchase"):
        return "hidden"
    return Unread("wrapped or hidden: the account has no orders that could be listed")


def orders_bad_row(answers: Answers) -> Reading | Unread:
    listed = [(len(listed_rows(it)), len(readable(it))) for it in answers.good("orders")]
    seen = ["present" if good < rows else "absent" for rows, good in listed if rows]
    if seen:
        return "present" if "present" in seen else "absent"
    return same([], answers.missing("orders") if not listed else NO_ORDER)


def orders_cap(answers: Answers) -> Reading | Unread:
    if not answers.good("orders"):
        return answers.missing("orders")
    count = max(len(readable(it)) for it in answers.good("orders"))
    total = answers.total_orders() or 0
    if count > 200:
        return 500
    if count in (50, 200) and total > count:
        return count
    return Unread(f"{count} listed: only a longer list shows where it ends")


FILTERS = ("waiting", "pending", "ignored", "refused")


def orders_filter(answers: Answers) -> Reading | Unread:
    """Each filtered list is compared with the whole list before it."""
    if not answers.good("orders"):
        return answers.missing("orders")
    whole: set[str] = set()
    left, asked = set(FILTERS), 0
    for answer in answers.of("orders", "orders_filtered"):
        if answer.question == "orders":
            whole = {str(row.get("status", "")).lower() for row in readable(answer)}
        else:
            left &= _filters_of(answer, whole)
            asked += 1
    if len(left) == 1:
        return left.pop()
    if not asked:
        return answers.missing("orders_filtered")
    if not left:
        return Unread("the answers contradict each other: see the report")
    if left == set(FILTERS):
        return Unread("no order is listed that a filter could leave out")
    why = "no order is live" if not whole.intersection(LIVE) else "all listed orders are live"
    return Unread(f"{' or '.join(it for it in FILTERS if it in left)}: {why}")


def _filters_of(answer: RawAnswer, whole: set[str]) -> set[str]:
    """The readings that allow this answer; `whole` has the states of the unfiltered list."""
    if 400 <= answer.status < 500:
        return {"refused"}
    if not answer.is_success:
        return set(FILTERS)
    wanted, live = answer.query["status"], whole.intersection(LIVE)
    seen = {str(row.get("status", "")).lower() for row in readable(answer)}
    others = whole - live - {wanted}
    if seen.intersection(others):
        return {"ignored"}
    left = {"waiting", "pending"} if others else {"waiting", "pending", "ignored"}
    if not live:
        return left
    if seen.intersection(live):
        return left & {wanted, "ignored"}
    return left - {wanted, "ignored"}


def messages(answers: Answers) -> Reading | Unread:
    seen = [sms_form(order) for order in answers.details()]
    return same((form for form in seen if form), NO_SMS)


def sms_form(order: Row) -> str:
    if order.get("messages"):
        return "list"
    return "sms_text" if order.get("sms_text") or order.get("sms_code") else ""


def messages_waiting(answers: Answers) -> Reading | Unread:
    form = messages(answers)
    if form == "sms_text":
        return Unread("the SMS do not come as a list")
    orders = [order for order in answers.details() if not sms_form(order)]
    seen = {_empty_form(order) for order in orders}
    if seen == {"absent"} and form != "list":
        return Unread("absent, or the SMS come as sms_text: no order with an SMS was read")
    return same(seen, "no order without an SMS was read")


def _empty_form(order: Row) -> str:
    if "messages" not in order:
        return "absent"
    return "null" if order["messages"] is None else "empty"


def _lists(answers: Answers) -> list[list[Row]]:
    lists = (order.get("messages") for order in answers.details())
    rows = ([row for row in it if is_row(row)] for it in lists if isinstance(it, list))
    return [it for it in rows if it]


def messages_order(answers: Answers) -> Reading | Unread:
    ends = [(instant(it[0].get("received_at")), instant(it[-1].get("received_at")))
            for it in _lists(answers)]  # fmt: skip
    seen = ["oldest" if a < b else "newest" for a, b in ends if a and b and a != b]
    return same(seen, "no order with two SMS at different times was read")


def sms_received(answers: Answers) -> Reading | Unread:
    flags = [order.get("sms_received") for order in answers.details() if sms_form(order)]
    return same((str(flag).lower() for flag in flags if isinstance(flag, bool)), NO_SMS)


def sms_sender(answers: Answers) -> Reading | Unread:
    senders = [row.get("sender") for rows in _lists(answers) for row in rows]
    senders += [order["sms_sender"] for order in answers.details() if "sms_sender" in order]
    return same(("name" if sender else "empty" for sender in senders), NO_SMS)


def lifetime(answers: Answers) -> Reading | Unread:
    return _span(answers, "created_at", "expires_at")


def hold(answers: Answers) -> Reading | Unread:
    return _span(answers, "created_at", "cancel_available_at")


def _span(answers: Answers, begin: str, end: str) -> Reading | Unread:
    """The seconds that most orders have between two times."""
    ends = ((instant(it.get(begin)), instant(it.get(end))) for it in answers.orders())
    spans = Counter(round(b - a) for a, b in ends if a is not None and b is not None and b >= a)
    return spans.most_common(1)[0][0] if spans else Unread(NO_ORDER)


def further_sms(answers: Answers) -> Reading | Unread:
    is_more = any(len(rows) > 1 for rows in _lists(answers))
    return "appended" if is_more else Unread("no order with two SMS was read")
