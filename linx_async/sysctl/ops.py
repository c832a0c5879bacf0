"""The ops on sysctls."""

from __future__ import annotations

from typing import TypeAlias

from attrs import frozen

from .._flat.ops import ReleaseValue, RevertValue, SetValue

__all__ = ["ReleaseSysctl", "RevertSysctl", "SetSysctl", "SysctlOp"]


@frozen
class SetSysctl(SetValue):
    """Write the desired value of a sysctl."""


@frozen
class RevertSysctl(RevertValue):
    """Put a sysctl's value from before we came back."""


@frozen
class ReleaseSysctl(ReleaseValue):
    """Leave a sysctl as it is; it is not ours any more."""


SysctlOp: TypeAlias = SetSysctl | RevertSysctl | ReleaseSysctl
