"""What survives a restart, a lost store and a neighbour on the same key."""

import asyncio
from dataclasses import replace

import httpx
import pytest

from proxy.config.settings import Config, StoreConfig
from proxy.model import ClientKey
from proxy.model.errors import OrderTakenError, OwnershipLostError, StoreError
from proxy.orders import index, orders
from tests.world import BUY, Wire, a_life, an_orphan

pytestmark = pytest.mark.anyio


@pytest.fixture
def run(clock, sandbox, tmp_path):
    """Runs a proxy on the one sandbox and the one store."""

    def run(path=tmp_path / "store.db", **config):
        config = Config(store=StoreConfig(url=f"sqlite:///{path}"), **config)
        return a_life(clock, sandbox, config)

    return run


def id_of(answer):
    assert answer.startswith("ACCESS_NUMBER:"), answer
    return answer.split(":")[1]


async def balance(world):
    await asyncio.sleep(6)
    return await world.ask("action=getBalance")


async def test_what_a_client_has_said_of_an_activation_survives_a_restart(run):
    async with run() as world:
        finished, retried, plain = [id_of(await world.ask(BUY)) for _ in range(3)]
        await world.ask(f"action=setStatus&status=6&id={finished}")
        for order in (await world.steer("orders"))["orders"]:
            await world.steer("sms", {"order_id": order["order_id"], "text": "Your code is 1111"})
        await asyncio.sleep(4)
        assert await world.ask(f"action=getStatus&id={retried}") == "STATUS_OK:1111"
        assert await world.ask(f"action=setStatus&status=3&id={retried}") == "ACCESS_RETRY_GET"
    async with run() as world:
        assert await world.ask(f"action=getStatus&id={finished}") == "STATUS_CANCEL"
        assert await world.ask(f"action=getStatus&id={retried}") == "STATUS_WAIT_RETRY:1111"
        assert await world.ask(f"action=getStatus&id={plain}") == "STATUS_OK:1111"


async def test_after_a_lost_store_every_listed_order_has_its_old_id(run, tmp_path):
    async with run() as world:
        ids = {id_of(await world.ask(BUY)) for _ in range(5)}
    async with run(tmp_path / "another.db") as world:
        listed = await world.answer("action=getActiveActivations")
        assert {row["activationId"] for row in listed.json()["activeActivations"]} == ids


async def test_a_promised_cancel_survives_a_restart(run):
    async with run() as world:
        world.dialect = "/daisysms"
        id = id_of(await world.ask("action=getNumber&service=wa"))
        assert await world.ask(f"action=setStatus&status=8&id={id}") == "ACCESS_CANCEL"
    await asyncio.sleep(300)
    async with run() as world:
        assert await balance(world) == "ACCESS_BALANCE:100.00"
        assert await world.requests("cancel") == 2, "one too early, one that was granted"
        assert await world.ask(f"action=getStatus&id={id}") == "STATUS_CANCEL"


async def test_a_paid_order_that_nobody_was_told_about_survives_a_restart(run):
    async with run() as world:
        await world.steer("faults", {"kind": "cdn", "call": "purchase", "when": "after"})
        await world.steer("faults", {"kind": "cdn", "call": "orders", "times": 2})
        assert await world.ask(BUY) == "ERROR_SQL"
    async with run() as world:
        await world.ask(BUY)
        assert await balance(world) == "ACCESS_BALANCE:99.10"
        assert await world.requests("purchase") == 1


async def test_an_orphan_is_refunded_by_the_next_run(run):
    async with run() as world:
        await an_orphan(world)
        assert await balance(world) == "ACCESS_BALANCE:99.10"
    async with run() as world:
        await asyncio.sleep(310)
        assert await balance(world) == "ACCESS_BALANCE:100.00"


