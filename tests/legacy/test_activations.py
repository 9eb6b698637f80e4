"""Activations: ids that follow from the order, codes that are never unseen."""

import asyncio
import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.legacy.activation import MAX_ID, candidates
from proxy.legacy.status import Phase
from proxy.model import ClientKey, Order, OrderState, Sms, merge
from proxy.orders.orders import Orders
from proxy.orders.tracked import TrackedActivation
from proxy.runtime.clock import monotonic
from proxy.runtime.counters import Counters
from proxy.store import ActivationRow, open_store

KEY = ClientKey.of("k")


def order(id="a", **fields):
    return Order(id=id, phone="447", service="wa", country="GB", **fields)


def sms(*texts):
    return tuple(Sms(text) for text in texts)


@given(st.uuids().map(str))
def test_an_id_is_decimal_and_fits_31_bits(id):
    first = list(itertools.islice(candidates(id), 20))
    assert all(1 <= number <= MAX_ID for number in first)
    assert first == list(itertools.islice(candidates(id), 20))


def test_the_id_of_an_order_never_changes_from_version_to_version():
    assert next(candidates("7e44ebb5-9a55-4bd8-a4e9-7f226f9d5ebd")) == 488000403


@pytest.fixture
async def known():
    store = open_store("sqlite://")
    known = Orders(store, Counters(), lambda: 1.0, lambda: 1.0)
    await known.open(KEY)
    yield known
    await store.close()


async def learned(*orders):
    store = open_store("sqlite://")
    known = Orders(store, Counters(), lambda: 0.0, lambda: 0.0)
    await known.open(KEY)
    known.learn(KEY, *orders)
    await store.close()
    return {o.id: known.of(KEY, o.id).id for o in orders}


@pytest.mark.anyio
async def test_of_two_orders_with_one_hash_the_earlier_has_first_claim(monkeypatch):
    forged = {"early": [7, 8], "late": [7, 8]}
    monkeypatch.setattr("proxy.orders.index.candidates", lambda id: iter(forged[id]))
    early, late = order("early", created_at=1.0), order("late", created_at=2.0)
    assert await learned(early, late) == await learned(late, early) == {"early": 7, "late": 8}


@pytest.mark.anyio
@pytest.mark.parametrize("learned", list(itertools.permutations((9_000.0, 5_000.0, 10_000.0))))
async def test_the_young_ones_are_found_in_whatever_order_all_were_learned(learned):
    store = open_store("sqlite://")
    known = Orders(store, Counters(), lambda: 10_000.0, lambda: 10_000.0)
    await known.open(KEY)
    for at in learned:
        known.learn(KEY, order(str(at), created_at=at))
    assert [one.order.created_at for _, one in known.young()] == [10_000.0, 9_000.0]
    await store.close()


@pytest.mark.anyio
async def test_what_another_replica_writes_counts_though_it_does_not_know_since_when(known):
    (learned,) = known.learn(KEY, order(created_at=1.0))
    known.apply_remote(
        ActivationRow(KEY.hash, learned.id, order(), "wa", delivered=True, cancelling=True)
    )
    assert learned.phase is Phase.CANCELLED


@pytest.mark.anyio
async def test_a_read_that_began_before_another_replicas_swap_does_not_bring_the_old_number_back(
    known,
):
    (swapped,) = known.learn(KEY, order(created_at=1.0))
    await asyncio.sleep(5)
    known.apply_remote(
        ActivationRow(KEY.hash, swapped.id, replace(order(), phone="448"), "wa", delivered=True)
    )
    known.learn(KEY, order(created_at=1.0), asked_at=monotonic() - 1)
    assert swapped.order.phone == "448"
    known.learn(KEY, replace(order(), phone="449"), asked_at=monotonic() + 1)
    assert swapped.order.phone == "449"


PUSHED, READ = Sms("Your code is 1111", pushed=True), sms("Hello!", "Your code is 1111")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("messages", "asked_at", "theirs", "theirs_at", "phase"),
    [
        (READ, 2, READ, 1, Phase.RETRYING),
        (READ, 1, READ, 2, Phase.RETRYING),
        (READ, None, READ, 2, Phase.RETRYING),
        ((PUSHED,), 1, READ, None, Phase.RETRYING),
        ((PUSHED,), 1, READ, 1, Phase.RECEIVED),
        (READ, 1, (PUSHED,), 2, Phase.RECEIVED),
    ],
)
async def test_a_further_sms_is_waited_for_whoever_was_asked_for_it(
    known, messages, asked_at, theirs, theirs_at, phase
):
    (learned,) = known.learn(KEY, order(messages=messages))
    learned.asked_at = asked_at
    row = ActivationRow(
        KEY.hash, learned.id, order(messages=theirs), "wa", delivered=True, asked_at=theirs_at
    )
    known.apply_remote(row)
    assert learned.phase is phase


