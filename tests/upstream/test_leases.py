"""Programs that share a key: each has its part of the minute."""

import asyncio

import pytest

from proxy.model import WINDOW
from proxy.model.errors import ProblemError
from proxy.upstream.rate_window import CountedRequest, Urgency, Window

pytestmark = pytest.mark.anyio


def turns(window, owner, most=100):
    taken = 0
    while taken < most and window.take_now(Urgency.PAID, "call", owner):
        taken += 1
    return taken


async def test_what_a_run_before_has_spent_is_no_other_program():
    window = Window(60, [CountedRequest(0.0, Urgency.TURN, "")])
    assert turns(window, "a") == 59


async def test_who_has_gone_away_keeps_nothing():
    window = Window(60)
    assert window.take_now(Urgency.PAID, "call", "b")
    assert turns(window, "a") == 45
    await asyncio.sleep(WINDOW + 1)
    assert turns(window, "a") == 60


async def test_a_passed_through_key_leaves_room_for_the_programs_of_its_account():
    window = Window(60)
    assert window.take_now(Urgency.PAID, "call", "a")
    turns(window, "")
    assert turns(window, "a") == 14


async def test_who_was_refused_has_its_part_of_the_next_minute():
    window = Window(60)
    assert turns(window, "a") == 60
    with pytest.raises(ProblemError, match="RATE_LIMITED"):
        await window.take(Urgency.PAID, 0.0, 6.0, "call", "b")
    await asyncio.sleep(WINDOW - 6)
    assert turns(window, "a") == 45
    assert turns(window, "b") == 15


async def test_of_those_who_wait_the_program_that_has_had_fewest_turns_goes_first():
    window, come = Window(8), []
    for owner in "aaaaaabb":
        assert turns(window, owner, 1) == 1
        await asyncio.sleep(1)

    async def wait(owner):
        await window.take(Urgency.PAID, 0.0, 100.0, "call", owner)
        come.append(owner)

    async with asyncio.TaskGroup() as group:
        for owner in "aab":
            group.create_task(wait(owner))
    assert come == ["b", "a", "a"]
