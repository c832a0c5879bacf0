"""What a loop has done, as `linx watch` and `linx status --json` tell it."""

from __future__ import annotations

from bisect import bisect_right
from datetime import datetime
from itertools import accumulate
from typing import Any

from ..metrics import BOUNDS, Counts, Spread
from .telling import stamp

__all__ = ["counts_fields", "median"]


def counts_fields(all_counts: Counts, name: str) -> dict[str, Any] | None:
    """The counts of a loop, for `--json`; None where it is not counted alone."""
    counts = all_counts.of(name)
    if counts.name != name:
        return None
    at = counts.last_converged
    return {
        "passes": [
            {"trigger": trigger.value, "outcome": outcome, "count": count}
            for (trigger, outcome), count in counts.passes.items()
        ],
        "ops": [
            {"verb": verb and verb.value, "outcome": outcome, "count": count}
            for (verb, outcome), count in counts.ops.items()
        ],
        "healed": counts.healed,
        "hints": counts.hints,
        "lost": counts.lost,
        "crashes": counts.crashes,
        "durations": _spread_fields(counts.durations),
        "latencies": _spread_fields(counts.latencies),
        "last_converged": at and stamp(datetime.fromtimestamp(at).astimezone()),
    }


def median(spread: Spread) -> float | None:
    """About how many seconds the middle one took, from the bucket that it is in.

    In there it is taken for the mean of all, or for what is next to that: where all are in one
    bucket, the mean says more than its bounds.
    """
    if not spread.count:
        return None
    bucket = bisect_right(list(accumulate(spread.buckets)), (spread.count - 1) // 2)
    bounds = (0.0, *BOUNDS, float("inf"))
    return min(max(spread.seconds / spread.count, bounds[bucket]), bounds[bucket + 1])


def _spread_fields(spread: Spread) -> dict[str, Any]:
    middle = median(spread)
    return {
        "count": spread.count,
        "last_ms": None if spread.last is None else round(spread.last * 1e3, 3),
        "median_ms": None if middle is None else round(middle * 1e3, 3),
    }
