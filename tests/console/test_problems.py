"""The problems that programs got, in groups: who sent what, how often, and what would be right."""

import asyncio
import json

import pytest

from proxy.config.settings import ProgramConfig
from proxy.console.advice import PROBLEMS
from proxy.endpoint.refused import HIDDEN
from proxy.legacy.dialects import DIALECTS
from proxy.model import ClientKey
from proxy.model.errors import Problem
from proxy.runtime.problems import MAX_GROUPS
from tests.support.console import a_console, summary
from tests.support.world import BUY

pytestmark = pytest.mark.anyio

CI = {"ci-key": ProgramConfig(name="ci", upstream_key="upstream-key")}


async def groups(console):
    return (await summary(console))["problems"]


async def the_group(console):
    (group,) = await groups(console)
    return group


async def test_a_group_says_which_program_sent_what_how_often_and_what_would_be_right(clock):
    async with a_console(clock, keys=CI) as (world, console):
        wrong = "api_key=ci-key&action=getNumber&service=telegram&country=16"
        for _ in range(14):
            answer = await world.answer(wrong)
            await asyncio.sleep(1)
        group = await the_group(console)
        assert group == {
            "program": "ci",
            "problem": "BAD_SERVICE",
            "word": "BAD_SERVICE",
            "dialect": "sms-activate",
            "action": "getNumber",
            "sent": "service=telegram",
            "count": 14,
            "first_at": group["last_at"] - 13,
            "last_at": clock() - 1,
            "request_id": answer.headers["x-request-id"],
            "detail": "not in the tables",
            "advice": PROBLEMS["BAD_SERVICE"],
            "use": "tg",
            "explain": {"service": "telegram", "country": "16"},
        }


@pytest.mark.parametrize(
    ("query", "problem", "sent", "use", "explain"),
    [
        ("action=getNumber&service=wa&country=germany", "BAD_COUNTRY", "country=germany", "43",
         {"service": "wa", "country": "germany"}),
        ("action=getNumber&service=wa&country=", "BAD_COUNTRY", "country=", None,
         {"service": "wa", "country": ""}),
        ("action=getnumber&service=wa", "BAD_ACTION", "action=getnumber", "getNumber", None),
        ("action=x", "BAD_ACTION", "action=x", None, None),
        ("action=getNumber", "BAD_SERVICE", "", None, None),
        ("action=getStatus&id=77", "NO_ACTIVATION", "id=77", None, None),
        ("action=setStatus&status=8&activationId=78", "NOTHING_TO_CANCEL", "activationId=78", None,
         None),
        ("action=getNumber&service=wa&maxPrice=0.01&country=16", "PRICE_TOO_HIGH",
         "service=wa country=16 maxPrice=0.01", None, {"service": "wa", "country": "16"}),
        ("action=getNumber&service=wa&country=16&currency=643", "BAD_CURRENCY", "currency=643",
         None, {"service": "wa", "country": "16"}),
        ("action=getNumber&service=wa&maxPrice=cheap", "BAD_PARAMETER", "maxPrice=cheap", None,
         {"service": "wa", "country": None}),
    ],
)  # fmt: skip
async def test_what_is_wrong_is_named(clock, query, problem, sent, use, explain):
    async with a_console(clock, keys=CI) as (world, console):
        await world.answer(f"api_key=ci-key&{query}")
        group = await the_group(console)
        assert [group[name] for name in ("problem", "sent", "use", "explain")] == [
            problem, sent, use, explain,
        ]  # fmt: skip


async def test_ids_and_prices_make_no_groups_of_their_own_and_the_last_is_shown(clock):
    async with a_console(clock, keys=CI) as (world, console):
        for id in range(1, 5):
            await world.answer(f"api_key=ci-key&action=getStatus&id={id}")
        group = await the_group(console)
        assert (group["count"], group["sent"]) == (4, "id=4")


async def test_a_program_a_dialect_an_action_and_a_value_make_a_group_each_newest_first(clock):
    other = {"other-key": ProgramConfig(name="other", upstream_key="upstream-key")}
    async with a_console(clock, keys=CI | other) as (world, console):
        for key, dialect, service in (
            ("ci-key", "", "telegram"), ("other-key", "", "telegram"),
            ("other-key", "/daisysms", "telegram"), ("other-key", "/herosms", "watsapp"),
            ("ci-key", "", "telegram"),
        ):  # fmt: skip
            world.dialect = dialect
            await world.answer(f"api_key={key}&action=getNumber&service={service}&country=16")
            await asyncio.sleep(1)
        shown = [(row["program"], row["dialect"], row["count"]) for row in await groups(console)]
        assert shown == [
            ("ci", "sms-activate", 2), ("other", "herosms", 1), ("other", "daisysms", 1),
            ("other", "sms-activate", 1),
        ]  # fmt: skip


