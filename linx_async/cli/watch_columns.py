"""The table of `linx watch`: columns of a fixed width, and the names in what is left."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from attrs import frozen
from rich.cells import cell_len, set_cell_size
from rich.text import Text

from .watch_rows import Row

__all__ = ["cut", "table"]

_WIDE: Final = 100
"""Characters from which on there is room for columns that are mostly empty."""
_SHORTEST_NAME: Final = 8
_USUAL_NAME: Final = 20
_NAME_TOO_SHORT: Final = 18


@frozen
class _Column:
    """A column.

    Attributes:
        head: What it is called.
        width: How many characters it has.
        text: What it says of a part.
        style: How that looks.
        left: Whether it begins at the left.
        rare: Whether it is left out where it is empty and the terminal narrow.
        spare: Whether it is left out where names would be cut too short.
    """

    head: str
    width: int
    text: Callable[[Row], str]
    style: Callable[[Row], str] = lambda _: ""
    left: bool = False
    rare: bool = False
    spare: bool = False

    def cell(self, text: str, style: str = "bold") -> Text:
        """A text in its width."""
        text = cut(text, self.width)
        gap = " " * (self.width - cell_len(text))
        return Text(text + gap if self.left else gap + text, style)


_Group = tuple[str, tuple[_Column, ...]]
_GROUPS: Final[tuple[_Group, ...]] = (
    ("", (_Column("state", 13, lambda row: row.state, lambda row: row.colour, left=True),)),
    (
        "last pass",
        (
            _Column("ago", 4, lambda row: row.ago),
            _Column("by", 7, lambda row: row.trigger, lambda _: "dim", left=True, spare=True),
            _Column("ms", 4, lambda row: row.pass_ms),
        ),
    ),
    (
        "drift",
        (
            _Column(
                "healed",
                6,
                lambda row: row.healed,
                lambda row: "bold green" if row.is_fresh else "green",
            ),
        ),
    ),
    ("", (_Column("wait", 4, lambda row: row.waiting, lambda _: "yellow"),)),
    ("", (_Column("conf", 4, lambda row: row.conflicts, lambda _: "magenta"),)),
    ("", (_Column("fail", 4, lambda row: row.failed, lambda _: "red", rare=True),)),
    (
        "latency ms",
        (
            _Column("last", 4, lambda row: row.last_ms),
            _Column("med.", 5, lambda row: row.median_ms),
        ),
    ),
    ("re-", (_Column("start", 5, lambda row: row.restarts, lambda _: "red", rare=True),)),
)


def table(rows: Sequence[Row], width: int) -> Iterator[Text]:
    """The lines of the table, of which the first two are its head."""
    groups = [group for group in _GROUPS if width >= _WIDE or _is_used(group, rows)]
    longest = max([_USUAL_NAME, *(cell_len(row.part) for row in rows)])
    if width - _taken(groups) < _NAME_TOO_SHORT:
        groups = [
            (head, tuple(each for each in columns if not each.spare)) for head, columns in groups
        ]
    size = max(min(width - _taken(groups), longest), _SHORTEST_NAME)
    name = _Column("part", size, lambda row: row.part, left=True)
    above, heads = [name.cell("")], [name.cell(name.head)]
    for head, columns in groups:
        span = sum(column.width + 1 for column in columns) - 1
        above.append(Text(head.rjust(span), "bold"))
        heads.extend(column.cell(column.head) for column in columns)
    yield _line(above)
    yield _line(heads)
    all_columns = [name, *(column for _, columns in groups for column in columns)]
    for row in rows:
        yield _line([column.cell(column.text(row), column.style(row)) for column in all_columns])


def cut(text: str, width: int) -> str:
    """A text without its middle where it is too long: names often differ at their ends."""
    if cell_len(text) <= width:
        return text
    ahead = width // 2
    return set_cell_size(f"{set_cell_size(text, ahead)}…{text[ahead + 1 - width :]}", width)


def _taken(groups: Sequence[_Group]) -> int:
    """How many characters the columns of some groups take, with the gaps before them."""
    return sum(column.width + 1 for _, columns in groups for column in columns)


def _is_used(group: _Group, rows: Sequence[Row]) -> bool:
    _, columns = group
    return any(not column.rare or any(map(column.text, rows)) for column in columns)


def _line(cells: Sequence[Text]) -> Text:
    line = Text(" ").join(cells)
    line.no_wrap, line.overflow = True, "ellipsis"
    return line
