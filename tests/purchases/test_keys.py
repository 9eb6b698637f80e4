"""Programs with keys of their own: no ceiling is passed, and none reaches what another has."""

import asyncio
import shutil
import sqlite3
from contextlib import asynccontextmanager, closing

import httpx
import pytest

from proxy.config.settings import LimitsConfig
from tests.support import programs as stage
from tests.support.programs import (
    BALANCE,
    BROKEN,
    UNLISTED,
    an_orphan,
    asks,
    hang_up,
    held,
    programs,
    refunded,
    same_account,
)
from tests.support.world import BUY, PATH, Wire, id_of

pytestmark = pytest.mark.anyio

run = stage.run

# A key that is none.


async def test_an_unknown_key_is_refused_without_a_request(run):
    async with run(programs("a")) as world:
        for query in (BALANCE, BUY, "action=getStatus&id=5", "action=getPrices&service=wa"):
            assert await asks(world, "b")(query) == "BAD_KEY"
        assert (await world.steer("requests"))["count"] == 0


async def test_keys_are_compared_in_constant_time(run, monkeypatch):
    compared = []
    monkeypatch.setattr(
        "proxy.config.programs.hmac.compare_digest", lambda *both: compared.append(both) or False
    )
    async with run(programs("a")) as world:
        assert await asks(world, "a")(BALANCE) == "BAD_KEY"
    assert [len(one) for one in compared[0]] == [64, 64]


def at(world, address):
    transport = httpx.ASGITransport(world.app, client=(address, 1))
    client = httpx.AsyncClient(transport=transport, base_url="http://p")

    async def seconds(key):
        begun = asyncio.get_running_loop().time()
        answer = await client.get(f"{PATH}?action=getBalance&api_key={key}")
        assert answer.text == ("ACCESS_BALANCE:100.00" if key == "a" else "BAD_KEY")
        return asyncio.get_running_loop().time() - begun

    return seconds


async def test_the_sixth_wrong_key_of_a_minute_from_one_address_is_answered_late(run):
    async with run(programs("a")) as world:
        guess, other = at(world, "192.0.2.1"), at(world, "192.0.2.2")
        assert [await guess(f"guess{i}") for i in range(7)] == [0, 0, 0, 0, 0, 2, 2]
        assert await guess("a") == 0, "who has the right key is not slowed"
        assert await other("wrong") == 0
        await asyncio.sleep(61)
        assert await guess("wrong") == 0


async def test_a_wrong_key_is_refused_as_such_where_the_deadline_is_short(run):
    async with run(programs("a"), deadline=1) as world:
        guess = at(world, "192.0.2.1")
        for i in range(7):
            await guess(f"guess{i}")


# Programs that share an account.


ABOUT = (
    "action=getStatus&id={}",
    "action=getStatusV2&id={}",
    "action=getFullSms&id={}",
    "action=getAllSms&id={}",
    "action=setStatus&status=1&id={}",
    "action=setStatus&status=3&id={}",
    "action=setStatus&status=6&id={}",
    "action=setStatus&status=8&id={}",
    "action=finishActivation&id={}",
    "action=cancelActivation&id={}",
    "action=swapNumber&id={}",
)
LISTS = {
    "action=getActiveActivations": '{"status":"error","error":"NO_ACTIVATIONS"}',
    "action=getHistory": "[]",
}


async def reaches(ask, id, order):
    """What a program is told of an activation that is not its own, where it is not NO_ACTIVATION
    and no empty list.
    """
    told = [await ask(query.format(name)) for query in ABOUT for name in (id, order, order.upper())]
    lists = {query: await ask(query) for query in LISTS}
    return {*told} - {"NO_ACTIVATION"}, {q: said for q, said in lists.items() if said != LISTS[q]}


