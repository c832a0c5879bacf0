"""What a value or a plan looked like, so that a later look at it can be compared."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from attrs import frozen

from linx_async import Op, Plan

__all__ = ["Print", "equal", "lines_of"]


@frozen
class Print:
    """A value as it was.

    Attributes:
        text: How it was written.
        copy: A copy, or the value itself where it cannot be copied.
    """

    text: str
    copy: Any

    @classmethod
    def of(cls, value: Any) -> Print:
        """The print of a value as it is now."""
        try:
            copy = deepcopy(value)
        except Exception:  # whatever a class of somebody else's raises
            copy = value
        return cls(repr(value), copy if equal(copy, value) else value)

    def fits(self, value: Any) -> bool:
        """Whether the value is still like that."""
        return repr(value) == self.text and equal(value, self.copy)


def equal(one: Any, other: Any) -> bool:
    """Whether two values are equal, if only to read where their class does not compare."""
    return bool(one == other) or repr(one) == repr(other)


def lines_of(plan: Plan[Any]) -> list[str]:
    """All that a plan says, a line each."""
    return [
        *(
            f"batch {number}: {op_line(op)}"
            for number, batch in enumerate(plan.batches, 1)
            for op in batch
        ),
        *(f"waiting: {each}" for each in plan.waiting),
        *(f"conflict: {each}" for each in plan.conflicts),
        *(f"stale: {key}" for key in sorted(plan.stale)),
        *(f"failed: {error}" for error in plan.failed),
        *(["interim"] if plan.interim else []),
    ]


def op_line(op: Op) -> str:
    """All that every op tells."""
    requires = f", after {', '.join(sorted(op.requires))}" if op.requires else ""
    claim = f", claims {op.claim}" if op.claim else ""
    was = f", was {op.original!r}" if op.original is not None else ""
    return f"{op} ({op.verb.value} {op.key!r}{was}{claim}{requires})"
