"""The simulated upstream: the shape of every answer about orders and money, and their life."""

import re
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.sandbox import NEVER, NO_LIMIT, UUID4, Bench, bench_with

pytestmark = pytest.mark.anyio
RULES = {"cancel_cooldown_seconds": 120, "swap_cooldown_seconds": 120}
bench = bench_with(switches=NO_LIMIT)
quiet = bench_with(switches=NO_LIMIT, sms_after=NEVER)


async def test_a_purchase_answers_with_the_fields_seen_live(bench: Bench) -> None:
    order = await bench.buy("wa", "AR")
    assert UUID4.fullmatch(order.pop("order_id"))
    assert re.fullmatch(r"5411\d{8}", order.pop("phone_number"))
    assert order == {
        "success": True,
        "service": "wa",
        "country": "AR",
        "price": 0.80,
        "status": "waiting",
        "created_at": "2026-03-01T12:00:00Z",
        "expires_at": "2026-03-01T12:20:00Z",
        "cancel_available_at": "2026-03-01T12:02:00Z",
        "swap_available_at": "2026-03-01T12:02:00Z",
        "rules": RULES,
    }


async def test_a_waiting_order_is_the_purchase_with_no_messages(bench: Bench) -> None:
    order = await bench.buy()
    assert await bench.order(order) == order | {"sms_received": False, "messages": []}


async def test_the_code_comes_by_itself_and_completes_the_order(bench: Bench) -> None:
    order = await bench.buy()
    await bench.wait(2.999)
    assert (await bench.order(order))["status"] == "waiting"
    await bench.wait(0.001)
    seen = await bench.order(order)
    (message,) = seen["messages"]
    assert (seen["status"], seen["sms_received"]) == ("completed", True)
    assert re.fullmatch(r"Telegram code: \d{5}", message["content"])
    assert message["sender"] == "Telegram"
    assert message["received_at"] == "2026-03-01T12:00:03Z"


async def test_the_order_list_has_other_field_names_and_no_messages(bench: Bench) -> None:
    order = await bench.buy("wa", "GB")
    assert await bench.get("/customer/orders") == {
        "count": 1,
        "orders": [
            {
                "id": order["order_id"],
                "phone_number": order["phone_number"],
                "service_id": "wa",
                "country_id": "GB",
                "status": "waiting",
                "price_charged": 0.90,
                "created_at": order["created_at"],
                "expires_at": order["expires_at"],
                "cancel_available_at": order["cancel_available_at"],
                "swap_available_at": order["swap_available_at"],
                "rules": RULES,
            }
        ],
    }


async def test_the_order_list_is_newest_first_and_capped(quiet: Bench) -> None:
    await quiet.steer("balance", key="alice", balance=1000)
    bought = [(await quiet.buy())["order_id"] for _ in range(210)][::-1]
    for query, count in (({}, 50), ({"limit": 3}, 3), ({"limit": 900}, 200), ({"limit": "x"}, 50)):
        rows = (await quiet.get("/customer/orders", **query))["orders"]
        assert [row["id"] for row in rows] == bought[:count]


async def test_the_order_list_can_be_asked_for_one_status(quiet: Bench) -> None:
    first, second = await quiet.buy(), await quiet.buy()
    await quiet.steer("sms", order_id=first["order_id"], text="Code 1234")
    for status, order in (("completed", first), ("waiting", second)):
        answer = await quiet.get("/customer/orders", status=status)
        assert [row["id"] for row in answer["orders"]] == [order["order_id"]]
    assert (await quiet.get("/customer/orders", status="expired"))["orders"] == []


async def test_a_cancel_inside_the_hold_is_told_the_seconds_left(quiet: Bench) -> None:
    order = await quiet.buy()
    await quiet.wait(1.5)
    response = await quiet.call("POST", f"/customer/cancel/{order['order_id']}")
    text = "Cannot cancel within 120 seconds of purchase. Please wait 119 seconds."
    assert (response.status_code, response.json()) == (425, {"error": text})


async def test_a_cancel_at_the_end_of_the_hold_gives_all_money_back(quiet: Bench) -> None:
    order = await quiet.buy("wa", "GB")
    assert await quiet.balance() == 99.10
    await quiet.wait(120)
    assert await quiet.post(f"/customer/cancel/{order['order_id']}") == {
        "success": True,
        "order_id": order["order_id"],
        "status": "cancelled",
        "refund_amount": 0.90,
    }
    assert await quiet.balance() == 100
    assert (await quiet.order(order))["status"] == "cancelled"


