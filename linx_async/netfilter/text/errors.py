"""What nft says of a text that it does not take."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from attrs import evolve, frozen

from ..._core.errors import DesiredStateError

__all__ = ["Complaint", "TextError", "complaints_of", "located"]

_STDIN: Final = ("/dev/stdin", "-", "stdin", "<stdin>")
_HEAD: Final = re.compile(
    r"^(?:(?P<file>\S.*?):(?P<line>\d+):(?P<first>\d+)-(?P<last>\d+): )?"
    r"(?:netlink: )?(?P<kind>Error|Warning): (?P<words>.*)$"
)
_INCLUDED: Final = re.compile(r"^(?:In file included| {5,}) ?from ")

_CURES: Final = {
    "Could not resolve hostname": (
        "the text is compiled in a namespace without a network, where no DNS answers: write the"
        " address"
    ),
    "Interface does not exist": (
        "iif and oif want the interface's index, so it has to be there; iifname and oifname do not"
    ),
    "Could not process rule: No such file": ("what it names is not there, or this kernel lacks it"),
    "Operation not permitted": "an ordinary user may not have the kernel do this, even there",
}


@frozen
class Complaint:
    """One thing that nft says is wrong.

    Attributes:
        words: nft's own words.
        line: Where, from 1; None where nft does not say.
        column: From 1, in bytes, as nft counts.
        last_column: The last column that is meant.
        file: The included file that it is in; None where it is the text itself.
        excerpt: The source line, and under it what is meant, as nft shows them; may be empty.
    """

    words: str
    line: int | None = None
    column: int | None = None
    last_column: int | None = None
    file: str | None = None
    excerpt: str = ""

    @property
    def meant(self) -> str:
        """The piece of the source line that is meant; empty where nft does not show it."""
        if self.column is None or self.last_column is None:
            return ""
        source = self.excerpt.partition("\n")[0].encode("utf-8", "surrogateescape")
        return source[self.column - 1 : self.last_column].decode("utf-8", "replace")

    def __str__(self) -> str:
        parts = [] if self.file is None else [self.file]
        if self.line is not None:
            parts.append(f"line {self.line}, column {self.column}")
        place = f"{', '.join(parts)}: " if parts else ""
        cure = next((cure for said, cure in _CURES.items() if said in self.words), "")
        told = f"{place}{self.words}{f' ({cure})' if cure else ''}"
        return "\n".join([told, *(f"    {line}" for line in self.excerpt.splitlines())])


class TextError(DesiredStateError):
    """A text that nft does not take.

    Attributes:
        complaints: What is wrong, in nft's order, at least one.
        version: Which nft said so: newer syntax is an error to an older one. May be empty.
    """

    def __init__(self, complaints: Sequence[Complaint], version: str = "") -> None:
        self.complaints: tuple[Complaint, ...] = tuple(complaints)
        self.version = version
        super().__init__(self.complaints, version)

    @property
    def line(self) -> int | None:
        """The line of the first complaint, from 1; None where nft does not say."""
        return self.complaints[0].line

    @property
    def column(self) -> int | None:
        """The column of the first complaint, from 1; None where nft does not say."""
        return self.complaints[0].column

    def __str__(self) -> str:
        who = self.version or "nft"
        return "\n".join([f"nft text: {who} says:", *map(str, self.complaints)])


def complaints_of(told: str) -> list[Complaint]:
    """The errors in what nft wrote, warnings left out."""
    found: list[Complaint] = []
    excerpt: list[str] = []
    current: Complaint | None = None
    for line in told.splitlines():
        head = _HEAD.match(line)
        if head is None and not _INCLUDED.match(line):
            excerpt.append(line)
            continue
        found += _closed(current, excerpt)
        excerpt = []
        current = None if head is None or head["kind"] == "Warning" else _opened(head)
    return found + _closed(current, excerpt)


def _opened(head: re.Match[str]) -> Complaint:
    if head["line"] is None:
        return Complaint(head["words"])
    file = None if head["file"] in _STDIN else head["file"]
    line, first, last = (int(head[name]) for name in ("line", "first", "last"))
    return Complaint(head["words"], line, first, last, file)


def _closed(complaint: Complaint | None, excerpt: list[str]) -> list[Complaint]:
    return [] if complaint is None else [evolve(complaint, excerpt="\n".join(excerpt).rstrip())]


def located(error: TextError, lines: int, columns: int = 0) -> TextError:
    """The same error, told by its place in a piece of the text.

    What lies before the piece, or in an included file, keeps its place.

    Args:
        error: As it was raised for the whole text.
        lines: How many lines come before the piece's first one.
        columns: How many bytes come before it on that line.
    """
    return TextError([_moved(each, lines, columns) for each in error.complaints], error.version)


def _moved(complaint: Complaint, lines: int, columns: int) -> Complaint:
    if complaint.line is None or complaint.column is None or complaint.last_column is None:
        return complaint
    line = complaint.line - lines
    shift = columns if line == 1 else 0
    if complaint.file is not None or line < 1 or complaint.column <= shift:
        return complaint
    return evolve(
        complaint,
        line=line,
        column=complaint.column - shift,
        last_column=complaint.last_column - shift,
        excerpt="\n".join(each[shift:] for each in complaint.excerpt.splitlines()),
    )
