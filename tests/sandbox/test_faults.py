"""Every fault of the sandbox, before and after the charge, as a client sees it."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from proxy.sandbox import Switches
from proxy.sandbox.api.faults import KINDS
from tests.support.sandbox import NEVER, Bench, bench_with

pytestmark = pytest.mark.anyio

bench = bench_with(sms_after=NEVER)


async def purchase(bench: Bench) -> httpx.Response:
    wish = {"service": "wa", "country": "GB"}
    return await bench.call("POST", "/customer/purchase", json=wish)


async def spent(bench: Bench) -> int:
    """Cents; an order stands for every charge."""
    ledger, orders = await bench.look("ledger"), await bench.look("orders")
    charged = int(ledger["totals"]["charged"])
    assert orders["count"] == charged / 90
    return charged


async def status(bench: Bench) -> None:
    response = await purchase(bench)
    text = {"error": "internal_error", "message": "Internal server error"}
    assert (response.status_code, response.json()) == (500, text)


async def cdn(bench: Bench) -> None:
    response = await purchase(bench)
    assert response.status_code == 503
    assert response.headers["content-type"].startswith("text/html")
    assert response.text.startswith("<!DOCTYPE html>")


async def truncated(bench: Bench) -> None:
    response = await purchase(bench)
    assert response.status_code == 200
    assert response.text.startswith("{") and "order_id" in response.text
    with pytest.raises(ValueError):
        response.json()


async def wrong_type(bench: Bench) -> None:
    response = await purchase(bench)
    body = response.json()
    assert response.status_code == 200
    assert body["success"] == "yes" and not isinstance(body["order_id"], str)


async def silence(bench: Bench) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(600):
            await purchase(bench)


async def broken(bench: Bench) -> None:
    with pytest.raises(ConnectionResetError):
        await purchase(bench)


LOOKS = {
    "status": status,
    "cdn": cdn,
    "truncated": truncated,
    "wrong_type": wrong_type,
    "silence": silence,
    "broken": broken,
}


@pytest.mark.parametrize(("when", "cents"), [("before", 0), ("after", 90)])
@pytest.mark.parametrize("kind", LOOKS)
async def test_a_purchase_that_fails_has_charged_or_not_as_was_asked(
    bench: Bench, kind: str, when: str, cents: int
) -> None:
    await bench.steer("faults", call="purchase", kind=kind, when=when)
    await LOOKS[kind](bench)
    assert await spent(bench) == cents
    assert (await purchase(bench)).json()["success"] is True


@pytest.mark.parametrize(("when", "cents"), [("before", 0), ("after", 90)])
async def test_a_slow_purchase_charges_at_the_end_or_at_once(
    bench: Bench, when: str, cents: int
) -> None:
    await bench.steer("faults", call="purchase", kind="slow", when=when, seconds=20)
    running = asyncio.create_task(purchase(bench))
    await asyncio.sleep(19)
    assert await spent(bench) == cents
    await asyncio.sleep(1.5)
    assert running.done()
    assert running.result().json()["success"] is True
    assert await spent(bench) == 90


def test_every_kind_of_fault_has_a_test() -> None:
    assert set(KINDS) == {*LOOKS, "slow"}


async def test_silence_ends_at_last_with_a_broken_connection(bench: Bench) -> None:
    await bench.steer("faults", kind="silence")
    with pytest.raises(ConnectionResetError):
        await purchase(bench)
    assert (await bench.look("clock"))["now"] == 1_772_366_400 + 3600


@pytest.mark.parametrize(
    ("wish", "code", "kind", "text"),
    [
        ({"status": 429, "body": {"a": 1}}, 429, "application/json", '{"a":1}'),
        ({"status": 502, "body": "bad gateway"}, 502, "text/plain; charset=utf-8", "bad gateway"),
        ({"status": 200, "body": None}, 200, "application/json", "null"),
    ],
)
async def test_any_status_and_body_can_be_asked_for(
    bench: Bench, wish: Any, code: int, kind: str, text: str
) -> None:
    await bench.steer("faults", kind="status", headers={"Retry-After": "7"}, **wish)
    response = await bench.call("GET", "/customer/balance")
    assert (response.status_code, response.text) == (code, text)
    assert (response.headers["content-type"], response.headers["retry-after"]) == (kind, "7")


@pytest.mark.parametrize("code", [403, 502, 503])
async def test_the_page_of_the_content_network_has_three_statuses(bench: Bench, code: int) -> None:
    await bench.steer("faults", kind="cdn", status=code)
    response = await bench.call("GET", "/customer/balance")
    assert response.status_code == code
    assert f"<title>{code} " in response.text


async def test_the_right_answer_is_what_is_broken_off_or_twisted(bench: Bench) -> None:
    await purchase(bench)
    right = (await bench.call("GET", "/customer/orders")).text
    await bench.steer("faults", call="orders", kind="truncated", when="after")
    await bench.steer("faults", call="orders", kind="wrong_type", when="after")
    cut = (await bench.call("GET", "/customer/orders")).text
    assert len(cut) > 50 and right.startswith(cut) and right != cut
    twisted = (await bench.call("GET", "/customer/orders")).json()
    assert twisted["count"] == "yes"
    assert list(twisted["orders"]["0"]) == list((await bench.get("/customer/orders"))["orders"][0])


async def test_a_fault_strikes_its_call_alone_and_as_often_as_asked(bench: Bench) -> None:
    await bench.steer("faults", call="balance", kind="status", times=2)

    async def statuses(path: str) -> list[int]:
        return [(await bench.call("GET", path)).status_code for _ in range(3)]

    assert await statuses("/customer/orders") == [200, 200, 200]
    assert await statuses("/customer/balance") == [500, 500, 200]


async def test_a_fault_for_every_call_strikes_until_it_is_cleared(bench: Bench) -> None:
    await bench.steer("faults", kind="status", times=None)
    for path in ("/customer/orders", "/customer/balance", "/price?service=wa&country=GB"):
        assert (await bench.call("GET", path)).status_code == 500
    assert len((await bench.look("faults"))["faults"]) == 1
    assert (await bench.http.delete("/sandbox/faults")).json() == {"faults": []}
    assert (await bench.call("GET", "/customer/balance")).status_code == 200


async def test_a_fault_can_strike_by_chance_and_repeats_itself(bench: Bench) -> None:
    async def struck() -> list[bool]:
        await bench.steer("reset")
        await bench.steer("faults", kind="status", chance=0.3, times=None)
        answers = [await bench.call("GET", "/customer/balance") for _ in range(50)]
        return [answer.status_code == 500 for answer in answers]

    first = await struck()
    assert 5 < sum(first) < 25
    assert await struck() == first


async def test_faults_strike_in_the_order_in_which_they_were_given(bench: Bench) -> None:
    for code in (500, 502, 503):
        await bench.steer("faults", kind="status", status=code)
    codes = [(await bench.call("GET", "/customer/balance")).status_code for _ in range(4)]
    assert codes == [500, 502, 503, 200]


async def test_a_request_without_an_answer_is_logged_without_a_status(bench: Bench) -> None:
    await bench.steer("faults", kind="broken", when="after")
    await broken(bench)
    (line,) = (await bench.look("requests"))["requests"]
    assert (line["call"], line["status"]) == ("purchase", None)
    assert line["account"]


async def test_a_bad_key_and_a_spent_minute_are_told_before_any_fault(
    clock: Callable[[], float],
) -> None:
    bench = Bench(clock, switches=Switches(requests_per_minute=1))
    await bench.steer("faults", kind="status")
    assert (await bench.call("GET", "/customer/balance", "bad")).status_code == 401
    assert (await bench.call("GET", "/customer/balance")).status_code == 500
    assert (await bench.call("GET", "/customer/balance")).status_code == 429
