"""The budget of requests: the sliding minute, whose turn it is, and what a 429 changes."""

import asyncio
import math
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.model import ClientKey
from proxy.model.errors import Problem, ProblemError
from proxy.store import open_store
from proxy.upstream.budget import Budget
from proxy.upstream.rate_window import PACED, PRIORITY_FRACTION, UNPACED, Urgency, Window
from tests.conftest import START, FakeTimeLoop
from tests.support.turns import (
    ALONE,
    CATALOGUE,
    KEY,
    LIST,
    LONG,
    ORDER,
    OTHER,
    PAID,
    TURN,
    filled,
    now,
    takes,
    waiting,
)

pytestmark = pytest.mark.anyio


# The sliding minute.


@pytest.mark.parametrize(
    ("urgency", "requests"),
    [(PAID, 60), (ORDER, 56), (LIST, 51), (CATALOGUE, 51), (ALONE, 9), (TURN, 9)],
)
async def test_each_fills_its_share_of_the_minute_at_once_and_no_more(budget, urgency, requests):
    assert await takes(budget, KEY, urgency=urgency) == requests
    assert not budget.has_room(KEY, urgency)
    assert budget.has_room(KEY, PAID) == (urgency is not PAID)


@pytest.mark.parametrize(("others", "at_once", "turns"), [(0, 9, 14), (40, 1, 2), (42, 0, 0)])
async def test_turns_are_spread_once_a_little_of_the_minute_is_used(budget, others, at_once, turns):
    """One in five seconds, and never more than seven tenths of the window."""
    await takes(budget, KEY, most=others)
    assert await takes(budget, KEY, urgency=TURN) == at_once
    for _ in range(30):
        at_once += await takes(budget, KEY, urgency=TURN, most=1)
        await asyncio.sleep(1)
    assert at_once == turns


@pytest.mark.parametrize("limit", [1, 2, 10])
async def test_even_the_smallest_limit_lets_everyone_have_a_turn(store, clock, limit):
    budget = Budget(limit, store, clock)
    for key, urgency in zip("abcdef", Urgency, strict=True):
        assert await takes(budget, ClientKey.of(key), urgency=urgency) >= 1


async def test_a_turn_comes_back_61_seconds_after_it_was_spent():
    window, come = Window(2), []
    for pause in (0, 10, 20):
        await asyncio.sleep(pause)
        waiting(window, pause, come)
    waiting(window, "last", come)
    await asyncio.sleep(200)
    assert come == [(0, 0), (10, 10), (20, 61), ("last", 71)]


async def test_keys_do_not_share_a_minute_and_requests_without_a_key_are_not_counted(budget):
    assert await takes(budget, KEY) == 60
    assert await takes(budget, OTHER) == 60
    assert await takes(budget, None) == 1000


@pytest.mark.parametrize("start", [0.1, 0.3, 7.7, 1234.567])
async def test_a_window_looks_once_when_a_request_is_a_minute_old(start, monkeypatch):
    """Not over and over, because of the last bit of a sum of two times."""
    looks = Counter()
    await asyncio.sleep(start)
    window, come = Window(1), []
    # Only this tells a look that gives no turn from none.
    serve = window._serve

    def counted():
        looks["serve"] += 1
        # Else it would go on for ever, on a clock that stands still meanwhile.
        window._recent.clear() if looks["serve"] > 20 else None
        serve()

    # How often it looks through its queue, nothing public tells.
    monkeypatch.setattr(window, "_serve", counted)
    await filled(window, 1)
    await waiting(window, "next", come)
    assert looks["serve"] <= 5


REQUESTS = st.lists(
    st.tuples(
        st.integers(0, 160).map(lambda eighths: eighths / 8),
        st.sampled_from(Urgency),
        st.integers(0, 3),
        # In sixteenths, so that nobody's patience ends in the very moment in which a turn comes.
        st.integers(0, 1000).map(lambda eighths: eighths / 8 + 1 / 16),
        st.booleans(),
    ),
    min_size=2,
    max_size=60,
)


@settings(max_examples=150, deadline=None)
@given(limit=st.sampled_from([1, 2, 3, 5, 6, 8, 10, 12]), requests=REQUESTS)
def test_whoever_takes_whenever_the_window_keeps_its_laws(limit, requests):
    with asyncio.Runner(loop_factory=FakeTimeLoop) as runner:
        turns, refused = runner.run(taken(limit, requests))
    assert len(turns) + len(refused) == len(requests)
    for turn in turns:
        keeps_the_limit_and_the_shares(turn, turns, limit)
        comes_after_nobody_more_urgent(turn, turns, refused)
    for begun, ended, urgency, _ in [*turns, *refused]:
        waits_only_while_there_is_no_room(begun, ended, urgency, turns, limit)


