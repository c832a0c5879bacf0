"""The tables of nf_tables: chain by chain, or as text in nft's syntax."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from attrs import define, field

from ..netfilter import Table
from ..netfilter.desired.families import FAMILIES
from .firewall_table import TableReader
from .nft_text import NftText, check_rules
from .options import OPTIONS, named_in
from .problems import Path, dotted
from .reading import Reading, clipped, closest

__all__ = ["TEXTS", "read_firewall"]

TEXTS: Final = ("text", "file")
"""What a table may have instead of all else."""


def read_firewall(table: Mapping[str, Any], reading: Reading) -> None:
    """Read the table `[netfilter]`. Blocks for as long as nft takes, where there is nft text."""
    found = _Firewall(reading)
    options = reading.options(("netfilter",), table, "netfilter")
    found.texts(("netfilter",), table, options)
    for name, value in table.items():
        path = ("netfilter", name)
        if name in FAMILIES:
            found.family(path, value, options)
        elif name not in {*OPTIONS, *TEXTS}:
            reading.find(path, f"unknown key; {_meant(path, value)}")


def _meant(path: Path, value: Any) -> str:
    known = (*named_in("netfilter"), *TEXTS, *FAMILIES)
    near = closest(str(path[-1]), known)
    if near:
        return f"did you mean {near}?"
    if isinstance(value, Mapping):
        return f"the family comes first: [{{above}}{dotted((path[0], 'inet', *path[1:]))}]"
    return f"known are {', '.join(known)}"


@define
class _Firewall:
    """What was read of it, so far."""

    reading: Reading
    _places: dict[str, Path] = field(factory=dict)

    def texts(self, path: Path, table: Mapping[str, Any], options: Mapping[str, Any]) -> None:
        """All tables of the nft text that a table of the file has."""
        for place, made in self._of_text(path, table):
            self._put(place, len(path), made, options)

    def _of_text(self, path: Path, table: Mapping[str, Any]) -> Iterator[tuple[Path, Table]]:
        if all(name in table for name in TEXTS):
            self.reading.find((*path, "file"), "give either text or file", len(path))
            return
        for name in table.keys() & {*TEXTS}:
            place = (*path, name)
            text = NftText.of(place, table[name], len(path), self.reading)
            if text is None:
                continue
            before = len(self.reading.findings)
            tables = text.tables(self.reading)
            if not tables and len(self.reading.findings) == before:
                message = "there is no table in it: table inet NAME { … }"
                self.reading.find(place, message, len(path))
            for made in tables:
                yield place, made

    def family(self, path: Path, tables: Any, options: Mapping[str, Any]) -> None:
        """Read the tables of a family."""
        expected = f"expected a table for each, [{{above}}{dotted(path)}.NAME]"
        if not isinstance(tables, Mapping):
            self.reading.find(path, clipped(f"{expected}, got {tables!r}"))
            return
        for name, fields in tables.items():
            place = (*path, name)
            if not isinstance(fields, Mapping):
                self.reading.find(place, clipped(f"{expected}, got {fields!r}"))
                continue
            its_own = {**options, **self.reading.options(place, fields, "netfilter")}
            if fields.keys() & {*TEXTS}:
                self._text_of(place, fields, its_own)
            else:
                self._fields_of(place, fields, its_own)

    def _text_of(self, path: Path, fields: Mapping[str, Any], options: Mapping[str, Any]) -> None:
        """A table that is text."""
        for name in fields.keys() - {*OPTIONS, *TEXTS}:
            message = "a table is either text or file, or chains, sets and so on"
            self.reading.find((*path, name), message, len(path))
        made = list(self._of_text(path, fields))
        wanted = f"{path[1]} {path[2]}"
        if made and [str(table) for _, table in made] != [wanted]:
            found = ", ".join(str(table) for _, table in made)
            message = f"expected the table {wanted} alone, found {found}"
            self.reading.find(made[0][0], clipped(message), len(path))
            return
        for place, table in made:
            self._put(place, len(path), table, options)

    def _fields_of(self, path: Path, fields: Mapping[str, Any], options: Mapping[str, Any]) -> None:
        """A table chain by chain."""
        made = TableReader(path, self.reading).table(fields, (*named_in("netfilter"), *TEXTS))
        if made is not None:
            check_rules(path, fields, made, self.reading)
            self._put(path, len(path), made, options)

    def _put(self, path: Path, table: int, made: Table, options: Mapping[str, Any]) -> None:
        first = self._places.setdefault(made.key, path)
        if first is not path:
            message = f"{made.key} is declared already{{other}}"
            self.reading.find(path, message, table, other=first)
            return
        self.reading.put("netfilter", str(made), made, options, path)
