"""A file's TOML as data, with all that is wrong with its syntax told at once."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from itertools import takewhile
from typing import Any

from attrs import frozen

from .locate import Statement, position, statements
from .problems import ConfigError, Problem, dotted

__all__ = ["LARGEST", "Parsed", "decoded", "parsed", "read"]

LARGEST = 1 << 24
"""Bytes; more is no file of desired state."""

_DEEPEST = 64
"""Tables and arrays within each other; more is no file of desired state."""
_MOST = 25
"""Syntax errors that are told at once."""

_POSITION = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)\Z")
_KEY = re.compile(r"""(?: "(?: \\. | [^"\\] )*" | '[^']*' | [^="'] )*""", re.VERBOSE)
_BARE_TEXT = re.compile(r"\s*=\s*(?!true\b|false\b|[0-9]+\s*\Z)[A-Za-z0-9]")


def read(file: str) -> bytes:
    """All of a file. Blocks.

    Raises:
        ConfigError: It cannot be read, or is too large.
    """
    try:
        with open(file, "rb") as stream:
            data = stream.read(LARGEST + 1)
    except IsADirectoryError:
        raise ConfigError([Problem(file, "this is a directory, and no file")]) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigError([Problem(file, f"cannot be read: {why}")]) from None
    if len(data) > LARGEST:
        raise ConfigError([Problem(file, f"larger than {LARGEST >> 20} MiB: is it the right one?")])
    return data


def decoded(file: str, data: bytes) -> str:
    """The text of a file, with newlines as its line ends.

    Raises:
        ConfigError: It is not UTF-8.
    """
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        wrong = f"byte 0x{data[error.start]:02x}"
        if data.startswith((b"\xff\xfe", b"\xfe\xff")):
            wrong = "it looks like UTF-16"
        before = data[: error.start].decode("utf-8-sig", "replace")
        place = position(before, len(before))
        raise ConfigError([Problem(file, f"not UTF-8: {wrong}", *place, exact=True)]) from None


@frozen
class Parsed:
    """What came of a text.

    Attributes:
        document: Its data, without the statements that are wrong.
        text: It, with blank lines in the place of those.
        problems: What is wrong with them.
    """

    document: dict[str, Any]
    text: str
    problems: list[Problem]


def parsed(file: str, text: str) -> Parsed:
    """The data of a text, and all that is wrong with its syntax."""
    problems: list[Problem] = []
    while True:
        try:
            document = tomllib.loads(text)
            if _is_too_deep(document):
                raise RecursionError
            return Parsed(document, text, problems)
        except (ValueError, RecursionError) as error:
            flaw = _Flaw.of(text, error)
        problems.append(flaw.problem(file, text))
        start, end = flaw.cut(text)
        if len(problems) == _MOST or not text[start:end].strip():
            problems.append(Problem(file, "there may be more; correct these first"))
            return Parsed({}, text, problems)
        text = text[:start] + "\n" * text.count("\n", start, end) + text[end:]


@frozen
class _Flaw:
    """What tomllib found to be wrong.

    Attributes:
        message: What it says.
        offset: Where it found that out; None where it does not say.
        statement: The statement that is at fault.
        earlier: An earlier one that it does not go together with, if it is well by itself.
    """

    message: str
    offset: int | None
    statement: Statement
    earlier: Statement | None

    @classmethod
    def of(cls, text: str, error: Exception) -> _Flaw:
        found = _POSITION.search(str(error))
        offset = None if found is None else _offset(text, found)
        known = offset is not None and offset < len(text)
        every = list(_until(statements(text), offset if known else None))
        every = every or [Statement(text, 0, closed=False)]
        if offset is None or not known:
            # Text that is not closed is missed at the end; numbers of thousands of digits and
            # deep nesting are told without a position.
            culprit = next((each for each in every if _is_no_statement(each)), every[-1])
        else:
            culprit = [each for each in every if each.start <= offset or each is every[0]][-1]
        before = (each for each in every if each.start < culprit.start)
        earlier = next((each for each in before if culprit.clashes(each)), None)
        message = str(error)[: None if found is None else found.start()]
        if isinstance(error, RecursionError):
            message = "nested too deeply"
        return cls(message, offset, culprit, earlier)

    def problem(self, file: str, text: str) -> Problem:
        """It, as it is told."""
        statement = self.statement
        first_line = statement.text.partition("\n")[0]
        at = statement.start
        if self.offset is not None and not self.earlier:
            found = min(max(at, self.offset), statement.end)
            at = found if statement.closed or found <= at + len(first_line) else at
        table = statement.paths[0] if statement.is_header and statement.paths else statement.table
        # A table of an array is told as the array has it, by its place.
        depth = next((n - 1 for n, key in enumerate(table) if isinstance(key, int)), len(table))
        key = "" if statement.is_header else _key_in(first_line)[:60]
        key = ".".join(filter(None, [dotted(table[depth:]), key]))
        section = dotted(table[:depth])
        return Problem(file, self._told(text), *position(text, at), section, key, exact=True)

    def cut(self, text: str) -> tuple[int, int]:
        """What to leave out, to get at what is wrong beyond it."""
        start, end = self.statement.start, self.statement.end
        if self.statement.is_header:
            # The keys that follow would land in the table before.
            headers = (each.start for each in statements(text) if each.is_header)
            return start, next((at for at in headers if at > start), len(text))
        if self.statement.closed or self.offset == len(text):
            return start, end
        # An array that is not closed: the next statement begins where that came to light.
        first_line = start + len(self.statement.text.partition("\n")[0])
        return start, max(text.rfind("\n", 0, self.offset or 0), first_line)

    def _told(self, text: str) -> str:
        if self.earlier is not None:
            line, _ = position(text, self.earlier.start)
            what = "this table is declared" if self.statement.is_header else "this is set"
            return f"{what} already on line {line}"
        message = f"not TOML: {self.message[:1].lower()}{self.message[1:]}"
        key = _key_in(self.statement.text)
        if "/" in key and not any(quote in key for quote in "\"'"):
            return f"{message}; a key with a slash is written in quotes"
        if _BARE_TEXT.match(self.statement.text.removeprefix(key)):
            return f"{message}; text is written in quotes"
        return message


def _is_too_deep(document: Mapping[str, Any]) -> bool:
    """Whether it is nested so deeply that whatever looks into it might run out of stack."""
    level: list[Any] = [document]
    for _ in range(_DEEPEST):
        inner = (each.values() if isinstance(each, dict) else each for each in level)
        level = [value for values in inner for value in values if isinstance(value, dict | list)]
        if not level:
            return False
    return True


def _until(several: Iterator[Statement], offset: int | None) -> Iterator[Statement]:
    """Those that begin up to an offset, and the first in any case; all where there is none."""
    first = next(several, None)
    if first is not None:
        yield first
    yield from several if offset is None else takewhile(lambda one: one.start <= offset, several)


def _is_no_statement(statement: Statement) -> bool:
    return not statement.paths or any(len(path) > _DEEPEST for path in statement.paths)


def _offset(text: str, found: re.Match[str]) -> int:
    if found[1] is None:
        return len(text)
    line, column = int(found[1]), int(found[2])
    start = 0
    for _ in range(line - 1):
        start = text.index("\n", start) + 1
    return start + column - 1


def _key_in(statement: str) -> str:
    found = _KEY.match(statement)
    return found[0].strip() if found else ""