async def taken(limit, requests):
    """(asked, come, urgency, place in the queue) of all who had their turn, and who gave up."""
    window, turns, refused, tasks = Window(limit), [], [], []

    async def take(place, urgency, since, patience, hangs_up):
        asked = now()
        mine = window.take(urgency, since, LONG if hangs_up else patience, "call")
        try:
            # One's patience ends, or one is cancelled: that makes no difference to the others.
            await (asyncio.wait_for(mine, patience) if hangs_up else mine)
            turns.append((asked, now(), urgency, (urgency, since, place)))
        except (ProblemError, TimeoutError):
            refused.append((asked, now(), urgency, (urgency, since, place)))
            assert now() == asked + patience

    for place, (pause, *request) in enumerate(requests):
        await asyncio.sleep(pause)
        tasks.append(asyncio.create_task(take(place, *request)))
    await asyncio.gather(*tasks)
    window.close()
    return turns, refused


def keeps_the_limit_and_the_shares(turn, turns, limit):
    _, at, urgency, _ = turn
    assert sum(at - 61 < come <= at for _, come, _, _ in turns) <= limit
    earlier = sum(at - 61 < come < at for _, come, _, _ in turns)
    equals = sum(come == at and other is urgency for _, come, other, _ in turns)
    assert earlier + equals <= math.ceil(PRIORITY_FRACTION[urgency] * limit)


def comes_after_nobody_more_urgent(turn, turns, refused):
    asked, at, _, rank = turn
    for begun, ended, _, other in [*turns, *refused]:
        is_passed_over = begun < at < ended and other < rank and asked < at
        assert not is_passed_over, (turn, other)


def waits_only_while_there_is_no_room(begun, ended, urgency, turns, limit):
    pace = 60 / (PACED[urgency] * limit) if urgency in PACED else 0.0
    instants = {begun, *(come + pause for _, come, _, _ in turns for pause in (pace, 61))}
    for instant in (instant for instant in instants if begun <= instant < ended):
        spent = sum(instant - 61 < come <= instant for _, come, _, _ in turns)
        is_paced = (
            urgency in PACED
            and spent >= UNPACED * limit
            and any(
                other in PACED and instant - pace < come <= instant for _, come, other, _ in turns
            )
        )
        assert is_paced or spent >= PRIORITY_FRACTION[urgency] * limit


# Whose turn it is.


async def test_the_most_urgent_goes_first_then_who_waits_longest_then_who_came_first():
    window, come = Window(10), []
    await filled(window, 10)
    for urgency in reversed(Urgency):
        for since in (5.0, 3.0):
            for number in (1, 2):
                waiting(window, (urgency, since, number), come, urgency, since)
    await asyncio.sleep(400)
    names = [name for name, _ in come]
    assert len(names) == 4 * len(Urgency)
    assert names == sorted(names)


async def test_a_turn_that_is_kept_for_the_more_urgent_is_given_to_nobody_else():
    window, come = Window(10), []
    await filled(window, 9, PAID)
    waiting(window, "list", come, LIST)
    waiting(window, "turn", come, TURN)
    await asyncio.sleep(1)
    assert come == []
    waiting(window, "paid", come, PAID)
    await asyncio.sleep(1)
    assert come == [("paid", 1)]


async def test_the_most_urgent_is_not_forgotten_beside_one_whose_turn_comes_later():
    window, come = Window(60), []
    await filled(window, 1)
    await asyncio.sleep(5)
    await filled(window, 59)
    waiting(window, "turn", come, TURN)
    waiting(window, "paid", come, PAID)
    await asyncio.sleep(60)
    assert come == [("paid", 61)]


@pytest.mark.parametrize("gives_up", ["by patience", "by cancellation"])
async def test_one_who_gives_up_leaves_no_hole(gives_up):
    window, come = Window(1), []
    await filled(window, 1)
    hasty = waiting(window, "hasty", come, PAID, patience=5 if gives_up == "by patience" else LONG)
    waiting(window, "next", come, LIST)
    await asyncio.sleep(6)
    hasty.cancel()
    await asyncio.sleep(100)
    assert come[-1] == ("next", 61)


