"""The vendor's own SDK 2.0.0, unmodified from PyPI, judges the sandbox."""

import importlib
import json
import time
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from types import ModuleType
from typing import Any

import pytest

from proxy.sandbox import create_sandbox
from tests.support import vendor_sdk
from tests.support.sandbox import NEVER, NO_LIMIT, served
from tests.support.vendor_sdk import SOON, Sdk

# The SDK compares cancel_available_at with its own clock and does not ask when it is too early.
# In a sandbox whose clock is behind by this, it always asks.
BEHIND = 3600.0


sdk = vendor_sdk.sdk


def _clock(behind: float) -> Callable[[], float]:
    return lambda: time.time() - behind


@pytest.fixture(scope="module")
def sent() -> "SimpleQueue[Any]":
    """The bodies of the webhooks that were sent."""
    return SimpleQueue()


@pytest.fixture(scope="module")
def addresses(sent: "SimpleQueue[Any]") -> Iterator[tuple[str, str]]:
    """A sandbox with the right time, and one whose clock is behind."""

    async def post(url: str, headers: dict[str, str], body: bytes) -> int:
        sent.put(json.loads(body))
        return 200

    quick = create_sandbox(sms_after=0.2, switches=NO_LIMIT, post=post)
    behind = create_sandbox(clock=_clock(BEHIND), sms_after=NEVER)
    with served(quick) as first, served(behind) as second:
        yield first, second


def _desk(sdk: ModuleType, address: str) -> Iterator[Sdk]:
    desk = Sdk(sdk, address)
    with desk.control:
        desk.steer("reset")
        yield desk
        desk.client.session.close()


@pytest.fixture
def desk(sdk: ModuleType, addresses: tuple[str, str]) -> Iterator[Sdk]:
    yield from _desk(sdk, addresses[0])


@pytest.fixture
def late_desk(sdk: ModuleType, addresses: tuple[str, str]) -> Iterator[Sdk]:
    yield from _desk(sdk, addresses[1])


def test_the_judge_is_the_vendors_newest_and_the_installed_one_is_left_alone(
    sdk: ModuleType,
) -> None:
    assert hasattr(sdk.VirtualSMS, "wait_for_sms")
    assert "pytest_cache" in str(sdk.__file__)
    installed = importlib.import_module("virtualsms")
    assert installed is not sdk and "pytest_cache" not in str(installed.__file__)


def test_services_and_countries(desk: Sdk) -> None:
    services = {row["code"]: row["name"] for row in desk.client.list_services()}
    assert len(services) == 719
    assert (services["wa"], services["tg"]) == ("WhatsApp", "Telegram")
    countries = {row["iso"]: row["name"] for row in desk.client.list_countries()}
    assert len(countries) == 60
    assert countries["GB"] == "United Kingdom"


@pytest.mark.parametrize(("query", "code"), [("telegram", "tg"), ("wa", "wa"), ("discord", "ds")])
def test_search(desk: Sdk, query: str, code: str) -> None:
    assert desk.client.search_services(query)["matches"][0]["code"] == code


def test_price_with_the_count_that_the_sdk_knows(desk: Sdk) -> None:
    desk.steer("switches", stock_field="count")
    price = {"price_usd": 0.90, "currency": "USD", "available": True}
    assert desk.client.get_price("wa", "GB") == price
    assert desk.client.get_price("ok", "GB")["available"] is False


def test_price_with_the_newest_field_seems_unavailable_to_this_sdk(desk: Sdk) -> None:
    price = {"price_usd": 0.90, "currency": "USD", "available": False}
    assert desk.client.get_price("wa", "GB") == price


def test_price_of_what_is_not_offered(desk: Sdk) -> None:
    with pytest.raises(desk.sdk.NotFoundError):
        desk.client.get_price("wa", "JP")


def test_find_cheapest_with_the_count_that_the_sdk_knows(desk: Sdk) -> None:
    desk.steer("switches", stock_field="count")
    desk.steer("offer", service="tg", price=3)
    desk.steer("offer", service="tg", country="KE", price=0.05)
    desk.steer("offer", service="tg", country="AT", price=0.04, stock=0)
    found = desk.client.find_cheapest("tg", limit=3)
    kenya = {"country": "KE", "country_name": "Kenya", "price_usd": 0.05, "stock": True}
    assert found["cheapest_options"][0] == kenya
    assert (len(found["cheapest_options"]), found["total_available_countries"]) == (3, 59)


