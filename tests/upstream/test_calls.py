"""The calls of the upstream: what goes out, and what is made of what comes back."""

import asyncio
import socket
import time

import httpx
import pytest

from proxy.app.build import create_app
from proxy.model import ClientKey
from proxy.model.errors import Problem, ProblemError
from proxy.runtime.counters import Counters
from proxy.store import open_store
from proxy.upstream.budget import Budget
from proxy.upstream.client import Upstream
from tests.conftest import START
from tests.support.world import NOTHING_LEFT, a_world

pytestmark = pytest.mark.anyio

KEY = ClientKey.of("planted-secret")
ORDER = {"order_id": "o", "phone_number": "447700900001"}


STORES = []


@pytest.fixture(autouse=True)
def closed():
    """The stores that a test has opened are closed behind it."""
    yield
    while STORES:
        asyncio.run(STORES.pop().close())


def upstream(answer, **options):
    STORES.append(open_store("sqlite://"))
    budget = Budget(60, STORES[-1], time.time)
    return Upstream(
        "https://up/api/v1",
        12,
        budget,
        Counters(),
        transport=httpx.MockTransport(answer),
        **options,
    )


async def problem_of(call):
    with pytest.raises(ProblemError) as refused:
        await call
    return refused.value


async def test_the_key_goes_out_in_a_header_and_to_no_public_endpoint():
    seen = []

    def answer(request):
        seen.append((request.method, str(request.url), request.headers.get("X-API-Key")))
        return httpx.Response(200, json={"orders": [], "countries": [], "price": 1, **ORDER})

    calls = upstream(answer)
    await calls.orders(KEY)
    await calls.purchase(KEY, "wa", "GB")
    await calls.retry(KEY, "o")
    await calls.prices("wa")
    await calls.price("wa", "GB")
    assert seen == [
        ("GET", "https://up/api/v1/customer/orders?limit=200", "planted-secret"),
        ("POST", "https://up/api/v1/customer/purchase", "planted-secret"),
        ("POST", "https://up/api/v1/orders/o/retry", "planted-secret"),
        ("GET", "https://up/api/v1/catalog/countries?service=wa", None),
        ("GET", "https://up/api/v1/price?service=wa&country=GB", None),
    ]


async def test_a_purchase_says_exactly_what_to_buy():
    bodies = []

    def answer(request):
        bodies.append(request.content)
        return httpx.Response(200, json=ORDER)

    await upstream(answer).purchase(KEY, "wa", "GB")
    assert bodies == [b'{"service":"wa","country":"GB"}']


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (httpx.ConnectError, Problem.TRY_AGAIN),
        (httpx.ConnectTimeout, Problem.TRY_AGAIN),
        (httpx.PoolTimeout, Problem.TRY_AGAIN),
        (httpx.ReadTimeout, Problem.UNCLEAR),
        (httpx.ReadError, Problem.UNCLEAR),
        (httpx.WriteError, Problem.UNCLEAR),
        (httpx.RemoteProtocolError, Problem.UNCLEAR),
    ],
)
async def test_what_never_left_is_told_from_what_may_have_had_its_effect(error, problem):
    def answer(request):
        raise error("gone", request=request)

    assert (await problem_of(upstream(answer).purchase(KEY, "wa", "GB"))).problem is problem


async def test_an_answer_that_does_not_end_is_given_up_and_may_have_had_its_effect(monkeypatch):
    sent = []

    async def endless():
        while True:
            sent.append(b"7" * 1000)
            yield sent[-1]

    def answer(request):
        return httpx.Response(200, content=endless())

    monkeypatch.setattr("proxy.upstream.client.LONGEST_BODY", 10_000)
    refused = await problem_of(upstream(answer).purchase(KEY, "wa", "GB"))
    assert str(refused) == "UNCLEAR: purchase: a body of more than 10000 bytes"
    assert len(sent) == 11


async def test_a_redirect_is_followed_with_no_key():
    seen = []

    def answer(request):
        seen.append(str(request.url))
        return httpx.Response(307, headers={"Location": "https://elsewhere/"})

    assert (await problem_of(upstream(answer).purchase(KEY, "wa", "GB"))).problem.is_doubt
    assert seen == ["https://up/api/v1/customer/purchase"]


