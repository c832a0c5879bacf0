"""The statistics files of a cgroup, parsed: pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

__all__ = ["Number", "Statistic", "is_statistic", "parsed"]

Number: TypeAlias = int | float | str
Statistic: TypeAlias = Number | Mapping[str, Number] | Mapping[str, Mapping[str, Number]]
"""A number, numbers by name (memory.stat), or by name and field (io.stat, memory.pressure)."""

_ENDINGS = frozenset({"stat", "current", "peak", "events", "pressure", "local"})
_SWITCH = "cgroup.pressure"


def is_statistic(name: str) -> bool:
    """Whether an interface file tells what happens, by its name."""
    return name.rsplit(".", 1)[-1] in _ENDINGS and name != _SWITCH


def parsed(text: str) -> Statistic:
    """A statistics file's content (Documentation/admin-guide/cgroup-v2.rst, "Format")."""
    lines = [line.split() for line in text.splitlines() if line.strip()]
    if len(lines) == 1 and len(lines[0]) == 1:
        return _number(lines[0][0])
    if all(len(line) == 2 and "=" not in line[1] for line in lines):
        return {name: _number(value) for name, value in lines}
    return {line[0]: _fields(line[1:]) for line in lines}


def _fields(items: list[str]) -> dict[str, Number]:
    pairs = (item.partition("=") for item in items)
    return {name: _number(value) for name, _, value in pairs}


def _number(text: str) -> Number:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
