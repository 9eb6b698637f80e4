"""The console: who comes in, what is shown, and what never is."""

import ast
import asyncio
import json
import os
import re
import subprocess
import time
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from proxy.app.build import create_app
from proxy.config.settings import Config, ConsoleConfig, StoreConfig
from proxy.console.acts import EVENTS
from proxy.console.advice import LOGGED, PROBLEMS
from proxy.console.api import FIELDS
from proxy.console.rows import STORY
from proxy.endpoint.actions import ACTIONS
from proxy.model import ClientKey, Order, Sms
from proxy.model.errors import Problem
from proxy.runtime import log_events
from proxy.runtime.logs import REQUEST
from proxy.upstream.trace import TRACED_CALLS
from tests.support.console import API, HOSTILE, OWN, TOKEN, a_browser, activations, summary, tried
from tests.support.pace import within
from tests.support.process import COMMAND, NOTHING_LEFT, a_process, run
from tests.support.world import BUY, PATH, Wire, an_orphan

pytestmark = pytest.mark.anyio
PROXY = Path(__file__).parents[2] / "proxy"


# What is shown.


async def test_a_number_and_its_story_by_name(world, console):
    number = await world.ask(BUY)
    _, id, phone = number.split(":")
    (row,) = await activations(console)
    assert (row["id"], row["phone"], row["state"]) == (int(id), phone, "waiting")
    assert (row["service_name"], row["country_name"]) == ("WhatsApp", "United Kingdom")
    assert row["program"] == f"key {ClientKey.of('key').fingerprint}"
    assert (row["cents"], row["expires_at"] - row["bought_at"]) == (90, 1200)
    await asyncio.sleep(4)
    await world.ask(f"action=getStatus&id={id}")
    await world.sms("Your code is 4711")
    await asyncio.sleep(4)
    await world.ask(f"action=getStatus&id={id}")
    await world.ask(f"action=setStatus&status=3&id={id}")
    await world.sms("Your code is 4712")
    await asyncio.sleep(4)
    await world.ask(f"action=getStatus&id={id}")
    await world.ask(f"action=setStatus&status=6&id={id}")
    told = (await console.get(f"{API}/activations/{row['row']}")).json()
    again = ["asked_again", "sms", "answered", "finished"]
    expected = ["bought", "told", "asked", "sms", "answered", *again]
    assert [part["what"] for part in told["story"]] == expected
    assert told["story"][0]["text"] == "Bought for 0.90 USD"
    assert told["activation"]["state"] == "finished"
    assert (row["code"], row["text"]) == (None, None)
    assert (told["activation"]["code"], told["activation"]["text"]) == ("4712", "Your code is 4712")


async def test_hostile_texts_are_shown_as_they_are_with_their_code(world, console):
    id = (await world.ask(BUY)).split(":")[1]
    await asyncio.sleep(0.1)
    await world.sms(HOSTILE)
    await asyncio.sleep(4)
    await world.ask(f"action=getStatus&id={id}")
    (row,) = await activations(console)
    answer = await console.get(f"{API}/activations/{row['row']}/messages")
    assert answer.headers["content-type"] == "application/json"
    (sms,) = answer.json()["messages"]
    assert (sms["text"], sms["code"], sms["sender"]) == (HOSTILE, "4711", "")
    assert (row["text"], row["code"]) == (HOSTILE, "4711")
    assert (await console.get(f"{API}/activations/none/messages")).status_code == 404
    assert (await console.get(f"{API}/activations/none")).status_code == 404


