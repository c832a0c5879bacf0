"""The table of a network namespace: links by name, and lists of all else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from attrs import define, field

from .. import rtnl
from .entries import Find, Shape
from .options import OPTIONS, named_in
from .problems import Path, dotted
from .reading import Reading, clipped, closest

__all__ = ["LINK", "LISTS", "read_network"]

LISTS: Final[Mapping[str, Shape]] = {
    "addresses": Shape(rtnl.Address),
    "routes": Shape(rtnl.Route, nested={"nexthops": Shape(rtnl.NextHop)}),
    "rules": Shape(rtnl.Rule),
    "neighbours": Shape(rtnl.Neighbour),
    "nexthops": Shape(rtnl.Nexthop),
}
"""What is a list, and what its entries are."""
LINK: Final = Shape(rtnl.Link)
"""What the table of a link has."""
_OFLINKS: Final = "addresses"
"""What may stand in the table of its link."""


def read_network(table: Mapping[str, Any], reading: Reading) -> None:
    """Read the table `[rtnl]`."""
    found = _Network(reading)
    said = reading.options(("rtnl",), table, "rtnl")
    for name, value in table.items():
        path = ("rtnl", name)
        if name == "links":
            found.links(path, value)
        elif name in LISTS:
            found.entries(path, name, value)
        elif name not in OPTIONS:
            known = (*named_in("rtnl"), "links", *LISTS)
            near = closest(name, known)
            hint = f"did you mean {near}?" if near else f"known are {', '.join(known)}"
            reading.find(path, f"unknown key; {hint}")
    protocol = {**reading.defaults, **said}.get("protocol", rtnl.PROTOCOL)
    scope = "" if protocol == rtnl.PROTOCOL else f"protocol {protocol}"
    reading.put("rtnl", scope, found.desired, said, ("rtnl",))


@define
class _Network:
    """What was read of it, so far."""

    reading: Reading
    desired: dict[str, list[Any]] = field(factory=dict)
    _places: dict[tuple[str, str], Path] = field(factory=dict)

    def links(self, path: Path, table: Any) -> None:
        """Read the links."""
        if not isinstance(table, Mapping):
            self.reading.find(path, "expected a table for each link, [{above}rtnl.links.NAME]")
            return
        for name, fields in table.items():
            place = (*path, name)
            if isinstance(fields, Mapping):
                self._link(place, name, fields)
            else:
                expected = "expected a table for each link, [{above}rtnl.links.NAME]"
                self.reading.find(place, clipped(f"{expected}, got {fields!r}"))

    def _link(self, path: Path, name: str, fields: Mapping[str, Any]) -> None:
        find = self._finder(len(path))
        if _OFLINKS in fields:
            self.entries((*path, _OFLINKS), _OFLINKS, fields[_OFLINKS], interface=name)
        rest = {key: value for key, value in fields.items() if key != _OFLINKS}
        if not rest and _OFLINKS in fields:
            return  # nothing is said of the link itself
        for made in LINK.of_table(path, rest, find, {"name": name}, more=(_OFLINKS,)):
            self._put("links", path, made)

    def entries(self, path: Path, name: str, entries: Any, *, interface: str | None = None) -> None:
        """Read a list; of an interface's own where it is in the table of its link."""
        find = self._finder(1 if interface is None else len(path) - 1)
        if not isinstance(entries, list):
            hint = "" if interface else f": [[{{above}}rtnl.{name}]] for each, or {name} = [...]"
            find(path, f"expected a list{hint}")
            return
        given = {} if interface is None else {"interface": interface}
        for number, entry in enumerate(entries):
            place = (*path, number)
            for made in LISTS[name].of_entry(place, entry, find, given):
                self._put(name, place, made)

    def _put(self, resource: str, path: Path, made: Any) -> None:
        first = self._places.setdefault((resource, made.key), path)
        if first is not path:
            table = 3 if "links" in path else 1
            message = f"{made.key} is declared already{{other}}"
            self.reading.find(path, message, table, other=first)
        self.desired.setdefault(resource, []).append(made)

    def _finder(self, table: int) -> Find:
        def find(path: Path, message: str, lacking: str = "") -> None:
            key = dotted((*path, lacking)[table:]) if lacking else ""
            self.reading.find(path, clipped(message), table, key=key)

        return find