def test_find_cheapest_with_the_newest_field_finds_nothing(desk: Sdk) -> None:
    found = desk.client.find_cheapest("tg")
    assert (found["cheapest_options"], found["total_available_countries"]) == ([], 0)


def test_order_and_wait(desk: Sdk) -> None:
    order = desk.client.create_order("wa", "GB")
    assert (order["status"], order["price"]) == ("waiting", 0.90)
    got = desk.client.wait_for_sms(order["order_id"], timeout_seconds=5, interval_seconds=0.05)
    (message,) = got["messages"]
    assert got["success"] is True
    assert got["phone_number"] == order["phone_number"]
    assert message["content"].startswith("Your WhatsApp code: ")
    seen = desk.client.get_order(order["order_id"])
    assert (seen["status"], seen["sms_text"]) == ("completed", message["content"])


def test_wait_and_sms_give_the_code(desk: Sdk) -> None:
    id = desk.client.create_order("mm", "GB")["order_id"]
    waiting = desk.client.get_sms(id)
    assert waiting["status"] == "waiting" and "code" not in waiting
    desk.steer("clock", seconds=30)
    got = desk.client.wait_for_sms(id, timeout_seconds=5, interval_seconds=0.05)
    assert got["messages"][0]["content"] == f"Use {got['code']} as your security code"
    assert desk.client.get_sms(id)["code"] == got["code"]


def test_wait_for_an_order_that_the_operator_cancels(desk: Sdk) -> None:
    order = desk.client.create_order("vk", "GB")
    desk.steer("cancel", order_id=order["order_id"])
    with pytest.raises(desk.sdk.VirtualSMSError, match="cancelled before SMS"):
        desk.client.wait_for_sms(order["order_id"], timeout_seconds=5)


def test_list_and_history(desk: Sdk) -> None:
    first, second = desk.client.create_order("vk", "GB"), desk.client.create_order("ma", "US")
    rows = desk.client.list_orders()
    assert [row["order_id"] for row in rows] == [second["order_id"], first["order_id"]]
    for name in ("phone_number", "service", "country", "price", "created_at", "status"):
        assert rows[1][name] == first[name]
    assert len(desk.client.list_orders(status="completed")) == 0
    history = desk.client.order_history(service="ma", country="us", since_days=1)
    assert [row["order_id"] for row in history["orders"]] == [second["order_id"]]


def test_list_reads_the_other_shapes_too(desk: Sdk) -> None:
    order = desk.client.create_order("vk", "GB")
    rows = desk.client.list_orders()
    for wish in ({"orders_row": "order_id"}, {"orders_list": "bare"}):
        desk.steer("switches", **wish)
        assert desk.client.list_orders() == rows
    assert rows[0]["order_id"] == order["order_id"]


def test_cancel_too_early_is_not_even_asked(desk: Sdk) -> None:
    order = desk.client.create_order("vk", "GB")
    answer = desk.client.cancel_order(order["order_id"])
    assert answer["error"] == "cooldown_active"
    assert 0 < answer["wait_seconds"] <= 121
    assert desk.calls("cancel") == 0


def test_cancel_too_early_and_in_time(late_desk: Sdk) -> None:
    order = late_desk.client.create_order("wa", "GB")
    with pytest.raises(late_desk.sdk.ApiError, match=r"Please wait \d+ seconds") as early:
        late_desk.client.cancel_order(order["order_id"])
    assert early.value.status_code == 425
    late_desk.steer("clock", seconds=120)
    answer = late_desk.client.cancel_order(order["order_id"])
    assert (answer["status"], answer["refund_amount"]) == ("cancelled", 0.90)
    assert late_desk.client.get_balance() == {"balance_usd": 100}
    with pytest.raises(late_desk.sdk.ApiError, match="status: cancelled") as again:
        late_desk.client.cancel_order(order["order_id"])
    assert again.value.status_code == 400