async def test_the_states_of_numbers(world, console):
    async def state_of(id):
        return {str(row["id"]): row["state"] for row in await activations(console)}[id]

    finished, cancelled, late, promised = [(await world.ask(BUY)).split(":")[1] for _ in range(4)]
    await world.ask(f"action=setStatus&status=6&id={finished}")
    world.dialect = "/daisysms"
    await world.ask(f"action=setStatus&status=8&id={promised}")
    world.dialect = ""
    assert [await state_of(id) for id in (finished, late)] == ["finished", "waiting"]
    assert await state_of(promised) == "cancelling"
    await asyncio.sleep(121)
    await world.ask(f"action=setStatus&status=8&id={cancelled}")
    assert await state_of(cancelled) == "cancelled"
    await asyncio.sleep(10)
    assert await state_of(promised) == "cancelled"
    await asyncio.sleep(1100)
    assert await state_of(late) == "expired"
    await world.ask(f"action=getStatus&id={late}")
    assert await state_of(late) == "expired"


async def test_a_scheduled_cancel_can_be_tried_now(world, console):
    world.dialect = "/daisysms"
    id = (await world.ask("action=getNumber&service=wa")).split(":")[1]
    await world.ask(f"action=setStatus&status=8&id={id}")
    (promise,) = (await summary(console))["cancels"]
    assert promise["due"] - promise["since"] in (119, 120)
    await world.steer("clock", {"seconds": 120})
    assert (await console.post(f"{API}/cancels/{promise['id']}")).status_code == 200
    await asyncio.sleep(1)
    told = await summary(console)
    assert told["cancels"] == []
    cents = promise["cents"]
    assert (told["money"]["charged"], told["money"]["refunded"]) == (cents, cents)
    assert told["money"]["saved"]["refunded_promise"] == cents
    assert (await console.post(f"{API}/cancels/{promise['id']}")).status_code == 404


async def test_a_cancel_that_is_tried_too_early_stays_scheduled(world, console):
    world.dialect = "/daisysms"
    id = (await world.ask("action=getNumber&service=wa")).split(":")[1]
    await world.ask(f"action=setStatus&status=8&id={id}")
    (promise,) = (await summary(console))["cancels"]
    await console.post(f"{API}/cancels/{promise['id']}")
    await asyncio.sleep(1)
    (promise,) = (await summary(console))["cancels"]
    assert "EARLY_CANCEL" in promise["failed"]
    await asyncio.sleep(130)
    assert (await summary(console))["cancels"] == []


async def test_an_unclaimed_number_can_be_refunded_at_once(world, console):
    await an_orphan(world)
    (orphan,) = (await summary(console))["unclaimed"]
    assert [row["state"] for row in await activations(console)] == ["unclaimed"]
    assert (await console.post(f"{API}/unclaimed/{orphan['id']}")).status_code == 200
    told = await summary(console)
    assert (told["unclaimed"], len(told["cancels"])) == ([], 1)
    await asyncio.sleep(125)
    assert (await summary(console))["money"]["saved"]["refunded_orphan"] == 90
    assert await world.requests("cancel") == 1
    assert (await console.post(f"{API}/unclaimed/{orphan['id']}")).status_code == 404


async def test_an_unclaimed_number_that_is_handed_over_is_money_saved(world, console):
    await an_orphan(world)
    assert (await world.ask(BUY)).startswith("ACCESS_NUMBER")
    told = await summary(console)
    assert (told["unclaimed"], told["money"]["saved"]["handed_over"]) == ([], 90)
    (row,) = await activations(console)
    story = (await console.get(f"{API}/activations/{row['row']}")).json()["story"]
    assert [part["what"] for part in story] == ["bought", "orphan", "handed_over", "told"]


async def test_problems_are_shown_with_what_to_do_about_them(world, console):
    # A refusal that is certain: after a 503 the order list is read, and would be slow, too.
    await world.steer("switches", {"no_stock": 404})
    await world.ask("action=getNumber&service=ok&country=16")
    await world.ask("action=getNumber&service=ok&country=16")
    await world.ask("action=getBalance&api_key=bad")
    await world.ask(BUY)
    await asyncio.sleep(10)
    await world.steer("faults", {"kind": "silence", "call": "orders"})
    id = (await activations(console))[0]["id"]
    await world.ask(f"action=getStatus&id={id}")
    told = await summary(console)
    shown = {row["problem"]: row for row in told["problems"]}
    assert shown["NO_NUMBERS"]["count"] == 2
    assert shown["NO_NUMBERS"]["advice"] == PROBLEMS["NO_NUMBERS"]
    assert shown["BAD_KEY"]["action"] == "getBalance"
    (warning,) = told["warnings"]
    assert warning["what"] == "warning"
    assert "the upstream is slow" in warning["text"]
    assert warning["advice"] in LOGGED.values()