@pytest.mark.parametrize("received", [False, True])
async def test_no_program_reaches_the_number_of_another(run, received):
    async with run(programs("a", "b")) as world:
        a, b = asks(world, "a"), asks(world, "b")
        id, order = id_of(await a(BUY)), await world.newest_order()
        if received:
            await world.sms("Your code is 1111")
        await asyncio.sleep(130)
        status = "STATUS_OK:1111" if received else "STATUS_WAIT_CODE"
        assert await a(f"action=getStatus&id={id}") == status
        assert await reaches(b, id, order) == (set(), {})
        assert await a(f"action=getStatus&id={order}") == status
        assert len(await held(world)) == 1
        assert (await world.requests("retry"), await world.requests("swap")) == (0, 0)


async def test_each_lists_its_own_alone(run):
    async with run(programs("a", "b")) as world:
        bought = {name: {id_of(await asks(world, name)(BUY)) for _ in range(3)} for name in "ab"}
        await asyncio.sleep(10)
        for name, ids in bought.items():
            for action, row in (("getActiveActivations", "activationId"), ("getHistory", "id")):
                answer = (await world.answer(f"action={action}&api_key={name}")).json()
                rows = answer["activeActivations"] if row == "activationId" else answer
                assert {str(found[row]) for found in rows} == ids


async def test_orders_that_no_program_has_bought_are_nobodys(run, sandbox):
    async with run(programs("a", "b")) as world:
        api = httpx.AsyncClient(transport=Wire(sandbox), base_url="http://s/api/v1")
        wish = {"service": "wa", "country": "GB"}
        bought = await api.post("/customer/purchase", json=wish, headers={"X-API-Key": "up"})
        for name in ("a", "b"):
            order = bought.json()["order_id"]
            assert await reaches(asks(world, name), "5", order) == (set(), {})


async def test_an_id_that_a_program_has_not_bought_is_not_looked_for(run):
    async with run(programs("a", "b")) as world:
        for id in range(20):
            assert await asks(world, "a")(f"action=getStatus&id={id}") == "NO_ACTIVATION"
        assert (await world.steer("requests"))["count"] == 0


async def test_a_sole_program_reaches_every_order_of_its_account(run, sandbox):
    async with run(programs("a")) as world:
        api = httpx.AsyncClient(transport=Wire(sandbox), base_url="http://s/api/v1")
        wish = {"service": "wa", "country": "GB"}
        bought = await api.post("/customer/purchase", json=wish, headers={"X-API-Key": "up"})
        order = bought.json()["order_id"]
        assert await asks(world, "a")(f"action=getStatus&id={order}") == "STATUS_WAIT_CODE"


async def test_two_keys_of_one_account_do_not_open_it_to_each_other(run, sandbox):
    """As while keys are replaced, one program after the other."""
    async with run(programs("a") | programs("b", upstream="up2")) as world:
        a, b = asks(world, "a"), asks(world, "b")
        await a(BALANCE)
        same_account(sandbox, "up", "up2")
        id, order = id_of(await a(BUY)), await world.newest_order()
        await asyncio.sleep(130)
        assert await reaches(b, id, order) == (set(), {})
        assert await a(f"action=getStatus&id={id}") == "STATUS_WAIT_CODE"


async def test_what_a_client_hung_up_on_goes_to_its_own_program(run):
    async with run(programs("a", "b")) as world:
        await an_orphan(world, "a")
        first = await world.newest_order()
        other = id_of(await asks(world, "b")(BUY))
        assert await world.requests("purchase") == 2
        id = id_of(await asks(world, "a")(BUY))
        assert await world.requests("purchase") == 2
        assert await asks(world, "a")(f"action=getStatus&id={first}") == "STATUS_WAIT_CODE"
        assert id != other


async def test_each_program_has_its_own_names_for_its_wishes(run):
    async with run(programs("a", "b")) as world:
        wish = f"{BUY}&orderId=1"
        for name in ("a", "b"):
            id_of(await asks(world, name)(wish))
            assert await asks(world, name)(wish) == "ORDER_ALREADY_EXISTS"
        assert await world.requests("purchase") == 2


