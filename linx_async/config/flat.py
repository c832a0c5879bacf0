"""The tables of the file that have a value for each key: sysctls, and the limits of cgroups."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from attrs import frozen

from .._core.errors import DesiredStateError
from .host import Part
from .options import OPTIONS, named_in
from .problems import Keys, dotted
from .reading import Reading, clipped, closest

__all__ = ["CONTROLLERS", "read_cgroups", "read_sysctls"]

_SUBJECT = re.compile(r"\A(?:sysctl|cgroup)(?: key| path)?(?: '(?:[^'\\]|\\.)*')?: ")
_KEYED = frozenset(
    {
        *("io.max", "io.weight", "io.latency", "io.cost.qos", "io.cost.model", "io.bfq.weight"),
        *("rdma.max", "misc.max", "dmem.max", "dmem.min", "dmem.low"),
    }
)
"""Files with a line a device or a resource (Documentation/admin-guide/cgroup-v2.rst)."""
CONTROLLERS = frozenset(
    {"cgroup", "cpu", "cpuset", "dmem", "hugetlb", "io", "memory", "misc", "pids", "rdma"}
)
"""What the names of a cgroup's files begin with."""


@frozen
class Setting:
    """One key as the file has it.

    Attributes:
        path: Where it is in the document.
        key: The key, in the subsystem's spelling.
        value: Its value.
    """

    path: Keys
    key: str
    value: Any


def read_sysctls(table: Mapping[str, Any], reading: Reading) -> None:
    """Read a table `[sysctl]`."""
    from ..sysctl.keys import normalized

    said, rest = _apart(("sysctl",), table, "sysctl", reading)
    settings = []
    for setting in _sysctl_settings(("sysctl",), rest, reading):
        try:
            settings.append(Setting(setting.path, normalized(setting.key), setting.value))
        except DesiredStateError as error:
            message = _meant(setting.key, "sysctl") or _bare(error)
            reading.find(setting.path, message, key=setting.key)
    desired = _agreed(reading.part("sysctl"), settings, reading)
    reading.put("sysctl", "", desired, said, ("sysctl",))