async def foreign_purchase(sandbox):
    """Another program buys the same with the same key."""
    async with httpx.AsyncClient(transport=Wire(sandbox), base_url="http://s/api/v1") as other:
        wish = {"service": "wa", "country": "GB"}
        answer = await other.post("/customer/purchase", json=wish, headers={"X-API-Key": "key"})
        return answer.json()["order_id"]


async def status_of(world, order):
    orders = (await world.steer("orders"))["orders"]
    return next(row["status"] for row in orders if row["order_id"] == order)


async def test_a_foreign_order_beside_an_unclear_purchase_is_left_alone(run, sandbox):
    async with run() as world:
        await world.steer("faults", {"kind": "cdn", "call": "purchase", "when": "after"})
        await world.steer("faults", {"kind": "cdn", "call": "orders"})
        assert await world.ask(BUY) == "ERROR_SQL"
        foreign = await foreign_purchase(sandbox)
        id_of(await world.ask(BUY))
        assert await world.requests("purchase") == 3, "two of ours, one of the other"
        assert await world.ask(f"action=getStatus&id={foreign}") == "STATUS_WAIT_CODE"
        await asyncio.sleep(900)
        assert await status_of(world, foreign) == "waiting", "not cancelled"


async def test_a_key_on_which_another_program_buys_adopts_nothing(run, sandbox, caplog):
    async with run() as world:
        await asyncio.sleep(5)
        foreign = await foreign_purchase(sandbox)
        await asyncio.sleep(5)
        await world.ask("action=getActiveActivations")
        await world.steer("faults", {"kind": "cdn", "call": "purchase"})
        assert await world.ask(BUY.replace("wa", "tg")) == "ERROR_SQL"
        await asyncio.sleep(11)
        assert [line for line in caplog.messages if "another program buys" in line]
        await world.steer("faults", {"kind": "cdn", "call": "purchase", "when": "after"})
        assert await world.ask(BUY) == "ERROR_SQL"
        assert await world.ask(f"action=getStatus&id={foreign}") == "STATUS_WAIT_CODE"


async def test_a_client_that_got_its_number_and_buys_again_gets_a_second_one(run):
    async with run() as world:
        assert id_of(await world.ask(BUY)) != id_of(await world.ask(BUY))


async def test_concurrent_purchases_of_the_same_are_never_confused(run):
    async with run() as world:
        for when in ("before", "after", "after"):
            await world.steer("faults", {"kind": "cdn", "call": "purchase", "when": when})
        answers = await asyncio.gather(*(world.ask(BUY) for _ in range(10)))
        told = [answer for answer in answers if answer != "ERROR_SQL"]
        assert len(set(told)) == len(told)
        while len(told) < 10:
            told.append(await world.ask(BUY))
        assert len({id_of(answer) for answer in told}) == 10
        assert await balance(world) == "ACCESS_BALANCE:91.00"


async def test_what_cannot_be_recorded_is_not_bought(run):
    async with run() as world:
        id = id_of(await world.ask(BUY))
        store = world.app.state.services.store
        store._db.execute(
            "create trigger t before insert on owed begin select raise(fail, 'x'); end"
        )
        bought = await world.requests("purchase")
        assert await world.ask(BUY) == "ERROR_SQL"
        assert await world.requests("purchase") == bought
        assert await world.ask(f"action=getStatus&id={id}") == "STATUS_WAIT_CODE"


async def test_the_order_of_a_purchase_under_way_is_not_adopted_for_another(run):
    async with run() as world:
        await world.steer("faults", {"kind": "cdn", "call": "purchase"})
        assert await world.ask(BUY) == "ERROR_SQL"
        slow = {"kind": "slow", "call": "purchase", "when": "after", "seconds": 5}
        await world.steer("faults", slow)
        first = asyncio.create_task(world.ask(BUY))
        await asyncio.sleep(2)
        second = id_of(await world.ask(BUY))
        assert id_of(await first) != second
        assert await balance(world) == "ACCESS_BALANCE:98.20"
        await asyncio.sleep(600)
        assert await balance(world) == "ACCESS_BALANCE:98.20", "neither was taken for an orphan"