@pytest.mark.parametrize("end", ["cancelled", "completed", "expired"])
async def test_an_order_that_has_ended_cannot_be_cancelled(quiet: Bench, end: str) -> None:
    order = await quiet.buy()
    id = order["order_id"]
    how: dict[str, Any] = {"cancelled": "cancel", "expired": "expire", "completed": "sms"}
    await quiet.steer(how[end], order_id=id, **({"text": "1234"} if end == "completed" else {}))
    await quiet.wait(120)
    before = await quiet.balance()
    response = await quiet.call("POST", f"/customer/cancel/{id}")
    text = f"Cannot cancel order with status: {end}"
    assert (response.status_code, response.json()) == (400, {"error": text})
    assert await quiet.balance() == before


async def test_an_order_without_an_sms_expires_and_is_refunded(quiet: Bench) -> None:
    order = await quiet.buy()
    await quiet.wait(1199.999)
    assert (await quiet.order(order))["status"] == "waiting"
    await quiet.wait(0.001)
    assert (await quiet.order(order))["status"] == "expired"
    assert await quiet.balance() == 100


async def test_an_order_with_an_sms_stays_completed_and_paid(bench: Bench) -> None:
    order = await bench.buy("wa", "GB")
    await bench.wait(5000)
    assert (await bench.order(order))["status"] == "completed"
    assert await bench.balance() == 99.10


async def test_a_swap_gives_a_new_number_for_the_same_order_and_money(quiet: Bench) -> None:
    order = await quiet.buy("tg", "GB")
    balance = await quiet.balance()
    await quiet.wait(120)
    swapped = await quiet.post(f"/customer/swap/{order['order_id']}")
    number = swapped.pop("phone_number")
    assert swapped == {
        "success": True,
        "order_id": order["order_id"],
        "previous_number": f"+{order['phone_number']}",
        "service": "tg",
        "country": "GB",
        "status": "pending",
        "expires_at": "2026-03-01T12:22:00Z",
    }
    seen = await quiet.order(order)
    assert f"+{seen['phone_number']}" == number != swapped["previous_number"]
    assert seen["expires_at"] == "2026-03-01T12:22:00Z"
    assert await quiet.balance() == balance
    await quiet.wait(1199)
    assert (await quiet.order(order))["status"] == "waiting"
    await quiet.wait(1)
    assert (await quiet.order(order))["status"] == "expired"


async def test_an_sms_to_the_number_before_the_swap_is_lost(clock: Callable[[], float]) -> None:
    bench = Bench(clock, sms_after=150)
    order = await bench.buy()
    await bench.wait(120)
    await bench.post(f"/customer/swap/{order['order_id']}")
    await bench.wait(149)
    assert (await bench.order(order))["messages"] == []
    await bench.wait(1)
    assert len((await bench.order(order))["messages"]) == 1


async def test_a_swap_inside_the_hold_is_told_the_seconds_left(quiet: Bench) -> None:
    order = await quiet.buy()
    await quiet.wait(33)
    response = await quiet.call("POST", f"/customer/swap/{order['order_id']}")
    text = "Swap not allowed within 2 minute hold period"
    assert response.status_code == 425
    assert response.json() == {"error": text, "seconds_remaining": 87}


async def test_a_swapped_order_can_be_cancelled_at_once_but_not_swapped_again(
    quiet: Bench,
) -> None:
    order = await quiet.buy()
    await quiet.wait(120)
    await quiet.post(f"/customer/swap/{order['order_id']}")
    again = await quiet.post(f"/customer/swap/{order['order_id']}")
    assert again["seconds_remaining"] == 120
    assert (await quiet.post(f"/customer/cancel/{order['order_id']}"))["success"] is True


async def test_a_swap_finds_no_replacement_when_stock_is_gone(quiet: Bench) -> None:
    order = await quiet.buy()
    await quiet.steer("offer", service="tg", country="GB", stock=0)
    await quiet.wait(120)
    response = await quiet.call("POST", f"/customer/swap/{order['order_id']}")
    assert (response.status_code, response.json()) == (404, {"error": "No replacement available"})


