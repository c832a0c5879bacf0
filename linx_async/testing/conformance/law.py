"""A law that every Source keeps, and all of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from attrs import field, frozen

from . import of_company, of_interruptions, of_passes, of_values
from .case import SourceCase
from .trial import CONVERGENCE, Trial

__all__ = ["SOURCE_LAWS", "Law"]


_REMOVAL = "once nothing is desired any more, the scope is as it was, and nothing is owned"


@frozen
class Law:
    """One thing that holds for every Source.

    Attributes:
        name: Its name, for the test's.
        says: What holds.
    """

    name: str
    says: str
    _put_through: Callable[[Any], Awaitable[str | None]] = field(repr=False)

    async def check(self, case: SourceCase[Any, Any, Any]) -> str:
        """Put a Source through this law alone.

        Args:
            case: The Source, in a scope in which nothing is applied yet. If the law holds, the
                scope is as it was afterwards.

        Returns:
            Why the law says nothing about this Source: it has no hints, say. Empty where it holds.

        Raises:
            LawBroken: The law does not hold.
            CaseError: The case shows nothing, whether it holds or not.
        """
        trial = await Trial.of(self.name, self.says, case)
        silent = await self._put_through(trial)
        trial.law, trial.says = "removal", _REMOVAL
        await trial.clear(f"after the passes for {self.name!r}")
        return silent or ""

    def __str__(self) -> str:
        return self.name


SOURCE_LAWS: tuple[Law, ...] = (
    Law(
        "check",
        "check() takes what is right, refuses what is wrong, and gives what it gave for that again",
        of_values.check,
    ),
    Law("ops", "an op has a key, a verb, a claim on that key, and a line", of_values.ops),
    Law(
        "purity",
        "diff() gives the same plan for the same arguments, and leaves them as they are",
        of_values.purity,
    ),
    Law("convergence", CONVERGENCE, of_passes.convergence),
    Law("quiet", "applying a plan leaves nothing to do", of_passes.quiet),
    Law("foreign", "what is neither desired nor owned is left alone", of_passes.foreign),
    Law("removal", _REMOVAL, of_passes.removal),
    Law("reentry", "a source can be left and entered again", of_passes.reentry),
    Law("closing", "a source that was left holds nothing open", of_passes.closing),
    Law(
        "drift",
        "what somebody else has changed is healed by the next pass, also where no hint told of it",
        of_company.drift,
    ),
    Law("hints", "what somebody else has changed is hinted at", of_company.hints),
    Law(
        "subscription",
        "no change falls between subscription and first look: that sees it, or a hint comes",
        of_company.subscription,
    ),
    Law(
        "conflicts",
        "what somebody else holds is reported, left alone, and not claimed",
        of_company.conflicts,
    ),
    Law(
        "record",
        "wherever a pass is killed, the record says no less than what is ours",
        of_interruptions.record,
    ),
    Law(
        "time_limit",
        "an apply can be cut short at any await, and the same source goes on from there",
        of_interruptions.time_limit,
    ),
    Law(
        "cancellation",
        "a pass can be cancelled at any await, loses no claim by it, and leaves nothing open",
        of_interruptions.cancellation,
    ),
    Law(
        "task_cancellation",
        "the same holds for asyncio's own cancellation of a task",
        of_interruptions.task_cancellation,
    ),
)
"""All the laws, those first whose breach explains that of others."""
