"""The tables of text in nft's syntax, and the places of what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import evolve, frozen

from .._core.errors import LinxError
from ..netfilter import Table
from ..netfilter.parsing import parsed_tables
from ..netfilter.text.errors import Complaint, TextError
from ..netfilter.texts import complaints_of
from .problems import ConfigError, Path
from .reading import Reading, clipped
from .text import decoded, read

__all__ = ["NftText", "check_rules"]


@frozen
class NftText:
    """Text in nft's syntax, as `nft -f` takes it.

    Attributes:
        path: Where it is, or where the file is named that it is in.
        text: It.
        table: How many keys of the path are its table's.
        file: The file that it is in; empty where it is in the TOML file itself.
    """

    path: Path
    text: str
    table: int
    file: str = ""

    @classmethod
    def of(cls, path: Path, value: Any, table: int, reading: Reading) -> NftText | None:
        """What `text` or `file` says; None where something is wrong with it.

        Args:
            path: The path of either.
            value: Its value.
            table: How many keys of the path are its table's.
            reading: Where to note what is wrong.
        """
        if not isinstance(value, str) or not value.strip():
            what = "text in nft's syntax" if path[-1] == "text" else "the name of a file"
            reading.find(path, clipped(f"expected {what}, got {value!r}"), table)
            return None
        if path[-1] == "text":
            return cls(path, value, table)
        file = str(reading.folder(path) / value)
        try:
            return cls(path, decoded(file, read(file)), table, file)
        except ConfigError as error:
            reading.find(path, f"{file}: {error.problems[0].message}", table)
            return None

    def tables(self, reading: Reading) -> tuple[Table, ...]:
        """Its tables, as nft compiles them; none where something is wrong with it. Blocks."""
        try:
            return parsed_tables(f"{self.text}\n", links=reading.links())
        except TextError as error:
            for complaint in error.complaints:
                message, inside = _told(complaint, self.text)
                reading.find(self.path, message, self.table, inside=inside, file=self.file)
        except LinxError as error:
            reading.find(self.path, clipped(str(error)), self.table)
        return ()


def check_rules(path: Path, fields: Mapping[str, Any], table: Table, reading: Reading) -> None:
    """Have nft look at the rules of a table. Blocks.

    Args:
        path: Where the table is.
        fields: What is there.
        table: It.
        reading: Where to note what is wrong.
    """
    try:
        found = complaints_of(table, reading.links())
    except LinxError as error:
        reading.find(path, clipped(str(error)), len(path))
        return
    for chain, index, complaint in found:
        rule = fields["chains"][chain]["rules"][index]
        message, inside = _told(complaint, rule.strip())
        if inside is not None:
            inside = _moved(inside, rule[: len(rule) - len(rule.lstrip())])
        place = (*path, "chains", chain, "rules", index)
        reading.find(place, message, len(path) + 2, inside=inside)


def _told(complaint: Complaint, text: str) -> tuple[str, tuple[int, int] | None]:
    """What nft says of a text, and the line and the column in it, where there are such."""
    if complaint.line is None or complaint.column is None or complaint.file is not None:
        return f"nft: {clipped(str(evolve(complaint, excerpt='')))}", None
    words = clipped(str(evolve(complaint, line=None, excerpt="")))
    line = "".join(text.split("\n")[complaint.line - 1 : complaint.line])
    before = line.encode(errors="replace")[: complaint.column - 1]  # nft counts bytes
    return f"nft: {words}", (complaint.line, len(before.decode(errors="ignore")) + 1)


def _moved(place: tuple[int, int], blank: str) -> tuple[int, int]:
    """A place in a text with something blank before it."""
    line, column = place
    before = len(blank.rpartition("\n")[2]) if line == 1 else 0
    return line + blank.count("\n"), column + before
