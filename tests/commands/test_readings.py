"""`doctor --readings` asks for nothing that costs, and names the readings of the upstream."""

from itertools import pairwise

import pytest

from proxy.commands.doctor.answers import Unread
from proxy.commands.doctor.readings import FACTS
from proxy.config.settings import Config, StoreConfig, UpstreamConfig
from proxy.model.errors import ConfigError
from proxy.sandbox.state.switches import drawn, known_switches
from tests.support.first_contact import KEY, Upstream, contact

pytestmark = pytest.mark.anyio


def read(learnt):
    return {name: it for name, it in learnt.readings.items() if not isinstance(it, Unread)}


def why(learnt, fact):
    return learnt.readings[fact].why


def is_listed(it):
    return it["orders_list"] not in ("missing", "hidden")


def is_detailed(it):
    """Whether the order with two SMS is read: without a list it is the newest order, with none."""
    return is_listed(it) and it["messages"] == "list"


def shows_empty_list(it):
    """The list by a state that no order has is empty, if the upstream has such a filter."""
    return it["orders_filter"] in ("waiting", "pending")


def has_refusal_with_message(it):
    filters = is_listed(it) and it["orders_filter"] == "refused"
    return it["catalogue_auth"] == "key" or filters


ALWAYS = lambda it: True  # noqa: E731
# When a fact can be read for nothing, in an account with three orders: one is cancelled, one has
# two SMS, the newest is live.
READABLE = {
    "phone": lambda it: is_listed(it) or it["order_fields"] == "all",
    "timestamps": ALWAYS,
    "order_id": lambda it: it["order_fields"] == "all",
    "order_fields": ALWAYS,
    "order_status": lambda it: (
        is_listed(it)
        or it["order_status"] == "pending"
        or (it["order_status"] == "created" and it["order_fields"] == "all")
    ),
    "orders_row": is_listed,
    "orders_list": lambda it: it["orders_list"] not in ("wrapped", "null") or shows_empty_list(it),
    "orders_bad_row": is_listed,
    "orders_filter": is_listed,
    "messages": is_listed,
    "messages_waiting": lambda it: (
        not is_listed(it) and it["messages"] == "list" and it["messages_waiting"] != "absent"
    ),
    "messages_order": lambda it: is_detailed(it) and it["further_sms"] == "appended",
    "sms_received": lambda it: is_listed(it) and it["order_fields"] == "all",
    "sms_sender": is_listed,
    "lifetime": lambda it: is_listed(it) or it["order_fields"] == "all",
    "hold": lambda it: is_listed(it) or it["order_fields"] == "all",
    "further_sms": lambda it: is_detailed(it) and it["further_sms"] == "appended",
    "balance_field": ALWAYS,
    "money": ALWAYS,
    "transactions_count": ALWAYS,
    "catalogue_keys": ALWAYS,
    "catalogue_auth": ALWAYS,
    "price_unavailable": ALWAYS,
    "price_available": ALWAYS,
    "stock_field": ALWAYS,
    "errors": lambda it: it["errors"] in ("text", "nested") or has_refusal_with_message(it),
    "malformed_id": ALWAYS,
    "ws": lambda it: it["ws"] == "refused",
}
SPANS = {"lifetime": 1200, "hold": 120}


def test_every_doubtful_fact_has_a_reader_or_a_reason():
    assert FACTS.keys() == known_switches().keys()


@pytest.mark.parametrize("seed", range(20))
async def test_all_that_can_be_read_for_nothing_is_named_as_it_was_drawn(clock, seed):
    switches = drawn(str(seed))
    upstream = Upstream(clock, **switches)
    await upstream.fill()
    learnt = await contact(upstream.app)
    assert learnt.trouble == ""
    wanted = {name for name, is_readable in READABLE.items() if is_readable(switches)}
    assert read(learnt) == {name: {**switches, **SPANS}[name] for name in wanted}
    assert learnt.requests <= 15


@pytest.mark.parametrize(
    ("total", "cap", "says"),
    [(51, 50, 50), (201, 200, 200), (201, 500, 500), (50, 200, "50 listed"), (3, 50, "3 listed")],
)
async def test_where_the_list_ends_is_seen_in_a_list_that_is_long_enough(clock, total, cap, says):
    upstream = Upstream(clock, orders_cap=cap, requests_per_minute=0)
    await upstream.steer("balance", key=KEY, balance=1000)
    await upstream.steer("offer", service="vk", country="GB", stock=total)
    for _ in range(total):
        await upstream.buy("vk")
    learnt = await contact(upstream.app)
    found = learnt.readings["orders_cap"]
    assert found == says or found.why.startswith(str(says))


