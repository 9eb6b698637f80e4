"""The budget of requests: the sliding minute, whose turn it is, and what a 429 changes."""

import asyncio
import logging
import math
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.config.settings import Config, StoreConfig, UpstreamConfig
from proxy.endpoint.actions import ACTIONS
from proxy.model import ClientKey
from proxy.model.errors import Problem, ProblemError
from proxy.store import open_store
from proxy.upstream import budget as budget_file
from proxy.upstream.budget import Budget
from proxy.upstream.rate_window import PACED, SHARES, UNPACED, Urgency, Window
from tests.conftest import START, FakeTimeLoop
from tests.judge import judge
from tests.world import PATH, a_life, a_world

pytestmark = pytest.mark.anyio

KEY, OTHER = ClientKey.of("a"), ClientKey.of("b")
PAID, ORDER, LIST, CATALOGUE, ALONE, TURN = Urgency
LONG = 1e6


def now():
    return asyncio.get_running_loop().time()


@pytest.fixture
async def store():
    store = open_store("sqlite://")
    yield store
    await store.close()


@pytest.fixture
async def budget(store, clock):
    budget = Budget(60, store, clock)
    yield budget
    await budget.close()


async def filled(window, requests, urgency=PAID):
    for _ in range(requests):
        await window.take(urgency, 0.0, 0.0, "call")


def waiting(window, name, come, urgency=PAID, since=0.0, patience=LONG):
    """A task that notes its name and the time when its turn has come, or that it gave up."""

    async def wait():
        try:
            await window.take(urgency, since, patience, "call")
            come.append((name, now()))
        except ProblemError as error:
            assert error.problem is Problem.RATE_LIMITED
            come.append((f"{name} gave up", now()))

    return asyncio.create_task(wait())


async def takes(budget, key, call="call", urgency=PAID, patience=0.0, most=1000):
    """How many turns come at once."""
    for number in range(most):
        try:
            await budget.take(key, call, urgency, 0.0, patience)
        except ProblemError:
            return number
    return most


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
    serve = window._serve

    def counted():
        looks["serve"] += 1
        # Else it would go on for ever, on a clock that stands still meanwhile.
        window._spent.clear() if looks["serve"] > 20 else None
        serve()

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
    assert earlier + equals <= math.ceil(SHARES[urgency] * limit)


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
        assert is_paced or spent >= SHARES[urgency] * limit


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


# Its keeping.


async def test_a_store_that_fails_stops_no_request(budget, store, caplog):
    store._db.execute("drop table spent")
    assert await takes(budget, KEY) == 60
    await asyncio.sleep(1)
    assert "what was spent is not known" in caplog.text
    assert "not written" in caplog.text
    assert KEY.upstream.secret not in {record.getMessage() for record in caplog.records}


async def test_windows_of_idle_keys_are_let_go_and_busy_ones_are_kept(budget, monkeypatch):
    monkeypatch.setattr(budget_file, "MAX_WINDOWS", 3)
    budget.refused(OTHER, "a key that has no window", 10.0, 5)
    await budget.take(KEY, "call", PAID, 0.0, 0.0)
    budget.refused(KEY, "call", 290.0, None)
    for number in range(50):
        await budget.take(ClientKey.of(str(number)), "call", PAID, 0.0, 0.0)
        await asyncio.sleep(62)
        if number == 3:
            assert await takes(budget, KEY) == 0
    assert len(budget._windows) <= 5
    assert await takes(budget, KEY) == 60
    assert await takes(budget, None) == 1000


async def test_of_many_keys_that_replicas_share_only_those_in_use_are_renewed(
    database, clock, monkeypatch
):
    monkeypatch.setattr(budget_file, "MAX_WINDOWS", 3)
    store = open_store(database, "the secret of the store")
    budget = Budget(60, store, clock)
    for number in range(8):
        await budget.take(ClientKey.of(str(number)), "call", PAID, 0.0, 0.0)
        await asyncio.sleep(62)
    assert len(budget._windows) <= 5
    assert len(budget._leases._windows) <= 4
    await budget.close()
    await store.close()


