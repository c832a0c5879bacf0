"""The conformance suite: puts a Source through all that every Source has to keep."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .broken import LawBroken
from .case import CaseError, SourceCase
from .law import SOURCE_LAWS, Law

__all__ = ["SOURCE_LAWS", "CaseError", "Law", "LawBroken", "SourceCase", "check_source"]


async def check_source(
    case: SourceCase[Any, Any, Any], *, laws: Sequence[Law] = SOURCE_LAWS
) -> dict[str, str]:
    """Put a Source through the laws, one after the other, on the event loop that runs.

    Run it on asyncio and on trio: some faults show on one of them alone. To have a test for each
    law, put the Source through one at a time with `Law.check`.

    Args:
        case: The Source, and what goes on around it.
        laws: Those that it is to keep.

    Returns:
        The names of laws that say nothing about this Source, and why: it has no hints, say.

    Raises:
        LawBroken: It does not keep one of them; the message says which, and how that shows.
        CaseError: The case shows nothing, whether it does or not.
    """
    silent = {law.name: await law.check(case) for law in laws}
    return {name: why for name, why in silent.items() if why}
