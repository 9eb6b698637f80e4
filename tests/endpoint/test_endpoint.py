"""The endpoint: paths, methods, forms, headers; a legal word whatever comes in or breaks."""

import asyncio

import pytest

from proxy.app.build import create_app
from proxy.config.settings import Config, ForwardConfig, ProgramConfig, StoreConfig, WebhooksConfig
from proxy.endpoint.paths import PATHS
from proxy.legacy.dialects import DIALECTS
from proxy.legacy.request import MAX_BODY
from proxy.model.errors import ConfigError, Problem
from tests.support.world import NOTHING_LEFT, PATH, a_life, a_world

pytestmark = pytest.mark.anyio


@pytest.fixture
async def world(clock):
    async with a_world(clock) as world:
        yield world


@pytest.mark.parametrize(
    "wrong",
    [
        {"default_country": 9999},
        {"keys": {"k": ProgramConfig(name="ci", upstream_key="env:GONE")}},
        {"forward": (ForwardConfig(url="http://x", programs=("nobody",)),)},
        {"webhooks": WebhooksConfig(secrets=("env:GONE",))},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_no_store_is_opened_for_a_configuration_that_is_wrong(tmp_path, wrong):
    """Nobody would close it."""
    config = Config(store=StoreConfig(url=f"sqlite:///{tmp_path}/store.db"), **wrong)
    with pytest.raises(ConfigError):
        create_app(config)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("prefix", ["", *(f"/{name}" for name in DIALECTS)])
@pytest.mark.parametrize("path", PATHS)
async def test_every_path_of_the_old_servers_answers(world, prefix, path):
    path = prefix + path
    answer = await world.client.get(f"{path}?action=getBalance&api_key=k")
    assert answer.text == "ACCESS_BALANCE:100.00"


@pytest.mark.parametrize(
    "request_",
    [
        {"method": "GET", "params": {"action": "getBalance", "api_key": "k"}},
        {"method": "POST", "params": {"action": "getBalance", "api_key": "k"}},
        {"method": "POST", "data": {"action": "getBalance", "api_key": "k"}},
        {"method": "POST", "params": {"action": "getBalance"}, "data": {"api_key": "k"}},
        {"method": "POST", "params": {"action": "x"}, "data": {"action": "getBalance",
                                                             "api_key": "k"}},
    ],
)  # fmt: skip
async def test_get_and_both_forms_of_post_are_the_same(world, request_):
    answer = await world.client.request(url=PATH, **request_)
    assert answer.text == "ACCESS_BALANCE:100.00"


NO_FUNDS = {"sms-activate": "NO_BALANCE", "daisysms": "NO_MONEY", "herosms": "402"}


@pytest.mark.parametrize(
    ("host", "dialect"),
    [
        ("daisysms.com", "daisysms"),
        ("www.daisysms.io:443", "daisysms"),
        ("Hero-SMS.com", "herosms"),
        ("api.sms-activate.org", "sms-activate"),
        ("127.0.0.1:8080", "herosms"),
        ("", "herosms"),
    ],
)
async def test_the_dialect_is_the_hosts_or_else_the_configured_one(clock, host, dialect):
    async with a_world(clock, dialect="herosms") as world:
        await world.steer("balance", {"key": "key", "balance": 0.01})
        query = f"{PATH}?api_key=key&action=getNumber&service=wa&country=187"
        answer = await world.client.get(query, headers={"Host": host})
        assert NO_FUNDS[dialect] in (answer.text, str(answer.status_code))
        answer = await world.client.get(f"/daisysms{query}", headers={"Host": "hero-sms.com"})
        assert answer.text == "NO_MONEY", "the path counts more"


@pytest.mark.parametrize(
    ("dialect", "headers", "no_key"),
    [
        ("daisysms", {"X-ApiKey": "k"}, "BAD_KEY"),
        ("herosms", {"Authorization": "ApiKey k"}, '"field":"api_key"'),
    ],
)
async def test_a_key_may_come_in_the_dialects_header(world, dialect, headers, no_key):
    path = f"/{dialect}{PATH}?action=getBalance"
    assert (await world.client.get(path, headers=headers)).text == "ACCESS_BALANCE:100.00"
    answer = await world.client.get(f"{path}&api_key=bad", headers=headers)
    assert "BAD_KEY" in answer.text, "the parameter counts more"
    assert no_key in (await world.client.get(f"{path}", headers={"Authorization": "k"})).text


@pytest.mark.parametrize(
    ("early_cancel", "sms_activate", "daisysms"),
    [
        ("auto", "EARLY_CANCEL_DENIED", "ACCESS_CANCEL"),
        ("deny", "EARLY_CANCEL_DENIED", "EARLY_CANCEL_DENIED"),
        ("defer", "ACCESS_CANCEL", "ACCESS_CANCEL"),
    ],
)
async def test_an_early_cancel_is_denied_or_deferred(clock, early_cancel, sms_activate, daisysms):
    async with a_world(clock, early_cancel=early_cancel) as world:
        for dialect, word in (("sms-activate", sms_activate), ("daisysms", daisysms)):
            world.dialect = f"/{dialect}"
            number = await world.ask("action=getNumber&service=wa&country=187")
            assert await world.ask(f"action=setStatus&status=8&id={number.split(':')[1]}") == word


async def test_an_answer_in_words_is_exactly_the_word(world):
    answer = await world.client.get(f"{PATH}?action=getBalance&api_key=k")
    assert answer.content == b"ACCESS_BALANCE:100.00"
    assert answer.headers["content-type"] == "text/html; charset=UTF-8"
    assert answer.headers["cache-control"] == "no-store"
    assert len(answer.headers["x-request-id"]) == 16


async def test_an_answer_in_json_says_so(world):
    answer = await world.client.get(f"{PATH}?action=getPrices&service=wa&country=16&api_key=k")
    assert answer.headers["content-type"] == "application/json"
    assert answer.content == (
        b'{"16":{"wa":{"cost":0.9,"count":6,"physicalCount":6,'
        b'"name":"WhatsApp","repeatable":true}}}'
    )


async def test_the_balance_is_remembered_for_five_seconds_or_until_money_moves(world):
    async def cached():
        answer = await world.client.get(f"{PATH}?action=getBalance&api_key=key")
        return answer.headers["x-cache"]

    assert [await cached(), await cached()] == ["MISS", "HIT"]
    await asyncio.sleep(6)
    assert [await cached(), await cached()] == ["MISS", "HIT"]
    await world.ask("action=getNumber&service=wa&country=16")
    assert [await cached(), await cached()] == ["MISS", "HIT"]
    await world.steer("faults", {"kind": "cdn", "call": "balance"})
    await asyncio.sleep(6)
    assert [await cached(), await cached()] == ["STALE", "MISS"]


@pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
async def test_any_other_method_buys_nothing(world, method):
    query = "action=getNumber&service=wa&country=16&api_key=k"
    answer = await world.client.request(method, f"{PATH}?{query}")
    assert (answer.status_code, answer.text) in ((200, "BAD_ACTION"), (200, ""))
    assert await world.requests("purchase") == 0


async def test_a_body_that_no_legacy_client_sends_is_too_long(world):
    answer = await world.client.post(PATH, content=b"a" * (MAX_BODY + 1))
    assert answer.status_code == 413
    assert (await world.client.post(PATH, content=b"a" * MAX_BODY)).status_code == 200


async def test_elsewhere_there_is_nothing(world):
    assert (await world.client.get("/stubs")).status_code == 404
    assert (await world.client.get("/livez")).text == "ok"


async def test_a_hundred_who_ask_at_once_cause_one_read(world):
    answers = await asyncio.gather(*(world.ask("action=getPrices&service=wa") for _ in range(100)))
    assert len(set(answers)) == 1
    assert await world.requests("stock") == 1
    number = await world.ask("action=getNumber&service=wa&country=16")
    query = f"action=getStatus&id={number.split(':')[1]}"
    assert await world.ask(query) == "STATUS_WAIT_CODE", "just bought: there is nothing to read"
    assert await world.requests("orders") == 0
    await asyncio.sleep(4)
    assert set(await asyncio.gather(*(world.ask(query) for _ in range(100)))) == {
        "STATUS_WAIT_CODE"
    }
    assert await world.requests("orders") == 1
    assert await world.requests("order") == 0


@pytest.mark.parametrize("kind", ["status", "cdn", "truncated", "wrong_type", "broken", "silence"])
@pytest.mark.parametrize("when", ["before", "after"])
async def test_one_get_number_is_one_purchase_whatever_it_answers(world, kind, when):
    await world.steer("faults", {"kind": kind, "call": "purchase", "when": when})
    first = await world.ask("action=getNumber&service=wa&country=16")
    assert await world.requests("purchase") == 1
    charges = await charged(world)
    if when == "before" or kind == "silence":
        assert first == "ERROR_SQL"
    else:
        assert first.startswith("ACCESS_NUMBER")
    if kind == "silence":
        await asyncio.sleep(60)
    # Who asks again gets what was paid for, and else a new one.
    again = await world.ask("action=getNumber&service=wa&country=16")
    assert again.startswith("ACCESS_NUMBER")
    assert again != first
    told = 1 + first.startswith("ACCESS_NUMBER")
    assert await charged(world) == max(told, charges)


async def charged(world):
    entries = (await world.steer("ledger"))["entries"]
    return sum(entry["kind"] == "charge" for entry in entries)


async def test_a_purchase_that_was_sent_goes_on_behind_its_deadline(world):
    slow = {"kind": "slow", "call": "purchase", "when": "after", "seconds": 20}
    await world.steer("faults", slow)
    assert await world.ask("action=getNumber&service=wa&country=16") == "ERROR_SQL"
    await asyncio.sleep(10)
    order = await world.newest_order()
    assert await world.ask(f"action=getStatus&id={order}") == "STATUS_WAIT_CODE"
    assert await world.requests("order") == 0, "the answer that came late was read"


async def test_ids_are_found_again_in_the_upstreams_list(clock):
    """The same order has the same activation id after a restart."""

    async with a_world(clock) as world:
        numbers = [await world.ask("action=getNumber&service=wa&country=16") for _ in range(5)]
        await world.sms("Your code is 1111")
        async with a_life(clock, world.sandbox, NOTHING_LEFT) as world:
            ids = [number.split(":")[1] for number in numbers]
            said = [await world.ask(f"action=getStatus&id={id}") for id in ids]
    assert said == ["STATUS_WAIT_CODE"] * 4 + ["STATUS_OK:1111"]


async def test_a_bug_is_a_legal_word_and_is_logged_without_the_key(world, monkeypatch, caplog):
    async def broken(call):
        raise RuntimeError("something nobody thought of")

    monkeypatch.setattr("proxy.endpoint.endpoint.ACTIONS", {"getBalance": broken})
    assert await world.ask("action=getBalance&api_key=planted-key") == "ERROR_SQL"
    assert "something nobody thought of" in caplog.text
    assert "planted-key" not in caplog.text


def test_every_problem_is_doubt_or_has_a_final_word():
    words = DIALECTS["sms-activate"].words
    assert {words[problem] for problem in Problem if problem.is_doubt} == {"ERROR_SQL"}