async def test_a_success_that_says_it_is_none_is_a_refusal():
    def answer(request):
        return httpx.Response(200, json={"success": False, "error": "out of stock", **ORDER})

    refused = await problem_of(upstream(answer).purchase(KEY, "wa", "GB"))
    assert refused.problem is Problem.NO_NUMBERS


async def test_an_upstream_that_repeats_the_key_does_not_bring_it_into_the_log():
    def answer(request):
        return httpx.Response(401, json={"error": "Invalid API key: planted-secret"})

    refused = await problem_of(upstream(answer).balance(KEY))
    assert str(refused) == "BAD_KEY: balance: HTTP 401 Invalid API key: [key]"


async def test_a_key_of_one_letter_hides_no_word_of_the_upstream():
    refused = {"error": "No numbers available"}
    calls = upstream(lambda request: httpx.Response(503, json=refused))
    with pytest.raises(ProblemError) as error:
        await calls.purchase(ClientKey.of("n"), "wa", "GB")
    assert error.value.problem is Problem.NO_NUMBERS
    assert "No [key]umbers" in error.value.detail


async def test_an_id_of_the_upstream_stays_within_its_place_of_the_path():
    paths = []

    def answer(request):
        paths.append(request.url.raw_path)
        return httpx.Response(200, json=ORDER)

    with pytest.raises(ProblemError, match="not asked for"):
        await upstream(answer).order(KEY, "../a?b#c")
    assert paths == [b"/api/v1/customer/order/..%2Fa%3Fb%23c"]


async def test_a_cookie_set_for_one_key_does_not_go_out_with_another():
    cookies = []

    def answer(request):
        cookies.append(request.headers.get("Cookie"))
        return httpx.Response(200, json={"balance": 1}, headers={"Set-Cookie": "session=a"})

    calls = upstream(answer)
    await calls.balance(KEY)
    await calls.balance(ClientKey.of("other"))
    assert cookies == [None, None]


async def test_the_time_is_the_upstreams():
    def answer(request):
        date = "Sun, 01 Mar 2026 12:00:00 GMT"
        return httpx.Response(200, json={"balance": 1}, headers={"Date": date})

    calls = upstream(answer, wall_clock=lambda: 5.0)
    assert calls.now() == 5.0
    await calls.balance(KEY)
    assert calls.now() == 5.0, "a step has to be said twice"
    await calls.balance(KEY)
    assert calls.now() == 1_772_366_400.0
    assert calls.wall_clock() == 5.0


async def test_187_is_there_even_if_nothing_is_sold_in_the_us():
    def answer(request):
        return httpx.Response(200, json={"countries": [{"id": "GB", "price": 0.5, "count": 9}]})

    app = create_app(NOTHING_LEFT, transport=httpx.MockTransport(answer))
    STORES.append(app.state.services.store)
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://p")
    path = "/stubs/handler_api.php?api_key=k&action=getPrices&service=wa"
    assert (await client.get(path)).json().keys() == {"187", "16"}
    assert (await client.get(f"{path}&country=187")).json() == {}


@pytest.mark.parametrize("rows", [50, 200])
async def test_an_id_behind_the_end_of_a_full_list_of_live_orders_is_no_final_word(rows):
    def answer(request):
        row = {"phone_number": "447700900001", "created_at": "2026-03-01T11:55:00Z"}
        orders = [{"order_id": str(number), **row} for number in range(rows)]
        date = "Sun, 01 Mar 2026 12:00:00 GMT"
        return httpx.Response(200, json={"orders": orders}, headers={"Date": date})

    app = create_app(NOTHING_LEFT, transport=httpx.MockTransport(answer))
    STORES.append(app.state.services.store)
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://p")
    path = "/stubs/handler_api.php?api_key=k&action=getStatus&id=4"
    assert (await client.get(path)).text == "ERROR_SQL"


# What a 429 says.

TEN_A_MINUTE = {"error": "rate_limited", "message": "10 requests per minute"}