def test_cancel_after_an_sms(late_desk: Sdk) -> None:
    order = late_desk.client.create_order("wa", "GB")
    late_desk.steer("sms", order_id=order["order_id"], text="Code 1234")
    late_desk.steer("clock", seconds=120)
    with pytest.raises(late_desk.sdk.ApiError, match="Cannot cancel order with status: completed"):
        late_desk.client.cancel_order(order["order_id"])


def test_cancel_all(late_desk: Sdk) -> None:
    for _ in range(2):
        late_desk.client.create_order("wa", "GB")
    done = late_desk.client.create_order("wa", "GB")
    late_desk.steer("sms", order_id=done["order_id"], text="Code 1234")
    assert late_desk.client.cancel_all_orders()["failed"] == 2
    late_desk.steer("clock", seconds=120)
    answer = late_desk.client.cancel_all_orders()
    assert (answer["cancelled"], answer["failed"], answer["total_active"]) == (2, 0, 2)
    assert late_desk.client.get_balance() == {"balance_usd": 99.10}


def test_swap_too_early_and_in_time(late_desk: Sdk) -> None:
    order = late_desk.client.create_order("tg", "GB")
    with pytest.raises(late_desk.sdk.ApiError, match="Swap not allowed") as early:
        late_desk.client.swap_number(order["order_id"])
    assert early.value.status_code == 425
    late_desk.steer("clock", seconds=120)
    answer = late_desk.client.swap_number(order["order_id"])
    assert (answer["order_id"], answer["status"]) == (order["order_id"], "pending")
    assert answer["previous_number"] == "+" + order["phone_number"]
    assert late_desk.client.get_order(order["order_id"])["phone_number"] in answer["phone_number"]
    late_desk.steer("offer", service="tg", stock=0)
    late_desk.steer("clock", seconds=120)
    with pytest.raises(late_desk.sdk.NotFoundError, match="No replacement available"):
        late_desk.client.swap_number(order["order_id"])


def test_swap_too_early_is_not_even_asked(desk: Sdk) -> None:
    order = desk.client.create_order("vk", "GB")
    assert desk.client.swap_number(order["order_id"])["error"] == "cooldown_active"
    assert desk.calls("swap") == 0


def test_retry(desk: Sdk) -> None:
    order = desk.client.create_order("ig", "GB")
    id = order["order_id"]
    desk.client.wait_for_sms(id, timeout_seconds=5, interval_seconds=0.05)
    assert desk.client.retry_order(id)["success"] is True
    desk.steer("clock", seconds=1)
    assert len(desk.client.get_order(id)["messages"]) == 2
    desk.steer("switches", retry="unsupported")
    with pytest.raises(desk.sdk.ApiError, match="Retry is not supported"):
        desk.client.retry_order(id)


def test_balance_profile_transactions_and_stats(desk: Sdk) -> None:
    desk.client.create_order("wa", "GB")
    assert desk.client.get_balance() == {"balance_usd": 99.10}
    profile = desk.client.get_profile()
    assert (profile["balance_usd"], profile["total_spent_usd"]) == (99.10, 0.90)
    assert (profile["total_orders"], profile["telegram_linked"]) == (1, False)
    listed = desk.client.get_transactions(limit=1)
    assert (listed["count"], listed["limit"], listed["offset"]) == (2, 1, 0)
    (row,) = listed["transactions"]
    assert (row["amount"], row["type"], row["balance_after"]) == (-0.90, "purchase", 99.10)
    assert desk.client.get_transactions(type="deposit")["transactions"][0]["amount"] == 100
    assert desk.client.get_stats()["total_spend_usd"] == 0.90


@pytest.mark.parametrize("status", [503, 404, 400, 409])
@pytest.mark.parametrize("text", ["no_numbers", "out_of_stock"])
def test_no_stock_in_every_reading_is_known_to_the_sdk(desk: Sdk, status: int, text: str) -> None:
    desk.steer("switches", no_stock=status, no_stock_text=text)
    with pytest.raises(desk.sdk.NoNumbersError) as refused:
        desk.client.create_order("ok", "GB")
    assert refused.value.status_code == status


