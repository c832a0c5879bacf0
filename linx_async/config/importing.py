"""What becomes of foreign files: what a file of ours says instead, and what it cannot say."""

from __future__ import annotations

from attrs import define, field

from .problems import Problem

__all__ = ["Imported"]


@define
class Imported:
    """What was imported.

    Attributes:
        lines: What the file says.
        problems: What it cannot say, by its place, and what to do.
        notes: What it says otherwise, by its place.
    """

    lines: list[str] = field(factory=list)
    problems: list[Problem] = field(factory=list)
    notes: list[Problem] = field(factory=list)
