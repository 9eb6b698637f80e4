"""The metrics for Prometheus, see docs/metrics.md. Every label has few values. The library is
imported at the first answer, not at the start.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from proxy.runtime.counters import Counters
from proxy.runtime.histogram import Histogram

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.metrics_core import Metric

PREFIX = "virtualsms_proxy_"

# Rows for the names in Counters.counts: labels, the help text, and the values of the label that are
# shown as 0 from the start. Prometheus sees no increase in a series that begins at 1.
COUNTS: tuple[tuple[str, tuple[str, ...], str, str], ...] = (
    (
        "answers",
        ("dialect", "action", "word"),
        "Answers to clients by dialect, action and first word; JSON for a body in JSON.",
        "",
    ),
    ("upstream_calls", ("call", "result"), "Calls of the upstream: ok, or the problem.", ""),
    ("unreadable_rows", ("call",), "Rows of the upstream's lists that could not be read.", ""),
    ("cache_answers", ("cache", "how"), "Answers of the caches: HIT, MISS or STALE.", ""),
    ("frames", ("kind",), "What sockets said: an SMS, or a hint to read.", "sms hint"),
    (
        "webhook_events",
        ("kind",),
        "Events that the upstream has sent, by what came of them.",
        "sms end swap balance hint repeated test unknown other "
        "unsigned untimely unreadable too_long failed",
    ),
    (
        "forward_attempts",
        ("outcome",),
        "SMS posted to targets: delivered, failed, dead, dropped.",
        "delivered failed dead dropped",
    ),
    (
        "purchases",
        ("outcome",),
        "Purchases: told, or what became of them.",
        "told none unclear unknown given_back in_doubt named charged_in_doubt",
    ),
    (
        "promised_cancels",
        ("outcome",),
        "Promised cancels: promised, kept, too_late.",
        "promised kept too_late",
    ),
    ("charged_cents", (), "Cents that the upstream took.", ""),
    ("refunded_cents", (), "Cents that it gave back.", ""),
)

Gauges = Callable[[], Iterator[tuple[str, str, dict[str, float]]]]
"""Name, help text, and the value of each label; a value without labels has the label ''."""


Histograms = Callable[[], Iterator[tuple[str, str, str, Mapping[str, Histogram]]]]
"""Name, help text, label, and the histogram of each of its values; without a label of ''."""


class Metrics:
    """The metrics of one app. `gauges` and `histograms` return the present values."""

    def __init__(self, counters: Counters, gauges: Gauges, histograms: Histograms) -> None:
        self._counters = counters
        self._gauges = gauges
        self._histograms = histograms

    def page(self) -> bytes:
        from prometheus_client import generate_latest

        return generate_latest(self._registry)

    def collect(self) -> "Iterator[Metric]":
        yield from self._counter_families()
        yield from self._gauge_families()
        yield from self._histogram_families()

    def _counter_families(self) -> "Iterator[Metric]":
        from prometheus_client.metrics_core import CounterMetricFamily

        for name, labels, text, known in COUNTS:
            family = CounterMetricFamily(PREFIX + name, text, labels=labels)
            at_start = {(value,): 0 for value in known.split()} if labels else {(): 0}
            for values, count in (at_start | dict(self._counters.of(name))).items():
                family.add_metric(values, count)
            yield family

    def _gauge_families(self) -> "Iterator[Metric]":
        from prometheus_client.metrics_core import GaugeMetricFamily

        for name, text, by_label in self._gauges():
            has_states = "" not in by_label
            family = GaugeMetricFamily(PREFIX + name, text, labels=["state"] * has_states)
            for label, value in by_label.items():
                family.add_metric([label] * has_states, value)
            yield family

    def _histogram_families(self) -> "Iterator[Metric]":
        from prometheus_client.metrics_core import HistogramMetricFamily

        for name, text, label, by_value in self._histograms():
            family = HistogramMetricFamily(PREFIX + name, text, labels=[label] if label else [])
            for value, histogram in by_value.items():
                values = [value] if label else []
                family.add_metric(values, histogram.buckets(), histogram.total)
            yield family

    @cached_property
    def _registry(self) -> "CollectorRegistry":
        from prometheus_client import CollectorRegistry

        registry = CollectorRegistry()
        registry.register(self)
        return registry
