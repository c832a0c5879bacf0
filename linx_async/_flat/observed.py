"""What a pass read of flat state."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

from .._core.errors import OpError

__all__ = ["Observed"]


@frozen
class Observed:
    """Flat state as the kernel shows it.

    Attributes:
        values: What was read, by key, without the last newline.
        absent: Why a key is not there (yet).
        refused: Keys that are there and cannot be read, or cannot be there at all.
        incarnation: Which of several objects of the same name the scope is now.
        renewed: Keys that belong to a new object of the same name as before: what was claimed
            of the old one is gone.
    """

    values: Mapping[str, str] = field(factory=dict)
    absent: Mapping[str, str] = field(factory=dict)
    refused: Mapping[str, OpError] = field(factory=dict)
    incarnation: str | None = None
    renewed: frozenset[str] = frozenset()
