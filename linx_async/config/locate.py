"""Where the statements of a TOML text are: tomllib tells no positions of what it has parsed."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from attrs import frozen

from .problems import Path

__all__ = ["Places", "Statement", "statements"]

# https://toml.io/en/v1.0.0: what can hold a newline, or a character that only seems to matter.
_PIECE = re.compile(
    r'''
      """ (?: \\. | [^\\] )*? """ "{0,2}
    | \'\'\' .*? \'\'\' \'{0,2}
    | (?P<unclosed> """ | \'\'\' )
    | " (?: \\[^\n] | [^"\\\n] )* "?
    | ' [^'\n]* '?
    | \# [^\n]*
    | (?P<open> [\[{] )
    | (?P<close> [\]}] )
    | (?P<newline> \n )
    ''',
    re.VERBOSE | re.DOTALL,
)
_BLANK = re.compile(r"[ \t]*(?:\#[^\n]*)?")


@frozen
class Statement:
    """One statement of a text: a key with its value, or the header of a table.

    Attributes:
        text: It, from its first character to its last, which may be a comment's.
        start: The offset of its first character.
        closed: Whether all its strings and brackets are closed.
        table: The table that it is in; empty for a header.
        paths: All that it sets, from the top of the document; empty where it is no TOML.
    """

    text: str
    start: int
    closed: bool = True
    table: Path = ()
    paths: tuple[Path, ...] = ()

    @property
    def end(self) -> int:
        """The offset behind it: its newline's, or the end of the text."""
        return self.start + len(self.text)

    @property
    def is_header(self) -> bool:
        """Whether it begins a table."""
        return self.text.startswith("[")

    def clashes(self, earlier: Statement) -> bool:
        """Whether TOML may refuse it because of an earlier one: both set the same, or a part."""
        if self.is_header and earlier.is_header:
            return bool(self.paths) and self.paths == earlier.paths
        return any(
            all(map(str.__eq__, one, other))
            # A table's header is no obstacle to the keys in it.
            and not (earlier.is_header and len(one) > len(other))
            for one in self.paths
            for other in earlier.paths
        )


def statements(text: str) -> Iterator[Statement]:
    """Every statement of a text with newlines as line ends, in order, be it TOML or not."""
    table: Path = ()
    at = 0
    while at < len(text):
        blank = _BLANK.match(text, at)
        start = at if blank is None else blank.end()
        if start == len(text) or text[start] == "\n":
            at = start + 1
            continue
        end, closed = _end(text, start)
        piece = text[start:end]
        if piece.startswith("["):
            table = next(iter(_paths(piece)), ())
            yield Statement(piece, start, paths=_paths(piece))
        else:
            paths = tuple((*table, *path) for path in _paths(piece))
            yield Statement(piece, start, closed, table, paths)
        at = end + 1


def _end(text: str, start: int) -> tuple[int, bool]:
    if text[start] == "[":
        newline = text.find("\n", start)
        return (len(text) if newline < 0 else newline), True
    depth = 0
    for piece in _PIECE.finditer(text, start):
        match piece.lastgroup:
            case "open":
                depth += 1
            case "close":
                depth = max(0, depth - 1)
            case "newline" if depth == 0:
                return piece.start(), True
            case "unclosed":
                return len(text), False
    return len(text), depth == 0


@lru_cache(1 << 15)
def _paths(statement: str) -> tuple[Path, ...]:
    """The paths that one statement sets, within its table; none where it is no TOML."""
    try:
        return tuple(_leaves(tomllib.loads(statement)))
    except (ValueError, RecursionError):
        return ()


def _leaves(value: Any) -> Iterator[Path]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from ((key, *path) for path in _leaves(inner))
    else:
        yield ()


class Places:
    """Where a text first sets each path.

    Args:
        text: A text with newlines as its line ends.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._starts: dict[Path, int] = {}
        for statement in statements(text):
            for path in statement.paths:
                for length in range(1, len(path) + 1):
                    self._starts.setdefault(path[:length], statement.start)

    def find(self, path: Path) -> tuple[int, int] | None:
        """The line and the column where the statement begins that sets a path, or what holds it."""
        for length in range(len(path), 0, -1):
            if path[:length] in self._starts:
                return position(self._text, self._starts[path[:length]])
        return None


def position(text: str, offset: int) -> tuple[int, int]:
    """The line and the column of an offset, both from 1."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)
