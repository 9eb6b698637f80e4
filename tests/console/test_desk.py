"""What the page can do with a number: finish, cancel and swap, by the path of its program."""

import asyncio
from itertools import product
from types import SimpleNamespace

import pytest

from proxy.config.programs import Programs
from proxy.config.settings import ProgramConfig
from proxy.console.acts import Acts
from proxy.console.rows import STATES, state_of
from proxy.legacy.status import Phase
from proxy.model import FLAGS, ClientKey, Limits, Order, OrderState, Sms
from proxy.orders.tracked import TrackedActivation
from tests.support.console import API, OWN, a_console, activations, summary
from tests.support.world import BUY, an_orphan, id_of

pytestmark = pytest.mark.anyio

HOLD = 121
PAID = "an SMS came: the number is paid for"


async def act(console, row, what, **seen):
    return await console.post(f"{API}/activations/{row['row']}/{what}", json=seen)


async def the_row(console):
    (row,) = await activations(console)
    return row


async def story(console, row):
    told = (await console.get(f"{API}/activations/{row['row']}")).json()["story"]
    return [event["what"] for event in told]


async def test_a_number_is_finished_as_by_its_program(world, console):
    id = id_of(await world.ask(BUY))
    await world.sms("Your code is 4711")
    await asyncio.sleep(4)
    assert await world.ask(f"action=getStatus&id={id}") == "STATUS_OK:4711"
    row = await the_row(console)
    assert (row["code"], row["text"]) == ("4711", "Your code is 4711")
    assert row["acts"] == {"finish": None, "cancel": PAID, "swap": PAID}
    answer = await act(console, row, "finish", phone=row["phone"])
    assert answer.json() == {"word": "ACCESS_ACTIVATION", "ok": True, "advice": None}
    row = await the_row(console)
    assert (row["state"], set(row["acts"].values())) == ("finished", {"it is finished"})
    assert row["code"] == "4711", "for who asks later"
    assert (await story(console, row))[-2:] == ["finish_clicked", "finished"]
    assert await world.ask(f"action=getStatus&id={id}") == "STATUS_CANCEL"


async def test_a_number_is_cancelled_as_by_its_program(world, console):
    id = id_of(await world.ask(BUY))
    row = await the_row(console)
    assert row["acts"] == {"finish": None, "cancel": None, "swap": None}
    answer = (await act(console, row, "cancel")).json()
    assert (answer["word"], answer["ok"]) == ("EARLY_CANCEL_DENIED", False)
    assert "two minutes" in answer["advice"]
    await asyncio.sleep(HOLD)
    answer = (await act(console, row, "cancel")).json()
    assert answer == {"word": "ACCESS_CANCEL", "ok": True, "advice": None}
    told = await summary(console)
    assert (told["money"]["charged"], told["money"]["refunded"]) == (90, 90)
    row = await the_row(console)
    assert (row["state"], row["code"]) == ("cancelled", None)
    expected = ["cancel_clicked", "cancel_clicked", "cancelled", "refunded"]
    assert (await story(console, row))[-4:] == expected
    page = (await world.client.get("/metrics")).text
    assert 'action="setStatus",dialect="sms-activate",word="ACCESS_CANCEL"} 1.0' in page
    assert await world.ask(f"action=setStatus&status=8&id={id}") == "ACCESS_CANCEL"
    assert await world.requests("cancel") == 2


async def test_a_number_is_swapped_as_by_its_program_and_only_the_one_that_is_shown(world, console):
    id = id_of(await world.ask(BUY))
    await asyncio.sleep(HOLD)
    before = await the_row(console)
    answer = (await act(console, before, "swap", phone=before["phone"])).json()
    after = await the_row(console)
    assert answer["word"] == f"ACCESS_NUMBER:{id}:{after['phone']}" != before["phone"]
    assert answer["ok"]
    assert (await story(console, after))[-2:] == ["swap_clicked", "swapped"]
    for what in ("swap", "cancel", "finish"):
        assert (await act(console, before, what, phone=before["phone"])).status_code == 409
    assert (await the_row(console))["phone"] == after["phone"]
    assert await world.requests("swap") == 1


async def cancelled_by(world, console, row, id):
    """Two clicks, and the program, at the same moment."""
    return await asyncio.gather(
        act(console, row, "cancel"),
        act(console, row, "cancel"),
        world.ask(f"action=setStatus&status=8&id={id}"),
    )


