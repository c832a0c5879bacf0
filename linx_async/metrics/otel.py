"""Counts as instruments of OpenTelemetry; it needs the extra `otel`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from .._core.errors import SourceError
from .._core.model import Report
from .counts import BOUNDS, MOST_LOOPS, OTHERS, Counts
from .instruments import HISTOGRAMS, NUMBERS, Kind, Number, label_of

try:
    from opentelemetry import metrics
except ModuleNotFoundError as _error:
    raise ImportError(
        "opentelemetry-api is not installed: pip install 'linx-async[otel]'"
    ) from _error

__all__ = ["MeteredCounts"]

_Callback: TypeAlias = Callable[[metrics.CallbackOptions], Iterable[metrics.Observation]]


class MeteredCounts(Counts):
    """Counts that a meter has instruments of; give it to loops: `Loop(…, hooks=[counts])`.

    One for each meter: its instruments stay for as long as the meter is there.

    Args:
        meter: What makes the instruments; None is the one of the global provider.
    """

    def __init__(self, meter: metrics.Meter | None = None) -> None:
        super().__init__()
        meter = metrics.get_meter("linx_async") if meter is None else meter
        for number in NUMBERS:
            counts_up = number.kind is Kind.COUNTER
            make = meter.create_observable_counter if counts_up else meter.create_observable_gauge
            make(number.name, [self._observed(number)], number.unit, number.meaning)
        self._histograms = [
            (
                each,
                meter.create_histogram(
                    each.name,
                    each.unit,
                    each.meaning,
                    explicit_bucket_boundaries_advisory=BOUNDS,
                ),
            )
            for each in HISTOGRAMS
        ]
        self._timed: set[str] = set()

    def passed(self, loop: str, outcome: Report[Any] | SourceError) -> None:
        """Count a pass, and its ops."""
        counts = self.of(loop)
        spreads = [(histogram.read(counts), meter) for histogram, meter in self._histograms]
        before = [spread.count for spread, _ in spreads]
        super().passed(loop, outcome)
        for (spread, meter), count in zip(spreads, before, strict=True):
            if spread.last is not None and spread.count != count:
                meter.record(spread.last, {"loop": label_of(self._timed_as(counts.name))})

    def _timed_as(self, loop: str) -> str:
        """Its name in a histogram, which remembers each, also those of loops that are gone."""
        if loop not in self._timed:
            if len(self._timed) >= MOST_LOOPS:
                return OTHERS
            self._timed.add(loop)
        return loop

    def _observed(self, number: Number) -> _Callback:
        def callback(_: metrics.CallbackOptions) -> Iterable[metrics.Observation]:
            for counts in self.listed():
                loop = label_of(counts.name)
                for values, value in number.read(counts):
                    labels = dict(zip(number.labels, values, strict=True))
                    yield metrics.Observation(value, {"loop": loop, **labels})

        return callback
