"""The ops on sysctls."""

from __future__ import annotations

from typing import TypeAlias

from attrs import frozen

from .._flat.ops import ReleaseValue, RevertValue, SetValue

__all__ = ["ReleaseSysctl", "RevertSysctl", "SetSysctl", "SysctlOp"]


@frozen
class SetSysctl(SetValue):
    """Write the desired value of a sysctl (proc_sys(5)), and read it back.

    Attributes:
        key: The key.
        text: What is written.
        was: What was observed before.
        original: The value from before we came.
        incarnation: None: a key is itself.
        because: Why, where the value alone does not tell.
    """


@frozen
class RevertSysctl(RevertValue):
    """Put a sysctl's value from before we came back; its attributes are those of `SetSysctl`."""


@frozen
class ReleaseSysctl(ReleaseValue):
    """Leave a sysctl as it is; it is not ours any more.

    Attributes:
        key: The key.
        because: Why it is left alone.
    """


SysctlOp: TypeAlias = SetSysctl | RevertSysctl | ReleaseSysctl
