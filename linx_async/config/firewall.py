"""The tables of nf_tables: chain by chain, or as text in nft's syntax."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from attrs import define, field

from .. import netfilter
from .._core.checks import check_flag
from .._core.errors import DesiredStateError
from ..netfilter import Table
from ..netfilter.desired.families import FAMILIES
from .firewall_table import TableReader
from .host import Part
from .nft_text import NftText, check_rules
from .problems import Path, dotted
from .reading import Reading, clipped, closest

__all__ = ["read_firewall"]

_OPTIONS: Final = ("lifetime", "on_conflict", "recreate")
_TEXTS: Final = ("text", "file")


def read_firewall(table: Mapping[str, Any], reading: Reading) -> None:
    """Read the table `[netfilter]`. Blocks for as long as nft takes, where there is nft text."""
    found = _Firewall(reading)
    options = found.options(("netfilter",), table)
    found.texts(("netfilter",), table, options)
    for name, value in table.items():
        path = ("netfilter", name)
        if name in FAMILIES:
            found.family(path, value, options)
        elif name not in {*_OPTIONS, *_TEXTS}:
            reading.find(path, f"unknown key; {_meant(path, value)}")


def _meant(path: Path, value: Any) -> str:
    known = (*_OPTIONS, *_TEXTS, *FAMILIES)
    near = closest(str(path[-1]), known)
    if near:
        return f"did you mean {near}?"
    if isinstance(value, Mapping):
        return f"the family comes first: [{dotted((path[0], 'inet', *path[1:]))}]"
    return f"known are {', '.join(known)}"


@define
class _Firewall:
    """What was read of it, so far."""

    reading: Reading
    _places: dict[str, Path] = field(factory=dict)

    def options(self, path: Path, table: Mapping[str, Any]) -> dict[str, Any]:
        """The options that a table of the file has."""
        options = {}
        for name in _OPTIONS:
            if name not in table:
                continue
            option: Any = {name: table[name]}
            try:
                check_flag(option.get("recreate", False), "recreate")
                netfilter.Source(**option)
            except DesiredStateError as error:
                message = clipped(str(error).removeprefix(f"{name}: "))
                self.reading.find((*path, name), message, len(path))
            else:
                options[name] = table[name]
        return options

    def texts(self, path: Path, table: Mapping[str, Any], options: Mapping[str, Any]) -> None:
        """All tables of the nft text that a table of the file has."""
        for place, made in self._of_text(path, table):
            self._put(place, len(path), made, options)

    def _of_text(self, path: Path, table: Mapping[str, Any]) -> Iterator[tuple[Path, Table]]:
        if all(name in table for name in _TEXTS):
            self.reading.find((*path, "file"), "give either text or file", len(path))
            return
        for name in table.keys() & {*_TEXTS}:
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
        expected = f"expected a table for each, [{dotted(path)}.NAME]"
        if not isinstance(tables, Mapping):
            self.reading.find(path, clipped(f"{expected}, got {tables!r}"))
            return
        for name, fields in tables.items():
            place = (*path, name)
            if not isinstance(fields, Mapping):
                self.reading.find(place, clipped(f"{expected}, got {fields!r}"))
                continue
            its_own = {**options, **self.options(place, fields)}
            if fields.keys() & {*_TEXTS}:
                self._text_of(place, fields, its_own)
            else:
                self._fields_of(place, fields, its_own)

    def _text_of(self, path: Path, fields: Mapping[str, Any], options: Mapping[str, Any]) -> None:
        """A table that is text."""
        for name in fields.keys() - {*_OPTIONS, *_TEXTS}:
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
        made = TableReader(path, self.reading).table(fields, (*_OPTIONS, *_TEXTS))
        if made is not None:
            check_rules(path, fields, made, self.reading)
            self._put(path, len(path), made, options)

    def _put(self, path: Path, table: int, made: Table, options: Mapping[str, Any]) -> None:
        first = self._places.setdefault(made.key, path)
        if first is not path:
            message = f"{made.key} is declared already{{other}}"
            self.reading.find(path, message, table, other=first)
            return
        self.reading.parts.append(Part("netfilter", str(made), made, options))
