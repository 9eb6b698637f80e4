"""`doctor --readings --buy`: one purchase, its cancel after the hold, and the money to the cent."""

import asyncio
from typing import Any

import pytest

from proxy.commands.doctor.answers import Unread
from proxy.commands.doctor.first_contact import Purchase
from proxy.commands.doctor.questions import Pair
from proxy.config.settings import Config, StoreConfig
from proxy.sandbox.state.switches import drawn
from proxy.store import open_store
from tests.support.first_contact import KEY, Upstream, contact
from tests.support.world import NEVER

pytestmark = pytest.mark.anyio

SOON = 30.0


def wish(max_price: int = 500, *, yes: bool = True, early: bool = False) -> Purchase:
    return Purchase(Pair("tg", "GB"), max_price, lambda text: yes, early)


async def ledger(upstream: Upstream) -> list[Any]:
    rows = (await upstream.look("ledger"))["entries"]
    return [(row["kind"], row["cents"]) for row in rows if row["kind"] != "deposit"]


async def posts(upstream: Upstream, call: str) -> int:
    return int((await upstream.look(f"requests?call={call}"))["count"])


BACK = [("charge", -95), ("refund", 95)]


async def test_a_number_without_an_sms_is_cancelled_after_its_hold_and_refunded(clock):
    upstream, said = Upstream(clock), []
    learnt = await contact(upstream.app, wish(), said)
    assert learnt.is_good
    assert await ledger(upstream) == BACK
    order = (await upstream.look("orders"))["orders"][0]
    assert said[1:3] == [
        "buying tg in GB; the purchase is never repeated",
        f"bought order {order['order_id']}, number {order['phone_number']}",
    ]
    assert said[-2].startswith("money: 100.00 before, 0.95 charged, 0.95 refunded, ")
    assert said[-2].endswith(", 100.00 now: right to the cent")
    assert said[-1] == "transactions of the order: 0.95, -0.95"
    assert (await posts(upstream, "purchase"), await posts(upstream, "cancel")) == (1, 1)
    assert learnt.readings["order_status"] == "waiting"
    assert learnt.readings["orders_filter"] == "waiting"
    assert learnt.readings["hold"] == 120


async def test_an_sms_that_comes_first_is_paid_and_said(clock):
    upstream, said = Upstream(clock, SOON), []
    learnt = await contact(upstream.app, wish(), said)
    assert learnt.is_good
    assert await ledger(upstream) == BACK[:1]
    assert "an SMS has come: there is no refund" in said
    assert said[-2] == "money: 100.00 before, 0.95 charged, 99.05 now: right to the cent"
    assert await posts(upstream, "cancel") == 0
    assert not [it for it in said if "Telegram code" in it], "the text is nobody's business"


# Under these switches the answers of one purchase show the reading.
SHOWN = (
    "phone", "timestamps", "order_fields", "balance_field", "money", "catalogue_keys",
    "stock_field", "malformed_id", "lifetime", "hold",
)  # fmt: skip


@pytest.mark.parametrize("sms_after", [NEVER, SOON])
@pytest.mark.parametrize("seed", range(6))
async def test_what_a_purchase_shows_is_named_as_it_was_drawn(clock, seed, sms_after):
    switches = drawn(f"trial {seed}")
    upstream, said = Upstream(clock, sms_after, **switches), []
    learnt = await contact(upstream.app, wish(early=True), said)
    assert learnt.is_good, said
    read = {name: it for name, it in learnt.readings.items() if not isinstance(it, Unread)}
    drawn_or_default = switches | {"lifetime": 1200, "hold": 120}
    assert {name: (it, drawn_or_default[name]) for name, it in read.items()
            if it != drawn_or_default[name]} == {}  # fmt: skip
    assert set(SHOWN) <= read.keys()
    if sms_after == SOON:
        # A silent socket, one that closes and one that talks: each is told apart.
        assert "ws" in read
        assert ("ws_frame" in read) == (switches["ws"] == "talks")
        assert "messages" in read
    assert await ledger(upstream) == (BACK if sms_after == NEVER else BACK[:1])


