"""Arbitrary JSON at every place of a good answer, event and frame of the upstream.

`python -m tests.any_json --examples 2000 --seed 1` is the long form of
tests/product/test_any_json.py.
"""

import asyncio
import dataclasses
import json
import logging
import math
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import click
import httpx
import msgspec
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from proxy.model import ClientKey
from proxy.model.errors import ProblemError
from proxy.runtime.counters import Counters
from proxy.upstream import webhooks, wire
from proxy.upstream.budget import Budget
from proxy.upstream.client import Upstream
from proxy.upstream.endpoints import ENDPOINTS

ID = "7e44ebb5-9a55-4bd8-a4e9-7f226f9d5ebd"
KEY = ClientKey.of("k")
MAX_BODY = 1_000_000
LONGEST = 2.0
"""Seconds for one answer, on a busy machine."""

ORDER = {
    "success": True,
    "order_id": ID,
    "phone_number": "447700900001",
    "service": "wa",
    "country": "GB",
    "price": 0.8,
    "status": "completed",
    "created_at": "2026-03-01T12:00:00Z",
    "expires_at": "2026-03-01T12:20:00Z",
    "cancel_available_at": "2026-03-01T12:02:00Z",
    "sms_received": True,
    "messages": [
        {"sender": "WhatsApp", "content": "code 123456", "received_at": "2026-03-01T12:01:00Z"}
    ],
}
HOOK = {
    "id": "wh_1", "url": "https://example.com/", "description": None, "events": ["sms.received"],
    "active": True, "paused": False, "threshold": 5.0, "failure_count_consecutive": 0,
    "last_delivered_at": None, "last_error_at": None, "last_error_code": None,
    "created_at": "2026-03-01T12:00:00Z", "updated_at": None, "secret": "whsec_1",
}  # fmt: skip
DELIVERY = {
    "id": "d1", "event_id": "evt_1", "event_type": "sms.received", "attempt": 1, "status": "ok",
    "response_status": 200, "response_body": "", "scheduled_for": None, "delivered_at": None,
    "error_message": None, "created_at": None, "payload": {},
}  # fmt: skip
TRANSACTION = {
    "id": "t1", "type": "purchase", "amount": -0.8, "order_id": ID,
    "description": "WhatsApp / GB", "created_at": "2026-03-01T12:00:00Z",
}  # fmt: skip
PRICE = {"id": "GB", "name": "United Kingdom", "price": 0.8, "count": 7, "availability": "in_stock"}
MARKET = {"country_id": "GB", "country_name": "United Kingdom", "services": ["wa", "tg"]}
SERVICE = {"service_id": "wa", "service_name": "Whatsapp", "base_price": 0.21}

GOOD: dict[str, Any] = {
    "balance": {"success": True, "balance": 49.39},
    "countries": {"countries": [MARKET], "count": 1},
    "services": {"services": [SERVICE], "count": 1},
    "price": {"success": True, "price": 0.8, "currency": "USD"},
    "prices": {"countries": [PRICE]},
    "purchase": ORDER,
    "order": ORDER,
    "orders": {"success": True, "orders": [ORDER], "count": 1},
    "cancel": {"success": True, "status": "cancelled", "refunded_amount": 0.8},
    "swap": ORDER,
    "transactions": {"transactions": [TRANSACTION], "count": 1},
    "retry": {"success": True, "order_id": ID, "message": "ok"},
    "webhooks": {"success": True, "webhooks": [HOOK], "count": 1},
    "webhook_create": {"success": True, "webhook": HOOK},
    "webhook": {"success": True, "webhook": HOOK},
    "webhook_change": {"success": True, "webhook": HOOK},
    "webhook_delete": {"success": True, "id": "wh_1"},
    "webhook_test": {"success": True, "message": "", "delivery_id": "d", "event_id": "e"},
    "webhook_deliveries": {"success": True, "deliveries": [DELIVERY], "count": 1},
}
REFUSED = {"success": False, "error": "Please wait 5 seconds.", "seconds_remaining": 5}
EVENT = {
    "id": "evt_1", "type": "sms.received", "created_at": "2026-03-01T12:00:00Z", "account_id": "a",
    "data": {
        "order_id": ID, "phone_number": "+447700900001", "previous_number": "+447700900002",
        "full_text": "code 123456", "received_at": "2026-03-01T12:01:00Z",
        "expires_at": "2026-03-01T12:20:00Z", "test": False,
    },
}  # fmt: skip
FRAME = {"type": "sms", "code": "123456", "full_text": "code 123456"}

