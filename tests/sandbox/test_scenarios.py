"""The scenarios by service code, and the page that tells people of them."""

import re
from pathlib import Path

import pytest

from proxy.sandbox.api.faults import KINDS
from proxy.sandbox.api.routes import CALLS
from proxy.sandbox.control.call import Control
from proxy.sandbox.control.calls import CONTROLS
from proxy.sandbox.state.scenarios import SCENARIOS
from proxy.sandbox.state.switches import known_switches
from tests.support.sandbox import Bench, bench_with

pytestmark = pytest.mark.anyio

bench = bench_with(sms_after=2)

PAGE = Path(__file__).parents[2] / "docs" / "sandbox.md"


@pytest.mark.parametrize(
    ("service", "text"),
    [
        ("tg", r"Telegram code: \d{5}"),
        ("wa", r"Your WhatsApp code: \d{3}-\d{3}"),
        ("go", r"G-\d{6} is your Google verification code\."),
        ("mt", r"\d[A-Z]{3}\d is your Steam Guard code\."),
        ("ig", r"\d{6} is your Instagram code\."),
        ("ds", r"Discord: \d{6} is your verification code\. .*"),
        ("ub", r"\D*"),
        ("nf", r"Netflix: \d{6} is your verification code\. .*"),
    ],
)
async def test_one_sms_comes_after_the_time_of_the_sandbox(
    bench: Bench, service: str, text: str
) -> None:
    order = await bench.buy(service, "US")
    await bench.wait(1.9)
    assert (await bench.order(order))["messages"] == []
    await bench.wait(0.1)
    await bench.wait(1000)
    (message,) = (await bench.order(order))["messages"]
    assert re.fullmatch(text, message["content"])
    assert message["received_at"] == "2026-03-01T12:00:02Z"


async def test_orders_have_codes_of_their_own(bench: Bench) -> None:
    orders = [await bench.buy("tg", "GB") for _ in range(20)]
    await bench.wait(2)
    texts = {(await bench.order(order))["messages"][0]["content"] for order in orders}
    assert len(texts) == 20


async def test_fb_sends_two_codes_unasked(bench: Bench) -> None:
    order = await bench.buy("fb", "GB")
    await bench.wait(6.9)
    assert len((await bench.order(order))["messages"]) == 1
    await bench.wait(0.1)
    first, second = (message["content"] for message in (await bench.order(order))["messages"])
    assert first != second


@pytest.mark.parametrize(("service", "more"), [("tg", 1), ("ig", 1), ("nf", 1), ("ds", 0)])
async def test_a_retry_brings_another_code_but_not_everywhere(
    bench: Bench, service: str, more: int
) -> None:
    order = await bench.buy(service, "GB")
    await bench.wait(10)
    await bench.post(f"/orders/{order['order_id']}/retry")
    await bench.wait(2)
    texts = {message["content"] for message in (await bench.order(order))["messages"]}
    assert len(texts) == 1 + more


async def test_mm_takes_half_a_minute(bench: Bench) -> None:
    order = await bench.buy("mm", "GB")
    await bench.wait(29.9)
    assert (await bench.order(order))["status"] == "waiting"
    await bench.wait(0.1)
    assert (await bench.order(order))["status"] == "completed"


async def test_vk_never_comes_and_is_refunded_at_the_end(bench: Bench) -> None:
    order = await bench.buy("vk", "GB")
    await bench.wait(1199)
    assert (await bench.order(order))["status"] == "waiting"
    await bench.wait(1)
    assert (await bench.order(order))["status"] == "expired"
    assert await bench.balance() == 100


async def test_ma_is_refunded_early_by_the_operator(bench: Bench) -> None:
    order = await bench.buy("ma", "GB")
    await bench.wait(9.9)
    assert (await bench.order(order))["status"] == "waiting"
    await bench.wait(500)
    assert (await bench.order(order))["status"] == "cancelled"
    assert await bench.balance() == 100
    refund = (await bench.look("ledger"))["entries"][-1]
    assert refund["at"] == 1_772_366_400 + 10


async def test_ma_is_not_refunded_once_an_sms_has_come(bench: Bench) -> None:
    order = await bench.buy("ma", "GB")
    await bench.steer("sms", order_id=order["order_id"], text="Code 1234")
    await bench.wait(500)
    assert (await bench.order(order))["status"] == "completed"
    assert (await bench.look("ledger"))["totals"]["refunded"] == 0


async def test_ok_is_out_of_stock_everywhere(bench: Bench) -> None:
    rows = (await bench.get("/catalog/countries", service="ok"))["countries"]
    assert {row["availability"] for row in rows} == {"out_of_stock"}


@pytest.mark.parametrize("service", [code for code in SCENARIOS if SCENARIOS[code].stocked])
async def test_every_other_scenario_is_in_stock_in_every_country(
    bench: Bench, service: str
) -> None:
    rows = (await bench.get("/catalog/countries", service=service))["countries"]
    assert len(rows) == 60
    assert {row["availability"] for row in rows} == {"in_stock"}


@pytest.mark.parametrize(
    "word",
    [
        *(f"| `{code}` | {scenario.story} |" for code, scenario in SCENARIOS.items()),
        *(f"| `{kind}` |" for kind in KINDS),
        *(f"`{call}`" for call in CALLS),
        *(f"| `{name}` | `{str(known[0]).lower()}`" if isinstance(known, list) else f"| `{name}` |"
          for name, known in known_switches().items()),
    ],
)  # fmt: skip
def test_the_page_for_people_tells_of_it(word: str) -> None:
    assert word in PAGE.read_text()


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.name)
def test_the_page_of_the_control_api_has_a_row_for_each_call(control: Control) -> None:
    row = f"| `{control.method} {control.path}` | "
    assert row in PAGE.with_name("control.md").read_text()