@pytest.mark.parametrize("body", ["merged", "numbers", "message"])
def test_no_funds_in_every_reading_is_known_to_the_sdk(desk: Sdk, body: str) -> None:
    desk.steer("switches", no_funds=body)
    desk.steer("balance", key="alice", balance=0)
    with pytest.raises(desk.sdk.InsufficientBalanceError):
        desk.client.create_order("wa", "GB")


def test_a_slug_instead_of_a_code(desk: Sdk) -> None:
    with pytest.raises(desk.sdk.ApiError, match="Unknown service: whatsapp"):
        desk.client.create_order("whatsapp", "GB")


def test_a_bad_key_and_an_unknown_order(desk: Sdk) -> None:
    stranger = desk.as_customer("bad")
    with stranger.session, pytest.raises(desk.sdk.BadApiKeyError):
        stranger.get_balance()
    with pytest.raises(desk.sdk.NotFoundError, match="Order not found"):
        desk.client.get_order("cd613e30-d8f1-4adf-91b7-584a2265b1f5")


def test_the_limit(late_desk: Sdk) -> None:
    for _ in range(60):
        late_desk.client.get_balance()
    with pytest.raises(late_desk.sdk.RateLimitedError):
        late_desk.client.get_balance()


def test_a_purchase_that_fails_after_the_charge_is_found_in_the_list(desk: Sdk) -> None:
    desk.steer("faults", call="purchase", kind="status", when="after")
    with pytest.raises(desk.sdk.ServerError) as failed:
        desk.client.create_order("vk", "GB")
    assert failed.value.retryable is False
    assert [row["service"] for row in desk.client.list_orders()] == ["vk"]


def test_the_seven_calls_of_webhooks(desk: Sdk, sent: "SimpleQueue[Any]") -> None:
    made = desk.client.create_webhook("https://example.com/hook", ["sms.received"])["webhook"]
    id = made["id"]
    assert made["secret"].startswith("whsec_")
    assert desk.client.list_webhooks()["count"] == 1
    seen = desk.client.get_webhook(id)["webhook"]
    assert (seen["url"], "secret" in seen) == ("https://example.com/hook", False)
    assert desk.client.update_webhook(id, description="mine")["webhook"]["description"] == "mine"
    fired = desk.client.test_webhook(id)
    event = sent.get(timeout=SOON)
    assert (event["id"], event["data"]["test"]) == (fired["event_id"], True)
    (row,) = desk.client.list_webhook_deliveries(id)["deliveries"]
    assert (row["id"], row["status"], row["payload"]) == (fired["delivery_id"], "delivered", event)
    assert desk.client.delete_webhook(id) == {"success": True, "id": id}
    assert desk.client.list_webhooks()["webhooks"] == []


def test_a_webhook_tells_what_the_sdk_reads(desk: Sdk, sent: "SimpleQueue[Any]") -> None:
    desk.client.create_webhook("https://example.com/hook", ["sms.received"])
    order = desk.client.create_order("wa", "GB")
    data = sent.get(timeout=SOON)["data"]
    read = desk.client.get_sms(order["order_id"])
    assert data["order_id"] == order["order_id"]
    assert (data["phone_number"], data["full_text"]) == (
        order["phone_number"],
        read["messages"][0]["content"],
    )


def test_a_paused_webhook_cannot_be_tested_until_it_goes_on(
    desk: Sdk, sent: "SimpleQueue[Any]"
) -> None:
    id = desk.client.create_webhook("https://example.com/hook", ["sms.received"])["webhook"]["id"]
    assert desk.client.update_webhook(id, paused=True)["webhook"]["paused"] is True
    with pytest.raises(desk.sdk.ApiError, match="paused"):
        desk.client.test_webhook(id)
    desk.client.update_webhook(id, paused=False)
    fired = desk.client.test_webhook(id)
    assert sent.get(timeout=SOON)["id"] == fired["event_id"]


@pytest.mark.parametrize("url", ["http://example.com/", "https://localhost/"])
def test_a_webhook_address_that_the_sdk_warns_of_is_refused(desk: Sdk, url: str) -> None:
    with pytest.raises(desk.sdk.ApiError, match="Unknown url"):
        desk.client.create_webhook(url, ["sms.received"])
