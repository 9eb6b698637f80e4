"""The proxy on an upstream that writes the same facts otherwise, as its sources show or allow."""

import asyncio
import json
from contextlib import asynccontextmanager

import httpx
import pytest

from proxy.config.settings import Config, StoreConfig, UpstreamConfig
from proxy.sandbox import create_sandbox
from tests.support.sockets import sockets_to
from tests.support.world import BUY, NEVER, SERVICES, Wire, a_life

pytestmark = pytest.mark.anyio


class Rewriting(Wire):
    """Every answer in JSON goes through `rewrite(path, status, data)`: JSON again, or a text."""

    def __init__(self, sandbox, rewrite):
        super().__init__(sandbox)
        self._rewrite = rewrite

    async def handle_async_request(self, request):
        answer = await super().handle_async_request(request)
        body = await answer.aread()
        try:
            data = json.loads(body)
        except ValueError:
            return answer
        path = request.url.path.removeprefix("/api/v1")
        written = self._rewrite(path, answer.status_code, data)
        content = written if isinstance(written, str) else json.dumps(written)
        headers = {"Date": answer.headers["Date"]}
        return httpx.Response(answer.status_code, headers=headers, content=content)


def nothing(path, status, data):
    return data


def without_ids(path, status, data):
    """The vendor's own sample of an order has none."""
    if path.startswith("/customer/order/"):
        return {n: value for n, value in data.items() if n not in ("order_id", "id")}
    return data


def nulls(path, status, data):
    """As Go writes empty lists."""
    return {name: value if value != [] else None for name, value in data.items()}


def numbers_as_text(path, status, data):
    """As Node writes PostgreSQL's NUMERIC."""
    if isinstance(data, dict):
        return {name: numbers_as_text(path, status, value) for name, value in data.items()}
    if isinstance(data, list):
        return [numbers_as_text(path, status, value) for value in data]
    return str(data) if isinstance(data, int | float) and not isinstance(data, bool) else data


def half_rows(path, status, data):
    """One row of each list says nothing."""
    return {
        name: [{"status": "waiting"}, *value, 7] if isinstance(value, list) and value else value
        for name, value in data.items()
    }


def numbered_services(path, status, data):
    for number, row in enumerate(data.get("services") or []):
        if isinstance(row, dict):
            row["service_code"], row["service_id"] = row["service_id"], number
    return data


def refusals_as_objects(path, status, data):
    if status < 400:
        return data
    said = {"code": data.get("error"), "message": data.get("message") or data.get("error")}
    return {"error": said}


def refusals_as_text(path, status, data):
    """As its live log quotes them."""
    words = {401: "Invalid or missing API key", 402: "Balance too low for this order"}
    if status < 400:
        return data
    return words.get(status) or str(data.get("message") or data["error"]).replace("_", " ")


def new_fields(path, status, data):
    return data | {"nobody": {"knows": [None]}, "provider": "x", "status_code": 7}


def refused(status, error, message):
    return {"kind": "status", "status": status, "body": {"error": error, "message": message}}


NO_STOCK = refused(503, "no_numbers", "No numbers available")
NO_MONEY = refused(402, "insufficient_balance", "Balance too low for this order")
BAD_KEY = refused(401, "unauthorized", "Invalid or missing API key")

READINGS = [
    nothing, without_ids, nulls, numbers_as_text, half_rows, numbered_services,
    refusals_as_objects, refusals_as_text, new_fields,
]  # fmt: skip


@pytest.fixture
def run(clock):
    @asynccontextmanager
    async def run(reading, push=False, **config):
        sandbox = create_sandbox(clock=clock, sms_after=NEVER, services=SERVICES)
        config = Config(
            store=StoreConfig(url="sqlite://"), upstream=UpstreamConfig(push=push), **config
        )
        network = {"transport": Rewriting(sandbox, reading), "connect": sockets_to(sandbox)}
        async with (
            sandbox.router.lifespan_context(sandbox),
            a_life(clock, sandbox, config, **network) as world,
        ):
            yield world

    return run


