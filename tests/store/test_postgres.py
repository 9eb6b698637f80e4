"""The store in PostgreSQL: what is said of a wrong one, and what replicas share of it."""

import asyncio
from contextlib import contextmanager
from dataclasses import replace

import psycopg
import pytest

from proxy.app.build import create_app
from proxy.config.settings import Config, StoreConfig
from proxy.model import ClientKey
from proxy.model.errors import CommitUncertainError, OwnershipLostError, StoreError
from proxy.sandbox import create_sandbox
from proxy.store import Change, Delivery, Entry, OperationKind, PendingOperation, open_store, schema
from tests.support.pace import within
from tests.support.postgres import rows
from tests.support.running import until
from tests.support.stored import KEPT, OWED, SEALED_WITH, SECRET
from tests.support.world import NEVER, Wire, World

pytestmark = pytest.mark.anyio
BOUGHT = replace(OWED, order="o-1")


@pytest.fixture
async def pair(database):
    """Two replicas on one database; both live."""
    stores = [open_store(database, SEALED_WITH) for _ in range(2)]
    for store in stores:
        await store.take_over()
    yield stores
    for store in stores:
        await store.close()


@pytest.fixture
def dead(database):
    """Makes all replicas of the database dead, and this store sure of it."""

    def dead(judge):
        rows(database, "update replicas set until = now() - interval '1 second'")
        # As if it had heard of the database for long enough: waiting would take real seconds.
        judge._steady_since = judge._beat_at - 100

    return dead


# Keys.


async def test_a_key_stands_nowhere_in_clear(pair, database):
    await pair[0].owe(OWED)
    dump = repr([rows(database, f"select * from {table}") for table in ("owed", "orders")])
    assert SECRET not in dump
    assert await pair[1].owed() == [OWED]


async def test_a_sealed_key_cannot_be_opened_in_another_row(pair, database):
    await pair[0].owe(OWED)
    rows(database, "update owed set id = 'another'")
    with pytest.raises(StoreError, match="sealed"):
        await pair[0].owed()


# Who owns what is owed.


async def test_what_a_living_replica_owes_is_not_taken(pair):
    await pair[0].owe(OWED)
    assert await pair[1].take_over() == []
    assert await pair[0].holds("p-1")
    assert not await pair[1].holds("p-1")


async def test_what_a_dead_replica_owed_is_taken_by_one_alone(pair, dead):
    for number in range(20):
        await pair[0].owe(
            PendingOperation(
                f"p-{number}",
                OperationKind.CANCEL,
                ClientKey.of(SECRET),
                "wa",
                "GB",
                number,
            )
        )
    dead(pair[1])
    assert len(await pair[1].take_over()) == 20
    assert await pair[0].take_over() == []
    assert await pair[1].holds("p-1")


async def test_who_has_just_come_back_judges_nobody(pair, database):
    await pair[0].owe(OWED)
    rows(database, "update replicas set until = now() - interval '1 second'")
    assert await pair[1].take_over() == []


async def test_who_leaves_in_order_leaves_at_once(database):
    first, second = (open_store(database, SEALED_WITH) for _ in range(2))
    await first.take_over()
    await first.owe(OWED)
    await first.close()
    assert await second.take_over() == [OWED]
    await second.close()


async def test_who_was_taken_for_dead_writes_nothing_more(pair, dead):
    await pair[0].owe(OWED)
    dead(pair[1])
    await pair[1].take_over()
    for write in (
        pair[0].settle("p-1", KEPT),
        pair[0].commit(OWED, KEPT, Entry(1.0, "hash", "o-1", "charge", -90)),
        pair[0].doubt(OWED),
    ):
        with pytest.raises(OwnershipLostError):
            await write
    assert [row async for row in pair[1].orders("hash")] == []
    assert await pair[1].ledger() == []
    await pair[1].settle("p-1")
    for write in (pair[0].settle("p-1", KEPT), pair[0].commit(OWED, KEPT)):
        with pytest.raises(OwnershipLostError):
            await write
    assert await pair[1].owed() == []