async def test_an_orphan_stays_in_sight_when_the_look_at_it_is_refused(run):
    async with run() as world:
        await an_orphan(world)
        refused = {"kind": "status", "status": 401, "body": {"error": "x"}, "call": "orders"}
        await world.steer("faults", refused)
        assert await world.ask(BUY) == "BAD_KEY"
        await asyncio.sleep(310)
        assert await balance(world) == "ACCESS_BALANCE:100.00"
        assert await world.requests("purchase") == 1


async def test_a_promise_that_the_store_holds_is_seen_by_its_client_after_a_crash(run, tmp_path):
    async with run() as world:
        world.dialect = "/daisysms"
        id = id_of(await world.ask("action=getNumber&service=wa"))
        assert await world.ask(f"action=setStatus&status=8&id={id}") == "ACCESS_CANCEL"
        store = world.app.state.services.store
        store._db.execute("update orders set cancelling = 0")
    async with run() as world:
        assert await world.ask(f"action=getStatus&id={id}") == "STATUS_CANCEL"


async def test_a_number_that_could_not_be_kept_goes_back_though_its_client_has_gone(
    run, monkeypatch
):
    async with run() as world:
        slow = {"call": "purchase", "kind": "slow", "when": "after", "seconds": 14}
        await world.steer("faults", slow)
        assert await world.ask(BUY) == "ERROR_SQL", "its time is over"
        store = world.app.state.services.store

        def away(batch):
            raise StoreError("away")

        monkeypatch.setattr(store, "_commit", away)
        await asyncio.sleep(5)
        monkeypatch.undo()
        await asyncio.sleep(320)
        assert [row["refunded"] for row in (await world.steer("orders"))["orders"]] == [True]
        assert [entry.kind for entry in await store.ledger()] == ["charge", "refund"]


async def test_two_who_look_at_what_is_left_over_never_get_the_same_number(run):
    async with run() as world:
        slow = {"call": "purchase", "kind": "slow", "when": "after", "seconds": 14, "times": 2}
        await world.steer("faults", slow)
        assert await asyncio.gather(*(world.ask(BUY) for _ in range(2))) == ["ERROR_SQL"] * 2
        await asyncio.sleep(10)
        first, _ = (await world.steer("orders"))["orders"]
        await world.steer("sms", {"order_id": first["order_id"], "text": "Your code is 1111"})
        said = await asyncio.gather(*(world.ask(BUY) for _ in range(2)))
        assert len({id_of(answer) for answer in said}) == 2
        assert await world.requests("purchase") == 3


async def test_what_goes_back_is_handed_to_nobody_though_the_store_could_not_take_it(
    run, monkeypatch
):
    async with run() as world:
        slow = {"call": "purchase", "kind": "slow", "when": "after", "seconds": 14}
        await world.steer("faults", slow)
        assert await world.ask(BUY) == "ERROR_SQL"
        await asyncio.sleep(280)
        commit = world.app.state.services.store._commit

        def away(batch):
            commit(batch)
            raise StoreError("written, and nobody could be told")

        monkeypatch.setattr(world.app.state.services.store, "_commit", away)
        await asyncio.sleep(20)
        monkeypatch.undo()
        id_of(await world.ask(BUY))
        assert await world.requests("purchase") == 2
        await asyncio.sleep(20)
        assert [row["refunded"] for row in (await world.steer("orders"))["orders"]] == [True, False]


async def test_a_promise_that_was_another_replicas_in_between_is_carried_out_once(run):
    async with run(early_cancel="defer") as world:
        services, id = world.app.state.services, id_of(await world.ask(BUY))
        assert await world.ask(f"action=setStatus&status=8&id={id}") == "ACCESS_CANCEL"
        slow = {"call": "cancel", "kind": "slow", "when": "before", "seconds": 1, "times": None}
        await world.steer("faults", slow)
        (promise,) = services.cancels.promises.values()
        services.cancels.resume(promise.owed, promise.activation, is_taken_up=True)
        sent = await world.requests("cancel")
        await asyncio.sleep(200)
        assert await world.requests("cancel") == sent + 1
        assert not services.cancels.promises