async def test_a_swap_after_an_sms_is_refused(bench: Bench) -> None:
    order = await bench.buy()
    await bench.wait(120)
    response = await bench.call("POST", f"/customer/swap/{order['order_id']}")
    text = "Cannot swap order with status: completed"
    assert (response.status_code, response.json()) == (400, {"error": text})


async def test_a_retry_brings_another_code_to_the_same_number(bench: Bench) -> None:
    order = await bench.buy("ig", "GB")
    await bench.wait(10)
    answer = await bench.post(f"/orders/{order['order_id']}/retry")
    assert answer.pop("message")
    assert answer == {"success": True, "order_id": order["order_id"]}
    await bench.wait(3)
    seen = await bench.order(order)
    first, second = (message["content"] for message in seen["messages"])
    assert first != second
    assert seen["status"] == "completed"
    assert seen["phone_number"] == order["phone_number"]


async def test_a_retry_of_a_cancelled_order_is_refused(bench: Bench) -> None:
    order = await bench.buy("vk", "GB")
    await bench.steer("cancel", order_id=order["order_id"])
    response = await bench.call("POST", f"/orders/{order['order_id']}/retry")
    text = "Cannot retry order with status: cancelled"
    assert (response.status_code, response.json()) == (400, {"error": text})


async def test_balance_and_profile_and_transactions_tell_the_same_money(bench: Bench) -> None:
    order = await bench.buy("vk", "GB")
    price = order["price"]
    await bench.wait(5)
    await bench.post(f"/customer/cancel/{order['order_id']}")
    await bench.buy("wa", "GB")
    await bench.wait(1200)
    assert await bench.get("/customer/balance") == {"success": True, "balance": 99.10}
    assert await bench.get("/balance") == {
        "success": True,
        "balance": 99.10,
        "total_credits": 0,
        "total_spent": 0.90,
    }
    profile = await bench.get("/customer/profile")
    assert uuid.UUID(profile.pop("id")).version == 5
    assert profile.pop("email").endswith("@sandbox.example")
    assert profile == {
        "telegram_linked": False,
        "telegram_username": None,
        "balance_usd": 99.10,
        "total_spent_usd": 0.90,
        "total_credits_usd": 0,
        "total_orders": 2,
        "active_api_keys": 1,
        "created_at": "2026-03-01T12:00:00Z",
    }
    answer = await bench.get("/customer/transactions", limit=3)
    assert {name: answer[name] for name in ("count", "limit", "offset")} == {
        "count": 4,
        "limit": 3,
        "offset": 0,
    }
    refund, second, first = answer["transactions"]
    assert refund == {
        "id": "txn_000004",
        "amount": price,
        "type": "refund",
        "description": "Refund vk.com / GB",
        "order_id": order["order_id"],
        "balance_before": pytest.approx(99.10 - price),
        "balance_after": 99.10,
        "created_at": "2026-03-01T12:20:00Z",
    }
    assert (second["amount"], second["type"]) == (-0.90, "purchase")
    assert (first["amount"], first["type"]) == (-price, "purchase")


@pytest.mark.parametrize(
    ("query", "types"),
    [
        ({}, ["refund", "purchase", "deposit"]),
        ({"type": "purchase"}, ["purchase"]),
        ({"offset": 1, "limit": 1}, ["purchase"]),
        ({"from": "2026-03-01T12:10:00Z"}, ["refund"]),
        ({"to": "2026-03-01T12:10:00Z"}, ["purchase", "deposit"]),
        ({"from": "2026-03-01T12:10:00", "to": "nonsense"}, ["refund"]),
    ],
)
async def test_transactions_can_be_narrowed(quiet: Bench, query: Any, types: list[str]) -> None:
    await quiet.buy()
    await quiet.wait(1200)
    rows = (await quiet.get("/customer/transactions", **query))["transactions"]
    assert [row["type"] for row in rows] == types


async def test_the_date_header_is_the_sandboxs_own_time(bench: Bench) -> None:
    await bench.wait(61)
    response = await bench.call("GET", "/customer/balance")
    assert response.headers.get_list("date") == ["Sun, 01 Mar 2026 12:01:01 GMT"]