PUSHED_TWICE = (PUSHED, Sms("Your code is 2222", pushed=True))
READ_TWICE = sms("Your code is 1111", "Your code is 2222")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("pushed", "asked_at", "read", "phase"),
    [
        (PUSHED_TWICE, 2, READ_TWICE, Phase.RETRYING),
        (PUSHED_TWICE, 2, (*READ_TWICE, Sms("Your code is 3333")), Phase.RECEIVED),
        (PUSHED_TWICE, 1, READ_TWICE, Phase.RECEIVED),
        ((READ[1], PUSHED_TWICE[1]), 2, READ_TWICE, Phase.RETRYING),
        # The same code came twice.
        ((PUSHED, PUSHED), 2, sms(PUSHED.text, PUSHED.text), Phase.RETRYING),
    ],
)
@pytest.mark.parametrize("is_heard", [True, False])
async def test_codes_that_sockets_told_are_no_new_ones_once_the_order_can_be_read(
    known, pushed, asked_at, read, phase, is_heard
):
    (one,) = known.learn(KEY, order(messages=pushed))
    one.delivered, one.asked_at = True, asked_at
    if is_heard:
        known.apply_remote(
            ActivationRow(KEY.hash, one.id, order(messages=read), "wa", delivered=True)
        )
    else:
        known.learn(KEY, order(messages=read))
    assert one.phase is phase


@pytest.mark.anyio
@pytest.mark.parametrize("read", [READ_TWICE[:1], READ_TWICE[1:]])
async def test_a_read_that_lags_behind_the_socket_does_not_unsee_its_last_code(known, read):
    (one,) = known.learn(KEY, order(messages=PUSHED_TWICE))
    one.delivered, one.asked_at = True, 1
    known.learn(KEY, order(messages=read))
    assert (one.phase, one.code) == (Phase.RECEIVED, "2222")
    known.learn(KEY, order(messages=READ_TWICE))
    assert (one.order.messages, one.asked_at) == (READ_TWICE, 1)


@pytest.mark.parametrize(
    ("text", "may"),
    [
        ("Your code is 1111", False),
        ("<#> Your code is  1111\n", False),
        ("Your code is 2222", True),
    ],
)
@pytest.mark.parametrize("received_at", [None, 100.0], ids=["socket", "event"])
def test_an_old_code_in_other_words_or_of_no_known_time_is_no_new_one(text, may, received_at):
    one = TrackedActivation(
        1, order(messages=sms("Your code is 1111")), "wa", asked_at=1, failures=1
    )
    assert one.accepts_push(text, received_at) is may


@pytest.mark.anyio
async def test_the_end_of_the_order_before_a_swap_is_not_the_end_of_the_new_one(known):
    (one,) = known.learn(KEY, order(created_at=1.0))
    one.delivered = True
    await known.swapped(KEY, one, replace(order("b", created_at=1.0), phone="448"))
    await known.detailed(KEY, order(created_at=1.0, state=OrderState.CANCELLED), monotonic())
    assert one.phase is Phase.WAITING


@pytest.mark.anyio
async def test_a_row_that_another_wrote_before_it_heard_of_a_swap_does_not_undo_it(known):
    (one,) = known.learn(KEY, order(created_at=1.0))
    await known.swapped(KEY, one, replace(order("b", created_at=1.0), phone="448"))
    known.apply_remote(ActivationRow(KEY.hash, one.id, order(created_at=1.0), "wa", delivered=True))
    assert (one.order.id, one.order.phone) == ("b", "448")


@pytest.mark.anyio
async def test_what_a_socket_says_does_not_undo_a_swap_that_ends_meanwhile(known, monkeypatch):
    (one,) = known.learn(KEY, order(created_at=1.0, expires_at=1200.0))
    # The fixture gives the orders alone; their store is the one that is slow.
    one.delivered, keep = True, known._store.keep

    async def keep_slowly(*rows):
        monkeypatch.undo()
        swapped = replace(order("b"), phone="448", expires_at=2400.0)
        await known.swapped(KEY, one, swapped)
        await keep(*rows)

    monkeypatch.setattr(known._store, "keep", keep_slowly)
    await known.pushed(KEY, one, "Your code is 1111")
    assert (one.order.id, one.order.phone, one.order.expires_at) == ("b", "448", 2400.0)
    assert one.code == "1111"


class AnotherWrites:
    """A store of which another replica tells something while it is being read."""

    is_shared = True

    def __init__(self, tell):
        self.tell = tell

    async def orders(self, key, since=0.0):
        row = ActivationRow(key, 1, order(created_at=1.0), "wa", delivered=True)
        self.tell(replace(row, cancelling=True))
        yield row


