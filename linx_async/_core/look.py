"""A pass that only looks: observe and diff, with nothing applied and no record changed."""

from __future__ import annotations

from typing import TypeVar

import anyio

from .errors import SourceError
from .model import Failure, OpT, Report, Trigger
from .reconcile import Ledger
from .source import Source

__all__ = ["look"]

DesiredT = TypeVar("DesiredT")
ObservedT = TypeVar("ObservedT")


async def look(
    source: Source[DesiredT, ObservedT, OpT],
    desired: DesiredT,
    ledger: Ledger,
    *,
    trigger: Trigger,
    revision: int,
) -> Report[OpT]:
    """Observe and diff once, like `run_pass`, and change nothing: what is due is pending.

    Raises:
        SourceError: The pass could not run.
    """
    began = anyio.current_time()
    try:
        observed = await source.observe(desired, ledger.ownership)
        plan = source.diff(desired, observed, ledger.ownership)
    except OSError as error:
        raise SourceError(f"{source.name}: {error}") from error
    return Report(
        converged=not (plan.ops or plan.failed or plan.waiting or plan.conflicts),
        failed=tuple(Failure[OpT](None, error) for error in plan.failed),
        pending=plan.ops,
        waiting=plan.waiting,
        conflicts=plan.conflicts,
        last_applied=ledger.ownership,
        trigger=trigger,
        revision=revision,
        duration=anyio.current_time() - began,
    )
