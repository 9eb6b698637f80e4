"""What is so at the moment, for the metrics."""

from collections.abc import Iterator

from proxy.forwarding.delivery import ForwardDelivery
from proxy.services import Services


def gauges(
    services: Services, forwards: ForwardDelivery
) -> Iterator[tuple[str, str, dict[str, float]]]:
    """Each gauge: its name, what it is, its values by label."""
    yield (
        "budget",
        "Requests left to the key that has the least; keys that pause after a 429.",
        (services.budget.states),
    )
    yield (
        "sockets",
        "Sockets of waiting orders: open, or to be opened again.",
        services.sockets.states,
    )
    yield (
        "order_lists",
        "Order lists: readable, or broken: orders are read one by one; blind: not even so.",
        services.reads.lists.states,
    )
    yield "activations", "Activations of the last hour, by phase.", services.orders.states()
    yield "pending_purchases", "Purchases whose end is not told.", services.journal.pending.states()
    yield "forwards", "SMS on their way to targets: waiting, or given up.", forwards.states
    yield "pending_cancels", "Promised cancels to be kept.", {"": float(len(services.cancels))}