async def test_a_window_that_is_closed_or_waited_for_is_not_idle(monkeypatch):
    window, come = Window(1), []
    assert window.is_idle
    await filled(window, 1)
    assert not window.is_idle
    window.refused(100.0)
    await asyncio.sleep(90)
    assert not window.is_idle
    await asyncio.sleep(20)
    assert window.is_idle
    await filled(window, 1)
    waiting(window, "w", come)
    await asyncio.sleep(30)
    assert not window.is_idle


async def test_a_narrow_window_survives_that_idle_ones_are_let_go(budget, monkeypatch):
    monkeypatch.setattr(budget_file, "MAX_WINDOWS", 0)
    await budget.take(KEY, "purchase", PAID, 0.0, 0.0)
    # Its answer, a 429, comes after more than a minute.
    await asyncio.sleep(62)
    budget.refused(KEY, "purchase", None, 10)
    assert await takes(budget, KEY, "purchase") == 0


async def test_after_close_no_timer_is_left(store, clock):
    budget = Budget(2, store, clock)
    come = []
    await takes(budget, KEY, "purchase")
    budget.refused(KEY, "purchase", 30.0, 1)

    class Narrow:
        take = staticmethod(lambda *rest: budget.take(KEY, "purchase", *rest[:3]))

    class Wide:
        take = staticmethod(lambda *rest: budget.take(KEY, "call", *rest[:3]))

    tasks = [waiting(Narrow, "narrow", come), waiting(Wide, "wide", come)]
    await asyncio.sleep(1)
    await budget.close()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    handles = [handle for handle in asyncio.get_running_loop()._scheduled if not handle.cancelled()]
    assert handles == []


async def test_what_is_spent_without_waiting_leaves_no_timer():
    await filled(Window(60), 60)
    assert asyncio.get_running_loop()._scheduled == []


async def test_no_key_is_logged(budget, caplog):
    caplog.set_level(logging.DEBUG)
    secret = ClientKey.of("planted-secret")
    await takes(budget, secret, "purchase")
    budget.refused(secret, "purchase", None, None)
    budget.refused(secret, "purchase", None, 10)
    assert "purchase: the upstream refuses key " in caplog.text
    assert "planted-secret" not in caplog.text


# The whole proxy, on a sandbox that counts.

NUMBER = "action=getNumber&service=wa&country=16"


@pytest.fixture
async def world(clock):
    async with a_world(clock) as world:
        yield world


async def statuses(world, call=""):
    """How often the upstream answered how."""
    lines = (await world.steer("requests"))["requests"]
    return Counter(line["status"] for line in lines if call in line["call"])


async def bought(world, query=NUMBER):
    answer = await world.ask(query)
    assert answer.startswith("ACCESS_NUMBER"), answer
    return answer.split(":")[1]


async def spend_all(world):
    """The minute of the key, by requests that count as money; one purchase among them."""
    number = await bought(world)
    await spend(world, number, 59)
    return number


async def spend(world, number, requests):
    begun = now()
    for _ in range(requests):
        assert await world.ask(f"action=swapNumber&id={number}") == "EARLY_CANCEL_DENIED"
    assert now() == begun


async def hung_up(world, query, seconds):
    """Asks, and hangs up after that time."""
    sent = []

    async def receive():
        await asyncio.sleep(seconds)
        return {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": PATH, "root_path": "", "headers": [],
             "query_string": f"api_key=key&{query}".encode()}  # fmt: skip
    await world.app(scope, receive, send)
    return sent[1]["body"].decode()


