"""Whatever happens in the simulated upstream, its money adds up."""

from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from proxy.sandbox import Switches
from proxy.sandbox.state.catalogue import Catalogue
from proxy.sandbox.wire.refusals import Refusal
from proxy.sandbox.world import World

SERVICES = {code: code.upper() for code in ("tg", "fb", "vk", "ma", "mm")}
ACTS = ("cancel", "swap", "retry", "text", "expire", "withdraw")
STEPS = st.one_of(
    st.tuples(st.just("buy"), st.sampled_from(sorted(SERVICES))),
    st.tuples(st.just("push"), st.sampled_from((1, 4, 60, 119, 120, 1080, 1200))),
    st.tuples(st.sampled_from(ACTS), st.integers(0, 5)),
)
SWITCHES = st.builds(
    Switches,
    retry=st.sampled_from(("kept", "waiting", "unsupported")),
    swap_id=st.sampled_from(("same", "new")),
    swap_status=st.sampled_from(("pending", "pending_order", "waiting")),
    further_sms=st.sampled_from(("appended", "refused")),
    refund_delay=st.sampled_from((0.0, 30.0)),
)


def carry_out(world: World, step: tuple[str, Any]) -> None:
    what, argument = step
    account = world.account("alice")
    if what == "push":
        return world.advance(argument)
    if what == "buy":
        world.buy(account, argument, "GB")
    elif argument < len(account.orders):
        order = account.orders[argument]
        match what:
            case "text":
                world.send_sms(order, "Code 1234", "Shop")
            case "withdraw":
                if order.awaits_first_sms:
                    world.force_cancel(order, world.now)
            case _:
                getattr(world, what)(order)
    return None


@given(SWITCHES, st.lists(STEPS, max_size=40))
def test_an_order_is_charged_once_and_refunded_once_if_it_ends_without_an_sms(
    switches: Switches, steps: list[tuple[str, Any]]
) -> None:
    world = World(Catalogue(SERVICES), switches, lambda: 1000.0, sms_after=3)
    world.settle()
    for step in steps:
        with suppress(Refusal):
            carry_out(world, step)
    world.advance(10_000)
    account = world.account("alice")
    entries = world.ledger.of(account)
    assert account.cents == sum(entry.cents for entry in entries)
    assert [entry.at for entry in entries] == sorted(entry.at for entry in entries)
    for order in account.orders:
        moved = [entry.cents for entry in entries if entry.order == order.first_id]
        without = not order.messages
        assert order.status in (("expired", "cancelled") if without else ("completed",))
        assert moved == ([-order.cents, order.cents] if without else [-order.cents])