class Refusing:
    """An upstream that says 429 once, and notes when it is asked."""

    def __init__(self, clock, headers=None, json=None):
        self.clock, self.headers, self.json = clock, headers, json or {"error": "rate_limited"}
        self.asked = []
        self.calls = upstream(self.answer, wall_clock=clock)

    def answer(self, request):
        self.asked.append(self.clock() - START)
        if len(self.asked) == 1:
            return httpx.Response(429, headers=self.headers, json=self.json)
        return httpx.Response(200, json={"balance": 1, **ORDER})

    async def until_answered(self):
        while len(self.asked) < 2:
            try:
                await self.calls.balance(KEY)
            except ProblemError as error:
                assert error.problem is Problem.RATE_LIMITED


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7),
        ("0", 0),
        ("300", 300),
        ("1000000000", 300),
        ("9" * 400, 300),
        ("Sun, 01 Mar 2026 12:00:05 GMT", 5),
        ("Sun, 01 Mar 2026 13:00:04 +0100", 4),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 300),
        # What says nothing is a 429 without it.
        (None, 2),
        ("", 2),
        ("-1", 2),
        ("1e9", 2),
        ("soon", 2),
        ("\xb2", 2),
        ("Sun, 01 Mar 2026 12:00:05 +99999999999999999999", 2),
    ],
)
async def test_a_429_is_kept_to_and_what_is_absurd_in_it_is_harmless(clock, value, seconds):
    headers = {} if value is None else {"Retry-After": value.encode("latin-1")}
    refusing = Refusing(clock, headers)
    await refusing.until_answered()
    assert refusing.asked == [0, seconds]


@pytest.mark.parametrize(
    ("headers", "json", "sent"),
    [
        ({"X-RateLimit-Limit": "10"}, None, 10),
        ({"X-RateLimit-Limit": "10, 10;w=60"}, None, 10),
        ({}, TEN_A_MINUTE, 10),
        ({}, {"error": "Only 10 calls a minute"}, 10),
        ({"X-RateLimit-Limit": "60"}, None, 51),
        ({"X-RateLimit-Limit": "0"}, None, 51),
        ({"X-RateLimit-Limit": "-10"}, None, 51),
        ({"X-RateLimit-Limit": "ten"}, None, 51),
        ({}, {"error": "5 requests per second"}, 51),
        ({}, None, 51),
    ],
)
async def test_a_limit_that_a_429_tells_is_kept_for_that_call(clock, headers, json, sent):
    refusing = Refusing(clock, headers, json)
    await refusing.until_answered()
    with pytest.raises(ProblemError):
        while True:
            await refusing.calls.balance(KEY)
    assert sum(at < 61 for at in refusing.asked) == sent
    asked = len(refusing.asked)
    await refusing.calls.retry(KEY, "o")
    assert len(refusing.asked) == asked + 1


@pytest.mark.parametrize(
    "value",
    [
        "",
        "soon",
        "-1",
        "Sun, 01 Mar 99999 12:00:00 GMT",
        "Sun, 01 Mar 2026 12:00:00 +99999999999999999999",
    ],
)
async def test_a_date_that_is_none_is_passed_over(value):
    calls = upstream(
        lambda request: httpx.Response(200, json=ORDER, headers={"Date": value}),
        wall_clock=lambda: 5.0,
    )
    assert (await calls.purchase(KEY, "wa", "GB")).id == "o"
    assert calls.now() == 5.0


# A key that the upstream refuses.


@pytest.fixture
async def world(clock):
    async with a_world(clock) as world:
        yield world


async def refusals(world):
    requests = (await world.steer("requests"))["requests"]
    return sum(request["status"] == 401 for request in requests)


UUID = "7e44ebb5-9a55-4bd8-a4e9-7f226f9d5ebd"
OF_A_KEY = [
    "action=getBalance",
    "action=getStatus&id=1234",
    f"action=getStatus&id={UUID}",
    f"action=setStatus&status=8&id={UUID}",
    "action=getNumber&service=wa&country=16",
    "action=getNumber&service=wa&country=16&maxPrice=5",
    "action=getPrices",
    "action=getServicesList",
    "action=getCountries",
    "action=getActiveActivations",
]