async def test_status_polls_that_used_their_share_leave_purchases_and_cancels_alone(clock):
    upstream = UpstreamConfig(push=False)
    async with a_world(clock, upstream=upstream) as world:
        numbers = [await bought(world) for _ in range(15)]
        for order in (await world.steer("orders"))["orders"]:
            await world.steer("sms", {"order_id": order["order_id"], "text": "Your code is 1111"})
        await asyncio.sleep(10)
        for number in numbers:
            assert await world.ask(f"action=getStatus&id={number}") == "STATUS_OK:1111"
        await asyncio.sleep(120)
        for number in numbers[:-1]:
            assert await world.ask(f"action=setStatus&status=3&id={number}") == "ACCESS_RETRY_GET"
        polls = [asyncio.create_task(polling(world, number, 100)) for number in numbers]
        await asyncio.sleep(95)
        since = START + now() - 60
        spent = (await world.steer(f"requests?key=key&since={since}"))["count"]
        assert 10 <= spent <= 45
        begun = now()
        last = [await bought(world, NUMBER.replace("wa", "tg")) for _ in range(5)][-1]
        assert await world.ask(f"action=swapNumber&id={last}") == "EARLY_CANCEL_DENIED"
        assert now() == begun
        await asyncio.gather(*polls)
        assert 429 not in await statuses(world)


