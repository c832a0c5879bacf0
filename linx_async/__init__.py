"""Declarative Linux kernel state for async Python."""

from __future__ import annotations

from . import _linux as _linux
from ._core.errors import (
    DesiredStateError,
    DumpInterrupted,
    LinxError,
    LoopFailed,
    LoopStopped,
    OpError,
    ScopeGone,
    SourceError,
    StalePlan,
    StoreError,
)
from ._core.hints import HintQueue
from ._core.hooks import Hooks
from ._core.loop import Loop
from ._core.memory import MemoryStore, Record, Store
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
from ._core.store import FileStore
from ._core.supervisor import Restart, Supervisor
from ._kernel.netns import NetworkNamespace

__all__ = [
    "Claim",
    "Conflict",
    "DesiredStateError",
    "DumpInterrupted",
    "Failure",
    "FileStore",
    "Hint",
    "HintQueue",
    "Hooks",
    "LinxError",
    "Loop",
    "LoopFailed",
    "LoopStopped",
    "MemoryStore",
    "NetworkNamespace",
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
    "StalePlan",
    "Store",
    "StoreError",
    "Supervisor",
    "Trigger",
    "Verb",
    "Waiting",
    "reconcile",
]
