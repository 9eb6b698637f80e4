"""The upstream's JSON in all the forms that its sources show, and in those that nobody expects."""

import pytest

from proxy.model import Frame, Order, OrderState, Price, Service, Sms, Transaction
from proxy.model.errors import Problem, ProblemError
from proxy.upstream import fields, webhooks, wire
from proxy.upstream.webhooks import Webhook

LIVE = {
    "success": True,
    "order_id": "7e44ebb5-9a55-4bd8-a4e9-7f226f9d5ebd",
    "phone_number": "541127399874",
    "service": "wa",
    "country": "AR",
    "price": 0.80,
    "status": "waiting",
    "created_at": "2026-05-24T15:20:34Z",
    "expires_at": "2026-05-24T15:40:34Z",
    "cancel_available_at": "2026-05-24T15:22:34Z",
}
ORDER = Order(
    id="7e44ebb5-9a55-4bd8-a4e9-7f226f9d5ebd",
    phone="541127399874",
    service="wa",
    country="AR",
    cents=80,
    created_at=1779636034.0,
    expires_at=1779637234.0,
    cancel_at=1779636154.0,
)


def by_id(data):
    return wire.asked_order(data, asked=ORDER.id)


def row(**changes):
    merged = {**LIVE, **changes}
    return {name: value for name, value in merged.items() if value is not None}


LISTED = row(order_id=None, service=None, country=None, price=None,
             id=ORDER.id, service_id="wa", country_id="AR", price_charged=0.8)  # fmt: skip


@pytest.mark.parametrize(
    "data",
    [
        LIVE,
        LISTED,
        {"order": LIVE},
        row(phone_number="+54 11 2739-9874"),
        row(created_at="2026-05-24T23:20:34+08:00"),
        row(created_at="2026-05-24T15:20:34.000Z"),
        row(status="pending"),
        row(status="WAITING"),
        row(price="0.80"),
        row(created_at="2026-05-24T15:20:34"),
        row(status="a word that stands in no source"),
        row(messages=[]),
        row(messages={"odd": 1}),
        row(country="ar"),
    ],
)
def test_an_order_in_every_form(data):
    assert wire.order(data) == ORDER


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("completed", OrderState.COMPLETED),
        ("sms_received", OrderState.COMPLETED),
        ("expired", OrderState.EXPIRED),
        ("cancelled", OrderState.CANCELLED),
        ("failed", OrderState.CANCELLED),
        ("canceled", OrderState.CANCELLED),
    ],
)
def test_the_states_that_mean_something(word, state):
    assert wire.order(row(status=word)).state is state


def test_what_is_not_needed_may_be_missing_or_odd():
    assert wire.order(row(created_at="0001-01-01T00:00:00Z", price=1e307)).created_at is None
    bare = wire.purchased({"order_id": "x", "phone_number": "44123", "price": "?", "created_at": 7})
    assert bare == Order(id="x", phone="44123", service="", country="")


@pytest.mark.parametrize(
    "time",
    ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00+12:00", "9999-12-31T23:59:59-12:00",
     "10000-01-01T00:00:00Z", "1999-12-31T23:59:59Z", "2100-01-01T00:00:00Z", "\ud800", 7, True],
)  # fmt: skip
def test_an_instant_outside_of_this_century_is_absent(time):
    read = wire.order(row(created_at=time, expires_at=time, cancel_available_at=time))
    assert (read.created_at, read.expires_at, read.cancel_at) == (None, None, None)


def test_of_many_messages_the_newest_are_kept_and_of_a_long_text_its_beginning():
    many = [
        {"content": str(n), "received_at": f"2026-05-24T15:{n % 60:02}:00Z"} for n in range(600)
    ]
    texts = wire.order(row(messages=many)).texts
    assert len(texts) == wire.MAX_MESSAGES
    assert {int(text) % 60 for text in texts} == {55, 56, 57, 58, 59}
    assert wire.order(row(messages=[{"content": "a\0" * 9000}])).texts == ("a " * 2048,)


