"""The ops on cgroup limits."""

from __future__ import annotations

from typing import TypeAlias

from attrs import frozen

from .._flat.ops import ReleaseValue, RevertValue, SetValue

__all__ = ["LimitOp", "ReleaseLimit", "RevertLimit", "SetLimit"]


@frozen
class SetLimit(SetValue):
    """Write the desired value of a limit (Documentation/admin-guide/cgroup-v2.rst).

    Attributes:
        key: The key.
        text: What is written.
        was: What was observed before.
        original: The value from before we came.
        incarnation: Which of several cgroups of that name it is: its inode number.
        because: Why, where the value alone does not tell.
    """


@frozen
class RevertLimit(RevertValue):
    """Put a limit's value from before we came back; its attributes are those of `SetLimit`."""


@frozen
class ReleaseLimit(ReleaseValue):
    """Leave a limit as it is; it is not ours any more.

    Attributes:
        key: The key.
        because: Why it is left alone.
    """


LimitOp: TypeAlias = SetLimit | RevertLimit | ReleaseLimit
