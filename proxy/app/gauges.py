"""The gauges and histograms of the metrics."""

from collections.abc import Iterator, Mapping

from proxy.forwarding.delivery import ForwardDelivery
from proxy.runtime.histogram import Histogram
from proxy.services import Services


def gauges(
    services: Services, forwards: ForwardDelivery
) -> Iterator[tuple[str, str, dict[str, float]]]:
    """Name, help text and values by label of each gauge."""
    budget = "Requests left to the key with the fewest; keys that pause after a 429."
    yield "budget", budget, services.budget.states
    sockets = "Sockets of waiting orders: open, or to be opened again."
    yield "sockets", sockets, services.sockets.states
    lists = "Order lists: readable; broken, orders are read one by one; or blind, not even that."
    yield "order_lists", lists, services.reads.lists.states
    yield "activations", "Activations of the last hour, by phase.", services.orders.states()
    yield "pending_purchases", "Purchases that have not ended.", services.journal.pending.states()
    yield "forwards", "SMS to post to targets: waiting, or given up.", forwards.states
    yield "pending_cancels", "Scheduled cancels.", {"": float(len(services.cancels))}


def histograms(services: Services) -> Iterator[tuple[str, str, str, Mapping[str, Histogram]]]:
    """Name, help text, label, and the histogram of each value of the label; '' without a label."""
    text = "Seconds from an SMS to its first reading by a client."
    yield "sms_delay_seconds", text, "", {"": services.counters.delays}
    text = "Seconds that an answer took, by action, without those repeated from memory."
    yield "answer_seconds", text, "action", services.counters.answer_seconds
    text = "Seconds that a commit to the store took."
    yield "store_commit_seconds", text, "", {"": services.store.commit_seconds}
