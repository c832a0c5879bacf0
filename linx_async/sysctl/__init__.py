"""Sysctls: kernel parameters below /proc/sys, of this machine or of any namespace."""

from __future__ import annotations

from .._flat.observed import Observed
from .codec import Value
from .desired import Desired
from .diff import diff
from .ops import ReleaseSysctl, RevertSysctl, SetSysctl, SysctlOp
from .source import Source
from .verbs import list_keys as list
from .verbs import observe, read, reconcile, subscribe, write

__all__ = [
    "Desired",
    "Observed",
    "ReleaseSysctl",
    "RevertSysctl",
    "SetSysctl",
    "Source",
    "SysctlOp",
    "Value",
    "diff",
    "list",
    "observe",
    "read",
    "reconcile",
    "subscribe",
    "write",
]