async def test_a_request_is_tried_as_a_program_would_send_it(world, console):
    told = await tried(console, action="getNumber", service="wa", country="16")
    assert told["body"].startswith("ACCESS_NUMBER:")
    assert told["status"] == 200
    assert told["line"] == f"GET {PATH}?api_key=[key]&action=getNumber&service=wa&country=16"
    (call,) = told["calls"]
    assert (call["method"], call["path"], call["status"]) == ("POST", "/customer/purchase", 200)
    assert call["body"] == '{"service":"wa","country":"GB"}'
    same = [await tried(console, action="getBalance") for _ in range(2)]
    assert [len(told["calls"]) for told in same] == [1, 0]
    wish = {"dialect": "herosms", "parameters": {"api_key": "key", "action": "getStatus"}}
    told = (await console.post(f"{API}/try", json=wish)).json()
    assert (told["status"], json.loads(told["body"])["title"]) == (404, "NOT_FOUND")


async def test_calls_of_another_request_are_not_taken_for_its_own(world, console):
    await world.steer("faults", {"kind": "slow", "call": "balance", "seconds": 2})
    told, _ = await asyncio.gather(tried(console, action="getBalance"), world.ask(BUY))
    assert [call["call"] for call in told["calls"]] == ["balance"]


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"parameters": 1}', b'{"more": {}}', b"\xff", b"x" * 20_000]
)
async def test_what_cannot_be_tried_is_told(console, body):
    answer = await console.post(f"{API}/try", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]


async def test_no_key_stands_anywhere(world, console):
    secret = "planted-key-of-a-program"
    await world.ask(f"{BUY}&api_key={secret}")
    await world.ask(f"action=getStatus&id=1&api_key={secret}")
    await world.steer("faults", {"kind": "status", "status": 500, "body": {"error": secret}})
    await tried(console, action="getPrices", service="wa", api_key=secret)
    await world.steer("faults", {"kind": "status", "status": 400, "body": {"error": secret}})
    said = [json.dumps(await tried(console, **wish)) for wish in tries(secret)]
    for path in ("summary", "activations", "lists"):
        said.append((await console.get(f"{API}/{path}")).text)
    for row in await activations(console):
        said.append((await console.get(f"{API}/activations/{row['row']}")).text)
    async for event in first_events(world, 2):
        said.append(event)
    assert secret not in "".join(said)
    groups = world.app.state.services.counters.problems.newest()
    assert secret not in str(groups)
    assert len(groups) > 2


def tries(secret):
    for action in ("getBalance", "getNumber", "getPrices", secret):
        yield {"action": action, "api_key": secret, "service": "wa", "x": secret}


async def test_balance_of_an_account_is_read_for_who_looks(world, console):
    assert (await summary(console))["balances"] == []
    await world.ask(BUY)
    assert (await summary(console))["balances"][0]["cents"] is None
    assert (await console.post(f"{API}/balances")).json()["balances"][0]["cents"] == 9910
    await asyncio.sleep(300)
    assert await world.requests("balance") == 1, "nothing is read while no page is open"


async def test_the_last_hour_by_minutes(world, console):
    for _ in range(3):
        await world.ask("action=getBalance")
    await asyncio.sleep(6)
    (minute,) = (await summary(console))["minutes"]
    assert minute["words"] == {"ACCESS_BALANCE": 3}
    assert minute["left"] == 59
    await asyncio.sleep(2 * 3600)
    minutes = (await summary(console))["minutes"]
    assert len(minutes) == 60
    assert not any(minute["words"] for minute in minutes)


