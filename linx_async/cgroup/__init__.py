"""Cgroup v2 limits, kept as declared, and the small verbs of a cgroup's life."""

from __future__ import annotations

from .._flat.observed import Observed
from .codec import Value
from .desired import Desired
from .diff import diff
from .lifecycle import (
    Delegation,
    add_process,
    create,
    destroy,
    enable_controllers,
    freeze,
    kill,
    stats,
    thaw,
)
from .ops import LimitOp, ReleaseLimit, RevertLimit, SetLimit
from .source import Source
from .verbs import observe, reconcile, subscribe

__all__ = [
    "Delegation",
    "Desired",
    "LimitOp",
    "Observed",
    "ReleaseLimit",
    "RevertLimit",
    "SetLimit",
    "Source",
    "Value",
    "add_process",
    "create",
    "destroy",
    "diff",
    "enable_controllers",
    "freeze",
    "kill",
    "observe",
    "reconcile",
    "stats",
    "subscribe",
    "thaw",
]
