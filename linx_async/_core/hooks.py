"""What loops tell of themselves as they work, to whoever measures or shows that."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .errors import DesiredStateError, SourceError
from .model import Hint, Report, Trigger

__all__ = ["Hooks", "checked_hooks"]


class Hooks:
    """Hears what loops do; inherit from it, and override what you want to hear of.

    One may be given to any number of loops. Each call comes from the loop's own task, and has to
    return at once. What it raises crashes the loop.
    """

    def hinted(self, loop: str, hint: Hint) -> None:
        """A hint came.

        Args:
            loop: The loop's name.
            hint: What it says; `lost` where others were lost before it.
        """

    def began(self, loop: str, trigger: Trigger) -> None:
        """A pass begins.

        Args:
            loop: The loop's name.
            trigger: Why.
        """

    def passed(self, loop: str, outcome: Report[Any] | SourceError) -> None:
        """A pass is over, or could not run.

        Args:
            loop: The loop's name.
            outcome: Its report, or why there is none.
        """

    def crashed(self, loop: str, error: Exception) -> None:
        """The loop crashed; where a supervisor allows it, it starts again.

        Args:
            loop: The loop's name.
            error: What it crashed with.
        """


def checked_hooks(hooks: Iterable[Hooks]) -> tuple[Hooks, ...]:
    """Hooks, as they may be given to a loop.

    Raises:
        DesiredStateError: Something else is among them.
    """
    if isinstance(hooks, Hooks):
        raise DesiredStateError(f"hooks: expected several of them, got one: {hooks!r}")
    found = tuple(hooks)
    for each in found:
        if not isinstance(each, Hooks):
            raise DesiredStateError(f"hooks: expected Hooks, got {each!r}")
    return found
