"""Files of sysctl.d(5), as systemd-sysctl reads them, as a table of sysctls."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, Final

from attrs import define, field, frozen

from .. import sysctl
from .._core.errors import DesiredStateError
from ..sysctl.keys import normalized
from .importing import Imported
from .problems import Problem
from .writing import comment, dotted_key, header, value_text

__all__ = ["Assignment", "assignments", "imported_sysctls", "masked"]

_GLOB: Final = re.compile(r"[*?\[]")
_SUBJECT: Final = re.compile(r"\Asysctl(?: key '(?:[^'\\]|\\.)*')?: ")
_INTEGER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")


@frozen
class Assignment:
    """A line of a file.

    Attributes:
        file: The file.
        line: The line in it, from 1.
        name: The path below /proc/sys, which may have wildcards in it.
        value: What it is set to; None where it is left out of what wildcards stand for.
        lenient: Whether an error is to be ignored.
    """

    file: str
    line: int
    name: str
    value: str | None
    lenient: bool = False

    @property
    def is_glob(self) -> bool:
        """Whether there are wildcards in its name."""
        return _GLOB.search(self.name) is not None

    @property
    def place(self) -> str:
        """Where it stands."""
        return f"{self.file}:{self.line}"

    def problem(self, message: str) -> Problem:
        """What is wrong with it."""
        return Problem(self.file, message, self.line, key=self.name.replace("/", "."))


def assignments(file: str, text: str) -> tuple[list[Assignment], list[Problem]]:
    """The lines of a file that say something, and those that are wrong.

    A line is `KEY = VALUE`, or `-KEY = VALUE` where an error is to be ignored, or `-KEY` for what
    wildcards shall not stand for; `#` and `;` begin comments. Either dots or slashes separate the
    parts of a key, whichever comes first (sysctl.d(5)).
    """
    found: list[Assignment] = []
    problems: list[Problem] = []
    for number, line in enumerate(text.split("\n"), 1):
        words = line.strip()
        if not words or words[0] in "#;":
            continue
        name, equals, value = words.partition("=")
        lenient = name.startswith("-")
        name = _path(name.removeprefix("-").strip())
        if not name or not (equals or lenient):
            message = (
                "not an assignment: write KEY = VALUE, or -KEY to leave a key out of wildcards"
            )
            problems.append(Problem(file, f"{message}, got {words!r:.100}", number))
        else:
            said = value.strip() if equals else None
            found.append(Assignment(file, number, name, said, lenient))
    return found, problems


def _path(name: str) -> str:
    """A key as a path: dots and slashes are swapped where the first of them is a dot."""
    first = next((char for char in name if char in "./"), "")
    path = name.translate({ord("."): "/", ord("/"): "."}) if first == "." else name
    return "/".join(filter(None, path.split("/")))


def imported_sysctls(said: Sequence[Assignment], there: Sequence[str]) -> Imported:
    """What assignments come to.

    Of several for one key the last counts. What wildcards stand for is what there is now, but for
    keys that are named.

    Args:
        said: The assignments, in the order in which they are read.
        there: The paths of all sysctls that there are.
    """
    reading = _Reading(said, frozenset(there))
    reading.read(there)
    return reading.imported


@frozen
class _Set:
    """What a key is set to, and by which assignment."""

    by: Assignment
    value: Any


@define
class _Reading:
    """What was read so far."""

    said: Sequence[Assignment]
    there: frozenset[str]
    imported: Imported = field(factory=Imported, init=False)
    _set: dict[str, _Set] = field(factory=dict, init=False)

    def read(self, there: Sequence[str]) -> None:
        """Read all of it."""
        last = self._last()
        for each in last.values():
            if each.value is None:
                if each.is_glob:
                    self._refuse(each, "a key is left out of wildcards by its name alone: name it")
            elif each.is_glob:
                self._put_all(each, [path for path in there if path not in last])
            elif each.lenient and each.name not in self.there:
                self._refuse(
                    each,
                    "it is not there, which its - says to ignore: write it without the -, and linx"
                    " waits for it",
                )
            else:
                self._put(each, each.name)
        self._resolve()
        self._write()
        order = {
            each: number for number, each in enumerate(dict.fromkeys(a.file for a in self.said))
        }
        self.imported.problems.sort(key=lambda each: (order[each.file], each.line or 0))

    def _last(self) -> dict[str, Assignment]:
        """The last assignment by name; one that says the same again stays where it was."""
        last: dict[str, Assignment] = {}
        for each in self.said:
            before = last.get(each.name)
            if before is None or before.value != each.value:
                last.pop(each.name, None)
            last[each.name] = each
        return last

    def _put_all(self, each: Assignment, paths: Sequence[str]) -> None:
        pattern = each.name.split("/")
        found = [path for path in paths if _matches(pattern, path.split("/"))]
        if not found:
            self._refuse(each, "its wildcards stand for nothing that is there now")
            return
        for path in found:
            self._put(each, path)
        what = f"{each.name.replace('/', '.')} = {each.value}"
        message = f"{what}: stands for the {len(found)} that there are now, not for later ones"
        self.imported.notes.append(Problem(each.file, message, each.line))

    def _put(self, each: Assignment, path: str) -> None:
        try:
            key = normalized(path)
            value = _value(each.value or "")
            sysctl.Desired({key: value})
            _ = dotted_key(key), value_text(value)  # which not all text can be in
        except DesiredStateError as error:
            self._refuse(each, str(error))
        else:
            self._set.pop(key, None)  # the place is that of the last one
            self._set[key] = _Set(each, value)

    def _resolve(self) -> None:
        """Of keys that are one knob to the kernel, leave the last, as it is written last."""
        try:
            sysctl.Desired({key: each.value for key, each in self._set.items()})
        except DesiredStateError:
            kept: dict[str, Any] = {}
            for key, each in reversed(self._set.copy().items()):
                try:
                    sysctl.Desired({**kept, key: each.value})
                except DesiredStateError as error:
                    del self._set[key]
                    self._refuse(each.by, f"{error}; the one that comes last was taken")
                else:
                    kept[key] = each.value

    def _write(self) -> None:
        lines = self.imported.lines
        lines.append(header(["sysctl"]))
        place = ""
        for key, each in self._set.items():
            if each.by.file != place:
                place = each.by.file
                lines += comment(place)
            lines.append(f"{dotted_key(key)} = {value_text(each.value)}")

    def _refuse(self, each: Assignment, message: str) -> None:
        self.imported.problems.append(each.problem(_SUBJECT.sub("", message)))


def _matches(pattern: Sequence[str], parts: Sequence[str]) -> bool:
    """Whether a path is one that glob(3) finds by a pattern, part by part."""
    return len(pattern) == len(parts) and all(
        fnmatchcase(part, each) and part.startswith(".") <= each.startswith(".")
        for each, part in zip(pattern, parts, strict=True)
    )


def _value(text: str) -> Any:
    words = text.split()
    if words and all(map(_INTEGER.fullmatch, words)):
        numbers = [int(word) for word in words]
        return numbers[0] if len(numbers) == 1 else numbers
    return text


def masked(directories: Sequence[Mapping[str, str]]) -> Iterator[tuple[str, list[str]]]:
    """The files of several directories in the order in which they are read.

    Args:
        directories: The files of each by name; those of the first one take the place of those of
            the same name in later ones.

    Yields:
        Each file's path, and those that it takes the place of.
    """
    names = sorted({name for directory in directories for name in directory})
    for name in names:
        first, *others = [directory[name] for directory in directories if name in directory]
        yield first, others
