"""The table of a network namespace: links by name, and lists of all else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from attrs import define, field

from .. import rtnl
from .._core.errors import DesiredStateError
from .entries import Find, Shape
from .host import Part
from .problems import Path, dotted
from .reading import Reading, clipped, closest

__all__ = ["read_network"]

_OPTIONS: Final = ("protocol", "on_conflict")
_LISTS: Final[Mapping[str, Shape]] = {
    "addresses": Shape(rtnl.Address),
    "routes": Shape(rtnl.Route, nested={"nexthops": Shape(rtnl.NextHop)}),
    "rules": Shape(rtnl.Rule),
    "neighbours": Shape(rtnl.Neighbour),
    "nexthops": Shape(rtnl.Nexthop),
}
_LINK: Final = Shape(rtnl.Link)
_OF_LINKS: Final = "addresses"
"""What may stand in the table of its link."""


def read_network(table: Mapping[str, Any], reading: Reading) -> None:
    """Read the table `[rtnl]`."""
    found = _Network(reading)
    options: dict[str, Any] = {}
    for name, value in table.items():
        path = ("rtnl", name)
        if name in _OPTIONS:
            options |= _option(name, value, reading)
        elif name == "links":
            found.links(path, value)
        elif name in _LISTS:
            found.entries(path, name, value)
        else:
            known = (*_OPTIONS, "links", *_LISTS)
            near = closest(name, known)
            hint = f"did you mean {near}?" if near else f"known are {', '.join(known)}"
            reading.find(path, f"unknown key; {hint}")
    protocol = options.pop("protocol", rtnl.PROTOCOL)
    scope = "" if protocol == rtnl.PROTOCOL else f"protocol {protocol}"
    reading.parts.append(Part("rtnl", scope, found.desired, options))


def _option(name: str, value: Any, reading: Reading) -> dict[str, Any]:
    option: Any = {name: value}
    try:
        rtnl.Source(**option)
    except DesiredStateError as error:
        reading.find(("rtnl", name), clipped(str(error).removeprefix(f"{name}: ")))
        return {}
    return {name: value}


@define
class _Network:
    """What was read of it, so far."""

    reading: Reading
    desired: dict[str, list[Any]] = field(factory=dict)
    _places: dict[tuple[str, str], Path] = field(factory=dict)

    def links(self, path: Path, table: Any) -> None:
        """Read the links."""
        if not isinstance(table, Mapping):
            self.reading.find(path, "expected a table for each link, [rtnl.links.NAME]")
            return
        for name, fields in table.items():
            place = (*path, name)
            if isinstance(fields, Mapping):
                self._link(place, name, fields)
            else:
                message = f"expected a table for each link, [rtnl.links.NAME], got {fields!r}"
                self.reading.find(place, clipped(message))

    def _link(self, path: Path, name: str, fields: Mapping[str, Any]) -> None:
        find = self._finder(len(path))
        if _OF_LINKS in fields:
            self.entries((*path, _OF_LINKS), _OF_LINKS, fields[_OF_LINKS], interface=name)
        rest = {key: value for key, value in fields.items() if key != _OF_LINKS}
        if not rest and _OF_LINKS in fields:
            return  # nothing is said of the link itself
        for made in _LINK.of_table(path, rest, find, {"name": name}, more=(_OF_LINKS,)):
            self._put("links", path, made)

    def entries(self, path: Path, name: str, entries: Any, *, interface: str | None = None) -> None:
        """Read a list; of an interface's own where it is in the table of its link."""
        find = self._finder(1 if interface is None else len(path) - 1)
        if not isinstance(entries, list):
            hint = "" if interface else f": [[rtnl.{name}]] for each, or {name} = [...]"
            find(path, f"expected a list{hint}")
            return
        given = {} if interface is None else {"interface": interface}
        for number, entry in enumerate(entries):
            place = (*path, number)
            for made in _LISTS[name].of_entry(place, entry, find, given):
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