async def test_an_order_that_a_swap_is_just_making_is_no_strangers(run, caplog):
    async with run() as world:
        await world.steer("switches", {"swap_id": "new"})
        await world.ask("action=getBalance")
        await asyncio.sleep(30)
        id = id_of(await world.ask(BUY))
        await asyncio.sleep(150)
        slow = {"call": "swap", "kind": "slow", "when": "after", "seconds": 3}
        await world.steer("faults", slow)
        swap = asyncio.create_task(world.ask(f"action=swapNumber&id={id}"))
        await asyncio.sleep(1)
        await world.steer("faults", {"kind": "cdn", "call": "purchase", "when": "after"})
        await world.ask(BUY.replace("wa", "tg"))
        assert (await swap).startswith("ACCESS_NUMBER:")
        await asyncio.sleep(30)
        assert not [line for line in caplog.messages if "another program buys" in line]


async def test_a_wish_is_not_taken_for_fulfilled_by_the_order_of_another_replica(run, monkeypatch):
    async with run() as world:
        services, wish = world.app.state.services, f"{BUY}&orderId=mine"

        async def taken(owed, kept, *entries, **kinds):
            theirs = replace(kept, delivered=True, reference="")
            services.orders.apply_remote(theirs)
            raise OrderTakenError("both had looked at the same list")

        monkeypatch.setattr(services.store, "commit", taken)
        assert await world.ask(wish) == "ERROR_SQL"
        monkeypatch.undo()
        assert await world.ask(wish) == "ERROR_SQL"
        await asyncio.sleep(400)
        assert id_of(await world.ask(wish))


async def test_an_order_lost_to_another_replica_is_not_written_as_ones_own(run, monkeypatch):
    async with run() as world:
        store = world.app.state.services.store

        async def lost(owed, kept, *entries, **kinds):
            raise OwnershipLostError("another's")

        monkeypatch.setattr(store, "commit", lost)
        assert await world.ask(BUY) == "ERROR_SQL"
        monkeypatch.undo()
        await world.sms("Your code is 1111")
        await world.ask("action=getActiveActivations")
        assert await store.owners([await world.newest_order()]) == {}


async def test_what_one_look_has_found_another_that_began_with_it_does_not_drop(run, monkeypatch):
    async with run() as world:
        services = world.app.state.services
        owners, pauses = services.store.owners, [2.0]

        async def slow(orders):
            found = await owners(orders)
            await asyncio.sleep(pauses.pop() if pauses else 0.0)
            return found

        fault = {"kind": "status", "status": 500, "body": {"error": "no numbers available"}}
        await world.steer("faults", {**fault, "call": "purchase", "when": "after"})
        assert await world.ask(BUY) == "NO_NUMBERS"
        monkeypatch.setattr(services.store, "owners", slow)
        await asyncio.gather(*(services.journal.reconcile(ClientKey.of("key")) for _ in range(2)))
        await asyncio.sleep(320)
        assert [row["refunded"] for row in (await world.steer("orders"))["orders"]] == [True]


async def test_two_looks_that_end_together_keep_what_they_have_found_once(run, monkeypatch, caplog):
    caplog.set_level("INFO")
    async with run() as world:
        services = world.app.state.services
        owners, both = services.store.owners, asyncio.Barrier(2)

        async def together(orders):
            found = await owners(orders)
            await both.wait()
            return found

        await world.steer("faults", {"kind": "cdn", "call": "purchase", "when": "after"})
        await world.steer("faults", {"kind": "cdn", "call": "orders"})
        assert await world.ask(BUY) == "ERROR_SQL"
        monkeypatch.setattr(services.store, "owners", together)
        await asyncio.gather(*(services.journal.reconcile(ClientKey.of("key")) for _ in range(2)))
        monkeypatch.undo()
        assert [purchase.state for purchase in services.journal.pending] == ["orphan"]
        assert len([line for line in caplog.messages if line.startswith("bought")]) == 1
        await asyncio.sleep(320)
        assert [row["refunded"] for row in (await world.steer("orders"))["orders"]] == [True]


