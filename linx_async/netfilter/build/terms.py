"""What a rule consists of."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .drafting import Drafting

__all__ = ["Term"]


class Term:
    """A match or a statement of a rule."""

    __slots__ = ()

    def ends(self) -> bool:
        """Whether nothing that comes after it would ever be reached."""
        return False

    def draft(self, drafting: Drafting) -> None:
        """Add it to a rule.

        Raises:
            DesiredStateError: It makes no sense there.
        """
        raise NotImplementedError
