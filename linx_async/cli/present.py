"""What the kernel has, entry by entry, and how a file says it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from attrs import define, field, frozen

from .._kernel.netns import NetworkNamespace
from ..config.writing import comment, dotted_key, entries, header, long_text, setting, value_text
from .where import above

__all__ = ["Entry", "LeftOut", "Present"]

_LISTS: Final = ("addresses", "routes", "rules", "neighbours", "nexthops")


@frozen
class Entry:
    """One thing that the kernel has.

    Attributes:
        key: What plans call it.
        place: Where in its table of the file it stands.
        said: How the file says it.
        text: It, for people.
        ours: Whether linx put it there.
        remark: What more there is to say of it.
    """

    key: str
    place: tuple[str, ...]
    said: Any
    text: str
    ours: bool = False
    remark: str = ""


@frozen
class LeftOut:
    """What the kernel has and a file does not say.

    Attributes:
        what: It, for people.
        why: Why not.
        lines: What the file has of it as a comment.
    """

    what: str
    why: str
    lines: tuple[str, ...] = ()


@define
class Present:
    """What the kernel has of one part.

    Attributes:
        kind: The subsystem.
        scope: What of it; as that of a part.
        entries: What a file says of it.
        left_out: What it does not say.
        options: What it says before all else.
        netns: The network namespace that it is of; None is here.
    """

    kind: str
    scope: str = ""
    entries: list[Entry] = field(factory=list)
    left_out: list[LeftOut] = field(factory=list)
    options: Mapping[str, Any] = field(factory=dict)
    netns: NetworkNamespace | None = None

    @property
    def name(self) -> str:
        """What it is called."""
        words = " ".join(filter(None, (self.kind, self.scope)))
        return words if self.netns is None else f"{self.netns}: {words}"

    def header(self, *keys: str) -> str:
        """The header of a table of its part of the file."""
        return header([*above(self.netns), *keys])

    def drop(self, reasons: Mapping[str, str]) -> bool:
        """Leave out the entries with some keys, and why; tells whether there were any."""
        gone = [entry for entry in self.entries if entry.key in reasons]
        self.left_out += [LeftOut(entry.text, reasons[entry.key]) for entry in gone]
        self.entries = [entry for entry in self.entries if entry.key not in reasons]
        return bool(gone)

    def lines(self) -> list[str]:
        """Its part of the file."""
        return [*_WRITERS[self.kind](self), *self._remarks()]

    def _remarks(self) -> list[str]:
        lines = []
        for each in self.left_out:
            lines += [*comment(f"Left out: {each.what}: {each.why}"), *each.lines]
        return lines

    def named(self, place: str) -> Collection[Entry]:
        """The entries of one place."""
        return [entry for entry in self.entries if entry.place[0] == place]


def _sysctl(present: Present) -> list[str]:
    if not present.entries:
        return []
    lines = (f"{dotted_key(each.place[0])} = {value_text(each.said)}" for each in present.entries)
    return [present.header("sysctl"), *lines]


def _cgroup(present: Present) -> list[str]:
    if not present.entries:
        return []
    head = present.header("cgroup", present.scope)
    return [head, *(setting(each.place[0], each.said) for each in present.entries)]


def _rtnl(present: Present) -> list[str]:
    if not present.entries and not present.options:
        return []
    lines = [setting(name, value) for name, value in present.options.items()]
    for name in _LISTS:
        if found := present.named(name):
            lines += entries(name, [(each.said, each.remark) for each in found])
    lines[:0] = [present.header("rtnl")] if lines else []
    for entry in present.named("links"):
        lines += [""] if lines else []
        if entry.remark:
            lines += comment(entry.remark)
        lines.append(present.header("rtnl", *entry.place))
        lines += [setting(*item) for item in entry.said.items() if item[0] != "parameters"]
        if parameters := entry.said.get("parameters"):
            lines.append(present.header("rtnl", *entry.place, "parameters"))
            lines += [setting(*item) for item in parameters.items()]
    return lines


def _netfilter(present: Present) -> list[str]:
    lines = []
    for entry in present.entries:
        lines.append(present.header("netfilter", *entry.place))
        lines += [setting(*item) for item in present.options.items()]
        lines.append(long_text("text", entry.said))
    return lines


_WRITERS: Final[Mapping[str, Callable[[Present], list[str]]]] = {
    "sysctl": _sysctl,
    "cgroup": _cgroup,
    "rtnl": _rtnl,
    "netfilter": _netfilter,
}
