"""Counts as metrics of Prometheus; it needs the extra `prometheus`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

from .counts import BOUNDS, Counts, LoopCounts
from .instruments import HISTOGRAMS, NUMBERS, Histogram, Kind, Number, label_of

try:
    from prometheus_client import metrics_core, registry
    from prometheus_client.utils import floatToGoString
except ModuleNotFoundError as _error:
    raise ImportError(
        "prometheus-client is not installed: pip install 'linx-async[prometheus]'"
    ) from _error

__all__ = ["Collector"]

_ENDS = (*map(floatToGoString, BOUNDS), "+Inf")


class Collector(registry.Collector):
    """Collects counts for a registry: `registry.register(Collector(counts))`.

    It may be asked in any thread, while the loops go on.

    Args:
        counts: What the loops have done.
    """

    def __init__(self, counts: Counts) -> None:
        self._counts = counts

    def describe(self) -> Iterator[metrics_core.Metric]:
        """All metrics, without a sample, so that a registry knows their names."""
        return self._families(())

    def collect(self) -> Iterator[metrics_core.Metric]:
        """All metrics."""
        return self._families(self._counts.listed())

    def _families(self, loops: tuple[LoopCounts, ...]) -> Iterator[metrics_core.Metric]:
        for number in NUMBERS:
            yield _numbers(number, loops)
        for histogram in HISTOGRAMS:
            yield _histogram(histogram, loops)


def _numbers(number: Number, loops: tuple[LoopCounts, ...]) -> metrics_core.Metric:
    counts_up = number.kind is Kind.COUNTER
    family = metrics_core.CounterMetricFamily if counts_up else metrics_core.GaugeMetricFamily
    metric = family(number.prometheus, number.meaning, labels=["loop", *number.labels])
    for counts in loops:
        loop = label_of(counts.name)
        for values, value in number.read(counts):
            metric.add_metric([loop, *values], value)
    return metric


def _histogram(
    histogram: Histogram, loops: tuple[LoopCounts, ...]
) -> metrics_core.HistogramMetricFamily:
    metric = metrics_core.HistogramMetricFamily(
        histogram.prometheus, histogram.meaning, labels=["loop"]
    )
    for counts in loops:
        spread = histogram.read(counts)
        sums = accumulate(list(spread.buckets))  # of Prometheus, a bucket has what is below it, too
        metric.add_metric(
            [label_of(counts.name)], list(zip(_ENDS, sums, strict=True)), spread.seconds
        )
    return metric