# The stream.


async def first_events(world, most):
    events = world.app.state.console.streams.events()
    assert await anext(events) == b"retry: 1000\n\n"
    for _ in range(most):
        yield (await anext(events)).decode()
    await events.aclose()


def read(event):
    kind, data = re.fullmatch(r"event: (\w+)\ndata: (.+)\n\n", event).groups()
    return kind, json.loads(data)


async def test_the_stream_tells_all_and_then_what_changes(world):
    events = world.app.state.console.streams.events()
    await world.ask(BUY)
    await world.ask(BUY)
    await anext(events)
    kind, told = read((await anext(events)).decode())
    assert (kind, len(told["changed"])) == ("activations", 2)
    assert read((await anext(events)).decode())[0] == "summary"
    await asyncio.sleep(2)
    await world.sms(HOSTILE)
    while True:
        kind, told = read((await anext(events)).decode())
        if kind == "activations":
            break
    # The other one has its socket now.
    assert [row["state"] for row in told["changed"]] == ["received", "waiting"]
    await events.aclose()
    assert not world.app.state.console.streams.has_any


async def test_the_stream_gives_a_sign_of_life_every_five_seconds(world, clock):
    events = world.app.state.console.streams.events()
    await anext(events)
    times = []
    for _ in range(20):
        kind, told = read((await anext(events)).decode())
        assert told["now"] == pytest.approx(clock(), abs=0.01)
        times.append((kind, clock()))
    assert {"activations", "summary", "alive"} == {kind for kind, _ in times}
    assert max(b - a for (_, a), (_, b) in pairwise(times)) < 5
    await events.aclose()


async def test_pages_have_room_for_sixteen_and_end_when_the_proxy_does(world, console):
    streams = world.app.state.console.streams
    events = [streams.events() for _ in range(16)]
    for each in events:
        await anext(each)
    assert (await console.get(f"{API}/stream")).status_code == 503
    streams.stop()
    assert [event async for event in events[0]] == []
    for each in events:
        await each.aclose()


@pytest.mark.slow
async def test_it_stays_quick_with_two_thousand_live_numbers(world, console, clock):
    services = world.app.state.services
    key = ClientKey.of("key")
    await services.orders.open(key)
    now = clock()
    orders = [
        Order(f"order-{n}", f"4477{n:08d}", "wa", "GB", cents=90, created_at=now - n % 600,
              expires_at=now + 600, messages=(Sms(f"Your code is {n:04}", now),))
        for n in range(2000)
    ]  # fmt: skip
    for activation in services.orders.learn(key, *orders):
        activation.delivered = True
        services.counters.happened(activation.order.id, "bought", now, 90)
    rows, seen = world.app.state.console.streams, {}
    begun = time.thread_time()
    # One look alone is timed, without the stream around it.
    changed, _ = await rows._changes(seen)
    first = time.thread_time() - begun
    assert len(changed) == 2000
    begun = time.thread_time()
    assert await rows._changes(seen) == ([], [])
    again = time.thread_time() - begun
    # CPU time, of which a tenth is enough.
    assert first < 0.5
    assert again < 0.1
    assert len((await console.get(f"{API}/activations")).content) < 1_200_000


@pytest.mark.slow
def test_a_stop_does_not_wait_for_open_pages(tmp_path):
    with httpx.Client(trust_env=False) as client, ExitStack() as stopping:
        with a_process("sandbox", "--port", "0", log=tmp_path / "log") as url:
            wish = client.build_request("GET", f"{url}{API}/stream")
            stream = client.send(wish, stream=True)
            assert next(stream.iter_lines()) == "retry: 1000"
            stopping.enter_context(within(5))
        # The process was told to stop on leaving the block, and has.
        stopping.close()
        stream.close()


