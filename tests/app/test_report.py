"""What the sandbox says of a program's requests, and that its memory has an end."""

import json
import random
import string
from contextlib import asynccontextmanager

import pytest

from proxy.app.report import lines, report
from proxy.config.settings import Config, StoreConfig
from proxy.endpoint.actions import ACTIONS
from proxy.endpoint.compatibility import INCOMPATIBLE, MAX_ROWS, Compatibility
from proxy.legacy.dialects import DIALECTS
from proxy.legacy.request import Request
from proxy.runtime.logs import Secrets
from proxy.sandbox import create_sandbox
from tests.support.world import NEVER, SERVICES, a_life

pytestmark = pytest.mark.anyio

WA = "action=getNumber&service=wa&country=16"


@asynccontextmanager
async def a_program(clock):
    """A world, and a function that gives its report."""
    found = Compatibility(Secrets())
    sandbox = create_sandbox(clock=clock, sms_after=NEVER, services=SERVICES)
    config = Config(store=StoreConfig(url="sqlite://"))
    async with (
        sandbox.router.lifespan_context(sandbox),
        a_life(clock, sandbox, config, compatibility=found) as world,
    ):
        yield world, lambda: report(found, world.app.state.services.counters)


SAID = [
    (["action=getBalance"], "all 1 request understood"),
    (["action=getBalance", "action=getBalance"], "all 2 requests understood"),
    ([f"{WA}&operator=any"], "all 1 request understood"),
    ([f"{WA}&operator=mts"], "all 1 request understood; `operator` is ignored"),
    ([f"{WA}&maxprize=1"], "all 1 request understood; `maxprize` is unknown"),
    ([f"{WA}&currency=643"], "all 1 request understood; `currency` is refused"),
    ([f"{WA}&activationType=2"], "all 1 request understood; `activationType` is refused"),
    ([f"{WA}&maxPrice=x"], "0 of 1 request understood; `maxPrice` is refused"),
    (["action=getRentNumber"], "all 1 request understood; `getRentNumber` has no counterpart"),
    (["action=parseCall&id=1"], "all 1 request understood; `parseCall` has no counterpart"),
    (["action=getNumberr"], "0 of 1 request understood; `getNumberr` is no action"),
    (["action="], "0 of 1 request understood; `(none)` is no action"),
    (["action=getNumber&service=nope"],
     "0 of 1 request understood; `getNumber` was answered BAD_SERVICE"),
    ([f"{WA[:-2]}9999"], "0 of 1 request understood; `getNumber` was answered BAD_COUNTRY"),
    # What is not the program's fault: unknown ids, states, stock, money.
    (["action=getStatus&id=1", "action=setStatus&id=1&status=8"], "all 2 requests understood"),
    ([f"{WA}&maxPrice=0.01"], "all 1 request understood"),
    (
        ["action=getBalance", f"{WA}&operator=x&foo=1", "action=getRentList", "action=keep"],
        "all 4 requests understood; `foo` is unknown; `operator` is ignored; "
        "`getRentList` has no counterpart; `keep` has no counterpart",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("queries", "summary"), SAID, ids=[said for _, said in SAID])
async def test_the_summing_line_of_some_requests(clock, queries, summary):
    async with a_program(clock) as (world, reported):
        for query in queries:
            await world.ask(query)
        assert reported()["summary"] == summary


async def test_a_program_that_asked_nothing(clock):
    async with a_program(clock) as (_, reported):
        assert reported()["summary"] == "no program has asked anything"


async def test_every_row_has_its_dialect_its_word_its_advice_and_the_id_of_the_request(clock):
    async with a_program(clock) as (world, reported):
        ids = []
        for dialect, query in [
            ("", f"{WA}&operator=mts"),
            ("/daisysms", "action=getNumber&service=wa&maxprice=1"),
            ("/daisysms", "action=keep&id=1"),
            ("/herosms", "action=getRentNumber"),
            ("/herosms", "action=getNumber&service=nope"),
            ("", f"{WA}&currency=978"),
        ]:
            world.dialect = dialect
            ids.append((await world.answer(query)).headers["x-request-id"])
        found = reported()
    rows = [*found["parameters"], *found["refusals"]]
    told = {
        row["request"]: (row["dialect"], row["use"], row.get("word"), row["advice"][:25])
        for row in rows
    }
    assert [told[id] for id in ids] == [
        ("sms-activate", "ignored", None, "no operator can be chosen"),
        ("daisysms", "unknown", None, "did you mean maxPrice?"),
        ("daisysms", "refused", "BAD_ID", "no counterpart upstream: "),
        ("herosms", "refused", "BAD_ACTION", "no counterpart upstream: "),
        ("herosms", "refused", "UNPROCESSABLE_ENTITY", "Not a service of the tabl"),
        ("sms-activate", "refused", "BAD_CURRENCY", "currency: all money is in"),
    ]
    assert (found["requests"], found["understood"], found["refused"]) == (6, 5, 4)
    text = lines(found)
    assert all(id in text for id in ids)


async def test_actions_are_counted_by_dialect_and_word_with_those_from_the_cache(clock):
    async with a_program(clock) as (world, reported):
        number = (await world.ask(WA)).split(":")[1]
        for _ in range(3):
            await world.ask(f"action=getStatus&id={number}")
        for query in ("action=getRentNumber", "action=getRentNumber", "action=nope"):
            await world.ask(query)
        world.dialect = "/herosms"
        await world.answer("action=getRentList")
        rows = reported()["actions"]
    assert [tuple(row.values()) for row in rows] == [
        ("herosms", "getRentList", 1, {"BAD_ACTION": 1}),
        ("sms-activate", "getNumber", 1, {"ACCESS_NUMBER": 1}),
        ("sms-activate", "getRentNumber", 2, {"BAD_ACTION": 2}),
        ("sms-activate", "getStatus", 3, {"STATUS_WAIT_CODE": 3}),
        ("sms-activate", "nope", 1, {"BAD_ACTION": 1}),
    ]


async def test_no_key_is_in_the_report_wherever_a_program_puts_it(clock):
    secret = "planted-secret-key"
    async with a_program(clock) as (world, reported):
        query = f"api_key={secret}&action=getNumber&service={secret}&country={secret}"
        for text in (
            f"{query}&{secret}=1&operator={secret}&x{secret}x=1",
            f"api_key={secret}&action={secret}",
            f"api_key={secret}&action=getNumber&{'0123456789abcdef' * 2}=1&service=wa",
            f"action={secret}",
        ):
            await world.client.get(f"/stubs/handler_api.php?{text}")
        said = json.dumps(reported())
    assert secret not in said and "0123456789abcdef" not in said
    assert "(not a name)" in said


def test_memory_has_an_end_whatever_programs_send():
    found, dice = Compatibility(Secrets()), random.Random(1)
    dialect = next(iter(DIALECTS.values()))
    for action in [*ACTIONS] * 4:
        names = ["".join(dice.choices(string.ascii_letters, k=9)) for _ in range(50)]
        hostile = {"\x1b[2J": "", "<script>": "", "a" * 60_000: "", "": "", "\udcff": ""}
        found.record_request(
            dialect, Request({"action": action, **hostile, **dict.fromkeys(names, "1")})
        )
        found.record_request(dialect, Request({"action": names[0]}))
    assert len(found.rows) == MAX_ROWS and found.dropped > 1000
    assert all(len(asked.name) < 40 and asked.name.isprintable() for asked in found.rows)


def test_every_problem_that_counts_has_a_word_in_each_dialect():
    assert all(problem in d.words for problem in INCOMPATIBLE for d in DIALECTS.values())
