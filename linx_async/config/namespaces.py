"""The tables of other network namespaces than the one we are in, by name, path or process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from .._core.errors import LinxError, ScopeGone
from .._kernel.netns import NetworkNamespace
from .problems import Path
from .reading import Reading, clipped, closest

__all__ = ["PLACES", "read_namespaces"]

PLACES: Final = ("path", "pid")
"""What says where a namespace is that has no name; else it is called as its table is."""


def read_namespaces(
    tables: Any,
    reading: Reading,
    section: Callable[[str, Any, Reading], None],
    known: tuple[str, ...],
) -> dict[NetworkNamespace | None, Mapping[str, Any]]:
    """Read the table `[netns]`.

    Args:
        tables: It.
        reading: Where to note what it says, and what is wrong.
        section: What reads a section of a namespace.
        known: The sections that a namespace may have.

    Returns:
        What is said of all loops of a namespace, for each.
    """
    seen: dict[NetworkNamespace, Path] = {}
    options: dict[NetworkNamespace | None, Mapping[str, Any]] = {}
    expected = "expected a table for each namespace, [netns.NAME]"
    if not isinstance(tables, Mapping):
        reading.find(("netns",), clipped(f"{expected}, got {tables!r}"))
        return {}
    for label, table in tables.items():
        path = ("netns", label)
        if not isinstance(table, Mapping):
            reading.find(path, clipped(f"{expected}, got {table!r}"))
            continue
        netns = _namespace(path, table, reading)
        if netns is not None and seen.setdefault(netns, path) is not path:
            message = "the same namespace has a table already{other}"
            reading.find(path, message, 2, other=seen[netns])
        inside = reading.within(path, netns, reading.defaults)
        inside.defaults = {**reading.defaults, **inside.common(table)}
        if netns is not None:
            options[netns] = inside.defaults
        for name, value in table.items():
            if name in known:
                section(name, value, inside)
            elif name not in {*PLACES, "options"}:
                inside.find((name,), _unknown(name, known), 0)
    return options


def _namespace(path: Path, table: Mapping[str, Any], reading: Reading) -> NetworkNamespace | None:
    """Which one it is; None where that is said wrongly, or its process is not there."""
    said = [name for name in PLACES if name in table]
    if len(said) > 1:
        reading.find((*path, "pid"), "give either path or pid", 2)
        return None
    place = (*path, *said)
    value: Any = table[said[0]] if said else str(path[-1])
    try:
        if said == ["pid"]:
            return NetworkNamespace.of_pid(value)
        netns = NetworkNamespace.at_path(value) if said else NetworkNamespace.named(value)
    except ScopeGone:
        message = f"there is no process {value}: start it first, or name its namespace"
        reading.find(place, message, 2)
        return None
    except LinxError as error:
        message = str(error).partition(": ")[2] or str(error)
        hint = "" if said else '; or say in it where it is: path = "/proc/1234/ns/net", or pid'
        reading.find(place, clipped(f"{message}{hint}"), 2)
        return None
    if ": " in value:
        reading.find(place, "a colon with a blank after it is no part of it", 2)
        return None
    return netns


def _unknown(name: str, known: tuple[str, ...]) -> str:
    if name == "cgroup":
        return 'cgroups are of no network namespace: write [cgroup."path"]'
    near = closest(name, (*known, *PLACES, "options"))
    if near:
        return f"unknown; did you mean {near}?"
    return f"unknown; known are {', '.join((*PLACES, 'options', *known))}"
