"""What is measured of a loop, by name: the one list that every way to measure it is made of."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

from attrs import field, frozen

from .._core.model import Trigger, Verb
from .counts import LoopCounts, Spread

__all__ = ["HISTOGRAMS", "LABELS", "NUMBERS", "Histogram", "Kind", "Number", "label_of"]

Readings: TypeAlias = Iterable[tuple[tuple[str, ...], float]]

_RESULTS: Final = {
    "converged": "converged",
    "not converged": "not_converged",
    "error": "error",
}
_OUTCOMES: Final = ("applied", "failed", "pending")
_NO_VERB: Final = "none"
_VERBS: Final[Mapping[Verb | None, str]] = {
    **{verb: verb.value for verb in Verb},
    None: _NO_VERB,
}

LABELS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "trigger": tuple(trigger.value for trigger in Trigger),
        "result": tuple(_RESULTS.values()),
        "verb": tuple(_VERBS.values()),
        "outcome": _OUTCOMES,
    }
)
"""The labels besides `loop`, and all values that each can have."""


class Kind(enum.Enum):
    """What becomes of a number over time."""

    COUNTER = "counter"
    """It grows, and begins at 0 where its loop does."""
    GAUGE = "gauge"
    """It goes up and down."""
    HISTOGRAM = "histogram"
    """It grows, in buckets."""


@frozen
class _Named:
    """What is measured of each loop.

    Attributes:
        name: Its name, as OpenTelemetry writes names.
        unit: Its unit by UCUM; in braces where it is a count of things.
        meaning: What it is, in one sentence.
    """

    name: str
    unit: str
    meaning: str

    def _named(self, suffix: str) -> str:
        """The name by the conventions of Prometheus: its base unit is the end of it."""
        return self.name.replace(".", "_") + ("_seconds" if self.unit == "s" else "") + suffix


@frozen
class Number(_Named):
    """A number, or several of them by their labels.

    Attributes:
        kind: What becomes of it over time.
        read: What it is now: the values of its labels, and the number, for each combination.
        labels: The names of its labels, besides `loop`.
    """

    kind: Kind
    read: Callable[[LoopCounts], Readings]
    labels: tuple[str, ...] = ()

    @property
    def prometheus(self) -> str:
        """Its name there."""
        return self._named("_total" if self.kind is Kind.COUNTER else "")


@frozen
class Histogram(_Named):
    """How many seconds things took.

    Attributes:
        read: How many they took until now.
    """

    read: Callable[[LoopCounts], Spread]
    kind: Kind = field(default=Kind.HISTOGRAM, init=False)
    labels: tuple[str, ...] = field(default=(), init=False)

    @property
    def prometheus(self) -> str:
        """Its name there."""
        return self._named("")


def label_of(loop: str) -> str:
    """A loop's name as the value of a label, which has to be UTF-8."""
    return loop.encode("utf-8", "backslashreplace").decode()


def _passes(counts: LoopCounts) -> Readings:
    for trigger in Trigger:
        for result, label in _RESULTS.items():
            yield (trigger.value, label), counts.passes.get((trigger, result), 0)


def _ops(counts: LoopCounts) -> Readings:
    for verb, label in _VERBS.items():
        for outcome in _OUTCOMES if verb is not None else ("failed",):
            yield (label, outcome), counts.ops.get((verb, outcome), 0)


def _last_converged(counts: LoopCounts) -> Readings:
    if counts.last_converged is not None:
        yield (), counts.last_converged


def _counter(name: str, unit: str, meaning: str, read: Callable[[LoopCounts], float]) -> Number:
    return Number(name, unit, meaning, Kind.COUNTER, lambda counts: [((), read(counts))])


def _gauge(name: str, unit: str, meaning: str, read: Callable[[LoopCounts], float]) -> Number:
    return Number(name, unit, meaning, Kind.GAUGE, lambda counts: [((), read(counts))])


NUMBERS: Final = (
    Number(
        "linx.passes",
        "{pass}",
        "Passes, by why they began and what came of them.",
        Kind.COUNTER,
        _passes,
        ("trigger", "result"),
    ),
    Number(
        "linx.ops",
        "{op}",
        "Changes to the kernel or to our record, by verb and what came of them.",
        Kind.COUNTER,
        _ops,
        ("verb", "outcome"),
    ),
    _counter(
        "linx.drift_healed",
        "{op}",
        "Changes to what the pass before had left as desired: drift, which others caused.",
        lambda counts: counts.healed,
    ),
    _counter(
        "linx.hints",
        "{hint}",
        "Hints that something may have changed.",
        lambda counts: counts.hints,
    ),
    _counter(
        "linx.hints_lost",
        "{hint}",
        "Hints that tell that the kernel has dropped others.",
        lambda counts: counts.lost,
    ),
    _counter(
        "linx.crashes",
        "{crash}",
        "Crashes; a supervisor starts the loop again after each.",
        lambda counts: counts.crashes,
    ),
    _gauge(
        "linx.converged",
        "{loop}",
        "1 where the last pass has left nothing to do, else 0.",
        lambda counts: counts.converged,
    ),
    Number(
        "linx.last_converged.timestamp",
        "s",
        "When a pass last left nothing to do, in seconds since 1970; not there before the first.",
        Kind.GAUGE,
        _last_converged,
    ),
    _gauge(
        "linx.waiting",
        "{key}",
        "Keys that cannot be done yet, in the last report.",
        lambda counts: counts.waiting,
    ),
    _gauge(
        "linx.conflicts",
        "{key}",
        "Keys that somebody else holds, in the last report.",
        lambda counts: counts.conflicts,
    ),
    _gauge(
        "linx.failed",
        "{key}",
        "Keys that could not be done, in the last report.",
        lambda counts: counts.failed,
    ),
    _gauge(
        "linx.flapping",
        "{key}",
        "Keys that had to be set again and again, in the last report.",
        lambda counts: counts.flapping,
    ),
)
"""What is a number."""

HISTOGRAMS: Final = (
    Histogram(
        "linx.pass.duration",
        "s",
        "How long passes took, of those that could run.",
        lambda counts: counts.durations,
    ),
    Histogram(
        "linx.heal.latency",
        "s",
        "From the first hint of a burst to the end of the pass that it led to, if it healed any.",
        lambda counts: counts.latencies,
    ),
)
"""What is a time that things took."""