async def test_an_orphan_of_another_replica_goes_to_one_who_wishes_the_same(pair):
    orphan = PendingOperation(
        "p-1", OperationKind.ORPHAN, ClientKey.of(SECRET), "wa", "GB", 99.0, "o-1"
    )
    await pair[0].owe(orphan)
    wish = PendingOperation("p-2", OperationKind.PURCHASE, ClientKey.of(SECRET), "wa", "US", 99.0)
    assert await pair[1].take_orphan(wish) is None
    assert await pair[1].take_orphan(OWED) == orphan
    assert not await pair[0].holds("p-1")


async def test_a_wish_is_fulfilled_once_by_all(pair):
    wishes = [
        PendingOperation(
            f"p-{n}",
            OperationKind.PURCHASE,
            ClientKey.of(SECRET),
            "wa",
            "GB",
            1.0,
            reference="mine",
        )
        for n in range(8)
    ]
    said = await asyncio.gather(*(pair[n % 2].owe(wish) for n, wish in enumerate(wishes)))
    assert said.count(None) == 1


async def test_a_refund_that_two_saw_is_booked_once(pair):
    for store in pair:
        await store.book(Entry(1.0, "hash", "o-1", "refund", 90))
    assert len(await pair[0].ledger()) == 1


# A connection that breaks in a commit.


@pytest.fixture
def broken(monkeypatch):
    """The next commit of this store is written, and its answer is lost."""

    def broken(store):
        # Between a commit and its answer there is nothing public.
        connection = store._connection

        @contextmanager
        def once():
            monkeypatch.undo()
            with connection() as db:
                yield db
            raise StoreError("the wire broke")

        monkeypatch.setattr(store, "_connection", once)

    return broken


async def test_what_was_refused_is_not_owed_though_it_was_written(pair, broken):
    broken(pair[0])
    with pytest.raises(CommitUncertainError):
        await pair[0].owe(OWED)
    await pair[0].keep()
    assert await pair[1].owed() == []


async def test_a_promise_of_which_nobody_could_be_told_is_whole(pair, broken):
    """All replicas say that the order is cancelled, so that it has to be."""
    promise = replace(BOUGHT, kind=OperationKind.CANCEL)
    broken(pair[0])
    with pytest.raises(CommitUncertainError):
        await pair[0].commit(promise, replace(KEPT, cancelling=True), is_new=True)
    await pair[0].keep()
    assert (await pair[1].order("hash", id=7)).cancelling
    assert await pair[0].mine() == [promise]


LOCK_IS_AWAITED = """
select 1 from pg_locks
where not granted and pid in (select pid from pg_stat_activity where datname = current_database())
"""


async def test_two_that_write_of_an_order_at_once_lose_nothing_of_it(pair, database, monkeypatch):
    waiting, merge, loop = replace(KEPT, finished=False), schema.merge, asyncio.get_running_loop()
    unread = replace(waiting, order=replace(KEPT.order, messages=()))
    await pair[0].keep(unread)
    others = []

    def merge_slowly(old, new):
        if not others:
            write = pair[1].keep(waiting)
            others.append(asyncio.run_coroutine_threadsafe(write, loop))
            assert until(lambda: rows(database, LOCK_IS_AWAITED))
        return merge(old, new)

    monkeypatch.setattr(schema, "merge", merge_slowly)
    await pair[0].keep(replace(unread, finished=True))
    await asyncio.wrap_future(others[0])
    assert await pair[0].order("hash", id=7) == KEPT