async def test_patience_that_ends_as_the_turn_comes_wastes_no_turn():
    window, come = Window(1), []
    await filled(window, 1)
    waiting(window, "patient", come, LIST)
    await asyncio.sleep(55)
    waiting(window, "hasty", come, PAID, patience=6)
    await asyncio.sleep(100)
    assert come in (
        [("hasty", 61), ("patient", 122)],
        [("hasty gave up", 61), ("patient", 61)],
    )


async def test_one_who_is_cancelled_as_the_turn_comes_hands_it_on():
    window, come = Window(1), []
    await filled(window, 1)
    first = waiting(window, "first", come, PAID)
    waiting(window, "second", come, LIST)
    await asyncio.sleep(0)
    # Before that timer's own: the turn comes, and in the same moment its owner goes.
    asyncio.get_running_loop().call_at(61, first.cancel)
    await asyncio.sleep(100)
    assert come == [("second", 61)]


async def test_waiting_ends_with_patience(budget):
    await takes(budget, KEY)
    with pytest.raises(ProblemError) as refused:
        await budget.take(KEY, "purchase", PAID, 0.0, 6.0)
    assert refused.value.problem is Problem.RATE_LIMITED
    assert now() == 6


async def test_a_call_of_two_windows_waits_only_as_long_as_its_patience(budget):
    await budget.take(KEY, "order", TURN, 0.0, 0.0)
    budget.refused(KEY, "order", None, 1)
    budget.answered(KEY, "order")
    await asyncio.sleep(30)
    await takes(budget, KEY)
    await asyncio.sleep(28)
    assert await takes(budget, KEY, "order", TURN, patience=6) == 0
    assert now() == 64


async def test_a_turn_missed_in_the_window_of_all_calls_is_not_lost_in_the_narrow_one(budget):
    await budget.take(KEY, "purchase", PAID, 0.0, 0.0)
    budget.refused(KEY, "purchase", None, 5)
    budget.answered(KEY, "purchase")
    await takes(budget, KEY, "order")
    await asyncio.sleep(30)
    for _ in range(9):
        assert await takes(budget, KEY, "purchase", patience=1) == 0
    await asyncio.sleep(61 - now())
    assert await takes(budget, KEY, "purchase") == 5


# What a 429 changes.


async def probes(window, answers):
    """When the requests go that are answered so, one after the other; the first at once."""
    sent = []
    for answer in answers:
        await window.take(PAID, 0.0, LONG, "call")
        sent.append(now())
        if answer == "ok":
            window.answered()
        else:
            window.refused(answer)
    return sent


@pytest.mark.parametrize(
    ("answers", "sent"),
    [
        ([None] * 6 + ["ok"], [0, 2, 6, 14, 29, 44, 59]),
        ([None, None, "ok", None, "ok"], [0, 2, 6, 6, 8]),
        ([7.0, "ok"], [0, 7]),
        ([7.0, None, "ok"], [0, 7, 11]),
        ([None, 1.0, None, "ok"], [0, 2, 3, 7]),
        ([0.0, "ok"], [0, 0]),
        ([1e9, "ok"], [0, 300]),
        ([math.inf, "ok"], [0, 300]),
    ],
)
async def test_a_429_closes_the_window_for_as_long_as_it_says_or_ever_longer(answers, sent):
    assert await probes(Window(1000), answers) == sent


async def test_many_429_at_the_same_time_count_once():
    window = Window(1000)
    await filled(window, 30)
    for _ in range(30):
        window.refused(None)
    await window.take(PAID, 0.0, LONG, "call")
    assert now() == 2
    for _ in range(30):
        window.refused(None)
    await window.take(PAID, 0.0, LONG, "call")
    assert now() == 6


async def test_a_late_429_does_not_shorten_the_pause_that_another_was_told():
    window = Window(1000)
    await filled(window, 2)
    window.refused(30.0)
    window.refused(None)
    window.refused(3.0)
    await window.take(PAID, 0.0, LONG, "call")
    assert now() == 30


async def test_after_a_pause_the_most_urgent_goes_first_and_the_rest_when_it_is_answered():
    window, come = Window(1000), []
    await filled(window, 1)
    window.refused(None)
    for name, urgency in (("list", LIST), ("paid", PAID), ("turn", TURN)):
        waiting(window, name, come, urgency)
    await asyncio.sleep(3)
    assert come == [("paid", 2)]
    window.answered()
    await asyncio.sleep(0)
    assert come[1:] == [("list", 3), ("turn", 3)]