async def test_orders_that_were_forgotten_are_no_strangers(clock, sandbox, caplog):
    config = Config(store=StoreConfig(url="sqlite://", retention=86_400.0))
    async with a_life(clock, sandbox, config) as world:
        await world.ask("action=getBalance")
        await asyncio.sleep(5)
        id = id_of(await world.ask(BUY))
        await asyncio.sleep(1300)
        assert await world.ask(f"action=getStatus&id={id}") == "STATUS_CANCEL"
        await asyncio.sleep(2 * 86_400)
        for _ in range(2):
            await world.steer("faults", {"kind": "cdn", "call": "purchase"})
            assert await world.ask(BUY) == "ERROR_SQL"
            await asyncio.sleep(15)
        assert not [line for line in caplog.messages if "another program buys" in line]


async def test_a_promise_that_was_begun_is_said_though_the_deadline_came(run, monkeypatch):
    async with run(early_cancel="defer") as world:
        services, id = world.app.state.services, id_of(await world.ask(BUY))
        commit = services.store.commit

        async def slow(*rows, **kinds):
            writing = asyncio.create_task(commit(*rows, **kinds))
            await asyncio.sleep(40)
            await writing

        monkeypatch.setattr(services.store, "commit", slow)
        assert await world.ask(f"action=setStatus&status=8&id={id}") == "ACCESS_CANCEL"
        assert await world.ask(f"action=getStatus&id={id}") == "STATUS_CANCEL"
        await asyncio.sleep(150)
        assert await services.store.owed() == []
        assert [row["refunded"] for row in (await world.steer("orders"))["orders"]] == [True]


async def test_a_number_whose_time_was_over_is_over_after_a_restart(run):
    async with run() as world:
        id = id_of(await world.ask(BUY))
        await world.sms("Your code is 1111")
        await asyncio.sleep(5)
        assert await world.ask(f"action=getStatus&id={id}") == "STATUS_OK:1111"
        assert await world.ask(f"action=setStatus&status=3&id={id}") == "ACCESS_RETRY_GET"
        await asyncio.sleep(1300)
        for _ in range(2):
            said = await world.ask(f"action=getStatus&id={id}")
        assert said == "STATUS_CANCEL"
    async with run() as world:
        await world.steer("faults", {"kind": "cdn", "times": None})
        assert await world.ask(f"action=getStatus&id={id}") == "STATUS_CANCEL"


@pytest.mark.parametrize("which", ["cancel", "expire"])
async def test_a_bug_ends_no_refund(run, monkeypatch, caplog, which):
    async with run(early_cancel="defer") as world:
        services = world.app.state.services
        if which == "cancel":
            id = id_of(await world.ask(BUY))
            assert await world.ask(f"action=setStatus&status=8&id={id}") == "ACCESS_CANCEL"
            where, name = services.upstream, "cancel"
        else:
            await an_orphan(world)
            where, name = services.cancels, "promise"
        bugs = [KeyError("planted")]
        carry_out = getattr(where, name)

        async def bug(*values):
            if bugs:
                raise bugs.pop()
            await carry_out(*values)

        monkeypatch.setattr(where, name, bug)
        await asyncio.sleep(1000)
        assert [row["refunded"] for row in (await world.steer("orders"))["orders"]] == [True]
        assert "planted" in caplog.text