async def test_an_early_cancel_that_is_granted_ends_the_wait(clock):
    upstream, said = Upstream(clock, hold=0), []
    learnt = await contact(upstream.app, wish(early=True), said)
    assert learnt.is_good
    assert "the upstream has cancelled it inside the hold" in said
    assert await ledger(upstream) == BACK


async def test_a_hold_and_a_price_that_the_answer_does_not_name_are_found_elsewhere(clock):
    """The 425 says how long to wait, and the balance what was charged."""
    upstream, said = Upstream(clock), []
    body = {"success": True, "order_id": "", "phone_number": "447700900001", "status": "waiting"}

    async def bare(request: Any) -> Any:
        response = await plain(request)
        if request.url.path.endswith("/purchase"):
            body["order_id"] = (await upstream.look("orders"))["orders"][0]["order_id"]
            return type(response)(200, json=body)
        return response

    plain = upstream.http._transport.handle_async_request
    transport = type(upstream.http._transport)(upstream.app)
    transport.handle_async_request = bare
    learnt = await contact(upstream.app, wish(), said, transport=transport)
    assert learnt.is_good, said
    assert await ledger(upstream) == BACK
    assert await posts(upstream, "cancel") == 2
    assert said[-2].startswith("money: 100.00 before, 0.95 charged, 0.95 refunded, ")


@pytest.mark.parametrize("status", [503, 404, 400, 409])
async def test_a_sold_out_pair_shows_how_that_is_said(clock, status):
    upstream, said = Upstream(clock, no_stock=status, no_stock_text="out_of_stock"), []
    await upstream.steer("offer", service="tg", country="GB", stock=0)
    learnt = await contact(upstream.app, wish(), said)
    assert learnt.readings["no_stock"] == status
    assert learnt.readings["no_stock_text"] == "out_of_stock"
    assert not learnt.is_good
    assert ("nothing was bought" in learnt.wrongs[0]) == (status < 500)
    assert said[-1] == "the balance was 100.00 USD and is 100.00 USD"


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "broken"},
        {"kind": "silence"},
        {"kind": "cdn"},
        {"kind": "truncated"},
        {"kind": "wrong_type"},
        {"kind": "status", "status": 500},
    ],
)
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_purchase_of_unknown_outcome_is_not_repeated_and_says_what_to_do(
    clock, fault, when
):
    upstream, said = Upstream(clock), []
    await upstream.steer("faults", call="purchase", when=when, **fault)
    learnt = await contact(upstream.app, wish(), said)
    assert await posts(upstream, "purchase") == 1
    assert not learnt.is_good
    assert "Do not buy again: look at the orders" in learnt.wrongs[0]
    now = "100.00" if when == "before" else "99.05"
    assert said[-1] == f"the balance was 100.00 USD and is {now} USD"
    orders = (await upstream.look("orders"))["orders"]
    traces = [f"order {it['order_id']} is listed since then; it may be this purchase"
              for it in orders]  # fmt: skip
    assert said[-1 - len(traces) : -1] == traces


@pytest.mark.parametrize("call", ["order", "orders", "balance", "transactions", "cancel"])
@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 429},
        {"kind": "status", "status": 401},
        {"kind": "broken"},
        {"kind": "cdn"},
        {"kind": "wrong_type"},
    ],
)
async def test_no_trouble_after_the_purchase_keeps_the_number_from_being_given_back(
    clock, call, fault
):
    upstream, said = Upstream(clock), []

    def say(text: str) -> None:
        said.append(text)
        if text.startswith("bought"):
            troubles.append(
                asyncio.create_task(upstream.steer("faults", call=call, times=3, **fault))
            )

    troubles: list[Any] = []
    said_lines = Lines(say)
    await contact(upstream.app, wish(), said_lines)
    await asyncio.gather(*troubles)
    assert await ledger(upstream) == BACK, said
    assert await posts(upstream, "purchase") == 1


class Lines(list[str]):
    """The lines that the command prints; each is told to a function at once."""

    def __init__(self, say: Any) -> None:
        super().__init__()
        self.append = say  # type: ignore[method-assign]