async def polling(world, number, seconds):
    for _ in range(seconds // 2):
        assert (await world.ask(f"action=getStatus&id={number}")).startswith("STATUS_")
        await asyncio.sleep(2)


async def test_a_purchase_whose_turn_does_not_come_says_so_and_is_never_sent(world):
    await spend_all(world)
    await asyncio.sleep(30)
    assert await world.ask(NUMBER) == "ERROR_SQL"
    assert now() == 36
    await asyncio.sleep(200)
    assert await world.requests("purchase") == 1


async def test_a_purchase_waits_for_its_turn(world):
    await spend_all(world)
    await asyncio.sleep(56)
    await bought(world)
    assert now() == 61


async def test_a_purchase_that_waits_is_not_sent_when_its_client_hangs_up(world):
    number = await spend_all(world)
    await asyncio.sleep(57)
    assert await hung_up(world, NUMBER, seconds=2) == "ERROR_SQL"
    assert now() == 59
    await asyncio.sleep(3)
    # Nor is its turn used up.
    await spend(world, number, 60)
    await asyncio.sleep(200)
    assert await world.requests("purchase") == 1


async def test_nor_when_it_is_the_first_after_a_restart(clock, tmp_path):
    url = f"sqlite:///{tmp_path}/store.db"
    async with a_world(clock, store=url) as world:
        await spend_all(world)
    await asyncio.sleep(57)
    async with a_life(clock, world.sandbox, Config(store=StoreConfig(url=url))) as world:
        assert await hung_up(world, NUMBER, seconds=2) == "ERROR_SQL"
        await asyncio.sleep(200)
        assert await world.requests("purchase") == 1


async def test_nor_when_it_waits_for_the_narrow_window_of_purchases(world):
    await world.steer("switches", {"narrow": "purchase", "rate_limit": "x_ratelimit"})
    for _ in range(11):
        await world.ask(NUMBER)
    await asyncio.sleep(2)
    while (await world.ask(NUMBER)).startswith("ACCESS_NUMBER"):
        pass
    posts = await world.requests("purchase")
    await asyncio.sleep(59 - now())
    assert await hung_up(world, NUMBER, seconds=1) == "ERROR_SQL"
    await asyncio.sleep(200)
    assert await world.requests("purchase") == posts


async def test_two_keys_do_not_share_a_minute_end_to_end(world):
    await spend_all(world)
    assert await world.ask("action=getBalance") == "ERROR_SQL"
    assert (await world.ask("api_key=other&action=getBalance")).startswith("ACCESS_BALANCE")


async def test_a_restart_does_not_refill_the_minute_end_to_end(clock, tmp_path):
    url = f"sqlite:///{tmp_path}/store.db"
    async with a_world(clock, store=url) as world:
        await spend_all(world)
    await asyncio.sleep(20)
    async with a_life(clock, world.sandbox, Config(store=StoreConfig(url=url))) as restarted:
        assert await restarted.ask(NUMBER) == "ERROR_SQL"
        await asyncio.sleep(61 - now())
        await bought(restarted)
    assert 429 not in await statuses(world)


async def client(world, number, until):
    """A program that buys, polls, asks this and that, and gives up; and knows only legal words."""
    asks = [
        "getBalance",
        "getActiveActivations",
        "getPrices&service=wa",
        "getPrices",
        "getCountries",
    ]
    service = ("wa", "tg", "go", "vk")[number % 4]
    await asyncio.sleep(number % 7)
    while now() < until:
        answer = await asked(world, f"getNumber&service={service}&country=16")
        id = answer.split(":")[1] if answer.startswith("ACCESS_NUMBER") else ""
        for _ in range(10 if id else 1):
            await asyncio.sleep(3)
            await asked(world, f"getStatus&id={id}")
        await asked(world, asks[number % 5])
        await asked(world, f"setStatus&status={8 if number % 3 else 3}&id={id}")


async def asked(world, query):
    answer = await world.answer(f"action={query}")
    assert answer.status_code == 200
    assert "<html" not in answer.text
    judge(query.partition("&")[0], answer)
    return answer.text


@pytest.mark.parametrize("push", [True, False])
async def test_fifty_clients_of_one_key_never_meet_a_429(clock, push):
    async with a_world(clock, upstream=UpstreamConfig(push=push)) as world:
        await world.steer("balance", {"key": "key", "balance": 1000})
        clients = [client(world, number, 180) for number in range(50)]
        await asyncio.gather(*clients)
        assert now() >= 180
        said = await statuses(world)
        busiest = (await world.steer("requests?key=key"))["busiest_minute"]
    assert 429 not in said
    assert 45 <= busiest <= 60
    assert (await statuses(world, "purchase"))[200] > 50


@pytest.mark.parametrize("rate_limit", ["bare", "retry_after", "x_ratelimit"])
async def test_a_limit_below_the_configured_one_is_found_out_politely(clock, rate_limit):
    async with a_world(clock) as world:
        await world.steer("switches", {"requests_per_minute": 30, "rate_limit": rate_limit})
        await asyncio.gather(*(client(world, number, 90) for number in range(6)))
        lines = (await world.steer("requests?key=key"))["requests"]
    said = Counter(line["status"] for line in lines)
    assert len(lines) - said[429] >= 40
    assert said[429] <= 30


async def test_a_narrow_limit_of_purchases_is_met_a_couple_of_times_and_then_kept(world):
    await world.steer("switches", {"narrow": "purchase", "rate_limit": "x_ratelimit"})

    async def buying():
        while now() < 180:
            await world.ask(NUMBER)
            await asyncio.sleep(1)

    await asyncio.gather(*(buying() for _ in range(5)))
    said = await statuses(world, "purchase")
    assert 25 <= said[200] <= 30
    assert 1 <= said[429] <= 5 + 2


@pytest.mark.parametrize("body", ["<html>429 Too Many Requests</html>", {"error": "rate_limited"}])
async def test_no_client_ever_sees_a_429(world, body):
    number = await bought(world)
    await world.steer("faults", {"kind": "status", "status": 429, "body": body, "times": None})
    for action in ACTIONS:
        await asked(world, f"{action}&service=wa&country=16&id={number}&status=8")
        await asked(world, f"{action}&service=wa&country=16&id=4&status=3&maxPrice=5")


async def test_a_turn_that_is_given_back_is_ones_own(budget):
    window = Window(60)
    first = await window.take(PAID, 0.0, 0.0, "first")
    await asyncio.sleep(5)
    await window.take(PAID, 0.0, 0.0, "second")
    window.give_back(first)
    assert [spent.call for spent in window.spent()] == ["second"]


class Replicated:
    """A store of several replicas that gives a part of the requests until it has a bug."""

    is_shared = True
    has_bug = False

    async def share(self, key, most, spent, wanted):
        if self.has_bug:
            raise KeyError("planted")
        return wanted

    def safe_share(self, most):
        return 10


async def test_a_part_of_the_requests_is_not_used_past_its_lease(clock, caplog):
    store = Replicated()
    budget = Budget(60, store, clock)
    assert await takes(budget, KEY, most=40, patience=5.0) == 40
    store.has_bug = True
    await asyncio.sleep(62)
    assert await takes(budget, KEY) == 10
    assert "task failed, it starts again in 1 s: leases of requests" in caplog.text
    store.has_bug = False
    await asyncio.sleep(300)
    assert await takes(budget, KEY, most=40, patience=5.0) == 40
    await budget.close()