def test_messages_are_sorted_by_their_time():
    late = {"content": "b", "received_at": "2026-05-24T15:22:00Z"}
    early = {"content": "a", "received_at": "2026-05-24T15:21:00Z", "sender": ""}
    order = wire.order(row(messages=[late, early]))
    assert [sms.text for sms in order.messages] == ["a", "b"]


def test_a_message_without_a_text_is_none_and_one_of_an_empty_text_is_one():
    listed = [{"status": "waiting"}, 7, {"content": None}, {"content": ["x"]}, {"content": ""}]
    assert wire.order(row(messages=listed)).messages == (Sms(""),)


def test_messages_without_a_time_keep_their_order():
    order = wire.order(row(messages=[{"content": "a"}, {"content": "b"}]))
    assert order.messages == (Sms("a"), Sms("b"))


def test_the_text_of_older_answers_is_a_message():
    assert wire.order(row(sms_text="code 1")).messages == (Sms("code 1"),)


@pytest.mark.parametrize(
    ("read", "data"),
    [
        (wire.purchased, row(phone_number=None)),
        (wire.purchased, row(phone_number="n/a")),
        (wire.purchased, row(order_id=None)),
        (wire.purchased, row(order_id=True)),
        (wire.purchased, row(order_id=2**63)),
        (wire.order, []),
        (wire.order, "order"),
        (wire.order, None),
        (wire.orders, {"orders": "none"}),
        (wire.orders, {"orders": [1]}),
        (wire.orders, {}),
        (wire.balance, {"balance": "-49.39"}),
        (wire.balance, {"balance": "49,39"}),
        (wire.balance, {"balance": "9" * 400}),
        (wire.orders, {"orders": [{"status": "waiting"}]}),
        (wire.orders, None),
        (by_id, {}),
        (by_id, {"success": True}),
        (by_id, row(order_id="another")),
        (by_id, row(order_id="a\nb")),
        (webhooks.webhook, {"webhook": {"url": "https://example.com/"}}),
        (webhooks.webhooks, {"webhooks": [{}]}),
        (wire.balance, {"balance": True}),
        (wire.balance, {}),
        (wire.price, {"price": None}),
        (wire.price, {"price": -1}),
        (wire.prices, {"countries": {}}),
        (wire.services, {"services": [{"service_id": 4}]}),
        (wire.services, {"services": 7}),
        (wire.services, [1, 2]),
        (wire.countries, ["GB"]),
        (wire.transactions, [[]]),
        (wire.orders, [None]),
        (wire.balance, {"balance": 1e308}),
        (wire.balance, {"balance": -0.01}),
        (wire.balance, {"balance": 1_000_000.01}),
        (wire.balance, {"balance": int("9" * 400)}),
        (wire.price, {"price": 1e308}),
        (wire.order, row(order_id="a\nb")),
        (wire.order, row(order_id="a\0b")),
        (wire.order, row(order_id="a b")),
        (wire.order, row(order_id="..")),
        (wire.order, row(order_id="x" * 129)),
        (wire.purchased, row(phone_number="1234")),
        (wire.purchased, row(phone_number="1" * 21)),
    ],
)
def test_what_cannot_be_read_is_unclear(read, data):
    with pytest.raises(ProblemError) as unclear:
        read(data)
    assert unclear.value.problem is Problem.UNCLEAR


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"a":', b"\xff\xfe", b"{" * 5000])
def test_a_body_that_is_no_json_is_unclear(body):
    with pytest.raises(ProblemError) as unclear:
        fields.decode(body)
    assert unclear.value.problem is Problem.UNCLEAR


@pytest.mark.parametrize("raw", ["\ud800", b"\xff", "[" * 9000, "9" * 5000, b"", "[]"])
def test_a_frame_that_cannot_be_read_is_none(raw):
    assert wire.frame(raw) is None


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ('{"type":"order_status","status":"completed","full_text":"code 1"}', "code 1"),
        ('{"type":"order_status","sms_text":"code 1"}', "code 1"),
        ('{"type":"order_status","status":"completed","message":"Order completed"}', ""),
        ('{"type":["sms"],"full_text":"code 1"}', ""),
    ],
)
def test_a_frame_of_the_status_may_bring_the_sms(raw, text):
    assert wire.frame(raw) == Frame(text)