async def test_a_price_over_the_maximum_is_refused_before_the_purchase(clock):
    upstream, said = Upstream(clock), []
    learnt = await contact(upstream.app, wish(94), said)
    assert learnt.trouble == (
        "--buy: tg in GB costs 0.95 USD, over --at-most 0.94: nothing was bought"
    )
    assert await posts(upstream, "purchase") == 0


async def test_a_charge_over_the_maximum_is_said_loudly(clock):
    upstream, said = Upstream(clock), []
    await upstream.steer("offer", service="tg", country="GB", price=0.95, charge=2.5)
    learnt = await contact(upstream.app, wish(100), said)
    assert learnt.wrongs == ["2.50 USD were charged, over --at-most 1.00"]
    assert await ledger(upstream) == [("charge", -250), ("refund", 250)]


@pytest.mark.parametrize(
    ("steps", "says"),
    [
        ([("balance", {"key": KEY, "balance": 0.5})], "the balance is 0.50 USD"),
        ([], "not confirmed"),
    ],
)
async def test_nothing_is_bought_without_money_or_consent(clock, steps, says):
    upstream, said = Upstream(clock), []
    for what, body in steps:
        await upstream.steer(what, **body)
    learnt = await contact(upstream.app, wish(yes=bool(steps)), said)
    assert learnt.trouble.startswith(f"--buy: {says}")
    assert learnt.trouble.endswith("nothing was bought")
    assert await posts(upstream, "purchase") == 0


async def test_the_balance_that_does_not_fit_is_said(clock):
    """Another program buys with the same key meanwhile."""
    upstream, said = Upstream(clock), []

    def say(text: str) -> None:
        said.append(text)
        if text.startswith("waiting"):
            others.append(asyncio.create_task(upstream.buy("wa")))

    others: list[Any] = []
    learnt = await contact(upstream.app, wish(), Lines(say))
    await asyncio.gather(*others)
    assert any(it.startswith("money: 100.00 before, 0.95 charged, ") for it in learnt.wrongs)


async def test_a_proxy_on_the_store_is_refused(clock, tmp_path):
    upstream, said = Upstream(clock), []
    url = f"sqlite:///{tmp_path}/store.db"
    store = open_store(url)
    try:
        learnt = await contact(
            upstream.app, wish(), said, config=Config(store=StoreConfig(url=url))
        )
    finally:
        await store.close()
    assert learnt.trouble == ("--buy: a proxy runs on store.url: stop it first: nothing was bought")
    assert await posts(upstream, "purchase") == 0


async def interrupted_after(upstream: Upstream, seconds: float, said: list[str]) -> None:
    """Ctrl-C so long after the purchase."""
    bought = asyncio.Event()

    def say(text: str) -> None:
        said.append(text)
        if text.startswith("waiting"):
            bought.set()

    task = asyncio.create_task(contact(upstream.app, wish(), Lines(say)))
    await bought.wait()
    await asyncio.sleep(seconds)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_ctrl_c_inside_the_hold_says_how_to_cancel_later(clock):
    upstream, said = Upstream(clock), []
    await interrupted_after(upstream, 10, said)
    order = (await upstream.look("orders"))["orders"][0]["order_id"]
    assert said[-2] == "interrupted: trying to cancel"
    assert said[-1].startswith(f"wrong: order {order} was not cancelled: cancel it after its hold")
    assert f"POST /customer/cancel/{order}" in said[-1]


async def test_ctrl_c_after_the_hold_cancels(clock):
    upstream, said = Upstream(clock, hold=20), []
    await upstream.steer("faults", call="cancel", kind="status", status=500)
    await interrupted_after(upstream, 22, said)
    assert said[-1].endswith("is cancelled; see the balance for the refund")
    assert await ledger(upstream) == BACK


async def test_ctrl_c_in_the_purchase_says_that_its_outcome_is_not_known(clock):
    upstream, said, sent = Upstream(clock), [], asyncio.Event()
    await upstream.steer("faults", call="purchase", kind="slow", when="after", seconds=30)

    def say(text: str) -> None:
        said.append(text)
        if text.startswith("buying"):
            sent.set()

    task = asyncio.create_task(contact(upstream.app, wish(), Lines(say)))
    await sent.wait()
    await asyncio.sleep(5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert "interrupted: it is not known whether a number was bought" in said[-1]