async def both_get_what_was_bought(world):
    """Each the one order that it is owed, and no third is bought."""
    ids = [id_of(await asks(world, name)(BUY)) for name in ("a", "b")]
    assert len(set(ids)) == 2
    assert await world.requests("purchase") == 2
    for name, own, other in (("a", *ids), ("b", *ids[::-1])):
        assert await asks(world, name)(f"action=getStatus&id={own}") == "STATUS_WAIT_CODE"
        assert await asks(world, name)(f"action=getStatus&id={other}") == "NO_ACTIVATION"
        assert await asks(world, name)(BALANCE) == "ACCESS_BALANCE:0.10"


@pytest.mark.parametrize("restarts", [False, True])
async def test_unclear_purchases_of_two_programs_are_told_apart(run, restarts):
    keys = programs("a", "b", spend_per_day=1)
    async with run(keys) as world:
        await world.steer("faults", BROKEN | {"times": 2})
        await world.steer("faults", UNLISTED | {"times": 2})
        both = [asks(world, name)(BUY) for name in ("a", "b")]
        assert await asyncio.gather(*both) == ["ERROR_SQL", "ERROR_SQL"]
        if not restarts:
            await both_get_what_was_bought(world)
    if restarts:
        async with run(keys) as world:
            await both_get_what_was_bought(world)


async def test_unclear_purchases_of_two_programs_are_told_apart_after_a_crash(run, tmp_path):
    keys = programs("a", "b", spend_per_day=1)
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()
    async with run(keys, before / "store.db") as world:
        slow = {"call": "purchase", "kind": "slow", "when": "after", "seconds": 5, "times": 2}
        await world.steer("faults", slow)
        both = [asyncio.create_task(hang_up(world, name)) for name in ("a", "b")]
        await asyncio.sleep(3)
        shutil.copytree(before, after)
        await asyncio.gather(*both)
    async with run(keys, after / "store.db") as world:
        await both_get_what_was_bought(world)


async def test_an_unclear_purchase_is_not_given_what_another_program_is_just_being_told(run):
    async with run(programs("a", "b")) as world:
        await world.steer("faults", BROKEN | {"when": "before"})
        assert await asks(world, "a")(BUY) == "ERROR_SQL"
        slow = {"call": "purchase", "kind": "slow", "when": "after", "seconds": 5}
        await world.steer("faults", slow)
        b = asyncio.create_task(asks(world, "b")(BUY))
        await asyncio.sleep(2)
        a = id_of(await asks(world, "a")(BUY))
        assert id_of(await b) != a
        assert len(await held(world)) == 2


async def test_an_unclear_purchase_is_not_given_what_another_program_was_told(run):
    async with run(programs("a", "b")) as world:
        await world.steer("faults", BROKEN | {"when": "before"})
        assert await asks(world, "a")(BUY) == "ERROR_SQL"
        await asyncio.sleep(2)
        other = id_of(await asks(world, "b")(BUY))
        await asyncio.sleep(30)
        assert id_of(await asks(world, "a")(BUY)) != other
        await asyncio.sleep(600)
        assert await asks(world, "b")(f"action=getStatus&id={other}") == "STATUS_WAIT_CODE"
        assert len(await held(world)) == 2


async def test_an_order_that_is_just_being_kept_is_no_strangers(run, caplog):
    """Else nothing unclear would be adopted any more."""
    async with run(programs("a", "b")) as world:
        store = world.app.state.services.store
        await asyncio.sleep(5)
        await world.steer("faults", BROKEN)
        await world.steer("faults", UNLISTED)
        assert await asks(world, "a")(BUY.replace("wa", "tg")) == "ERROR_SQL"
        commit = store.commit

        async def slowly(*rows, **how):
            await asyncio.sleep(3)
            await commit(*rows, **how)

        store.commit = slowly
        b = asyncio.create_task(asks(world, "b")(BUY))
        await asyncio.sleep(1)
        id_of(await asks(world, "a")(BUY.replace("wa", "tg")))
        id_of(await b)
        assert not [line for line in caplog.messages if "another program buys" in line]


