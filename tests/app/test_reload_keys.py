"""A reload of `keys`: who may ask at once, and no number and no money is lost."""

import asyncio

import httpx
import pytest

from tests.support.reloading import GONE, ONE, OTHER, TWO
from tests.support.world import BUY, Wire, id_of

pytestmark = pytest.mark.anyio


async def test_a_key_that_is_gone_is_refused_at_once_and_finds_its_numbers_when_it_returns(
    world_of,
):
    async with world_of(TWO) as world:
        id = id_of(await world.by("client-a", BUY))
        asked = f"action=getStatus&id={id}"
        for _ in range(3):
            assert await world.by("client-a", asked) == "STATUS_WAIT_CODE"
        await world.reload(OTHER)
        for query in (asked, "action=getBalance", "action=getPrices&service=wa"):
            assert await world.by("client-a", query) == "BAD_KEY"
        await world.sms("Your code is 1111")
        await world.reload(TWO)
        await asyncio.sleep(20)
        assert await world.by("client-a", asked) == "STATUS_OK:1111"
        assert await world.by("client-b", asked) == "NO_ACTIVATION"


async def test_an_answer_that_was_made_by_the_old_keys_is_not_repeated(world_of):
    """The reload comes while the request is being answered."""
    async with world_of(ONE) as world:
        await world.steer("faults", {"kind": "slow", "call": "balance", "seconds": 5})
        asked = asyncio.create_task(world.by("client-a", "action=getBalance"))
        await asyncio.sleep(2)
        await world.reload(GONE)
        assert await asked == "ACCESS_BALANCE:100.00"
        assert await world.by("client-a", "action=getBalance") == "BAD_KEY"


async def test_a_scheduled_cancel_of_a_key_that_is_gone_is_carried_out(world_of):
    defers = "early_cancel: defer\n"
    async with world_of(f"{TWO}{defers}") as world:
        id = id_of(await world.by("client-a", BUY))
        assert await world.by("client-a", f"action=setStatus&id={id}&status=8") == "ACCESS_CANCEL"
        await world.reload(OTHER)
        await asyncio.sleep(130)
        assert (await world.steer("orders"))["orders"][-1]["status"] == "cancelled"


RELOADS = [
    ("another program comes", ONE, TWO),
    ("another program comes later", ONE, ONE, TWO),
    ("the other program goes", TWO, ONE),
    ("its upstream key changes", ONE, ONE.replace("account", "account-two")),
    ("nothing changes", ONE, ONE),
]


@pytest.mark.parametrize("texts", [row[1:] for row in RELOADS], ids=[row[0] for row in RELOADS])
async def test_a_number_that_is_bought_during_a_reload_is_its_clients(world_of, texts):
    before, *others = texts
    async with world_of(before) as world:
        await world.by("client-a", "action=getActiveActivations")
        await world.steer("faults", {"kind": "slow", "call": "purchase", "seconds": 4})
        buying = asyncio.create_task(world.by("client-a", BUY))
        await asyncio.sleep(2)
        for after in others:
            await world.reload(after)
        await world.by("client-a", "action=getActiveActivations")
        id = id_of(await buying)
        assert await world.by("client-a", f"action=getStatus&id={id}") == "STATUS_WAIT_CODE"
        assert await world.requests("purchase") == 1


@pytest.mark.parametrize("texts", [row[1:] for row in RELOADS], ids=[row[0] for row in RELOADS])
async def test_a_purchase_in_doubt_is_found_after_a_reload(world_of, texts):
    """Its order is shown by the list of the key that it was sent with."""
    before, *others = texts
    async with world_of(before) as world:
        for _ in range(3):
            await world.by("client-a", BUY)
        await world.steer("faults", {"kind": "cdn", "call": "purchase", "when": "after"})
        await world.steer("faults", {"kind": "cdn", "call": "orders"})
        assert await world.by("client-a", BUY) == "ERROR_SQL"
        for after in others:
            await world.reload(after)
        await asyncio.sleep(30)
        orders = (await world.steer("orders"))["orders"]
        assert len(orders) == 4
        await asyncio.sleep(600)
        statuses = [one["status"] for one in (await world.steer("orders"))["orders"]]
        assert statuses.count("cancelled") == 1, "it was found, and nobody wanted it"


async def test_a_purchase_that_was_not_sent_yet_goes_on_after_a_reload(world_of):
    caps = "limits: {max_price: 50}\n"
    async with world_of(f"{ONE}{caps}") as world:
        await world.steer("faults", {"kind": "slow", "call": "price", "seconds": 4})
        buying = asyncio.create_task(world.by("client-a", BUY))
        await asyncio.sleep(2)
        await world.reload(f"{TWO}{caps}")
        id = id_of(await buying)
        assert await world.by("client-a", f"action=getStatus&id={id}") == "STATUS_WAIT_CODE"


async def bought_elsewhere(world):
    """A purchase of the account that does not go through the proxy."""
    async with httpx.AsyncClient(transport=Wire(world.sandbox), base_url="http://s") as http:
        wish, key = {"service": "wa", "country": "GB"}, {"X-API-Key": "account"}
        answer = await http.post("/api/v1/customer/purchase", json=wish, headers=key)
        return answer.status_code


async def test_a_program_does_not_see_the_numbers_of_one_that_a_reload_brings(world_of):
    async with world_of(ONE) as world:
        assert await bought_elsewhere(world) == 200
        assert '"serviceCode":"wa"' in await world.by("client-a", "action=getActiveActivations")
        await world.reload(TWO)
        id = id_of(await world.by("client-b", BUY))
        for _ in range(2):
            await asyncio.sleep(15)
            assert "NO_ACTIVATIONS" in await world.by("client-a", "action=getActiveActivations")
            assert await world.by("client-a", f"action=getStatus&id={id}") == "NO_ACTIVATION"
            assert await world.by("client-b", f"action=getStatus&id={id}") == "STATUS_WAIT_CODE"


async def test_what_was_spent_before_a_reload_counts_for_the_new_limit(world_of):
    async with world_of(f"{ONE}limits: {{spend_per_day: 100}}") as world:
        assert (await world.by("client-a", BUY)).startswith("ACCESS_NUMBER")
        await world.steer("faults", {"kind": "slow", "call": "purchase", "seconds": 4})
        buying = asyncio.create_task(world.by("client-a", BUY))
        await asyncio.sleep(2)
        cents = (await world.steer("ledger"))["totals"]["spent"]
        await world.reload(f"{ONE}limits: {{spend_per_day: {2.5 * cents / 100}}}")
        assert await world.by("client-a", BUY) == "NO_BALANCE", "the one under way counts, too"
        assert (await buying).startswith("ACCESS_NUMBER")
        await world.reload(f"{ONE}limits: {{spend_per_day: 100}}")
        assert (await world.by("client-a", BUY)).startswith("ACCESS_NUMBER")