async def test_an_order_that_could_never_be_kept_goes_back(run, monkeypatch):
    async with run() as world:
        store = world.app.state.services.store
        slow = {"call": "purchase", "kind": "slow", "when": "after", "seconds": 14}
        await world.steer("faults", slow)
        assert await world.ask(BUY) == "ERROR_SQL"

        def bug(batch):
            raise MemoryError

        monkeypatch.setattr(store, "_commit", bug)
        await asyncio.sleep(5)
        monkeypatch.undo()
        await asyncio.sleep(320)
        assert [row["refunded"] for row in (await world.steer("orders"))["orders"]] == [True]
        assert await store.owed() == []


async def test_who_claims_an_orphan_that_was_kept_late_has_it_alone(run, monkeypatch):
    async with run() as world:
        services = world.app.state.services
        commit, look = services.store.commit, services.reads.look

        async def kept_late(*what, **how):
            await asyncio.sleep(15)
            await commit(*what, **how)

        async def looked_slowly(*at):
            await asyncio.sleep(3)
            await look(*at)

        monkeypatch.setattr(services.store, "commit", kept_late)
        assert await world.ask(BUY) == "ERROR_SQL"
        await asyncio.sleep(20)
        monkeypatch.undo()
        (orphan,) = services.journal.pending
        age = services.upstream.now() - orphan.owned.order.created_at
        # Its refund is in sight while it is claimed and looked at.
        await asyncio.sleep(299 - age)
        monkeypatch.setattr(services.reads, "look", looked_slowly)
        id_of(await world.ask(BUY))
        monkeypatch.undo()
        await asyncio.sleep(20)
        assert await world.requests("purchase") == 1
        assert await world.requests("cancel") == 0


# Keys that nobody uses are let go; a purchase may be under way for one of them.


@pytest.fixture
def few_keys(monkeypatch):
    """Accounts are let go as soon as they are idle for a second."""
    monkeypatch.setattr(orders, "MAX_ACCOUNTS", 1)
    monkeypatch.setattr(index, "EMPTY_SECONDS", 1.0)
    monkeypatch.setattr(orders, "SWEEP_SECONDS", 0.0)


async def bought_while_other_keys_come(world):
    slow = {"call": "purchase", "kind": "slow", "when": "after", "seconds": 6}
    await world.steer("faults", slow)
    buying = asyncio.create_task(world.ask(BUY))
    await asyncio.sleep(3)
    await world.ask("api_key=another&action=getActiveActivations")
    return await buying


async def test_the_account_of_a_purchase_under_way_is_not_let_go(run, few_keys, monkeypatch):
    async with run() as world:
        store, loaded = world.app.state.services.store, []
        rows = store.orders

        def noted(key, since=0.0):
            loaded.append(key)
            return rows(key, since)

        monkeypatch.setattr(store, "orders", noted)
        assert id_of(await bought_while_other_keys_come(world))
        assert loaded == [
            ClientKey.of("key").hash,
            ClientKey.of("another").hash,
        ]


async def test_the_account_of_a_promised_cancel_is_not_let_go(run, few_keys, monkeypatch):
    monkeypatch.setattr(index, "IDLE_SECONDS", 1.0)
    async with run(early_cancel="defer") as world:
        id = id_of(await world.ask(BUY))
        assert await world.ask(f"action=setStatus&status=8&id={id}") == "ACCESS_CANCEL"
        before = list(world.app.state.services.orders.activations(ClientKey.of("key")))
        await asyncio.sleep(30)
        await world.ask("api_key=another&action=getActiveActivations")
        assert list(world.app.state.services.orders.activations(ClientKey.of("key"))) == before


async def test_a_paid_order_is_kept_though_its_account_was_let_go(run, few_keys, monkeypatch):
    monkeypatch.setattr(orders.Orders, "pin", lambda self, keys: None)
    async with run() as world:
        assert id_of(await bought_while_other_keys_come(world))
        assert await world.app.state.services.store.owed() == []