def test_the_text_of_a_frame_can_be_kept():
    assert wire.frame('{"type":"sms","full_text":"a\\u0000b"}') == Frame("a b")
    assert wire.frame('{"type":"sms","full_text":{"odd":1}}') == Frame("")


def test_the_order_list_may_be_bare():
    assert wire.orders([LISTED]) == wire.orders({"count": 1, "orders": [LISTED]}) == (ORDER,)


@pytest.mark.parametrize(
    ("balance", "cents"), [(49.39, 4939), (100, 10000), (0.29, 29), (17.159, 1715), (0.0, 0)]
)
def test_a_balance_is_never_more_than_there_is(balance, cents):
    assert wire.balance({"success": True, "balance": balance}) == cents
    assert wire.balance({"balance_usd": balance}) == cents


@pytest.mark.parametrize(
    ("stock", "count"),
    [
        ({"availability": "in_stock"}, 6),
        ({"availability": "low_stock"}, 1),
        ({"availability": "out_of_stock"}, 0),
        ({"availability": "plenty"}, 0),
        ({"count": 9240}, 9240),
        ({"count": -1}, 0),
        ({}, 0),
    ],
)
def test_stock_is_what_is_surely_there(stock, count):
    rows = {"countries": [{"id": "AT", "name": "Austria", "price": 0.27, **stock}]}
    assert wire.prices(rows) == (Price("AT", 27, count),)


@pytest.mark.parametrize("count", [1e308, int("9" * 400)])
def test_a_count_is_one_that_json_can_carry(count):
    assert wire.prices([{"id": "AT", "price": 1, "count": count}])[0].count == 1_000_000


def test_a_row_without_a_price_is_not_for_sale():
    assert wire.prices([{"iso": "at"}, {"iso": "be", "our_price": 1}]) == (Price("BE", 100, 0),)


def test_services_under_both_names():
    live = {"services": [{"service_id": "wa", "service_name": "Whatsapp", "base_price": 0.21}]}
    newer = {"services": [{"service_code": "wa", "name": "Whatsapp", "price": 0.21}]}
    assert wire.services(live) == wire.services(newer) == (Service("wa", "Whatsapp"),)


def test_the_upstreams_own_account():
    rows = [{"id": "txn_1", "amount": -0.5, "type": "purchase", "description": "Telegram / GB",
             "order_id": "o", "created_at": "2026-05-24T15:20:34Z"}, {"amount": "odd"}]  # fmt: skip
    assert wire.transactions({"transactions": rows}) == (
        Transaction(1779636034.0, "purchase", -50, "o", "Telegram / GB"),
        Transaction(0.0, "", 0, "", ""),
    )


# Other readings: what the vendor's own sources show, and what programs in Go or Node write.


@pytest.mark.parametrize(
    "data",
    [
        row(order_id=None),
        row(order_id=ORDER.id.upper()),
        {"order": row(order_id=None)},
        row(service="WhatsApp", service_code="wa"),
        row(service=None, service_id=7, service_code="wa"),
        row(country="Argentina", country_code="ar"),
        row(price=None, price_charged="0.8"),
        row(phone_number=541127399874),
        row(new_field={"nobody": ["knows"]}, provider="x"),
        row(status="queued"),
    ],
)
def test_the_order_that_was_asked_for_in_every_form(data):
    assert by_id(data) == ORDER


def test_the_vendors_own_sample_of_an_order_has_no_id():
    sample = {"success": True, "status": "completed", "messages": [{"content": "code 123456"}]}
    read = by_id(sample)
    assert (read.id, read.state, read.texts) == (ORDER.id, OrderState.COMPLETED, ("code 123456",))


def test_a_number_as_an_id_is_its_digits():
    assert wire.purchased(row(order_id=17)).id == "17"


