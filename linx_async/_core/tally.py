"""What became of the ops of one round of a pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic

from attrs import define, field

from .errors import OpError
from .model import DONE, Conflict, Failure, OpT, Outcome, Waiting, keys_of

__all__ = ["Tally"]


@define
class Tally(Generic[OpT]):
    """What became of the ops of one pass, so far."""

    applied: list[OpT] = field(factory=list)
    failed: list[Failure[OpT]] = field(factory=list)
    conflicts: list[Conflict] = field(factory=list)
    waiting: list[Waiting] = field(factory=list)
    pending: list[OpT] = field(factory=list)
    timings: dict[str, float] = field(factory=dict)

    def ready(self, batch: Sequence[OpT]) -> list[OpT]:
        """The ops of a batch that can be tried; the others depend on what failed: pending."""
        stuck = set(keys_of((*self.failed, *self.conflicts, *self.pending)))
        if not stuck:
            return list(batch)
        ready: list[OpT] = []
        for op in batch:
            if op.requires & stuck:
                stuck.add(op.key)
                self.pending.append(op)
            else:
                ready.append(op)
        return ready

    def count_all(self, batch: Sequence[OpT], outcomes: Sequence[Outcome]) -> None:
        """Note what became of ops."""
        if outcomes.count(DONE) == len(batch):
            self.applied += batch
            return
        for op, outcome in zip(batch, outcomes, strict=True):
            self._count(op, outcome)

    def _count(self, op: OpT, outcome: Outcome) -> None:
        if outcome.done:
            self.applied.append(op)
            if outcome.waiting:
                self.waiting.append(Waiting(op.key, outcome.waiting))
        elif outcome.pending:
            self.pending.append(op)
        elif outcome.unneeded:
            pass  # What is desired is there, and not ours.
        elif outcome.conflict:
            self.conflicts.append(Conflict(op.key, outcome.conflict))
        else:
            error = outcome.error or OpError(op.key, None, "no answer came; it may have been done")
            self.failed.append(Failure(op, error, outcome.unknown))
        if outcome.duration is not None:
            self.timings[op.key] = outcome.duration
