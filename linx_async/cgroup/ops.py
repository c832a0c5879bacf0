"""The ops on cgroup limits."""

from __future__ import annotations

from typing import TypeAlias

from attrs import frozen

from .._flat.ops import ReleaseValue, RevertValue, SetValue

__all__ = ["LimitOp", "ReleaseLimit", "RevertLimit", "SetLimit"]


@frozen
class SetLimit(SetValue):
    """Write the desired value of a limit."""


@frozen
class RevertLimit(RevertValue):
    """Put a limit's value from before we came back."""


@frozen
class ReleaseLimit(ReleaseValue):
    """Leave a limit as it is; it is not ours any more."""


LimitOp: TypeAlias = SetLimit | RevertLimit | ReleaseLimit