def test_a_swap_may_have_a_new_id_the_old_one_or_none():
    assert wire.purchased(row(order_id="new"), asked="old").id == "new"
    assert wire.purchased(row(order_id=None), asked="old").id == "old"


@pytest.mark.parametrize(
    ("sms", "expected"),
    [
        ({"sms_code": "123456"}, Sms("123456")),
        ({"sms_code": 123456}, Sms("123456")),
        ({"messages": None, "sms_text": "code 1", "sms_code": "1"}, Sms("code 1")),
        ({"messages": [], "sms_text": "a", "sms_sender": "X"}, Sms("a", sender="X")),
    ],
)
def test_a_text_beside_the_messages_is_one(sms, expected):
    read = by_id(LIVE | sms)
    assert (read.messages, read.has_last_sms_only) == ((expected,), True)


@pytest.mark.parametrize(
    ("read", "name"),
    [
        (wire.orders, "orders"),
        (wire.services, "services"),
        (wire.countries, "countries"),
        (wire.prices, "countries"),
        (wire.transactions, "transactions"),
        (webhooks.webhooks, "webhooks"),
        (webhooks.deliveries, "deliveries"),
    ],
)
def test_null_is_an_empty_list(read, name):
    for empty in ({name: None, "count": 0}, {name: []}, []):
        rows = read(empty)
        assert (rows, rows.listed, rows.unread) == ((), 0, 0)


@pytest.mark.parametrize(
    ("read", "good"),
    [
        (wire.orders, LISTED),
        (wire.services, {"service_id": "wa", "service_name": "Whatsapp"}),
        (wire.countries, {"country_id": "GB", "services": ["wa"]}),
        (wire.prices, {"id": "GB", "price": 1}),
        (webhooks.webhooks, {"id": "wh_1"}),
        (webhooks.deliveries, {"id": "d_1"}),
    ],
)
def test_a_row_that_cannot_be_read_does_not_spoil_the_others(read, good):
    rows = read([good, {"status": "waiting"}, 7, good, None])
    assert rows == (*read([good]), *read([good]))
    assert (rows.listed, rows.unread) == (5, 3)


def test_numbers_may_come_as_text():
    assert wire.balance({"balance": "49.39"}) == 4939
    assert wire.price({"price": "0.80"}) == 80
    assert wire.prices([{"id": "AT", "price": "0.27", "count": "12"}]) == (Price("AT", 27, 12),)
    assert wire.transactions([{"amount": "-0.50"}])[0].cents == -50


@pytest.mark.parametrize(
    ("stock", "count"),
    [
        ({"count": 3, "availability": "in_stock"}, 6),
        ({"count": 40, "availability": "low_stock"}, 40),
        ({"count": 0, "availability": "in_stock"}, 6),
        ({"count": None, "availability": "low_stock"}, 1),
        ({"count": 0, "availability": "out_of_stock"}, 0),
    ],
)
def test_of_count_and_availability_the_one_that_says_more_counts(stock, count):
    assert wire.prices([{"id": "AT", "price": 1, **stock}])[0].count == count


def test_the_short_code_of_a_service_counts_not_its_number():
    listed = [{"service_id": 7, "service_code": "wa"}, {"service_id": "tg", "service_code": None}]
    assert [service.code for service in wire.services(listed)] == ["wa", "tg"]


@pytest.mark.parametrize(
    "data",
    [
        {"success": True, "webhook": {"id": 7, "threshold": "5.00", "secret": "whsec_1"}},
        {"success": True, "id": "7", "threshold_usd": 5, "secret": "whsec_1"},
        {"id": "7", "threshold": 5.0, "secret": "whsec_1", "events": None, "url": None,
         "description": None, "last_error_code": None, "active": None, "paused": None,
         "failure_count_consecutive": None, "new_field": {}},
    ],
)  # fmt: skip
def test_a_webhook_in_every_form(data):
    read = webhooks.webhook(data)
    assert read == Webhook(id="7", threshold=5.0, secret="whsec_1", failure_count_consecutive=None)