@pytest.mark.parametrize("then", ["told", "cancelled"])
async def test_an_order_that_another_found_meanwhile_is_neither_told_nor_cancelled(pair, then):
    """Both looked at the same list, and this one's database was away when it wrote."""
    others, row = replace(OWED, id="p-2"), replace(KEPT, delivered=False)
    orphan, charge = OperationKind.ORPHAN, Entry(1.0, "hash", "o-1", "charge", -90)
    for store, owed in zip(pair, (OWED, others), strict=True):
        await store.owe(owed)
    # Away for this store alone: both are on the one server.
    pair[0]._down_until = float("inf")
    with pytest.raises(StoreError):
        await pair[0].commit(replace(BOUGHT, kind=orphan), row, charge, surely=True)
    await pair[1].commit(replace(others, kind=orphan, order="o-1"), row, charge)
    await pair[1].settle("p-2", replace(row, delivered=True))
    pair[0]._down_until = 0.0
    with pytest.raises(OwnershipLostError):
        if then == "told":
            await pair[0].commit(replace(BOUGHT, kind=OperationKind.ANSWERING), row)
        else:
            await pair[0].commit(replace(BOUGHT, kind=OperationKind.CANCEL), row)
    assert [owed.kind for owed in await pair[0].mine()] == [OperationKind.PURCHASE]


@pytest.mark.parametrize("run", range(10))
async def test_one_names_a_number_in_doubt_and_the_other_gives_it_back_and_one_of_both_wins(
    pair, run
):
    number = replace(BOUGHT, kind=OperationKind.DOUBT)
    row = replace(KEPT, key=BOUGHT.key.hash, delivered=False, finished=False, doubted=True)
    await pair[0].owe(replace(number, kind=OperationKind.PURCHASE, order=""))
    await pair[0].commit(number, row, Entry(1.0, row.key, "o-1", "charge", -90))
    given_back, named = await asyncio.gather(
        pair[0].commit(replace(number, kind=OperationKind.CANCEL), row),
        pair[1].mark_delivered(replace(row, delivered=True)),
        return_exceptions=True,
    )
    is_named = named == [Delivery.DELIVERED]
    assert is_named == isinstance(given_back, OwnershipLostError)
    assert is_named or named == [Delivery.WITHHELD]
    assert (await pair[0].order(row.key, id=7)).delivered == is_named
    assert len(await pair[0].owed()) == (not is_named)


async def test_what_was_taken_though_nobody_waited_any_more_is_known_as_ones_own(pair, monkeypatch):
    is_writing, write = asyncio.Event(), pair[1]._write

    def writing(*what, **how):
        is_writing.set()
        return write(*what, **how)

    orphan = replace(BOUGHT, kind=OperationKind.ORPHAN)
    await pair[0].owe(orphan)
    monkeypatch.setattr(pair[1], "_write", writing)
    taking = asyncio.create_task(pair[1].take_orphan(OWED))
    await is_writing.wait()
    await asyncio.sleep(0)
    taking.cancel()
    await pair[1].keep()
    assert await pair[1].mine() == [orphan]


@pytest.mark.slow
async def test_a_replica_that_vanished_with_a_lock_holds_nobody_up_for_long(pair, database):
    with psycopg.connect(database) as vanished:
        vanished.execute("select pg_advisory_xact_lock(hashtext('share key'))")
        share = asyncio.create_task(pair[0].lease_requests("key", 60, sent=0, wanted=4))
        with within(5):
            with pytest.raises(StoreError, match="lock timeout"):
                await share
            await pair[0].take_over()


# Claims and shares.


async def test_a_name_is_claimed_by_one_until_it_is_given_up_or_that_one_dies(pair, database, dead):
    assert await pair[0].claim("socket")
    assert await pair[0].claim("socket")
    assert not await pair[1].claim("socket")
    await pair[0].release("socket")
    assert await pair[1].claim("socket")
    rows(database, "update replicas set until = now() - interval '1 second'")
    assert not await pair[0].claim("socket"), "it may have been the database that was away"
    dead(pair[0])
    assert await pair[0].claim("socket")


