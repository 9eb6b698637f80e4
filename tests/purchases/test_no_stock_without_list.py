"""No stock, said in a 5xx while the order list cannot be read, holds up no further purchase."""

import pytest

from tests.support.world import BUY, a_world

pytestmark = pytest.mark.anyio

NO_LIST = {"call": "orders", "kind": "status", "status": 404, "times": None}
NO_STOCK = {"error": "no_numbers", "message": "No numbers available"}


async def test_the_pair_can_be_bought_again_at_once_after_no_stock(clock):
    async with a_world(clock) as world:
        await world.steer("faults", {**NO_LIST, "body": {"error": "Not Found"}})
        no_stock = {"call": "purchase", "kind": "status", "status": 503, "body": NO_STOCK}
        await world.steer("faults", no_stock)
        assert await world.ask(BUY) == "NO_NUMBERS"
        assert (await world.ask(f"{BUY}&maxPrice=5")).startswith("ACCESS_NUMBER")
        assert await world.requests("purchase") == 2


async def test_a_purchase_of_unknown_outcome_still_holds_the_pair_up(clock):
    async with a_world(clock) as world:
        await world.steer("faults", {**NO_LIST, "body": {"error": "Not Found"}})
        await world.steer("faults", {"call": "purchase", "kind": "cdn", "when": "after"})
        assert await world.ask(BUY) == "ERROR_SQL"
        assert await world.ask(BUY) == "ERROR_SQL"
        assert await world.requests("purchase") == 1