async def test_a_paid_order_that_a_bug_kept_from_its_account_is_found_in_the_list(run, monkeypatch):
    async with run() as world:
        services = world.app.state.services
        adopt, bugs = services.orders.adopt, [KeyError("planted")]

        def bug(*values):
            if bugs:
                raise bugs.pop()
            return adopt(*values)

        monkeypatch.setattr(services.orders, "adopt", bug)
        assert await world.ask(BUY) == "ERROR_SQL"
        assert id_of(await world.ask(BUY))
        assert await world.requests("purchase") == 1


async def test_a_bug_does_not_end_the_look_for_lost_purchases(run, monkeypatch):
    async with run() as world:
        services = world.app.state.services
        drop, bugs = services.journal.drop, [KeyError("planted")]

        async def bug(purchase):
            if bugs:
                raise bugs.pop()
            await drop(purchase)

        monkeypatch.setattr(services.journal, "drop", bug)
        await world.steer("faults", {"kind": "cdn", "call": "purchase"})
        assert await world.ask(BUY) == "ERROR_SQL"
        await asyncio.sleep(400)
        assert (bugs, list(services.journal.pending)) == ([], [])


# What was begun is not ended by a cancel, however often it comes.


@pytest.mark.parametrize("what", ["tell", "promise"])
async def test_what_is_being_written_is_written_though_its_client_is_cancelled_three_times(
    run, monkeypatch, what
):
    async with run(early_cancel="defer") as world:
        services = world.app.state.services
        id = id_of(await world.ask(BUY)) if what == "promise" else ""
        name = "settle" if what == "tell" else "commit"
        write, begun, go = getattr(services.store, name), asyncio.Event(), asyncio.Event()

        async def slow(*rows, **kinds):
            begun.set()
            await go.wait()
            await write(*rows, **kinds)

        monkeypatch.setattr(services.store, name, slow)
        query = f"action=setStatus&status=8&id={id}" if id else BUY
        asking = asyncio.create_task(world.ask(query))
        await begun.wait()
        for _ in range(3):
            asking.cancel()
            await asyncio.sleep(0)
        go.set()
        assert (await asking).startswith("ACCESS_")
        owed = [row.kind.value for row in await services.store.owed()]
        assert owed == (["cancel"] if id else [])
        assert len(services.cancels) == len(owed)


async def test_a_swap_that_the_end_of_the_process_meets_keeps_its_new_order(run):
    async with run() as world:
        await world.steer("switches", {"swap_id": "new"})
        id = id_of(await world.ask(BUY))
        await asyncio.sleep(150)
        slow = {"call": "swap", "kind": "slow", "when": "after", "seconds": 3}
        await world.steer("faults", slow)
        swap = asyncio.create_task(world.ask(f"action=swapNumber&id={id}"))
        await asyncio.sleep(1)
        # As the server does with what still runs when it stops.
        swap.cancel()
        assert await swap == "ERROR_SQL"
    async with run() as world:
        newest = await world.newest_order()
        assert await world.ask(f"action=getStatus&id={id}") == "STATUS_WAIT_CODE"
        owners = await world.app.state.services.store.owners([newest])
        assert owners == {newest: ClientKey.of("key").hash}


MISSING = {"kind": "status", "status": 404, "body": {"error": "not found"}}
HALF = {"kind": "status", "status": 200, "body": {"orders": [{"id": "a"}, {"status": "waiting"}]}}


@pytest.mark.parametrize(
    ("fault", "outcome"), [(MISSING, "unknown"), (HALF, "unknown"), (None, "none")]
)
async def test_what_a_lost_purchase_made_is_unknown_where_no_whole_list_was_read(
    run, fault, outcome
):
    async with run() as world:
        await world.steer("faults", {"kind": "cdn", "call": "purchase"})
        if fault:
            await world.steer("faults", {"call": "orders", "times": None, **fault})
        assert await world.ask(BUY) == "ERROR_SQL"
        await asyncio.sleep(320)
        page = (await world.client.get("/metrics")).text
        assert f'virtualsms_proxy_purchases_total{{outcome="{outcome}"}} 1.0' in page