CALLS: dict[str, Callable[[Upstream], Any]] = {
    "balance": lambda upstream: upstream.balance(KEY),
    "countries": lambda upstream: upstream.countries(KEY),
    "services": lambda upstream: upstream.services(KEY),
    "price": lambda upstream: upstream.price("wa", "GB"),
    "prices": lambda upstream: upstream.prices("wa"),
    "purchase": lambda upstream: upstream.purchase(KEY, "wa", "GB"),
    "order": lambda upstream: upstream.order(KEY, ID),
    "orders": lambda upstream: upstream.orders(KEY),
    "cancel": lambda upstream: upstream.cancel(KEY, ID),
    "swap": lambda upstream: upstream.swap(KEY, ID),
    "transactions": lambda upstream: upstream.transactions(KEY),
    "retry": lambda upstream: upstream.retry(KEY, ID),
    "webhooks": lambda upstream: upstream.webhooks(KEY),
    "webhook_create": lambda upstream: upstream.create_webhook(KEY, url="https://example.com/"),
    "webhook": lambda upstream: upstream.webhook(KEY, "wh_1"),
    "webhook_change": lambda upstream: upstream.change_webhook(KEY, "wh_1", active=True),
    "webhook_delete": lambda upstream: upstream.delete_webhook(KEY, "wh_1"),
    "webhook_test": lambda upstream: upstream.test_webhook(KEY, "wh_1"),
    "webhook_deliveries": lambda upstream: upstream.deliveries(KEY, "wh_1", 100, 0),
}
assert GOOD.keys() == CALLS.keys() == ENDPOINTS.keys()


class Token(str):
    """JSON as it is written, for what Python's own encoder cannot write."""


