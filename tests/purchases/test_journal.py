"""What survives a restart, a lost store and a neighbour on the same key."""

import asyncio

import httpx
import pytest

from proxy.config.settings import Config, StoreConfig
from proxy.model.errors import StoreError
from tests.support.world import BUY, Wire, a_life, an_orphan, id_of

pytestmark = pytest.mark.anyio


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
        # No call of a store breaks it.
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
        # No call of a store breaks it.
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

        # Where every write ends: no call of a store makes all of them fail.
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
        # Where every write ends: no call of a store makes all of them fail.
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
        (cancel,) = services.cancels.scheduled.values()
        services.cancels.resume(cancel.operation, cancel.activation, is_taken_over=True)
        sent = await world.requests("cancel")
        await asyncio.sleep(200)
        assert await world.requests("cancel") == sent + 1
        assert not services.cancels.scheduled


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
            where, name = services.cancels, "schedule"
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

        # Where every write ends: no call of a store makes all of them fail.
        monkeypatch.setattr(store, "_commit", bug)
        await asyncio.sleep(5)
        monkeypatch.undo()
        await asyncio.sleep(320)
        assert [row["refunded"] for row in (await world.steer("orders"))["orders"]] == [True]
        assert await store.owed() == []


async def test_who_claims_an_orphan_that_was_kept_late_has_it_alone(run, monkeypatch):
    async with run() as world:
        services = world.app.state.services
        commit, look = services.store.commit, services.reads.refresh

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
        monkeypatch.setattr(services.reads, "refresh", looked_slowly)
        id_of(await world.ask(BUY))
        monkeypatch.undo()
        await asyncio.sleep(20)
        assert await world.requests("purchase") == 1
        assert await world.requests("cancel") == 0


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
