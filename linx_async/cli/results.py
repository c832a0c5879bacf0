"""What a pass over a part did, or would do, in the same words for both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import evolve, field, frozen

from .._core.errors import OpError, errno_name
from .._core.model import Conflict, Op, Plan, Report, Verb, Waiting
from .._core.ownership import Ownership
from .._flat.ops import shown
from ..config import Part
from .why import created, why_fields

__all__ = ["PartResult", "op_fields", "past"]


@frozen
class PartResult:
    """What became of one part.

    Attributes:
        part: The part.
        ops: What was done, or is due.
        failed: What cannot be done, and why.
        pending: What was not tried, since it depends on that.
        waiting: What cannot be done yet.
        conflicts: What somebody else holds.
        converged: Whether there is nothing left to do.
        error: Why the pass could not run; empty where it could.
        due: Whether the ops are due, and not done.
        identity: What the scope was, where that is known.
        owned: What the record said before.
    """

    part: Part
    ops: tuple[Op, ...] = ()
    failed: tuple[OpError, ...] = ()
    pending: tuple[Op, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    converged: bool = False
    error: str = ""
    due: bool = False
    identity: str = ""
    owned: Ownership = field(factory=Ownership)

    @classmethod
    def of_plan(
        cls, part: Part, plan: Plan[Any], identity: str = "", owned: Ownership | None = None
    ) -> PartResult:
        """What a pass would do."""
        held_up = plan.failed or plan.waiting or plan.conflicts
        return cls(
            part,
            plan.ops,
            plan.failed,
            waiting=plan.waiting,
            conflicts=plan.conflicts,
            converged=not (plan.ops or held_up),
            due=True,
            identity=identity,
            owned=owned or Ownership(),
        )

    @classmethod
    def of_report(cls, part: Part, report: Report[Any]) -> PartResult:
        """What a pass did."""
        return cls(
            part,
            report.applied,
            tuple(failure.error for failure in report.failed),
            report.pending,
            report.waiting,
            report.conflicts,
            report.converged,
        )

    def after(self, before: PartResult) -> PartResult:
        """The same of two passes: what both did, and what is left by this one."""
        return evolve(self, ops=before.ops + self.ops)

    @property
    def changes(self) -> int:
        """How many of the ops change the kernel."""
        return sum(op.verb is not Verb.RELEASE for op in self.ops)

    def to_json(self) -> dict[str, Any]:
        """Its fields, for `--json`."""
        made = created(self.ops)
        return {
            "part": self.part.name,
            "converged": self.converged,
            "ops": [
                {**op_fields(op), **(why_fields(op, made) if self.due else {})} for op in self.ops
            ],
            "failed": [error_fields(error) for error in self.failed],
            "pending": [op_fields(op) for op in self.pending],
            "waiting": [{"key": each.key, "reason": each.reason} for each in self.waiting],
            "conflicts": [{"key": each.key, "reason": each.reason} for each in self.conflicts],
            "error": self.error or None,
        }


def op_fields(op: Op) -> Mapping[str, Any]:
    """An op, for `--json`."""
    return {
        "verb": op.verb.value,
        "key": op.key,
        "value": getattr(op, "text", None),
        "was": getattr(op, "was", None),
        "text": str(op),
    }


def error_fields(error: OpError) -> Mapping[str, Any]:
    """Why an op failed, for `--json`."""
    number = error.errno
    return {
        "key": error.key,
        "errno": None if number is None else errno_name(number),
        "message": error.message,
        "text": str(error),
    }


def past(op: Op) -> str:
    """The human line of an op that was done: what was there is there no more."""
    was = getattr(op, "was", None)
    if was is None:
        now = " (is "
        known = getattr(op, "observed", None) is not None
    else:
        now = f" (is {shown(was)}"
        known = True
    before, found, after = str(op).rpartition(now)
    return f"{before}{now.replace('is', 'was', 1)}{after}" if known and found else str(op)