async def test_what_is_remembered_for_one_is_not_told_to_another(run):
    async with run(programs("a") | programs("b", spend_per_day=5)) as world:
        a, b = asks(world, "a"), asks(world, "b")
        id = id_of(await a(BUY))
        for _ in range(3):
            assert await a(f"action=getStatus&id={id}") == "STATUS_WAIT_CODE"
            assert await b(f"action=getStatus&id={id}") == "NO_ACTIVATION"
            assert await a(BALANCE) == "ACCESS_BALANCE:99.10"
            assert await b(BALANCE) == "ACCESS_BALANCE:5.00"
        id_of(await b(BUY))
        assert await a(BALANCE) == "ACCESS_BALANCE:98.20"
        assert await b(BALANCE) == "ACCESS_BALANCE:4.10"


async def test_a_key_in_a_header_is_not_remembered_for_another(run):
    async with run(programs("a") | programs("b", spend_per_day=5)) as world:
        for key, said in {"a": "100.00", "b": "5.00"}.items():
            for _ in range(2):
                url = f"/herosms{PATH}?action=getBalance"
                answer = await world.client.get(url, headers={"Authorization": f"ApiKey {key}"})
                assert answer.text == f"ACCESS_BALANCE:{said}"


async def test_the_accounts_own_key_beside_its_programs(run):
    """Whoever holds it can ask the upstream itself: it sees the account, and takes over nothing."""
    async with run(programs("a", "b"), passthrough=True) as world:
        own = asks(world, "up")
        await an_orphan(world, "a")
        id, order = id_of(await own(BUY)), await world.newest_order()
        assert await world.requests("purchase") == 2
        for name in ("a", "b"):
            ask = asks(world, name)
            assert (await reaches(ask, id, order))[0] == set()
            id_of(await ask(BUY))
        assert await world.requests("purchase") == 3, "a has got what it was owed"
        assert await own(f"action=getStatus&id={id}") == "STATUS_WAIT_CODE"


async def test_beside_passed_through_keys_a_sole_program_has_its_own_numbers_alone(run):
    async with run(programs("a"), passthrough=True) as world:
        id, order = id_of(await asks(world, "up")(BUY)), await world.newest_order()
        await asyncio.sleep(130)
        assert await reaches(asks(world, "a"), id, order) == (set(), {})


# Another run, another upstream key.


async def things_under_way(world, name):
    """A live number, a promised cancel and an orphan; the id of the live one."""
    live = id_of(await asks(world, name)(BUY.replace("wa", "tg")))
    promised = id_of(await asks(world, name)(BUY.replace("wa", "vk")))
    daisy = asks(world, name, "/daisysms")
    assert await daisy(f"action=setStatus&status=8&id={promised}") == "ACCESS_CANCEL"
    await an_orphan(world, name)
    return live


async def they_go_on(world, name, live):
    assert await asks(world, name)(f"action=getStatus&id={live}") == "STATUS_WAIT_CODE"
    id_of(await asks(world, name)(BUY))
    assert await world.requests("purchase") == 3, "the orphan"
    await asyncio.sleep(130)
    assert await refunded(world) > 0, "the promised cancel"
    assert await asks(world, name)(f"action=setStatus&status=8&id={live}") == "ACCESS_CANCEL"
    assert len(await held(world)) == 1


@pytest.mark.parametrize("others", [(), ("b",)])
async def test_with_another_upstream_key_all_goes_on(run, sandbox, others):
    async with run(programs("a", *others)) as world:
        live = await things_under_way(world, "a")
        assert set(world.used) == {"up"}
    same_account(sandbox, "up", "new")
    async with run(programs("a", *others, upstream="new")) as world:
        await they_go_on(world, "a", live)
        assert set(world.used) == {"new"}


async def test_a_program_whose_key_is_the_upstreams_own_goes_on(run):
    """A client keeps its key, and gets a name and ceilings."""
    async with run(programs("up")) as world:
        live = await things_under_way(world, "up")
    async with run(programs("up")) as world:
        await they_go_on(world, "up", live)


async def test_a_client_keeps_its_numbers_when_its_key_gets_a_name_and_ceilings(run):
    async with run() as world:
        live = await things_under_way(world, "up")
    async with run(programs("up")) as world:
        await they_go_on(world, "up", live)


