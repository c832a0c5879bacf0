"""A table of what an apply has left to do, and why, which a terminal shows in its own width."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from textwrap import wrap
from typing import Final

from attrs import frozen

from ..config.problems import printable
from .output import shade
from .results import PartResult

__all__ = ["Row", "rows_of", "table_lines", "terminal_width"]

_HEAD: Final = ("part", "key", "what", "why")
_COLOURS: Final = {"failed": "red", "not tried": "red", "conflict": "magenta", "waiting": "yellow"}
_GAP: Final = "  "
_NARROWEST: Final = 60
_LEAST: Final = 20
"""Characters that the reasons have at least."""
_WIDEST: Final = 48
"""Characters of a column but the last, where no terminal limits it."""
_MOST_NOT_TRIED: Final = 3
"""They may be thousands that depend on one that failed, which is to be seen."""


@frozen
class Row:
    """One thing that is left to do.

    Attributes:
        part: The part.
        key: The key.
        what: Whether it failed, waits and so on.
        why: Why.
    """

    part: str
    key: str
    what: str
    why: str

    @property
    def cells(self) -> tuple[str, str, str, str]:
        """Its texts, as a terminal may have them."""
        part, key, what, why = self.part, self.key, self.what, " ".join(self.why.split())
        return printable(part), printable(key), what, printable(why)


def rows_of(result: PartResult) -> Iterator[Row]:
    """What a part has left to do."""
    name = result.part.name
    for error in result.failed:
        why = str(error).removeprefix(f"{error.key}: ")
        yield Row(name, error.key, "failed", why)
    for op in result.pending[:_MOST_NOT_TRIED]:
        yield Row(name, op.key, "not tried", f"it depends on what failed: {op}")
    more = len(result.pending) - _MOST_NOT_TRIED
    if more > 0:
        yield Row(name, f"and {more:,} more", "not tried", "they depend on what failed")
    for conflict in result.conflicts:
        yield Row(name, conflict.key, "conflict", conflict.reason)
    for wait in result.waiting:
        yield Row(name, wait.key, "waiting", wait.reason)


def table_lines(rows: Sequence[Row], width: int | None) -> Iterator[str]:
    """The lines of a table; none where there are no rows.

    Args:
        rows: What it is about.
        width: The characters of a line; None where a row is one line, however long.
    """
    if not rows:
        return
    cells = [row.cells for row in rows]
    widths = _widths([_HEAD, *cells], width)
    yield shade(_line(_HEAD, widths), bold=True)
    for row, texts in zip(rows, cells, strict=True):
        if width is None:
            columns = [[text] for text in texts]
        else:
            columns = [wrap(text, size) for text, size in zip(texts, widths, strict=True)]
        for parts in zip_longest(*columns, fillvalue=""):
            yield shade(_line(parts, widths), _COLOURS[row.what])


def terminal_width() -> int | None:
    """The width of the terminal that standard output is; None where it is none."""
    if not (sys.stdout and sys.stdout.isatty()):
        return None
    return shutil.get_terminal_size().columns


def _widths(lines: Sequence[Sequence[str]], width: int | None) -> tuple[int, ...]:
    part, key, what, why = (max(map(len, column)) for column in zip(*lines, strict=True))
    if width is None:
        return min(part, _WIDEST), min(key, _WIDEST), what, why
    left = max(width, _NARROWEST) - what - 3 * len(_GAP)
    part = min(part, left // 3)
    key = min(key, left - part - min(why, _LEAST))
    return part, key, what, left - part - key


def _line(texts: Sequence[str], widths: Sequence[int]) -> str:
    told = (text.ljust(size) for text, size in zip(texts, widths, strict=True))
    return _GAP.join(told).rstrip()
