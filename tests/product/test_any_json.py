"""The short form of tests/any_json.py, and the same answers on their way through the proxy."""

import asyncio
import gc
import json
import time
from contextlib import contextmanager

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.app.build import create_app
from proxy.endpoint.actions import ACTIONS
from proxy.legacy.dialects import DIALECTS
from proxy.upstream.endpoints import ENDPOINTS
from tests.any_json import GOOD, ID, NAMES, bodies, property_of, written
from tests.conftest import START, FakeTimeLoop
from tests.support.examples import examples
from tests.support.judge import judge, well_formed
from tests.support.world import NOTHING_LEFT, PATH


@pytest.mark.parametrize("name", NAMES)
def test_whatever_stands_in_an_answer_it_is_a_value_or_a_problem(name):
    property_of(name, examples(30))()


READ = ("purchase", "order", "orders", "balance", "price", "prices", "countries", "services")
PATHS = {ENDPOINTS[call].path.format(id=ID): call for call in (*READ, "cancel", "retry", "swap")}


def answering(call, body):
    """An upstream with good answers to all calls but one."""
    answers = {name: written(good).encode() for name, good in GOOD.items()} | {call: body}

    def answer(request):
        name = PATHS.get(request.url.path.removeprefix("/api/v1"), "order")
        return httpx.Response(200, content=answers[name])

    return httpx.MockTransport(answer)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_whatever_stands_in_an_answer_a_client_gets_a_legal_word(dialect, caplog):
    @settings(max_examples=examples(40), deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def ask(data):
        call = data.draw(st.sampled_from(READ))
        body = data.draw(bodies(GOOD[call]))
        with asyncio.Runner(loop_factory=FakeTimeLoop) as runner:
            runner.run(every_action(answering(call, body)))

    async def every_action(transport):
        app = create_app(NOTHING_LEFT, clock=lambda: START, transport=transport)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://p") as client,
        ):
            for action in sorted(ACTIONS, key=lambda action: "Number" not in action):
                query = f"api_key=k&action={action}&id={ID}&status=3&service=wa&country=16&text=1"
                answer = await client.get(f"/{dialect}{PATH}?{query}")
                if dialect == "sms-activate":
                    judge(action, answer)
                else:
                    well_formed(answer)
            query = f"api_key=k&action=getStatus&id={ID.replace('7', '8')}"
            well_formed(await client.get(f"/{dialect}{PATH}?{query}"))

    ask()
    assert "a bug" not in caplog.text


async def answers_of(transport, *queries, dialect="sms-activate"):
    app = create_app(NOTHING_LEFT, clock=lambda: START, transport=transport)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://p") as client,
    ):
        url = f"/{dialect}{PATH}?api_key=k&id={ID}&service=wa&country=16&text=1"
        return [await client.get(f"{url}&action={query}") for query in queries]


@pytest.mark.anyio
async def test_a_number_whose_answer_has_a_year_that_no_date_has_is_handed_out():
    body = written(GOOD["order"] | {"expires_at": "10000-01-01T00:00:00Z"}).encode()
    (bought,) = await answers_of(answering("purchase", body), "getNumberV2", dialect="herosms")
    assert bought.json()["phoneNumber"] == "447700900001"
    # Twenty minutes after the purchase, which a typed client needs as a date.
    assert bought.json()["activationEndTime"] == "2026-03-01T12:20:00+00:00"


@pytest.mark.anyio
async def test_a_number_whose_answer_cannot_be_made_goes_to_the_next_who_asks(monkeypatch, caplog):
    shapes, made = type(DIALECTS["sms-activate"].shapes), []

    def number(self, view):
        made.append(view.order.id)
        if len(made) == 1:
            raise ValueError("it cannot be written")
        return original(self, view)

    original = shapes.number
    monkeypatch.setattr(shapes, "number", number)
    body = written(GOOD["order"] | {"status": "waiting", "messages": []}).encode()
    transport = answering("purchase", body)
    purchases = []
    inner = transport.handler
    transport.handler = lambda request: (
        (purchases.append(request.url.path) if "purchase" in request.url.path else None)
        or (httpx.Response(200, content=body) if "order" in request.url.path else inner(request))
    )
    first, second = await answers_of(transport, "getNumber", "getNumber")
    assert (first.text, made) == ("ERROR_SQL", [ID, ID])
    assert second.text.endswith(":447700900001")
    assert len(purchases) == 1


@pytest.mark.anyio
async def test_a_text_in_a_header_is_cut_to_a_thousand_bytes():
    messages = [{"content": "ключ 123456 " + "я" * 5000}]
    body = written(GOOD["order"] | {"messages": messages}).encode()
    (status,) = await answers_of(answering("order", body), "getStatus", dialect="daisysms")
    text = dict(status.headers.raw)[b"x-text"].decode()
    assert text.startswith("ключ 123456")
    assert 990 < len(text.encode()) <= 1000


def four_mebibytes(name, row):
    row = written(row)
    return f'{{"{name}":[{",".join([row] * (4_000_000 // (len(row) + 1)))}]}}'.encode()


MESSAGES = [{"content": f"x.{n}." * 300, "received_at": None, "sender": ""} for n in range(300)]
LONG = {
    "prices": four_mebibytes("countries", {"id": "GB", "price": 1}),
    "services": four_mebibytes("services", {"service_id": "wa"}),
    "countries": four_mebibytes("countries", {"id": "GB", "services": []}),
    "order": written(GOOD["order"] | {"messages": [{"content": ""}] * 100_000}).encode(),
    "purchase": written(GOOD["order"] | {"messages": MESSAGES}).encode(),
    "orders": b'{"orders":[%s]}' % b",".join(b'{"id":"%d"}' % n for n in range(250_000)),
}


@pytest.mark.slow
@pytest.mark.anyio
@pytest.mark.parametrize("call", LONG)
async def test_the_longest_body_costs_no_seconds(call):
    asked = "getNumber", "getStatus", "getAllSms", "getActiveActivations", "getPrices"
    actions = (*asked, "getHistory", "getServicesList", "getCountries", "getStatus")
    assert len(LONG[call]) < 4 * 1024 * 1024
    with without_the_garbage_of_others():
        begun = time.process_time()
        json.loads(LONG["orders"])
        once = time.process_time() - begun
        await answers_of(answering(call, LONG[call]), *actions)
        # Three to six, where nobody else works.
        assert time.process_time() - begun < 16 * once


@contextmanager
def without_the_garbage_of_others():
    """Bodies of many rows make the collector walk all that the process holds: here, what
    thousands of tests have left.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