@pytest.mark.parametrize("query", OF_A_KEY)
async def test_a_refused_key_is_shown_to_the_upstream_once_in_ten_seconds(world, query):
    for _ in range(60):
        assert await world.ask(f"api_key=bad-one&{query}") == "BAD_KEY"
        await asyncio.sleep(0.5)
    assert await refusals(world) == 3


async def test_ten_seconds_are_those_of_the_key_whatever_it_asks(world):
    for query in OF_A_KEY:
        assert await world.ask(f"api_key=bad-one&{query}") == "BAD_KEY"
    assert await refusals(world) == 1


async def test_other_keys_are_not_affected_by_a_refused_one(world):
    for _ in range(3):
        assert await world.ask("api_key=bad-one&action=getBalance") == "BAD_KEY"
        assert await world.ask("api_key=bad-two&action=getBalance") == "BAD_KEY"
        assert (await world.ask("api_key=good&action=getBalance")).startswith("ACCESS_BALANCE")
        number = await world.ask("api_key=good&action=getNumber&service=wa&country=16")
        assert number.startswith("ACCESS_NUMBER")
    assert await refusals(world) == 2


async def test_a_key_that_becomes_good_is_good_within_ten_seconds(world):
    await world.steer("faults", {"kind": "status", "status": 401, "body": {"error": "no_key"}})
    answers = []
    for pause in (0, 9, 1):
        await asyncio.sleep(pause)
        answers.append(await world.ask("action=getBalance"))
    assert answers == ["BAD_KEY", "BAD_KEY", "ACCESS_BALANCE:100.00"]


async def test_a_401_that_is_no_word_of_the_upstream_refuses_no_key(world):
    page = {"kind": "status", "status": 401, "body": "<html>who are you?</html>"}
    await world.steer("faults", page)
    assert await world.ask("action=getBalance") == "ERROR_SQL"
    assert await world.ask("action=getBalance") == "ACCESS_BALANCE:100.00"


async def test_wrong_keys_use_up_the_budget_of_nobody(world):
    for number in range(100):
        assert await world.ask(f"api_key=bad-{number}&action=getBalance") == "BAD_KEY"
    assert await world.ask("action=getBalance") == "ACCESS_BALANCE:100.00"


@pytest.mark.parametrize("key", ["n", "no", "o n", "numbers", "u", "x"])
async def test_a_refusal_is_classified_before_the_key_is_blanked_out(key):
    def answer(request):
        return httpx.Response(503, json={"error": "no numbers", "message": f"for {key}"})

    refused = await problem_of(upstream(answer).purchase(ClientKey.of(key), "wa", "GB"))
    assert refused.problem is Problem.NO_NUMBERS
    assert key not in refused.detail.partition("HTTP 503 ")[2].replace("[key]", "")


# A time-out before anything was sent has had no effect.


async def test_a_time_out_while_it_waits_for_its_turn_is_no_doubt(monkeypatch):
    sent = []
    calls = upstream(sent.append)

    async def admit(*values):
        await asyncio.sleep(100)

    monkeypatch.setattr(calls, "admit", admit)
    assert (await problem_of(calls.cancel(KEY, "o"))).problem is Problem.TRY_AGAIN
    assert sent == []


async def test_a_time_out_after_it_was_sent_is_a_doubt():
    async def answer(request):
        await asyncio.sleep(100)

    assert (await problem_of(upstream(answer).cancel(KEY, "o"))).problem is Problem.UNCLEAR


@pytest.mark.parametrize("connects", [True, False])
def test_a_time_out_is_a_doubt_only_once_the_connection_stands(monkeypatch, connects):
    async def hang(*where, **how):
        await asyncio.Event().wait()

    async def problem(url):
        store = open_store("sqlite://")
        calls = Upstream(url, 0.4, Budget(60, store, time.time), Counters())
        try:
            return (await problem_of(calls.cancel(KEY, "o"))).problem
        finally:
            await calls.close()
            await store.close()

    if not connects:
        monkeypatch.setattr(asyncio.BaseEventLoop, "create_connection", hang)
    # It takes connections and never says a word.
    with socket.create_server(("127.0.0.1", 0)) as server:
        said = asyncio.run(problem(f"http://127.0.0.1:{server.getsockname()[1]}"))
    assert said is (Problem.UNCLEAR if connects else Problem.TRY_AGAIN)