TOKENS = [
    *("9" * 400, "-" + "9" * 400, "9" * 5000, "9223372036854775808", "-9223372036854775809"),
    *("1e308", "-1e308", "1e400", "1e-320", "1000000.001", "NaN", "-Infinity", "-0"),
    *('"\\ud800"', '"\\udc00\\ud800"', '"\\u0000"', '"a\\u0000b"', '"\\u001b[31m"', "", "tru"),
    *("[" * 900 + "]" * 900, "[" * 100_000, '{"a":' * 900 + "1" + "}" * 900),
    *('{"message":' * 500 + '"x"' + "}" * 500, "[" + "1," * 50_000 + "1]"),
]
TEXTS = [
    *("0001-01-01T00:00:00Z", "9999-12-31T23:59:59-12:00", "10000-01-01T00:00:00Z", "2100-01-01"),
    *("0001-01-01T00:00:00+12:00", "1999-12-31T23:59:59Z", "9" * 400, "nan", "inf", "1e308", "-1"),
    *("..", "../balance", "a/b?c#d", "a\r\nb", "\u2028", "\u0663\u0664" * 4, "SQL", "x" * 100_000),
    *("code 123456 " * 9000, "invalid " * 9000, "+44 7700 900001", "0.5", "waiting", "cancelled"),
]
leaves = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=9),
    st.sampled_from(TEXTS), st.sampled_from(TOKENS).map(Token),
)  # fmt: skip
junk = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=9), inner, max_size=4)
    ),
    max_leaves=6,
)


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths to everything in a JSON value, the value itself the first."""
    yield at
    inside = value.items() if isinstance(value, dict) else ()
    inside = enumerate(value) if isinstance(value, list) else inside
    for name, one in inside:
        yield from places(one, (*at, name))


def put(value: Any, at: tuple[Any, ...], other: Any) -> Any:
    """The value with another at that place."""
    if not at:
        return other
    changed = value.copy()
    changed[at[0]] = put(value[at[0]], at[1:], other)
    return changed


def written(value: Any) -> str:
    if isinstance(value, Token):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(n)}:{written(one)}" for n, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(written, value)) + "]"
    return json.dumps(value)


@st.composite
def bodies(draw: Any, good: Any) -> bytes:
    """A good answer with arbitrary JSON at one to three places of it, or one of its rows often."""
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.sampled_from(list(places(good))))
        if draw(st.integers(0, 9)) == 0:
            row = written(_at(good, at))
            times = min(draw(st.sampled_from([0, 2, 60, 5000])), MAX_BODY // (len(row) + 1))
            good = put(good, at, Token("[" + ",".join([row] * times) + "]"))
        else:
            good = put(good, at, draw(junk))
    return written(good).encode()


def _at(value: Any, at: tuple[Any, ...]) -> Any:
    for name in at:
        value = value[name]
    return value


replies = st.tuples(
    st.sampled_from([200, 200, 200, 200, 201, 204, 302, 400, 401, 402, 404, 425, 429, 500, 503]),
    st.fixed_dictionaries(
        {},
        optional={
            "Date": st.sampled_from(["Fri, 31 Dec 9999 23:59:59 GMT", "soon", "", "9" * 400]),
            "Retry-After": st.sampled_from(["9" * 400, "-1", "1e9", "soon", "0", "\u0663"]),
            "X-RateLimit-Limit": st.sampled_from(["9" * 400, "0", "1", "x", "60, 60;w=60"]),
        },
    ),
)


class NoStore:
    """What a budget wants of a store, and nothing kept."""

    is_shared = False

    async def requests(self, key: str, since: float) -> list[float]:
        return []

    def record_request(self, key: str, at: float) -> None:
        pass


async def answered(call: str, status: int, headers: dict[str, str], body: bytes) -> Any:
    """What a call gives for an answer: a value, or the problem it raises."""
    raw = [(name, value.encode()) for name, value in headers.items()]
    transport = httpx.MockTransport(
        lambda request: httpx.Response(status, headers=raw, content=body)
    )
    budget = Budget(60, NoStore(), time.time)
    upstream = Upstream("http://upstream", 12.0, budget, Counters(), transport=transport)
    try:
        return await CALLS[call](upstream)
    except ProblemError as error:
        return error
    finally:
        await upstream.close()


def check(read: Callable[[], Any]) -> None:
    """A value or a problem, in time, and nothing in it that a store or a dialect cannot hold."""
    begun = time.process_time()
    read_value = read()
    took = time.process_time() - begun
    assert took < LONGEST, f"{took:.1f} s"
    if not isinstance(read_value, ProblemError):
        is_sane(read_value)


def is_sane(value: Any) -> None:
    if isinstance(value, str):
        assert "\0" not in value
        assert len(value) <= 4096
        value.encode()
    elif isinstance(value, int | float):
        assert math.isfinite(value)
        assert abs(value) < 2**53
    for one in _inside(value):
        is_sane(one)


def _inside(value: Any) -> Iterator[Any]:
    if isinstance(value, tuple):
        yield from value
    elif dataclasses.is_dataclass(value):
        yield from (getattr(value, field.name) for field in dataclasses.fields(value))
    elif isinstance(value, msgspec.Struct):
        yield from (getattr(value, name) for name in value.__struct_fields__)


def property_of(name: str, examples: int) -> Callable[[], None]:
    """The property of one call, of `event` or of `frame`, as a function to be run."""
    tried = settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    if name == "event":
        return tried(given(bodies(EVENT))(lambda body: check(lambda: _event(body))))
    if name == "frame":
        return tried(given(bodies(FRAME))(lambda body: check(lambda: wire.frame(body))))
    good = st.one_of(bodies(GOOD[name]), bodies(GOOD[name]), bodies(REFUSED))

    def is_answered(reply: tuple[int, dict[str, str]], body: bytes) -> None:
        check(lambda: asyncio.run(answered(name, *reply, body)))

    return tried(given(replies, good)(is_answered))


def _event(body: bytes) -> Any:
    event = webhooks.event(body)
    if event is None:
        return None
    told = event.id, event.order, event.text, event.phone, event.previous_phone
    return *told, event.received_at, event.expires_at, event.is_test


NAMES = (*CALLS, "event", "frame")


@click.command()
@click.option("--examples", type=click.IntRange(1), default=2000, show_default=True)
@click.option("--seed", "number", type=int, default=1, show_default=True)
def main(examples: int, number: int) -> None:
    """Try every reader of the upstream's JSON; exit 1 where one fails, with the smallest body."""
    failed = []
    logging.disable(logging.WARNING)
    for name in NAMES:
        begun = time.perf_counter()
        try:
            seed(number)(property_of(name, examples))()
        except Exception as error:
            failed.append(name)
            click.echo(f"{name}: {error!r}", err=True)
        click.echo(f"{name}: {examples} answers, {time.perf_counter() - begun:.0f} s")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