async def test_a_key_of_no_program_is_shown_by_its_fingerprint_and_no_key_by_nothing(clock):
    async with a_console(clock, keys=CI) as (world, console):
        await world.answer("api_key=stranger&action=getBalance")
        await world.answer("api_key=&action=getBalance")
        shown = {row["problem"]: row["program"] for row in await groups(console)}
        fingerprint = f"key {ClientKey.of('stranger').fingerprint}"
        assert shown == {"BAD_KEY": fingerprint, "NO_KEY": ""}


@pytest.mark.parametrize("problem", Problem, ids=lambda problem: problem.name)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_problem_has_a_word_that_clients_read(problem, dialect):
    word = DIALECTS[dialect].word(problem)
    assert word
    assert ":" not in word


KEYS = ("ci-key", "a1b2c3d4e5f6", "0123456789abcdef0123456789abcdef", "vsms_1", "x" * 20,
        "c7e0cb6d-3f9c-44ce-b9ad-1e0a7ee3aaaa")  # fmt: skip


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("name", ["service", "country", "action", "id", "maxPrice"])
async def test_a_key_in_a_wrong_place_is_hidden(clock, key, name):
    async with a_console(clock, keys=CI) as (world, console):
        wrong = {"action": "getNumber", "service": "tg", "country": "16"}
        wrong |= {"id": {"action": "getStatus"}}.get(name, {}) | {name: key}
        query = "&".join(f"{name}={value}" for name, value in wrong.items())
        await world.answer(f"{query}&api_key=ci-key")
        group = await the_group(console)
        assert group["sent"].endswith(f"{name}={HIDDEN}")
        assert key not in json.dumps(group)
        assert HIDDEN not in str(group["explain"])


async def test_hostile_values_stay_data_and_short(clock):
    async with a_console(clock, keys=CI) as (world, console):
        hostile = "%1b[31m%e2%80%ae%0a" + "<b> " * 50
        await world.answer(f"api_key=ci-key&action=getNumber&service={hostile}")
        group = await the_group(console)
        assert group["sent"].startswith(r"service=\x1b[31m\u202e\n<b> <b>")
        assert len(group["sent"]) <= 60
        assert group["sent"].isprintable()


async def test_strangers_do_not_push_out_the_groups_of_programs(clock):
    async with a_console(clock, keys=CI) as (world, console):
        await world.answer("api_key=ci-key&action=getNumber&service=telegram")
        for n in range(MAX_GROUPS + 20):
            await world.answer(f"api_key=stranger-{n}&action=getBalance")
        shown = await groups(console)
        assert len(shown) == MAX_GROUPS + 1
        assert shown[-1]["program"] == "ci"
        assert shown[0]["request_id"] > shown[-2]["request_id"]


async def test_many_values_of_one_program_keep_the_newest_groups(clock):
    async with a_console(clock, keys=CI) as (world, console):
        for n in range(MAX_GROUPS + 5):
            await world.answer(f"api_key=ci-key&action=getNumber&service=s{n}")
        shown = [row["sent"] for row in await groups(console)]
        assert shown[:2] == [f"service=s{MAX_GROUPS + 4}", f"service=s{MAX_GROUPS + 3}"]
        assert len(shown) == MAX_GROUPS


async def test_a_request_that_took_too_long_is_a_problem_too(clock):
    async with a_console(clock, keys=CI) as (world, console):
        await world.steer("faults", {"kind": "silence", "call": "purchase"})
        await world.answer(f"api_key=ci-key&{BUY}")
        group = await the_group(console)
        assert (group["problem"], group["word"]) == ("TRY_AGAIN", "ERROR_SQL")
        assert group["detail"] == "no answer in the time for a request"


async def test_what_the_page_does_is_no_problem_of_the_program(clock):
    async with a_console(clock, keys=CI) as (world, console):
        await world.answer(f"api_key=ci-key&{BUY}")
        (row,) = (await console.get("/console/api/v1/activations")).json()["activations"]
        address = f"/console/api/v1/activations/{row['row']}/cancel"
        assert (await console.post(address)).json()["word"] == "EARLY_CANCEL_DENIED"
        assert await groups(console) == []
