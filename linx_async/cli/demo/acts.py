"""What the scenes of the demo have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..._core.errors import SourceError
from ..._core.loop import Loop
from ..._core.model import Report
from ..results import past
from .stage import Stage

__all__ = ["look_again", "milliseconds", "tell_first"]


async def tell_first(
    stage: Stage, outcome: Report[Any] | SourceError, called: Callable[[str], str] = str
) -> None:
    """Tell of the first pass.

    Args:
        stage: Where it was.
        outcome: What came of it.
        called: How the scene calls what has a key.
    """
    if isinstance(outcome, SourceError):
        raise outcome
    for op in outcome.applied:
        value, was = getattr(op, "text", None), getattr(op, "was", None)
        await stage.tell("applied", key=called(op.key), value=value, was=was, text=past(op))
    pass_ms = milliseconds(outcome.duration)
    await stage.tell("pass", changes=len(outcome.applied), pass_ms=pass_ms)
    for failure in outcome.failed:
        await stage.tell("failed", key=called(failure.key), text=str(failure))
    for wait in outcome.waiting:
        await stage.tell("waiting", key=called(wait.key), reason=wait.reason)
    for conflict in outcome.conflicts:
        text = f"{conflict.key}: {conflict.reason}"
        await stage.tell("failed", key=called(conflict.key), text=text)


async def look_again(stage: Stage, loop: Loop[Any, Any, Any]) -> None:
    """A pass that has nothing to do writes nothing."""
    report = await loop.reconcile()
    writes = len(report.applied) + len(report.failed)
    stage.quiet_writes += writes
    await stage.tell("quiet", writes=writes, pass_ms=milliseconds(report.duration))


def milliseconds(seconds: float) -> float:
    """Seconds as milliseconds, to a microsecond."""
    return round(seconds * 1e3, 3)