async def test_in_a_dialect_with_json_the_word_is_its_title(clock):
    async with a_console(clock, dialect="herosms") as (world, console):
        await world.ask(BUY)
        answer = (await act(console, await the_row(console), "cancel")).json()
        assert (answer["word"], answer["ok"]) == ("EARLY_CANCEL_DENIED", False)


@pytest.mark.parametrize("early_cancel", ["deny", "defer"])
async def test_two_clicks_and_the_program_at_once_are_one_cancel(clock, early_cancel):
    async with a_console(clock, early_cancel=early_cancel) as (world, console):
        id = id_of(await world.ask(BUY))
        await asyncio.sleep(HOLD)
        await world.steer("faults", {"kind": "slow", "call": "cancel", "seconds": 2})
        first, second, word = await cancelled_by(world, console, await the_row(console), id)
        assert {first.json()["word"], second.json()["word"], word} == {"ACCESS_CANCEL"}
        assert await world.requests("cancel") == 1
        assert (await summary(console))["money"]["refunded"] == 90


async def test_two_clicks_at_once_are_one_swap(world, console):
    await world.ask(BUY)
    await asyncio.sleep(HOLD)
    row = await the_row(console)
    await world.steer("faults", {"kind": "slow", "call": "swap", "seconds": 2})
    both = await asyncio.gather(*(act(console, row, "swap", phone=row["phone"]) for _ in range(2)))
    (word,) = {answer.json()["word"] for answer in both}
    assert word == f"ACCESS_NUMBER:{row['id']}:{(await the_row(console))['phone']}"
    assert await world.requests("swap") == 1


async def test_a_second_click_is_no_second_swap_whenever_it_comes(world, console):
    await world.ask(BUY)
    await asyncio.sleep(HOLD)
    row = await the_row(console)
    await world.steer("faults", {"kind": "slow", "call": "swap", "seconds": 2})

    async def click(later):
        await asyncio.sleep(later)
        return (await act(console, row, "swap", phone=row["phone"])).status_code

    statuses = await asyncio.gather(*(click(later) for later in (0, 1.9, 2.0, 2.1, 200)))
    assert statuses[:2] == [200, 200]
    assert statuses[3:] == [409, 409]
    assert await world.requests("swap") == 1


async def test_a_page_that_is_closed_in_between_stops_no_cancel(world, console):
    await world.ask(BUY)
    await asyncio.sleep(HOLD)
    row = await the_row(console)
    await world.steer("faults", {"kind": "slow", "call": "cancel", "seconds": 2})
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await act(console, row, "cancel")
    await asyncio.sleep(2)
    assert (await the_row(console))["state"] == "cancelled"
    assert await world.requests("cancel") == 1


async def test_during_the_hold_a_scheduled_cancel_is_told_and_then_cannot_be_repeated(clock):
    async with a_console(clock, early_cancel="defer") as (world, console):
        await world.ask(BUY)
        row = await the_row(console)
        assert (await act(console, row, "cancel")).json()["word"] == "ACCESS_CANCEL"
        assert len((await summary(console))["cancels"]) == 1
        row = await the_row(console)
        assert set(row["acts"].values()) == {"its cancel is scheduled"}
        again = await act(console, row, "cancel")
        assert again.status_code == 409
        assert again.json() == {"error": "not possible: its cancel is scheduled"}


async def test_while_the_upstream_is_away_the_answer_says_so_and_what_to_do(world, console):
    await world.ask(BUY)
    await asyncio.sleep(HOLD)
    await world.steer("faults", {"kind": "slow", "call": "cancel", "seconds": 60})
    answer = (await act(console, await the_row(console), "cancel")).json()
    assert (answer["word"], answer["ok"]) == ("ERROR_SQL", False)
    assert "the order list is read until it is known" in answer["advice"]


async def test_unclaimed_and_expired_numbers_can_not_be_acted_on_and_say_why(world, console):
    await an_orphan(world)
    row = await the_row(console)
    why = "no program has it: it is among the unclaimed numbers"
    assert row["acts"] == dict.fromkeys(("finish", "cancel", "swap"), why)
    assert (await act(console, row, "finish")).status_code == 409
    await world.steer("clock", {"seconds": 60})
    await world.ask(BUY)
    await asyncio.sleep(1201)
    states = {row["state"]: row["acts"] for row in await activations(console)}
    assert set(states["expired"].values()) == {"it has expired"}


