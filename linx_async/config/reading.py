"""What was read of a file so far, and what is wrong with it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path as FilePath

from attrs import define, field

from .host import Part
from .problems import Finding, Path

__all__ = ["Reading", "clipped", "closest"]

_LONGEST = 300
"""Characters of a message; it quotes the value, which may be anything."""


@define
class Reading:
    """What was read of the file, so far.

    Attributes:
        folder: From where the names of other files in it are.
        parts: What it says.
        findings: What is wrong with it.
    """

    folder: FilePath = FilePath()
    parts: list[Part] = field(factory=list)
    findings: list[Finding] = field(factory=list)

    def find(
        self,
        path: Path,
        message: str,
        table: int = 1,
        *,
        key: str = "",
        other: Path | None = None,
        inside: tuple[int, int] | None = None,
        file: str = "",
    ) -> None:
        """Note what is wrong; see `Finding`."""
        self.findings.append(Finding(path, message, table, key, other, inside, file))


def closest(name: str, known: Iterable[str]) -> str | None:
    """What somebody may have meant who wrote an unknown name."""
    found = difflib.get_close_matches(name.lower(), sorted(known), n=1, cutoff=0.5)
    return found[0] if found else None


def clipped(message: str) -> str:
    """A message of a length that somebody reads."""
    return message if len(message) <= _LONGEST else f"{message[:_LONGEST]}…"
