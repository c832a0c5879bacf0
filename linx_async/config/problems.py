"""What is wrong with a file of desired state, and where."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from attrs import field, frozen

from .._core.errors import DesiredStateError

__all__ = ["ConfigError", "Finding", "Keys", "Path", "Problem", "dotted", "printable"]

_BARE = re.compile(r"[A-Za-z0-9_-]+\Z")

Keys: TypeAlias = tuple[str, ...]
"""The keys that lead to a value in a TOML document."""
Path: TypeAlias = tuple[str | int, ...]
"""Where a value is in a TOML document: the keys that lead to it, and places in arrays, from 0."""


def printable(text: str) -> str:
    """The text with escapes for what a terminal would obey, or cannot show."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    if "\udc80" <= char <= "\udcff":  # a byte that is not UTF-8, by surrogateescape
        return f"\\x{ord(char) - 0xDC00:02x}"
    return char.encode("unicode_escape").decode("ascii")


def dotted(path: Sequence[str | int]) -> str:
    """A path as TOML writes it, and places in brackets: `cgroup."a/b"`, `routes[2].gateway`."""
    words = []
    for key in path:
        if isinstance(key, int):
            words.append(f"[{key}]")
        else:
            words.append("." if words else "")
            words.append(key if _BARE.match(key) else json.dumps(key))
    return "".join(words)


@frozen
class Finding:
    """Something wrong, by its path in the document.

    Attributes:
        path: The keys that lead to it.
        message: What is wrong.
        table: How many keys of the path are its table's.
        key: How it is called, where the path alone does not tell.
        other: The path of what it does not go together with.
        inside: The line and the column, both from 1, in the text that is its value.
        file: The file that the text is in, where it is another one.
    """

    path: Path
    message: str
    table: int = 1
    key: str = ""
    other: Path | None = None
    inside: tuple[int, int] | None = None
    file: str = ""


@frozen
class Problem:
    """Something wrong with a file.

    Attributes:
        file: The file, as it was named.
        message: What is wrong, and what to do about it.
        line: The line, from 1; None where there is none to name.
        column: The column, from 1; None where there is none to name.
        section: The table, without its brackets: `cgroup."myorg/web-42"`.
        key: The key in it.
        exact: Whether the column says where in the line it goes wrong.
    """

    file: str
    message: str
    line: int | None = None
    column: int | None = None
    section: str = ""
    key: str = ""
    exact: bool = field(default=False, repr=False)

    def __str__(self) -> str:
        """As compilers tell it: `FILE:LINE: [section] key: what is wrong`."""
        place = [self.file]
        if self.line is not None:
            place.append(str(self.line))
            if self.exact and self.column is not None:
                place.append(str(self.column))
        what = " ".join(filter(None, [f"[{self.section}]" if self.section else "", self.key]))
        return printable(": ".join(filter(None, [":".join(place), what, self.message])))


class ConfigError(DesiredStateError):
    """A file of desired state is wrong; its message has a line for each problem.

    Attributes:
        problems: All that is wrong with it, in the order of the file.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        return "\n".join(map(str, self.problems))