async def test_a_probe_that_is_never_answered_is_followed_by_another():
    window, come = Window(1000), []
    await filled(window, 1)
    window.refused(None)
    for name in range(3):
        waiting(window, name, come)
    await asyncio.sleep(60)
    assert come == [(0, 2), (1, 7), (2, 12)]


async def test_a_429_without_a_key_closes_the_calls_without_a_key(budget):
    await budget.take(None, "prices", CATALOGUE, 0.0, 0.0)
    budget.refused(None, "prices", None, None)
    await budget.take(KEY, "orders", LIST, 0.0, 0.0)
    assert now() == 0
    await budget.take(None, "prices", CATALOGUE, 0.0, 6.0)
    assert now() == 2


async def test_a_limit_of_one_call_is_a_window_for_that_call_of_that_key_alone(budget):
    await budget.take(KEY, "purchase", PAID, 0.0, 0.0)
    budget.refused(KEY, "purchase", None, 10)
    await asyncio.sleep(2)
    await budget.take(KEY, "purchase", PAID, 0.0, 0.0)
    budget.answered(KEY, "purchase")
    assert await takes(budget, KEY, "purchase") == 8
    assert await takes(budget, OTHER, "purchase") == 60
    assert await takes(budget, KEY, "cancel") == 50


async def test_a_429_to_a_narrow_call_does_not_stop_the_other_calls(budget):
    await budget.take(KEY, "purchase", PAID, 0.0, 0.0)
    budget.refused(KEY, "purchase", 30.0, 10)
    assert await takes(budget, KEY, "purchase") == 0
    assert await takes(budget, KEY, "cancel") == 59


@pytest.mark.parametrize("per_minute", [60, 100])
async def test_a_limit_that_is_no_narrower_is_that_of_all_calls(budget, per_minute):
    await budget.take(KEY, "purchase", PAID, 0.0, 0.0)
    budget.refused(KEY, "purchase", None, per_minute)
    assert await takes(budget, KEY, "cancel") == 0


# A restart.


@pytest.fixture
def wall():
    """A wall clock that somebody sets."""

    class Wall:
        ahead = 0.0

        def __call__(self):
            return START + self.ahead + asyncio.get_running_loop().time()

    return Wall()


@pytest.fixture
async def restarted(tmp_path, wall):
    """A budget on the same store file, as a new process has it."""
    stores = []

    async def restart():
        for store in stores[-1:]:
            await store.close()
        stores.append(open_store(f"sqlite:///{tmp_path}/store.db"))
        return Budget(60, stores[-1], wall)

    yield restart
    await stores[-1].close()


@pytest.mark.parametrize(
    ("later", "ahead", "left"),
    [
        (0, 0, 0),
        (30, 0, 0),
        (31.5, 0, 20),
        (60, 0, 20),
        (62, 0, 60),
        # Set back, nothing tells how old a request is: it counts as one of this moment.
        (40, -3600, 0),
        (40, -10, 0),
        # Set forward, they are as old as they look.
        (0, 3600, 60),
    ],
)
async def test_a_restart_does_not_refill_the_window(restarted, wall, later, ahead, left):
    budget = await restarted()
    assert await takes(budget, KEY, urgency=LIST, most=20) == 20
    await asyncio.sleep(30)
    assert await takes(budget, KEY) == 40
    await asyncio.sleep(later)
    wall.ahead = ahead
    budget = await restarted()
    assert await takes(budget, KEY) == left
    assert await takes(budget, OTHER) == 60


async def test_after_a_restart_turns_come_back_when_they_would_have_come_back(restarted):
    budget = await restarted()
    await takes(budget, KEY, most=30)
    await asyncio.sleep(20)
    await takes(budget, KEY)
    await asyncio.sleep(20)
    budget = await restarted()
    come = []
    for pause in (0, 20.5, 0.75, 19, 1):
        await asyncio.sleep(pause)
        come.append(await takes(budget, KEY))
    assert come == [0, 0, 30, 0, 30]


async def test_a_clock_set_back_closes_a_key_for_a_minute_and_no_longer(restarted, wall):
    await takes(await restarted(), KEY)
    wall.ahead = -86_400
    budget = await restarted()
    assert await takes(budget, KEY) == 0
    await asyncio.sleep(61)
    assert await takes(budget, KEY) == 60


async def test_two_first_requests_of_a_key_open_one_window(store, clock):
    budget = Budget(1, store, clock)
    both = [budget.take(KEY, "call", PAID, 0.0, 0.0) for _ in range(2)]
    results = await asyncio.gather(*both, return_exceptions=True)
    assert [type(result) for result in results] == [type(None), ProblemError]
