"""Where the elements of an array, and the keys of an inline table, are in a TOML text."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from attrs import frozen

from .problems import Path

__all__ = ["KEY", "TOKEN", "Piece", "key_of", "piece_at", "pieces"]

KEY = re.compile(r"""(?: "(?: \\. | [^\\"] )*" | '[^']*' | [^="'] )*= [ \t]*""", re.VERBOSE)
"""A key with its `=`, and the blanks before its value."""
TOKEN = re.compile(
    r'''
      (?P<skip> [ \t\n]+ | \# [^\n]* )
    | """ (?: \\. | [^\\] )*? """ "{0,2}
    | \'\'\' .*? \'\'\' \'{0,2}
    | " (?: \\[^\n] | [^"\\\n] )* "
    | ' [^'\n]* '
    | (?P<open> [\[{] )
    | (?P<close> [\]}] )
    | (?P<comma> , )
    | [^][{},\#"' \t\n]+
    ''',
    re.VERBOSE | re.DOTALL,
)


@frozen
class Piece:
    """An element of an array, or a key of an inline table with its value.

    Attributes:
        path: Its place in the array, or its key, of which a dotted one has several parts.
        start: The offset of its first character.
        value: The offset of the value's first character.
    """

    path: Path
    start: int
    value: int


def key_of(statement: str) -> Path:
    """The key of a statement, in its parts; empty where there is none."""
    key = KEY.match(statement)
    try:
        found: Any = tomllib.loads(f"{key[0]}0") if key else {}
    except (ValueError, RecursionError):
        return ()
    path = []
    while isinstance(found, dict) and found:
        ((name, found),) = found.items()
        path.append(name)
    return tuple(path)


@lru_cache(64)
def pieces(text: str, at: int) -> tuple[Piece, ...]:
    """What the array or the inline table has that begins at an offset; none where none does."""
    opening = text[at : at + 1]
    if opening == "[":
        return tuple(Piece((n,), start, start) for n, start in enumerate(_starts(text, at)))
    found = []
    for start in _starts(text, at) if opening == "{" else ():
        key = KEY.match(text, start)
        path = key_of(text[start : key.end()]) if key else ()
        if key and path:
            found.append(Piece(path, start, key.end()))
    return tuple(found)


def _starts(text: str, at: int) -> Iterator[int]:
    depth, expected = 0, False
    while token := TOKEN.match(text, at):
        kind = token.lastgroup
        if expected and kind not in {"skip", "close"}:
            yield at
            expected = False
        if kind == "open":
            expected = not depth
            depth += 1
        elif kind == "close":
            depth -= 1
        elif kind == "comma" and depth == 1:
            expected = True
        if not depth:
            return
        at = token.end()


def piece_at(text: str, at: int, path: Path) -> tuple[Piece, bool]:
    """What a path leads to in the value that begins at an offset, or what holds that.

    Returns:
        It, whose path and start are nothing where there is not even the first step; and whether it
        is what the path leads to.
    """
    found = Piece((), 0, at)
    while path:
        size = len(path)
        each = _first(pieces(text, at), path)
        if each is None:
            return found, False
        found, at = each, each.value
        if len(each.path) > size:
            return found, False
        path = path[len(each.path) :]
    return found, True


def _first(several: tuple[Piece, ...], path: Path) -> Piece | None:
    """The first piece that a path leads into, or to."""
    if isinstance(path[0], int):
        return several[path[0]] if path[0] < len(several) else None
    size = len(path)
    return next((each for each in several if each.path[:size] == path[: len(each.path)]), None)
