"""The calls of the upstream: what goes out, and what is made of what comes back."""

import time

import httpx
import pytest

from proxy.app import create_app
from proxy.errors import Problem, ProblemError
from proxy.model import Key
from proxy.store import open_store
from proxy.upstream.budget import Budget
from proxy.upstream.client import Upstream
from tests.world import NOTHING_LEFT

pytestmark = pytest.mark.anyio

KEY = Key("planted-secret")
ORDER = {"order_id": "o", "phone_number": "44"}


def upstream(answer, **options):
    budget = Budget(60, open_store("sqlite://"), time.time)
    return Upstream(
        "https://up/api/v1", 12, budget, transport=httpx.MockTransport(answer), **options
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


async def test_a_cookie_set_for_one_key_does_not_go_out_with_another():
    cookies = []

    def answer(request):
        cookies.append(request.headers.get("Cookie"))
        return httpx.Response(200, json={"balance": 1}, headers={"Set-Cookie": "session=a"})

    calls = upstream(answer)
    await calls.balance(KEY)
    await calls.balance(Key("other"))
    assert cookies == [None, None]


async def test_the_time_is_the_upstreams():
    def answer(request):
        date = "Sun, 01 Mar 2026 12:00:00 GMT"
        return httpx.Response(200, json={"balance": 1}, headers={"Date": date})

    calls = upstream(answer, clock=lambda: 5.0)
    assert calls.now() == 5.0
    await calls.balance(KEY)
    assert calls.now() == 1_772_366_400.0


async def test_187_is_there_even_if_nothing_is_sold_in_the_us():
    def answer(request):
        return httpx.Response(200, json={"countries": [{"id": "GB", "price": 0.5, "count": 9}]})

    app = create_app(NOTHING_LEFT, transport=httpx.MockTransport(answer))
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://p")
    path = "/stubs/handler_api.php?api_key=k&action=getPrices&service=wa"
    assert (await client.get(path)).json().keys() == {"187", "16"}
    assert (await client.get(f"{path}&country=187")).json() == {}


@pytest.mark.parametrize("rows", [50, 200])
async def test_an_id_behind_the_end_of_a_full_list_of_live_orders_is_no_final_word(rows):
    def answer(request):
        row = {"phone_number": "44", "created_at": "2026-03-01T11:55:00Z"}
        orders = [{"order_id": str(number), **row} for number in range(rows)]
        date = "Sun, 01 Mar 2026 12:00:00 GMT"
        return httpx.Response(200, json={"orders": orders}, headers={"Date": date})

    app = create_app(NOTHING_LEFT, transport=httpx.MockTransport(answer))
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://p")
    path = "/stubs/handler_api.php?api_key=k&action=getStatus&id=4"
    assert (await client.get(path)).text == "ERROR_SQL"
