"""A file in nft's syntax, with all that it includes, as the text of a table `[netfilter]`."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Mapping
from typing import Final

from attrs import define, evolve, field, frozen

from .._core.errors import LinxError
from ..netfilter.parsing import parsed_tables
from ..netfilter.text.errors import Complaint, TextError
from .importing import Imported
from .problems import ConfigError, Problem
from .text import decoded, read
from .writing import header, long_text

__all__ = ["imported_nft"]

_TOKEN: Final = re.compile(
    r"""
      (?P<comment> \# [^\n]* )
    | (?P<include> (?<![\w./-]) include (?: [ \t] | \\\n )* "(?P<name> [^"\n]* )" )
    | " [^"\n]* "
    | (?P<command> (?<![\w./@$-]) (?:flush|delete|destroy|reset) [ \t]+ \w+ )
    """,
    re.VERBOSE,
)
_WILDCARDS: Final = re.compile(r"[*?\[]")
_DEEPEST: Final = 16  # MAX_INCLUDE_DEPTH, include/parser.h of nftables
_FROM: Final = "/etc"  # where nft looks for names without ./ and / (DEFAULT_INCLUDE_PATH)
_LARGEST: Final = 1 << 19
"""Characters; as TOML they may be twice as many."""


@frozen
class _Piece:
    """A piece of the text, and where it comes from."""

    text: str
    file: str
    line: int


def imported_nft(file: str, links: Mapping[str, int]) -> Imported:
    """The text of a file, with what it includes in its place. Blocks for as long as nft takes.

    Args:
        file: The file.
        links: The indices of interfaces by name.

    Raises:
        ConfigError: It, or what it includes, cannot be read, or nft does not take it.
    """
    gathered = _Gathering()
    gathered.take(file)
    if gathered.problems:
        raise ConfigError(gathered.problems)
    text = "".join(piece.text for piece in gathered.pieces)
    if len(text) > _LARGEST:
        raise ConfigError([Problem(file, f"larger than {_LARGEST >> 10} KiB: split it up")])
    try:
        tables = parsed_tables(text, links=links)
    except TextError as error:
        raise ConfigError(map(gathered.problem, error.complaints)) from None
    except LinxError as error:
        raise ConfigError([Problem(file, str(error))]) from error
    if not tables:
        raise ConfigError([Problem(file, "there is no table in it: table inet NAME { … }")])
    lines = [header(["netfilter"]), *long_text("text", text).split("\n")]
    return Imported(lines, notes=gathered.notes)


@define
class _Gathering:
    """What was read so far."""

    pieces: list[_Piece] = field(factory=list)
    problems: list[Problem] = field(factory=list)
    notes: list[Problem] = field(factory=list)

    def take(self, file: str, depth: int = 0) -> None:
        """Read a file, and what it includes."""
        try:
            text = decoded(file, read(file))
        except ConfigError as error:
            self.problems += error.problems
            return
        start = 0
        for token in _TOKEN.finditer(text):
            line = text.count("\n", 0, token.start()) + 1
            if token["command"]:
                self.notes.append(Problem(file, _commanded(token["command"]), line))
            elif token["name"] is not None:
                self._put(text[start : token.start()], file, text.count("\n", 0, start) + 1)
                self._put(f"# {' '.join(token['include'].split())}", file, line)
                self._include(token["name"], file, line, depth + 1)
                start = token.end()
        self._put(text[start:], file, text.count("\n", 0, start) + 1)

    def problem(self, complaint: Complaint) -> Problem:
        """What nft says, by the place that it is about."""
        words = f"nft: {evolve(complaint, line=None, excerpt='')}"
        left = (complaint.line or 1) - 1
        for piece in self.pieces:
            lines = piece.text.count("\n")
            if left < lines or piece is self.pieces[-1]:
                line = piece.line + left
                return Problem(piece.file, words, line, complaint.column, exact=True)
            left -= lines
        raise AssertionError("nft was given no text")

    def _put(self, text: str, file: str, line: int) -> None:
        if text:
            # On lines of its own: what is included may begin and end with a whole statement.
            whole = text if text.endswith("\n") else f"{text}\n"
            self.pieces.append(_Piece(whole, file, line))

    def _include(self, name: str, file: str, line: int, depth: int) -> None:
        if depth > _DEEPEST:
            message = f'include "{name}": files include each other more than {_DEEPEST} deep'
            self.problems.append(Problem(file, message, line))
            return
        found = list(_found(name))
        if not found and not _WILDCARDS.search(name):
            looked = os.path.join(_FROM, name) if _is_bare(name) else os.path.abspath(name)
            message = f'include "{name}": there is no {looked}: put it there, or leave the line out'
            self.problems.append(Problem(file, message, line))
        elif not found:
            message = f'include "{name}": stands for no file that is there now'
            self.notes.append(Problem(file, message, line))
        for each in found:
            self.take(each, depth)


def _is_bare(name: str) -> bool:
    return not name.startswith(("./", "../", "/"))


def _found(name: str) -> Iterator[str]:
    """The files that a name stands for, in nft's order (include_glob(), src/scanner.l)."""
    pattern = os.path.join(_FROM, name) if _is_bare(name) else name
    if not _WILDCARDS.search(name):
        if os.path.exists(pattern):
            yield pattern
        return
    yield from (each for each in sorted(glob.glob(pattern)) if not os.path.isdir(each))


def _commanded(command: str) -> str:
    words = " ".join(command.split())
    if words == "flush ruleset":
        return f"{words}: linx takes away only what it put there itself; the tables of others stay"
    return f"{words}: linx keeps what the whole text leads to, and does not carry it out each time"
