"""Where the statements of a TOML text are: tomllib tells no positions of what it has parsed."""

from __future__ import annotations

import operator
import re
import tomllib
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from attrs import frozen

from .pieces import KEY, TOKEN, Piece, key_of, piece_at, pieces
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
_VERBATIM = re.compile(r"""'(?:''\n?)?|"(?:""\n?)?(?=[^\\]*\Z)""")
"""What opens a string in which every character stands for itself."""


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
            return bool(self.paths) and _of_tables(self.paths) == _of_tables(earlier.paths)
        return any(
            all(map(operator.eq, one, other))
            # A table's header is no obstacle to the keys in it.
            and not (earlier.is_header and len(one) > len(other))
            for one in self.paths
            for other in earlier.paths
        )


def statements(text: str) -> Iterator[Statement]:
    """Every statement of a text with newlines as line ends, in order, be it TOML or not."""
    table: Path = ()
    lengths: dict[Path, int] = {}
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
            named = next(iter(_paths(piece)), ())
            table = _opened(named, lengths, more=piece.startswith("[["))
            yield Statement(piece, start, paths=(table,) if named else ())
        else:
            paths = tuple((*table, *path) for path in _paths(piece))
            yield Statement(piece, start, closed, table, paths)
        at = end + 1


def _opened(named: Path, lengths: dict[Path, int], *, more: bool) -> Path:
    """The table that a header begins, with its place in each array of tables that it is in.

    Args:
        named: The keys of the header.
        lengths: How many tables each array has so far.
        more: Whether the header adds one to an array.
    """
    table: Path = ()
    for depth, key in enumerate(named, 1):
        table = (*table, key)
        if more and depth == len(named):
            lengths[table] = lengths.get(table, 0) + 1
        if table in lengths:
            table = (*table, lengths[table] - 1)
    return table


def _of_tables(paths: tuple[Path, ...]) -> list[Path]:
    """The paths of headers without a table's place in its array."""
    return [path[:-1] if isinstance(path[-1], int) else path for path in paths if path]


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
        self._starts: dict[Path, Statement] = {}
        self._within: dict[Path, list[Statement]] = {}
        for statement in statements(text):
            if statement.table and statement.paths:
                self._within.setdefault(statement.table, []).append(statement)
            for path in statement.paths:
                for length in range(1, len(path) + 1):
                    self._starts.setdefault(path[:length], statement)

    def find(self, path: Path) -> tuple[int, int] | None:
        """The line and the column where the statement begins that sets a path, or what holds it.

        Of what is in an array, they are those of the element.
        """
        found = self._found(path)
        return found and position(self._text, found[0].start + found[1].start)

    def depth(self, path: Path) -> int:
        """How much of a path the text sets."""
        for length in range(len(path), 0, -1):
            if path[:length] in self._starts:
                return length
        return 0

    def table(self, path: Path) -> Path:
        """The table that a path is set in: the one that its header begins, or that it is."""
        found = self._found(path)
        return path[: len(found[0].table) or len(path)] if found else ()

    def is_open(self, path: Path) -> bool:
        """Whether more may be said of a table, or an array, elsewhere: it is no value, in TOML."""
        statement = self._starts.get((*path, 0)) or self._starts.get(path)
        if statement is None or statement.is_header:
            return statement is not None
        return len(statement.table) + len(key_of(statement.text)) > len(path)

    def keys(self, path: Path) -> tuple[Path, ...]:
        """The keys of a table in the order of the text, dotted ones in their parts.

        tomllib makes one table of all dotted keys that begin alike, wherever they stand. None are
        told of a table that the text has not, and of those below it that have headers.
        """
        if path in self._within:
            return tuple(key_of(statement.text) for statement in self._within[path])
        found = self._found(path)
        if found is None or not found[2]:
            return ()
        return tuple(each.path for each in pieces(found[0].text, found[1].value))

    def inside(self, path: Path, line: int, column: int) -> tuple[int, int] | None:
        """The line and the column of a place in the text that is the value of a path.

        None where the text is not there as it is: it has escapes.

        Args:
            path: The path.
            line: The line in the text, from 1.
            column: The column in it, from 1.
        """
        found = self._found(path)
        if found is None or found[0].is_header:
            return None
        statement, at = found[0], found[1].value
        token = TOKEN.match(statement.text, at)
        opening = token and _VERBATIM.match(token[0])
        if not token or not opening:
            return None
        first, in_line = position(self._text, statement.start + at + opening.end())
        return first + line - 1, column + (in_line - 1 if line == 1 else 0)

    def _found(self, path: Path) -> tuple[Statement, Piece, bool] | None:
        """The statement that sets a path, or what holds it; what of it that is, and whether so."""
        for length in range(len(path), 0, -1):
            statement = self._starts.get(path[:length])
            if statement is not None:
                return statement, *_piece(statement, path)
        return None


def _piece(statement: Statement, path: Path) -> tuple[Piece, bool]:
    """What of a statement a path leads to, or what holds that; and whether it is just that."""
    key = None if statement.is_header else KEY.match(statement.text)
    if key is None:
        return Piece((), 0, 0), False
    own = len(statement.table) + len(key_of(statement.text))
    found, exact = piece_at(statement.text, key.end(), path[own:])
    return found, exact and len(path) >= own


def position(text: str, offset: int) -> tuple[int, int]:
    """The line and the column of an offset, both from 1."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)