def _apart(
    path: Keys, table: Mapping[str, Any], kind: str, reading: Reading
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The options of a table, and all else that it has; no key of the kernel is called so."""
    there = {
        name: value
        for name, value in table.items()
        if name in OPTIONS and not isinstance(value, Mapping)
    }
    rest = {name: value for name, value in table.items() if name not in there}
    return reading.options(path, there, kind), rest


def _meant(name: str, kind: str) -> str:
    """What to say of a name that is no key, where it looks like an option; else nothing."""
    near = None if {*name} & {*"./"} else closest(name, named_in(kind))
    return f"unknown option; did you mean {near}?" if near else ""


def _sysctl_settings(above: Keys, table: Mapping[str, Any], reading: Reading) -> Iterator[Setting]:
    """The keys below a table: whole ones, and those of bare dots, a part a level."""
    for name, value in table.items():
        path = (*above, name)
        parts = path[1:]
        if isinstance(value, Mapping):
            if len(parts) == 1 and any(separator in name for separator in "./"):
                reading.find(
                    path,
                    "expected a value, got a table; a quoted key is a whole one: "
                    f"write {dotted(name.replace('/', '.').split('.'))} without quotes",
                )
            else:
                yield from _sysctl_settings(path, value, reading)
        elif len(parts) == 1:
            yield Setting(path, name, value)
        elif any("/" in part for part in parts):
            wrong = next(part for part in parts if "/" in part)
            reading.find(path, f"{wrong!r} is one part of the key, and cannot have a slash in it")
        else:
            separator = "/" if any("." in part for part in parts) else "."
            yield Setting(path, separator.join(parts), value)


def read_cgroups(table: Mapping[str, Any], reading: Reading) -> None:
    """Read the table `[cgroup]`, which has one for each cgroup."""
    scopes: dict[str, Keys] = {}
    for_all, cgroups = _apart(("cgroup",), table, "cgroup", reading)
    for cgroup, limits in cgroups.items():
        path = ("cgroup", cgroup)
        part = Part("cgroup", cgroup)
        if not isinstance(limits, Mapping):
            expected = f'expected a table for each cgroup, [cgroup."path"], got {limits!r}'
            reading.find(path, clipped(_meant(cgroup, "cgroup") or expected))
            continue
        try:
            name = part.source().name
        except DesiredStateError as error:
            reading.find(path, _bare(error), table=2)
            continue
        if name in scopes:
            message = "the same cgroup has a table already{other}"
            reading.find(path, message, table=2, other=scopes[name])
        scopes[name] = path
        if cgroup in CONTROLLERS and limits and not any(map(_controller_of, limits)):
            message = 'limits stand in the table of their cgroup: [cgroup."path"]'
            reading.find(path, message, table=2)
            continue
        said, rest = _apart(path, limits, "cgroup", reading)
        desired = _agreed(part, list(_limits(path, rest, reading)), reading)
        reading.put("cgroup", cgroup, desired, {**for_all, **said}, path)


def _controller_of(name: str) -> str | None:
    controller = name.partition(".")[0]
    return controller if controller in CONTROLLERS else None


def _limits(path: Keys, table: Mapping[str, Any], reading: Reading) -> Iterator[Setting]:
    for name, value in table.items():
        if "." in name:
            yield Setting((*path, name), name, value)
        else:
            yield from _limit((*path, name), value, reading)


def _limit(path: Keys, value: Any, reading: Reading) -> Iterator[Setting]:
    """The files that bare dots lead to: `io.max."8:0".rbps` is a line of io.max."""
    file = ".".join(path[2:])
    by_device = isinstance(value, Mapping) and any(":" in name for name in value)
    if not isinstance(value, Mapping) or file in _KEYED or by_device:
        nested = [name for name in path[3:-1] if name in CONTROLLERS]
        if path[2] not in CONTROLLERS and nested:
            header = dotted(("cgroup", "/".join(path[1 : path.index(nested[0], 3)])))
            reading.find(path, f"a cgroup's path is quoted: [{header}]", table=2)
        else:
            yield Setting(path, file, value)
        return
    for name, inner in value.items():
        yield from _limit((*path, name), inner, reading)


def _agreed(part: Part, settings: Iterable[Setting], reading: Reading) -> dict[str, Any]:
    """The settings by key: each well by itself, and all together."""
    table = 2 if part.kind == "cgroup" else 1
    check = _check_of(part)
    found: dict[str, Setting] = {}
    for setting in settings:
        first = found.setdefault(setting.key, setting)
        if first is not setting:
            message = "set twice{other}"
            reading.find(setting.path, message, table, key=setting.key, other=first.path)
            continue
        wrong = check({setting.key: setting.value})
        if wrong:
            wrong = _meant(setting.key, part.kind) or wrong
            reading.find(setting.path, wrong, table, key=setting.key)
            del found[setting.key]
    agreed = list(found.values())
    while wrong := check({each.key: each.value for each in agreed}):
        culprit = agreed[_first_wrong(check, agreed)]
        reading.find(culprit.path, wrong, table, key=culprit.key)
        agreed.remove(culprit)
    return {each.key: each.value for each in agreed}


def _first_wrong(check: Callable[[dict[str, Any]], str], settings: list[Setting]) -> int:
    """The index of the first setting that does not go together with those before it."""
    low, high = 0, len(settings)
    while low + 1 < high:
        middle = (low + high) // 2
        if check({each.key: each.value for each in settings[:middle]}):
            high = middle
        else:
            low = middle
    return low


def _check_of(part: Part) -> Callable[[dict[str, Any]], str]:
    source: Any = part.source()

    def check(desired: dict[str, Any]) -> str:
        try:
            source.check(desired)
        except DesiredStateError as error:
            return _bare(error, *desired)
        return ""

    return check


def _bare(error: DesiredStateError, *keys: str) -> str:
    """What is wrong, without the subject, which the place names already."""
    message = _SUBJECT.sub("", str(error), count=1)
    for key in keys[:1]:
        message = message.removeprefix(f"{key}: ").removeprefix(f"{key} ")
    return clipped(message)
