"""The tables of the file: what each may hold, and the parts that come of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from .flat import read_cgroups, read_sysctls
from .host import HostConfig
from .options import OPTIONS
from .origins import Origins
from .problems import Finding, Path
from .reading import Reading, clipped, closest

if TYPE_CHECKING:
    from .._kernel.netns import NetworkNamespace

__all__ = ["IN_NAMESPACES", "SECTIONS", "checked"]

_MOST_BITS = 1024


def checked(file: str, origins: Origins) -> tuple[HostConfig, list[Finding]]:
    """What files say, and all that is wrong with it.

    Args:
        file: How they are called together.
        origins: The files.
    """
    reading = Reading(origins)
    document = origins.document
    options: dict[NetworkNamespace | None, Mapping[str, Any]] = {}
    large = {path[0] for path in _without_large(reading, document)}
    sound = {name: table for name, table in document.items() if name not in large}
    reading.defaults = reading.common(sound)
    if reading.defaults:
        options[None] = reading.defaults
    for name, table in sound.items():
        if name == "netns":
            from .namespaces import read_namespaces

            options |= read_namespaces(table, reading, _section, IN_NAMESPACES)
        elif name != "options":
            _section(name, table, reading)
    return HostConfig(file, tuple(reading.parts), options), reading.findings


def _section(name: str, table: Any, reading: Reading) -> None:
    is_table = isinstance(table, Mapping | list)
    if name in OPTIONS and not is_table:
        reading.find((name,), "is said in a table: [options], or that of a loop", 0)
    elif name not in SECTIONS:
        what = "section" if is_table else "option"
        reading.find((name,), f"unknown {what}; {_nearest(name)}", int(is_table))
    elif not isinstance(table, Mapping):
        got = "an array" if isinstance(table, list) else repr(table)
        message = f"expected a table, [{{above}}{name}], got {got}"
        reading.find((name,), clipped(message), int(is_table))
    else:
        SECTIONS[name](table, reading)


def _without_large(reading: Reading, document: Mapping[str, Any]) -> Iterator[Path]:
    for name, value in document.items():
        for path in _too_large((name,), value):
            reading.find(path, f"is a number of more than {_MOST_BITS} bits")
            yield path


def _too_large(path: Path, value: Any) -> Iterator[Path]:
    """Where numbers are that nothing has; those of thousands of digits cannot even be told."""
    if isinstance(value, int) and value.bit_length() > _MOST_BITS:
        yield path
    elif isinstance(value, Mapping | list):
        items = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, inner in items:
            yield from _too_large((*path, key), inner)


def _nearest(name: str) -> str:
    """What somebody may have meant who wrote an unknown name."""
    known = (*SECTIONS, "netns", "options")
    close = closest(name, known)
    if close is not None:
        return f"did you mean [{close}]?"
    return f"known sections are {', '.join(f'[{word}]' for word in sorted(known))}"


def _rtnl(table: Mapping[str, Any], reading: Reading) -> None:
    from .network import read_network  # which loads the whole subsystem

    read_network(table, reading)


def _netfilter(table: Mapping[str, Any], reading: Reading) -> None:
    from .firewall import read_firewall  # which loads the whole subsystem

    read_firewall(table, reading)


SECTIONS: dict[str, Callable[[Mapping[str, Any], Reading], None]] = {
    "cgroup": read_cgroups,
    "netfilter": _netfilter,
    "rtnl": _rtnl,
    "sysctl": read_sysctls,
}
"""What reads each section that there is."""
IN_NAMESPACES = ("sysctl", "rtnl", "netfilter")
"""Those that a network namespace has."""