async def test_a_claim_may_end_by_itself(pair, database):
    assert await pair[0].claim("list", 60.0)
    assert not await pair[1].claim("list", 60.0)
    rows(database, "update claims set until = now()")
    assert await pair[1].claim("list", 60.0)


async def test_all_shares_together_are_the_limit(pair):
    assert await pair[0].lease_requests("key", 60, sent=0, wanted=8) == 8
    assert await pair[0].lease_requests("key", 60, sent=40, wanted=60) == 45, (
        "a safe part is for the other"
    )
    assert await pair[1].lease_requests("key", 60, sent=0, wanted=60) == 15
    assert await pair[0].lease_requests("key", 60, sent=10, wanted=20) == 20
    assert await pair[1].lease_requests("key", 60, sent=15, wanted=60) == 40
    assert [store.unleased_limit(60) for store in pair] == [15, 15]


async def test_what_a_dead_replica_spent_counts_for_a_minute_more(pair, database):
    await pair[0].lease_requests("key", 60, sent=40, wanted=40)
    rows(database, "update shares set until = now() - interval '60 seconds'")
    assert await pair[1].lease_requests("key", 60, sent=0, wanted=60) == 20
    rows(database, "update shares set until = now() - interval '62 seconds'")
    assert await pair[1].lease_requests("key", 60, sent=0, wanted=60) == 45


async def test_very_many_short_lives_leave_something_for_those_that_live(pair, database):
    rows(database, "insert into replicas select 'dead' || n, now() - interval '300 seconds' "
                   "from generate_series(1, 70) n")  # fmt: skip
    await pair[0].take_over()
    assert await pair[0].lease_requests("key", 60, sent=0, wanted=20) == 20


# What they tell each other.


async def test_what_others_say_on_the_channel_stops_nobody(pair, database):
    changes = pair[1].changes()
    assert await anext(changes) == Change("missed")
    rows(database, "notify virtualsms_proxy, 'hello'; notify virtualsms_proxy, ''")
    await pair[0].keep(KEPT)
    while (change := await anext(changes)) != Change("order", "hash", "o-1"):
        assert change.kind == ""


async def test_a_bug_in_the_listener_does_not_make_a_replica_deaf(pair, monkeypatch, caplog):
    connect, bugs = psycopg.AsyncConnection.connect, [KeyError("planted")]

    async def bug(*values, **settings):
        if bugs:
            raise bugs.pop()
        return await connect(*values, **settings)

    monkeypatch.setattr(psycopg.AsyncConnection, "connect", bug)
    changes = pair[1].changes()
    assert await anext(changes) == Change("missed")
    await pair[0].keep(KEPT)
    assert await anext(changes) == Change("order", "hash", "o-1")
    assert "a bug keeps the replicas from being heard" in caplog.text


async def test_what_one_writes_the_other_hears(pair):
    changes = pair[1].changes()
    assert await anext(changes) == Change("missed")
    await pair[1].keep(KEPT)
    await pair[0].keep(KEPT)
    pair[0].publish_change(Change("list", "hash"))
    assert await anext(changes) == Change("order", "hash", "o-1")
    assert await anext(changes) == Change("list", "hash")
    assert await pair[1].order("hash", id=7) == KEPT


# Through the proxy.


async def test_what_a_client_calls_its_wish_can_always_be_kept(clock, database):
    config = Config(store=StoreConfig(url=database, secret=SEALED_WITH))
    sandbox = create_sandbox(clock=clock, sms_after=NEVER)
    app = create_app(config, clock=clock, transport=Wire(sandbox))
    async with app.router.lifespan_context(app):
        world = World(app, sandbox)
        for name in ("x" * 8000, "%00", "%F0%9F%98%80" * 100):
            wish = f"action=getNumber&service=wa&country=16&orderId={name}"
            assert (await world.ask(wish)).startswith("ACCESS_NUMBER:")
            assert await world.ask(wish) == "ORDER_ALREADY_EXISTS"
        assert app.state.services.store.trouble == ""
    assert await world.requests("purchase") == 3