@pytest.mark.anyio
async def test_what_another_replica_writes_while_a_key_is_opened_is_not_lost():
    known = Orders(
        AnotherWrites(lambda row: known.apply_remote(row)), Counters(), lambda: 1.0, lambda: 1.0
    )
    await known.open(KEY)
    assert known.of(KEY, "a").phase is Phase.CANCELLED


@pytest.mark.parametrize(
    ("texts", "asked_at", "code"),
    [
        (["code 1111"], None, "1111"),
        (["code 1111", "Welcome!"], None, "1111"),
        (["code 1111", "code 2222"], None, "2222"),
        (["Hello: you"], None, "Hello you"),
        (["code 1111"], 1, "1111"),
        (["code 1111", "Welcome!"], 1, "Welcome!"),
        (["code 1111", "code 2222"], 1, "2222"),
        (["code 1111", "code 2222"], 2, "2222"),
    ],
)
def test_the_code_is_the_newest_one_and_after_a_further_wish_a_newer_one(texts, asked_at, code):
    assert TrackedActivation(1, order(messages=sms(*texts)), "wa", asked_at=asked_at).code == code


COMPLETED, EXPIRED = OrderState.COMPLETED, OrderState.EXPIRED


@pytest.mark.parametrize(
    ("fields", "said", "phase"),
    [
        ({}, {}, Phase.WAITING),
        ({"state": COMPLETED}, {}, Phase.WAITING),
        ({"state": COMPLETED, "messages": sms("1")}, {}, Phase.RECEIVED),
        ({"state": OrderState.WAITING, "messages": sms("1")}, {}, Phase.RECEIVED),
        ({"state": EXPIRED, "messages": sms("1")}, {}, Phase.RECEIVED),
        ({"state": EXPIRED}, {"confirmed": True}, Phase.CANCELLED),
        # A row of the list could hide an SMS.
        ({"state": EXPIRED}, {}, Phase.WAITING),
        ({"messages": sms("1")}, {"asked_at": 1}, Phase.RETRYING),
        ({"messages": sms("1"), "expires_at": 100.0}, {"asked_at": 1}, Phase.RETRYING),
        (
            {"messages": sms("1"), "expires_at": 100.0},
            {"asked_at": 1, "read_at": 99.0},
            Phase.RETRYING,
        ),
        (
            {"messages": sms("1"), "expires_at": 100.0},
            {"asked_at": 1, "read_at": 100.0},
            Phase.FINISHED,
        ),
        ({"messages": sms("1", "1"), "expires_at": 100.0}, {"asked_at": 1}, Phase.RECEIVED),
        ({"messages": sms("1")}, {"finished": True}, Phase.FINISHED),
        ({"messages": sms("1")}, {"cancelling": True}, Phase.CANCELLED),
    ],
)
def test_the_phase_follows_from_the_messages_first(fields, said, phase):
    assert TrackedActivation(1, order(**fields), "wa", **said).phase is phase


OLD, NEW = Sms("code 1111", 100.0), Sms("code 2222")


@pytest.mark.parametrize(
    "listed",
    [
        (OLD, NEW),
        (NEW, OLD),
        (Sms("code 2222", 99.0), OLD),
        (Sms("code 2222", 100.0), OLD),
        (Sms("code 2222", 100.0), Sms("code 1111", None)),
    ],
)
def test_a_new_message_comes_behind_those_that_are_known_whatever_the_list_says(listed):
    activation = TrackedActivation(1, order(messages=(OLD,)), "wa", asked_at=1)
    activation.order = merge(activation.order, order(messages=listed))
    assert len(activation.order.messages) == 2
    assert activation.code == "2222"


@given(
    st.lists(
        st.tuples(st.sampled_from(OrderState), st.integers(0, 3)), min_size=2, max_size=6
    )
)  # fmt: skip
def test_reads_that_overtake_each_other_unsee_nothing(reads):
    known = order()
    most = 0
    for state, messages in reads:
        known = merge(known, order(state=state, messages=sms(*"abc"[:messages])))
        most = max(most, messages)
        assert len(known.messages) == most
        assert known.phone == "447"


def test_what_is_over_stays_over():
    cancelled = order(state=OrderState.CANCELLED)
    assert merge(cancelled, order()).state is OrderState.CANCELLED


def test_a_row_of_the_list_takes_nothing_away():
    known = order(cents=90, created_at=1.0, expires_at=2.0, cancel_at=3.0, messages=sms("a"))
    bare = Order(id="a", phone="", service="", country="")
    assert merge(known, bare) == known
    assert merge(bare, known) == known
