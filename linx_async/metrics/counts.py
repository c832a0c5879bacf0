"""Counts of what loops do, of which every way to measure them is made."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import anyio
from attrs import define, field

from .._core.errors import SourceError
from .._core.hooks import Hooks
from .._core.model import Hint, Report, Trigger, Verb, keys_of

__all__ = ["BOUNDS", "Counts", "LoopCounts", "Spread"]

BOUNDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0)
"""Seconds that the buckets of a spread go up to; one more has no end."""
MOST_LOOPS: Final = 1000
OTHERS: Final = "(others)"


@define
class Spread:
    """How many seconds things took.

    Attributes:
        buckets: How many took at most as long as each bound, but longer than the one before; the
            last took longer than any.
        seconds: The sum of them.
        last: The latest of them; None before the first.
    """

    buckets: list[int] = field(factory=lambda: [0] * (len(BOUNDS) + 1))
    seconds: float = 0.0
    last: float | None = None

    @property
    def count(self) -> int:
        """How many there were."""
        return sum(self.buckets)

    def add(self, seconds: float) -> None:
        """One more took that long."""
        self.buckets[bisect_left(BOUNDS, seconds)] += 1
        self.seconds += seconds
        self.last = seconds


@define(eq=False)
class LoopCounts:
    """What one loop has done since it was first heard of.

    Attributes:
        name: The loop's.
        hints: The hints that came to it, with those that tell of losses.
        lost: Those that tell that others were lost.
        passes: How many passes there were, by why they began and what came of them: `converged`,
            `not converged`, or `error` where one could not run.
        ops: How many ops there were, by verb and what came of them: `applied`, `failed`, or
            `pending` where they were not tried. What failed before there was an op has no verb.
        healed: How many changes were made to what the pass before had left as it should be, by the
            same desired state: drift, which somebody else has caused.
        crashes: How often it crashed; a supervisor starts it again.
        durations: Seconds that passes took, of those that could run.
        latencies: Seconds from the first hint of a burst to the end of the pass that it led to,
            where that changed something; our own changes are hinted at, too.
        report: What the last pass that could run has found; an empty one before the first.
        converged: Whether the last pass left nothing to do, and the loop has not crashed since.
        last_converged: When a pass last did so, in seconds since 1970; None before the first.
    """

    name: str
    hints: int = 0
    lost: int = 0
    passes: Counter[tuple[Trigger, str]] = field(factory=Counter)
    ops: Counter[tuple[Verb | None, str]] = field(factory=Counter)
    healed: int = 0
    crashes: int = 0
    durations: Spread = field(factory=Spread)
    latencies: Spread = field(factory=Spread)
    report: Report[Any] = field(factory=lambda: Report(converged=False))
    converged: bool = False
    last_converged: float | None = None
    _trigger: Trigger = field(default=Trigger.START, init=False)
    _hinted_at: float | None = field(default=None, init=False)
    _waits_since: float | None = field(default=None, init=False)

    @property
    def waiting(self) -> int:
        """How many keys the last report says are waiting."""
        return len(self.report.waiting)

    @property
    def conflicts(self) -> int:
        """How many conflicts the last report has."""
        return len(self.report.conflicts)

    @property
    def failed(self) -> int:
        """How many keys the last report says have failed."""
        return len(self.report.failed)

    @property
    def flapping(self) -> int:
        """How many keys the last report says are flapping."""
        return len(self.report.flapping)

    def hinted(self, hint: Hint) -> None:
        """A hint came."""
        self.hints += 1
        self.lost += hint.lost
        if self._hinted_at is None:
            self._hinted_at = anyio.current_time()

    def began(self, trigger: Trigger) -> None:
        """A pass begins: it will see all that was hinted at so far."""
        self._trigger = trigger
        self._waits_since, self._hinted_at = self._hinted_at, None

    def passed(self, outcome: Report[Any] | SourceError) -> None:
        """A pass is over."""
        if isinstance(outcome, SourceError):
            self.passes[self._trigger, "error"] += 1
            self.converged = False
            return
        before, self.report = self.report, outcome
        self.converged = outcome.converged
        self.passes[outcome.trigger, "converged" if outcome.converged else "not converged"] += 1
        self.durations.add(outcome.duration)
        healed = outcome.trigger is Trigger.HINT and outcome.changed
        if self._waits_since is not None and healed:
            self.latencies.add(anyio.current_time() - self._waits_since)
        self._count_ops(outcome)
        if before.revision == outcome.revision:
            self.healed += _healed(before, outcome)
        if outcome.converged:
            self.last_converged = time.time()

    def _count_ops(self, report: Report[Any]) -> None:
        for op in report.applied:
            self.ops[op.verb, "applied"] += 1
        for failure in report.failed:
            self.ops[None if failure.op is None else failure.op.verb, "failed"] += 1
        for op in report.pending:
            self.ops[op.verb, "pending"] += 1


def _healed(before: Report[Any], now: Report[Any]) -> int:
    """How many changes a pass made to what the one before had left as it should be."""
    if not now.applied:
        return 0
    left = keys_of((*before.failed, *before.pending, *before.waiting, *before.conflicts))
    if not (before.converged or left):
        return 0  # it has not come to its end, and what is done now was due
    return sum(op.verb is not Verb.RELEASE and op.key not in left for op in now.applied)


class Counts(Hooks):
    """Counts what loops do, each by its name; give it to them: `Loop(…, hooks=[counts])`.

    Loops of one name are counted together. After a thousand names all others are one, so that what
    is made of the counts stays bounded.
    """

    def __init__(self) -> None:
        self._loops: dict[str, LoopCounts] = {}

    @property
    def loops(self) -> Mapping[str, LoopCounts]:
        """What each has done so far, by its name."""
        return MappingProxyType(self._loops)

    def listed(self) -> tuple[LoopCounts, ...]:
        """What each has done so far; it may be asked in another thread, while the loops go on."""
        return tuple(self._loops.copy().values())

    def of(self, loop: str) -> LoopCounts:
        """What the loop of that name has done so far; it may not have begun yet."""
        counts = self._loops.get(loop)
        if counts is None:
            name = loop if len(self._loops) < MOST_LOOPS else OTHERS
            counts = self._loops.setdefault(name, LoopCounts(name))
        return counts

    def forget(self, loop: str) -> None:
        """Count that loop no more: it is gone."""
        self._loops.pop(loop, None)

    def hinted(self, loop: str, hint: Hint) -> None:
        """Count a hint."""
        self.of(loop).hinted(hint)

    def began(self, loop: str, trigger: Trigger) -> None:
        """Note that a pass begins."""
        self.of(loop).began(trigger)

    def passed(self, loop: str, outcome: Report[Any] | SourceError) -> None:
        """Count a pass, and its ops."""
        self.of(loop).passed(outcome)

    def crashed(self, loop: str, error: Exception) -> None:
        """Count a crash."""
        counts = self.of(loop)
        counts.crashes += 1
        counts.converged = False
