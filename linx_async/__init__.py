"""Declarative Linux kernel state for async Python."""

from __future__ import annotations

import sys

from ._core.errors import (
    DesiredStateError,
    DumpInterrupted,
    LinxError,
    LoopFailed,
    LoopStopped,
    OpError,
    ScopeGone,
    SourceError,
    StoreError,
)
from ._core.loop import Loop
from ._core.model import (
    Conflict,
    Failure,
    Hint,
    Op,
    Outcome,
    Plan,
    Report,
    Trigger,
    Verb,
    Waiting,
)
from ._core.ownership import Claim, Ownership
from ._core.reconcile import reconcile
from ._core.source import Source
from ._core.store import FileStore, MemoryStore, Record, Store
from ._core.supervisor import Restart, Supervisor

if sys.platform != "linux":
    raise ImportError("linx_async drives the Linux kernel; it does not run on " + sys.platform)

__all__ = [
    "Claim",
    "Conflict",
    "DesiredStateError",
    "DumpInterrupted",
    "Failure",
    "FileStore",
    "Hint",
    "LinxError",
    "Loop",
    "LoopFailed",
    "LoopStopped",
    "MemoryStore",
    "Op",
    "OpError",
    "Outcome",
    "Ownership",
    "Plan",
    "Record",
    "Report",
    "Restart",
    "ScopeGone",
    "Source",
    "SourceError",
    "Store",
    "StoreError",
    "Supervisor",
    "Trigger",
    "Verb",
    "Waiting",
    "reconcile",
]
