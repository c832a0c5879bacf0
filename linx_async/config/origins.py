"""The files that one document is put together from, and where in them its parts are."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path as FilePath
from typing import Any, Final

from attrs import define, field

from .locate import Places
from .problems import Keys, Path, Problem, dotted

__all__ = ["Origin", "Origins"]


@define(eq=False)
class Origin:
    """One file.

    Attributes:
        file: Its name.
        folder: From where the names of other files in it are.
        text: Its text, with newlines as its line ends, without what is no TOML.
    """

    file: str
    folder: FilePath
    text: str
    _places: Places | None = field(default=None, init=False)

    @property
    def places(self) -> Places:
        """Where things are in its text."""
        if self._places is None:
            self._places = Places(self.text)
        return self._places


class Origins:
    """Files whose tables are merged, in their order.

    What TOML lets a second header add to, a later file may add to: a table's keys, and the tables
    of an array (`[[…]]`). Nothing is replaced.

    Args:
        origins: The files.
        documents: Their data, which are not to be used any more.

    Attributes:
        document: All that they say.
        problems: What two of them say, of which the later is told.
    """

    def __init__(self, origins: Iterable[Origin], documents: Iterable[dict[str, Any]]) -> None:
        self._origins: Final[Sequence[Origin]] = tuple(origins)
        self._parts: dict[Path, list[tuple[int, int]]] = {}
        self.document: dict[str, Any] = {}
        self.problems: list[Problem] = []
        for number, document in enumerate(documents):
            if number:
                self._merge(self.document, document, (), number)
            else:
                self.document = document

    def _merge(
        self, into: dict[str, Any], more: Mapping[str, Any], above: Keys, number: int
    ) -> None:
        for key, value in more.items():
            path = (*above, key)
            if key not in into:
                into[key] = value
            elif not self._may_add(into[key], value, path, number):
                self._twice(path, number)
            elif isinstance(value, list):
                first = self._number(path)
                self._parts.setdefault(path, [(0, first)]).append((len(into[key]), number))
                into[key] = [*into[key], *value]
            else:
                self._merge(into[key], value, path, number)

    def _may_add(self, there: Any, more: Any, path: Keys, number: int) -> bool:
        if type(there) is not type(more) or not isinstance(more, dict | list):
            return False
        earlier = self._origins[self._number(path)]
        return earlier.places.is_open(path) and self._origins[number].places.is_open(path)

    def _twice(self, path: Keys, number: int) -> None:
        first, second = self._origins[self._number(path)], self._origins[number]
        earlier, later = first.places.find(path), second.places.find(path)
        where = ":".join([first.file, *map(str, earlier or ())])
        table = second.places.table(path)
        section, key = dotted(table), dotted(path[len(table) :])
        message = f"set twice, first at {where}"
        line, column = later or (None, None)
        self.problems.append(Problem(second.file, message, line, column, section, key, exact=True))

    def origin(self, path: Path) -> tuple[Origin, Path]:
        """The file that says what a path leads to, or what holds that; and the path in that file.

        They differ in the place in an array that several files add to.
        """
        if len(self._origins) == 1:
            return self._origins[0], path
        for depth, key in enumerate(path):
            parts = self._parts.get(path[:depth]) if isinstance(key, int) else None
            if parts and isinstance(key, int):
                at = bisect_right(parts, key, key=lambda part: part[0]) - 1
                first, number = parts[at]
                return self._origins[number], (*path[:depth], key - first, *path[depth + 1 :])
        return self._origins[self._number(path)], path

    def _number(self, path: Path) -> int:
        """Which file sets most of a path; the first of those that set as much."""
        depths = [origin.places.depth(path) for origin in self._origins]
        return depths.index(max(depths))

    def find(self, path: Path) -> tuple[str, tuple[int, int] | None]:
        """The file, the line and the column where what a path leads to is, or what holds that."""
        origin, inner = self.origin(path)
        return origin.file, origin.places.find(inner)

    def inside(self, path: Path, line: int, column: int) -> tuple[int, int] | None:
        """The line and the column in its file of a place in a text; see `Places.inside`."""
        origin, inner = self.origin(path)
        return origin.places.inside(inner, line, column)

    def keys(self, path: Path) -> tuple[Path, ...]:
        """The keys of a table in the order of its file; see `Places.keys`."""
        origin, inner = self.origin(path)
        return origin.places.keys(inner)