@pytest.mark.parametrize(
    ("limits", "offs"),
    [
        ({"actions": ["getNumber", "getStatus"]},
         {"finish": "its key may not use setStatus", "cancel": "its key may not use setStatus",
          "swap": "its key may not use swapNumber"}),
        ({"actions": ["getNumber", "setStatus"]},
         {"finish": None, "cancel": None, "swap": "its key may not use swapNumber"}),
        ({"expires": "2026-03-01T12:10:00"},
         dict.fromkeys(("finish", "cancel", "swap"), "its key is paused or has expired")),
    ],
)  # fmt: skip
async def test_what_a_program_may_not_do_the_page_may_not_do_for_it(clock, limits, offs):
    keys = {"client-key": ProgramConfig(name="ci", upstream_key="upstream-key", **limits)}
    async with a_console(clock, keys=keys) as (world, console):
        await world.ask(f"{BUY}&api_key=client-key")
        await asyncio.sleep(700)
        row = await the_row(console)
        assert (row["program"], row["acts"]) == ("ci", offs)
        for what in ("swap", "finish"):
            answer = await act(console, row, what)
            assert answer.status_code == (409 if offs[what] else 200)


@pytest.mark.parametrize(
    "body", [b"[]", b'{"phone": 1}', b'{"id": "1"}', b"{", b"\xff", b"x" * 20_000]
)
async def test_a_body_that_cannot_be_read_does_nothing(world, console, body):
    await world.ask(BUY)
    row = await the_row(console)
    answer = await console.post(f"{API}/activations/{row['row']}/finish", content=body)
    assert answer.status_code == 400
    assert (await the_row(console))["state"] == "waiting"


async def test_money_moves_by_no_get_and_by_no_other_site(world, console):
    await world.ask(BUY)
    row = await the_row(console)
    for what in ("finish", "cancel", "swap"):
        address = f"{API}/activations/{row['row']}/{what}"
        assert (await console.get(address)).status_code == 405
        foreign = {"Origin": "https://other.example", "Sec-Fetch-Site": "cross-site"}
        assert (await console.post(address, headers=foreign)).status_code == 403
        console.headers.pop("X-Console")
        assert (await console.post(address)).status_code == 403
        console.headers.update(OWN)
        assert (await console.post(f"{API}/activations/none/{what}")).status_code == 404
    assert (await the_row(console))["state"] == "waiting"


@pytest.mark.parametrize(
    ("phase", "state", "possible"),
    [
        (Phase.WAITING, "waiting", {"finish", "cancel", "swap"}),
        (Phase.WAITING, "unread", {"finish", "cancel", "swap"}),
        (Phase.RECEIVED, "received", {"finish"}),
        (Phase.RETRYING, "retrying", {"finish"}),
        (Phase.FINISHED, "finished", set()),
        (Phase.CANCELLED, "cancelling", set()),
        (Phase.CANCELLED, "cancelled", set()),
        (Phase.CANCELLED, "expired", set()),
        (Phase.WAITING, "expired", set()),
        (Phase.WAITING, "cancelled", set()),
        (Phase.WAITING, "doubt", set()),
        (Phase.RECEIVED, "doubt", set()),
        (Phase.WAITING, "unclaimed", set()),
    ],
)
def test_what_is_possible_in_each_state_and_a_reason_for_what_is_not(phase, state, possible):
    acts = Acts(SimpleNamespace(programs=Programs({}, Limits(), passthrough=True)))
    told = acts.why_not(ClientKey.of("key"), phase, state, 0.0)
    assert {act for act, why in told.items() if why is None} == possible
    assert all(why for act, why in told.items() if act not in possible)


def test_every_state_of_a_row_is_among_the_states_of_the_lists():
    flags = [dict(zip(FLAGS, values, strict=True)) for values in product((True, False), repeat=5)]
    found = set()
    for state, messages, asked_at, known in product(
        OrderState, ((), (Sms("Code 4711"),)), (None, 1), flags
    ):
        order = Order("o", "447", "wa", "GB", state=state, messages=messages, expires_at=5.0)
        activation = TrackedActivation(1, order, "wa", asked_at=asked_at, **known)
        found |= {state_of(activation, 0.0), state_of(activation, 9.0)}
    assert found == set(STATES)


async def test_the_lists_have_the_states_and_the_programs(clock):
    keys = {"client-key": ProgramConfig(name="ci", upstream_key="upstream-key")}
    async with a_console(clock, keys=keys) as (_, console):
        lists = (await console.get(f"{API}/lists")).json()
        assert (lists["states"], lists["programs"]) == (list(STATES), ["ci"])
