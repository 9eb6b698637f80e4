"""What is so at the moment, for the metrics."""

from collections.abc import Iterator

from proxy.forwarding.delivery import Forwards
from proxy.services import House


def gauges(house: House, forwards: Forwards) -> Iterator[tuple[str, str, dict[str, float]]]:
    """Each gauge: its name, what it is, its values by label."""
    yield (
        "budget",
        "Requests left to the key that has the least; keys that pause after a 429.",
        (house.budget.states),
    )
    yield "sockets", "Sockets of waiting orders: open, or to be opened again.", house.pushes.states
    yield (
        "order_lists",
        "Order lists: readable, or broken: orders are read one by one; blind: not even so.",
        house.reads.lists.states,
    )
    yield "activations", "Activations of the last hour, by phase.", house.orders.states()
    yield "pending_purchases", "Purchases whose end is not told.", house.journal.pending.states()
    yield "forwards", "SMS on their way to targets: waiting, or given up.", forwards.states
    yield "pending_cancels", "Promised cancels to be kept.", {"": float(len(house.cancels))}
