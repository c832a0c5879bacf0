"""One table of nf_tables, written chain by chain and set by set."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from attrs import frozen

from .. import netfilter
from .._core.errors import DesiredStateError
from ..netfilter import Table
from ..netfilter.build import (
    counter_object,
    ct_expectation,
    ct_helper,
    ct_timeout,
    limit_object,
    quota_object,
    secmark,
    synproxy,
)
from ..netfilter.desired.element import Element
from .entries import Find, Shape
from .firewall_rule import RuleReader
from .firewall_rule_names import Names
from .options import OPTIONS
from .problems import Path, dotted
from .reading import Reading, clipped

__all__ = ["ELEMENT", "PARTS", "TABLE", "TableReader"]

_CHAINS: Final = Shape(netfilter.Chain, without={"rules"})
_SETS: Final = Shape(netfilter.Set, without={"expressions", "userdata"})
_OBJECTS: Final[Mapping[str, tuple[str, Shape]]] = {
    "counters": ("counter", Shape(counter_object)),
    "quotas": ("quota", Shape(quota_object)),
    "limits": ("limit", Shape(limit_object)),
    "ct_helpers": ("ct helper", Shape(ct_helper, without=())),
    "ct_timeouts": ("ct timeout", Shape(ct_timeout, without=())),
    "ct_expectations": ("ct expectation", Shape(ct_expectation, without=())),
    "synproxies": ("synproxy", Shape(synproxy)),
    "secmarks": ("secmark", Shape(secmark)),
}
_FLOWTABLES: Final = Shape(netfilter.Flowtable, without=())
PARTS: Final[Mapping[str, Shape]] = {
    "sets": _SETS,
    **{kind: shape for kind, (_, shape) in _OBJECTS.items()},
    "chains": _CHAINS,
    "flowtables": _FLOWTABLES,
}
"""What a table has by name; rules use the rest, and come last."""
TABLE: Final = Shape(Table, without={"objects", "userdata"})
"""What a table has itself."""
ELEMENT: Final = Shape(Element)
"""An element of a set that is more than a value."""
_IN_TABLE: Final = re.compile(r"(?:chains|flowtables)\[0\]\.?(.*?): (.*)", re.DOTALL)


@frozen
class TableReader:
    """Reads one table.

    Attributes:
        path: Where it is: `netfilter`, its family, its name.
        reading: Where to note what is wrong.
    """

    path: Path
    reading: Reading

    def table(self, fields: Mapping[str, Any], others: tuple[str, ...]) -> Table | None:
        """The table; None where something is wrong with it.

        Args:
            fields: What the file says of it.
            others: What else may be said beside.
        """
        before = len(self.reading.findings)
        found: dict[str, dict[Path, Any]] = {}
        for kind in PARTS.keys() & fields.keys() - {"chains"}:
            found[kind] = self._named(kind, fields[kind])
        if "chains" in fields:
            names = self._names(fields, found.get("sets", {}))
            rules = RuleReader(str(self.path[1]), names, self.reading)
            found["chains"] = self._named("chains", fields["chains"], rules)
        for kind in found.keys() & {"chains", "flowtables"}:
            found[kind] = {at: part for at, part in found[kind].items() if self._fits(at, part)}
        given = {
            "family": self.path[1],
            "name": self.path[2],
            "objects": [each for kind in _OBJECTS for each in found.get(kind, {}).values()],
            **{kind: list(found[kind].values()) for kind in found if kind not in _OBJECTS},
        }
        rest = {key: fields[key] for key in fields if key not in {*PARTS, *others, *OPTIONS}}
        find = self._finder(len(self.path))
        for made in TABLE.of_table(self.path, rest, find, given, more=(*others, *PARTS)):
            if len(self.reading.findings) == before and isinstance(made, Table):
                return made
        return None

    def _names(self, fields: Mapping[str, Any], sets: Mapping[Path, netfilter.Set]) -> Names:
        """What its rules may name."""
        right = {each.name: each for each in sets.values()}

        def said(kind: str) -> tuple[str, ...]:
            entries = fields.get(kind)
            return tuple(entries) if isinstance(entries, Mapping) else ()

        return Names(
            right,
            tuple(name for name in said("sets") if name not in right),
            said("chains"),
            said("flowtables"),
            {each: said(kind) for kind, (each, _) in _OBJECTS.items()},
        )

    def _named(self, kind: str, entries: Any, rules: RuleReader | None = None) -> dict[Path, Any]:
        """What it has of a kind, by its place; chains need what reads their rules."""
        path, table = (*self.path, kind), len(self.path)
        expected = f"expected a table for each, [{{above}}{dotted(path)}.NAME]"
        if not isinstance(entries, Mapping):
            self.reading.find(path, clipped(f"{expected}, got {entries!r}"), table)
            return {}
        found = {}
        for name, fields in entries.items():
            place = (*path, name)
            if not isinstance(fields, Mapping):
                self.reading.find(place, clipped(f"{expected}, got {fields!r}"), table)
                continue
            rest, given = dict(fields), {"name": name}
            if rules is not None:
                given["rules"] = self._rules((*place, "rules"), rest.pop("rules", []), rules)
            elif kind == "sets" and "elements" in rest:
                rest["elements"] = self._elements((*place, "elements"), rest["elements"])
            more = ("rules",) if kind == "chains" else ()
            find = self._finder(len(place))
            for made in PARTS[kind].of_table(place, rest, find, given, more):
                found[place] = made
        return found

    def _rules(self, path: Path, rules: Any, reader: RuleReader) -> list[Any]:
        if not isinstance(rules, list):
            self.reading.find(path, clipped(f"expected a list, got {rules!r}"), len(path) - 1)
            return []
        found: list[Any] = []
        for number, rule in enumerate(rules):
            if not isinstance(rule, str):
                found.append(reader.rule((*path, number), rule, len(path) - 1))
                continue
            try:
                found.append(netfilter.Text(rule))
            except DesiredStateError as error:
                message = clipped(str(error).removeprefix("rule: "))
                self.reading.find((*path, number), message, len(path) - 1)
        return [rule for rule in found if rule is not None]

    def _elements(self, path: Path, elements: Any) -> Any:
        """The elements of a set, with those that are more than a value made of their tables."""
        find = self._finder(len(path) - 1)
        if isinstance(elements, Mapping):
            made = {
                key: self._element((*path, key), value, find, {"value": None})
                for key, value in elements.items()
            }
            return {key: value for key, value in made.items() if value is not None}
        if isinstance(elements, list):
            listed = (
                self._element((*path, number), value, find, {})
                for number, value in enumerate(elements)
            )
            return [value for value in listed if value is not None]
        return elements

    def _element(self, path: Path, value: Any, find: Find, given: Mapping[str, Any]) -> Any:
        if not isinstance(value, Mapping):
            return value
        return next(iter(ELEMENT.of_table(path, value, find, given)), None)

    def _fits(self, path: Path, part: Any) -> bool:
        """Whether a table of this family can have it."""
        one: dict[str, Any] = {str(path[-2]): [part]}
        try:
            Table(str(self.path[1]), "fits", **one)
        except DesiredStateError as error:
            found = _IN_TABLE.fullmatch(str(error))
            place, message = (found[1], found[2]) if found else ("", str(error))
            inside = (place,) if place else ()
            self.reading.find((*path, *inside), clipped(message), len(path))
            return False
        return True

    def _finder(self, table: int) -> Find:
        def find(path: Path, message: str, lacking: str = "") -> None:
            key = dotted((*path, lacking)[table:]) if lacking else ""
            self.reading.find(path, clipped(message), table, key=key)

        return find
