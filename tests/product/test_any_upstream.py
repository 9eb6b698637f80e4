"""Whatever the upstream says, every action gives an answer that the strictest client can read."""

import asyncio
import json

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.app.build import create_app
from proxy.endpoint.actions import ACTIONS
from proxy.legacy.dialects import DIALECTS
from tests.conftest import START, FakeTimeLoop
from tests.support.examples import examples
from tests.support.judge import judge, well_formed
from tests.support.world import NOTHING_LEFT, PATH

ORDER = "7e44ebb5-9a55-4bd8-a4e9-7f226f9d5ebd"
texts = st.one_of(
    st.text(max_size=60),
    st.sampled_from(["code 1234", "SQL", "MySQL: 12", "a:b:c", "\n\n", "BANNED", "<b>1</b>", "0"]),
)
odd = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5), st.just([]))
times = st.one_of(
    st.sampled_from(["2026-03-01T12:00:00Z", "2026-03-01T20:00:00+08:00", "1969-01-01T00:00:00Z"]),
    odd,
)
money = st.one_of(st.floats(0, 500), st.integers(0, 500))
orders = st.fixed_dictionaries(
    {
        "order_id": st.just(ORDER),
        "phone_number": st.sampled_from(["447700900001", "+44 7700-900001"]),
        "service": st.sampled_from(["wa", "zz-not-in-the-tables", ""]),
        "country": st.sampled_from(["GB", "gb", "US", "XX", ""]),
        "price": st.one_of(money, odd),
        "status": st.one_of(
            st.sampled_from(["waiting", "completed", "cancelled", "expired", "sms_received"]), odd
        ),
        "created_at": times,
        "expires_at": times,
        "messages": st.one_of(
            st.lists(
                st.fixed_dictionaries(
                    {"content": st.one_of(texts, odd), "received_at": times, "sender": odd}
                ),
                max_size=3,
            ),
            odd,
        ),
    }
)
countries = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.sampled_from(["GB", "US", "XX", "RU"]),
            "country_id": st.sampled_from(["GB", "US", "XX", "RU"]),
            "name": texts,
            "price": st.one_of(money, odd),
            "count": st.one_of(st.integers(), odd),
            "availability": odd,
            "services": st.one_of(st.just(["wa", "tg", 5]), st.none()),
        }
    ),
    max_size=4,
)
services = st.lists(
    st.fixed_dictionaries(
        {"service_id": st.sampled_from(["wa", "tg", "zz-none"]), "service_name": texts}
    ),
    max_size=4,
)
upstreams = st.fixed_dictionaries(
    {"order": orders, "countries": countries, "services": services, "balance": money}
)


def answering(data):
    """An upstream that says the same whatever happens."""
    order = data["order"]
    bodies = {
        "/customer/purchase": order,
        "/customer/orders": {"orders": [order]},
        "/customer/services": {"services": data["services"]},
        "/customer/countries": {"countries": data["countries"]},
        "/catalog/countries": {"countries": data["countries"]},
        "/customer/balance": {"balance": data["balance"]},
        "/price": {"price": data["balance"]},
    }

    def answer(request):
        path = request.url.path.removeprefix("/api/v1")
        return httpx.Response(200, content=json.dumps(bodies.get(path, order)))

    return httpx.MockTransport(answer)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_answer_is_one_that_the_strictest_client_can_read(dialect, caplog):
    config = NOTHING_LEFT

    @settings(max_examples=examples(20), deadline=None, suppress_health_check=list(HealthCheck))
    @given(upstreams)
    def ask(data):
        with asyncio.Runner(loop_factory=FakeTimeLoop) as runner:
            runner.run(every_action(data))

    async def every_action(data):
        app = create_app(config, clock=lambda: START, transport=answering(data))
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://p") as client,
        ):
            for action in sorted(ACTIONS, key=lambda action: "Number" not in action):
                query = f"api_key=k&action={action}&id={ORDER}&status=3&service=wa&country=16"
                answer = await client.get(f"/{dialect}{PATH}?{query}")
                if dialect == "sms-activate":
                    judge(action, answer)
                else:
                    well_formed(answer)

    ask()
    assert "a bug;" not in caplog.text