async def test_an_account_without_orders_says_what_it_cannot_show(clock):
    learnt = await contact(Upstream(clock).app)
    assert why(learnt, "orders_row") == "no order is listed, so its form cannot be read"
    assert why(learnt, "orders_list").startswith("wrapped or hidden: the account has no orders")
    assert why(learnt, "ws") == "only a purchase shows it: --buy"
    assert why(learnt, "webhooks") == "not asked for: see `webhooks list`"
    assert not {"phone", "hold", "messages"} & read(learnt).keys()


async def test_a_form_that_no_source_has_is_no_reading(clock):
    upstream = Upstream(clock)
    for call, body in (
        ("balance", {"success": True, "credit": 3}),
        ("price", {"success": True, "cost": 3}),
        ("price", {"success": False, "error": "sold out"}),
    ):
        status = 410 if body.get("error") else 200
        await upstream.steer("faults", call=call, kind="status", status=status, body=body)
    learnt = await contact(upstream.app)
    assert why(learnt, "balance_field") == "a form that no source has: see the report"
    assert why(learnt, "price_unavailable").startswith("price_not_offered: HTTP 410")


async def test_nothing_is_bought_and_one_request_a_second_is_sent(clock):
    upstream = Upstream(clock)
    await upstream.fill()
    before = await upstream.look("ledger")
    begun = (await upstream.look("clock"))["now"]
    learnt = await contact(upstream.app)
    asked = (await upstream.look(f"requests?since={begun}"))["requests"]
    assert len(asked) == learnt.requests == 15
    assert all(line["method"] == "GET" for line in asked)
    assert all(b["at"] - a["at"] >= 1 for a, b in pairwise(asked))
    assert (await upstream.look("ledger"))["totals"] == before["totals"]


async def test_a_low_limit_of_the_configuration_is_kept_to(clock):
    upstream = Upstream(clock, requests_per_minute=6)
    config = Config(
        store=StoreConfig(url="sqlite://"), upstream=UpstreamConfig(requests_per_minute=6)
    )
    learnt = await contact(upstream.app, config=config)
    assert learnt.trouble == ""


FAULTS = {
    "refuses": ({"kind": "status", "status": 401}, "HTTP 401: the upstream refuses the key"),
    "limits": ({"kind": "status", "status": 429}, "HTTP 429: too many requests"),
    "is silent": ({"kind": "silence"}, "no answer in time"),
    "breaks": ({"kind": "broken"}, "RemoteProtocolError"),
}
KEYED = ("balance", "services", "countries", "orders", "order", "transactions", "profile")


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("call", KEYED)
async def test_an_account_that_fails_midway_leaves_what_was_learnt(clock, fault, call):
    upstream = Upstream(clock, orders_list="null", stock_field="both")
    how, says = FAULTS[fault]
    await upstream.steer("faults", call=call, **how)
    learnt = await contact(upstream.app)
    assert learnt.trouble.startswith(f"{call}")
    assert says in learnt.trouble
    assert not learnt.is_good
    assert ("balance_field" in read(learnt)) == (call != "balance")
    assert ("stock_field" in read(learnt)) == (KEYED.index(call) >= KEYED.index("orders"))


async def test_a_single_endpoint_that_is_broken_does_not_end_the_questions(clock):
    upstream = Upstream(clock)
    await upstream.fill()
    for call in ("services", "orders", "profile"):
        await upstream.steer("faults", call=call, kind="cdn", status=502, times=None)
    learnt = await contact(upstream.app)
    assert learnt.trouble == ""
    assert why(learnt, "orders_list") == "orders: HTTP 502"
    assert why(learnt, "catalogue_keys") == "services: HTTP 502"
    assert read(learnt)["phone"] == "digits", "an order is found by the transactions"


async def test_a_bad_key_is_asked_once(clock):
    upstream = Upstream(clock)
    learnt = await contact(upstream.app, key="bad-key")
    assert (learnt.trouble, learnt.requests) == (
        "balance: HTTP 401: the upstream refuses the key",
        1,
    )


async def test_a_key_does_not_cross_the_net_unencrypted(clock):
    config = Config(upstream=UpstreamConfig(url="http://example.org/api/v1"))
    with pytest.raises(ConfigError, match="sent unencrypted"):
        await contact(Upstream(clock).app, config=config)