async def test_what_a_program_that_is_gone_has_left_is_given_back(run):
    async with run(programs("a", "b")) as world:
        live, order = await things_under_way(world, "a"), await world.newest_order()
    async with run(programs("b")) as world:
        assert await asks(world, "a")(BALANCE) == "BAD_KEY"
        id_of(await asks(world, "b")(BUY))
        assert await world.requests("purchase") == 4
        await asyncio.sleep(320)
        refunds = [row["refunded"] for row in (await world.steer("orders"))["orders"]]
        assert refunds == [False, True, True, False], "live, promised, orphan, of the other"
        assert live and order


VERSION_2 = """
drop index owed_by_key;
drop index ledger_by_key;
drop index ledger_by_order;
alter table orders drop column expires_at;
alter table owed drop column key;
alter table owed drop column cents;
drop index orders_by_order;
drop table forwards;
drop table events;
drop table subscriptions;
alter table owed drop column owner;
alter table owed drop column unclear;
alter table orders drop column doubted;
pragma user_version = 2;
"""


@pytest.mark.parametrize("keys", [{}, programs("up")], ids=["passed through", "named"])
async def test_a_store_of_version_2_goes_on_under_ceilings(run, tmp_path, keys):
    async with run() as world:
        live = await things_under_way(world, "up")
    with closing(sqlite3.connect(tmp_path / "store.db")) as db:
        db.executescript(VERSION_2)
    async with run(keys, limits=LimitsConfig(active=2)) as world:
        assert await asks(world, "up")(BUY.replace("wa", "fb")) == "CHANNELS_LIMIT"
        await they_go_on(world, "up", live)


# Each its part of the minute.


@asynccontextmanager
async def a_busy_program(world, name, numbers=100):
    """It polls its numbers, and asks for further messages of those that have one."""
    ask, ids, tasks = asks(world, name), [], []
    is_over = asyncio.Event()

    async def again_and_again(query, seconds):
        while not is_over.is_set():
            await ask(query)
            await asyncio.sleep(seconds)

    while len(ids) < numbers:
        bought = await asyncio.gather(*(ask(BUY) for _ in range(min(50, numbers - len(ids)))))
        ids += [id_of(one) for one in bought]
        await asyncio.sleep(61)
    for row in (await world.steer("orders"))["orders"][:20]:
        await world.steer("sms", {"order_id": row["order_id"], "text": "Your code is 1111"})
    for id in ids:
        tasks.append(asyncio.create_task(again_and_again(f"action=getStatus&id={id}", 5)))
    for id in ids[:20]:
        query = f"action=setStatus&status=3&id={id}"
        tasks.append(asyncio.create_task(again_and_again(query, 2)))
    try:
        yield
    finally:
        is_over.set()
        await asyncio.gather(*tasks)


async def test_beside_a_busy_program_another_gets_its_turns(run):
    async with run(programs("a", "b")) as world, a_busy_program(world, "a"):
        ask, now = asks(world, "b"), asyncio.get_running_loop().time
        begun, ids, phones = now(), [], []
        while len(ids) < 2:
            if (said := await ask(BUY)) != "ERROR_SQL":
                ids.append(id_of(said))
                phones.append(said.split(":")[2])
        assert now() - begun < 70, "from its first turn on it has a part of its own"
        for id, phone in zip(ids, phones, strict=True):
            await asyncio.sleep(40)
            await world.steer("sms", {"phone": phone, "text": "Your code is 2222"})
            seen = []
            for _ in range(8):
                seen.append(await ask(f"action=getStatus&id={id}"))
                await asyncio.sleep(1)
            assert seen[-1] == "STATUS_OK:2222"
            begun = now()
            assert await ask(f"action=setStatus&status=3&id={id}") == "ACCESS_RETRY_GET"
            assert now() - begun < 2
        assert (await world.steer("requests"))["busiest_minute"] <= 60


async def test_a_program_alone_has_nearly_all_of_the_minute(run):
    async with run(programs("a", "b")) as world:
        async with a_busy_program(world, "a", 25):
            await asyncio.sleep(70)
        assert (await world.steer("requests"))["busiest_minute"] >= 57