def id_of(answer):
    assert answer.startswith("ACCESS_NUMBER:"), answer
    return answer.split(":")[1]


@pytest.mark.parametrize("push", [False, True])
@pytest.mark.parametrize("reading", READINGS)
async def test_every_way_of_a_number_goes_with_every_reading(run, reading, push):
    async with run(reading, push) as world:
        before = await world.ask("action=getBalance")
        assert before.startswith("ACCESS_BALANCE:")
        prices = (await world.answer("action=getPrices&service=wa&country=16")).json()
        assert prices["16"]["wa"]["count"] > 0
        services = (await world.answer("action=getServicesList")).json()["services"]
        assert "wa" in {service["code"] for service in services}
        none = await world.answer("action=getActiveActivations")
        assert none.json() == {"status": "error", "error": "NO_ACTIVATIONS"}
        id = id_of(await world.ask(BUY))
        assert await world.ask(f"action=getStatus&id={id}") == "STATUS_WAIT_CODE"
        assert await world.ask(f"action=setStatus&status=8&id={id}") == "EARLY_CANCEL_DENIED"
        await world.sms("code 123456")
        await asyncio.sleep(10)
        await world.ask(f"action=getStatus&id={id}")
        await asyncio.sleep(1)
        assert await world.ask(f"action=getStatus&id={id}") == "STATUS_OK:123456"
        assert await world.ask(f"action=setStatus&status=3&id={id}") == "ACCESS_RETRY_GET"
        await world.sms("code 654321")
        await asyncio.sleep(10)
        await world.ask(f"action=getStatus&id={id}")
        await asyncio.sleep(1)
        assert await world.ask(f"action=getStatus&id={id}") == "STATUS_OK:654321"
        assert await world.ask(f"action=setStatus&status=8&id={id}") == "BAD_STATUS"
        other = id_of(await world.ask(BUY))
        paid = await world.ask("action=getBalance")
        await asyncio.sleep(121)
        assert await world.ask(f"action=setStatus&status=8&id={other}") == "ACCESS_CANCEL"
        assert await world.ask(f"action=getStatus&id={other}") == "STATUS_CANCEL"
        refunded = await world.ask("action=getBalance")
        assert float(paid.split(":")[1]) < float(refunded.split(":")[1])


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize(("refusal", "word"), [(NO_STOCK, "NO_NUMBERS"), (NO_MONEY, "NO_BALANCE")])
async def test_what_cannot_be_bought_is_said_with_every_reading(run, reading, refusal, word):
    async with run(reading) as world:
        await world.steer("faults", {"call": "purchase", **refusal})
        assert await world.ask(BUY) == word


@pytest.mark.parametrize("reading", READINGS)
async def test_a_wrong_key_is_said_with_every_reading(run, reading):
    async with run(reading) as world:
        await world.steer("faults", {"call": "balance", **BAD_KEY})
        assert await world.ask("action=getBalance") == "BAD_KEY"


async def test_an_unreadable_row_is_counted_logged_once_and_proves_nothing(run, caplog):
    async with run(half_rows) as world:
        id_of(await world.ask(BUY))
        for _ in range(3):
            assert await world.ask("action=getStatus&id=4") == "ERROR_SQL"
            await asyncio.sleep(60)
        page = (await world.client.get("/metrics")).text
        assert 'virtualsms_proxy_unreadable_rows_total{call="orders"} 6.0' in page
    assert caplog.text.count("orders: rows that cannot be read: 2 of 3") == 1


async def test_an_order_that_only_an_unreadable_row_can_be_is_still_looked_for(run):
    async def no_stock(world):
        await world.steer("faults", {"call": "purchase", **NO_STOCK})
        assert await world.ask(BUY) == "NO_NUMBERS"
        await asyncio.sleep(30)
        return world.app.state.services.journal.pending.states()["unclear"]

    async with run(nothing) as world:
        assert await no_stock(world) == 0
    async with run(half_rows) as world:
        id_of(await world.ask(BUY))
        assert await no_stock(world) == 1