def test_the_address_with_the_token_is_printed_at_the_start():
    environ = {**os.environ, **NOTHING_LEFT, "PROXY_CONSOLE_ENABLED": "true"}
    command = [*COMMAND, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ) as process:
        try:
            url = re.fullmatch(r"listening on (.+)\n", process.stdout.readline())[1]
            path = re.fullmatch(rf"the console: {url}(.+)\n", process.stdout.readline())[1]
            assert httpx.get(f"{url}/console").status_code == 401
            assert httpx.get(f"{url}{path}").status_code == 200
        finally:
            process.terminate()
    environ |= {"PROXY_CONSOLE_TOKEN": TOKEN}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ) as process:
        try:
            url = re.fullmatch(r"listening on (.+)\n", process.stdout.readline())[1]
            line = f"the console: {url}/console (sign in with console.token)\n"
            assert process.stdout.readline() == line, "a token of one's own is not printed"
        finally:
            process.terminate()
    short = run("check", PROXY_CONSOLE_TOKEN="short")
    assert short.returncode == 1
    assert "PROXY_CONSOLE_TOKEN" in short.stderr


# Tables.


def test_each_problem_has_its_advice():
    assert set(PROBLEMS) == {problem.name for problem in Problem}


def calls(*names):
    """The calls of methods of these names in the hall, with their file."""
    for path in PROXY.rglob("*.py"):
        if path.relative_to(PROXY).parts[0] in ("sandbox", "console"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", None) in names:
                yield path, node


def test_each_warning_and_error_of_the_log_is_an_event_whose_code_has_advice():
    used = {
        ast.unparse(node.args[0])
        for path, node in calls("warning", "error", "exception")
        if ast.unparse(node.func.value) == "log"
    }
    events = {n: e for n, e in vars(log_events).items() if isinstance(e, log_events.Event)}
    assert used == {f"log_events.{name}" for name in events}
    assert {event.code for event in events.values()} == set(LOGGED)


def test_each_part_of_a_story_has_words():
    words = {
        constant.value
        for path, node in calls("happened", "_happened")
        for argument in node.args
        for constant in ast.walk(argument)
        if isinstance(constant, ast.Constant) and isinstance(constant.value, str)
    }
    words |= set(EVENTS.values())
    assert words - set(STORY) == set()


def test_the_form_knows_the_parameters_of_actions_that_there_are():
    assert set(FIELDS) <= set(ACTIONS)


async def test_what_the_wire_breaks_is_no_bug_of_the_page(clock):
    """A sandbox that is not there: the page says so, and stays."""
    config = Config(
        store=StoreConfig(url="sqlite://"), console=ConsoleConfig(enabled=True, token=TOKEN)
    )

    async def dead(scope, receive, send):
        raise ConnectionResetError("nobody is there")

    app = create_app(config, clock=clock, transport=Wire(dead))
    async with app.router.lifespan_context(app), a_browser(app) as browser:
        browser.headers.update(OWN | {"Authorization": f"Bearer {TOKEN}"})
        told = await tried(browser, action="getBalance")
        assert (told["body"], told["calls"][0]["status"]) == ("ERROR_SQL", 0)
        assert (await summary(browser))["problems"][0]["problem"] in ("UNCLEAR", "TRY_AGAIN")


async def test_the_price_sweep_that_a_trial_begins_keeps_nothing_of_the_trial(
    world, console, monkeypatch
):
    upstream, seen = world.app.state.services.upstream, []
    prices = upstream.prices

    async def noted(service):
        seen.append((TRACED_CALLS.get(), REQUEST.get()))
        return await prices(service)

    monkeypatch.setattr(upstream, "prices", noted)
    told = await tried(console, action="getPrices")
    await asyncio.sleep(10)
    assert len(seen) > 10
    assert set(map(repr, seen)) == {repr((None, ""))}
    assert "prices" not in {call["call"] for call in told["calls"]}
