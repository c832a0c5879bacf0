"""The desired state of a host as values: one part for each table of the file."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from attrs import field, frozen

from .._core.ownership import Claim
from .._core.source import Source
from .problems import Keys

__all__ = ["HostConfig", "Part", "part_named"]

AnySource: TypeAlias = Source[Any, Any, Any]


# Late imports: only what a file asks for is loaded.


def _sysctl(_part: Part, revert_on_release: bool, _once: bool) -> AnySource:
    from .. import sysctl

    return sysctl.Source(revert_on_release=revert_on_release)


def _cgroup(part: Part, revert_on_release: bool, _once: bool) -> AnySource:
    from .. import cgroup

    return cgroup.Source(part.scope, revert_on_release=revert_on_release)


def _rtnl(part: Part, _revert_on_release: bool, _once: bool) -> AnySource:
    from .. import rtnl  # which puts nothing back: what it made, it deletes

    options = dict(part.options)
    if part.scope:
        options["protocol"] = int(part.scope.removeprefix(_PROTOCOL))
    return rtnl.Source(**options)


def _netfilter(part: Part, _revert_on_release: bool, once: bool) -> AnySource:
    from .. import netfilter  # of which the same is true

    return netfilter.Source(**part.options, adopt=not once)


_PROTOCOL = "protocol "
_SOURCES: dict[str, Callable[[Part, bool, bool], AnySource]] = {
    "sysctl": _sysctl,
    "cgroup": _cgroup,
    "rtnl": _rtnl,
    "netfilter": _netfilter,
}
_SCOPES = {
    "sysctl": re.compile(""),
    "cgroup": re.compile(".+", re.DOTALL),
    "rtnl": re.compile(f"(?:{_PROTOCOL}[1-9][0-9]{{0,2}})?"),
    "netfilter": re.compile("(?:ip|ip6|inet|arp|bridge|netdev) .+", re.DOTALL),
}
_ABSENT = {"netfilter": None}
"""What is desired where nothing is, by the subsystem; else an empty mapping."""


@frozen
class Part:
    """What one loop keeps: one subsystem in one scope.

    Attributes:
        kind: The subsystem: `sysctl`, `cgroup`, `rtnl` or `netfilter`.
        scope: The cgroup's path; `protocol 80` for `rtnl` with another tag than the usual; the
            family and the name of a table for `netfilter`; else empty: here.
        desired: The desired state, in the shape that the subsystem takes; empty, or None, where
            nothing is desired any more.
        options: More arguments of the source.
    """

    kind: str
    scope: str = ""
    desired: Any = field(factory=dict)
    options: Mapping[str, Any] = field(factory=dict)

    @property
    def name(self) -> str:
        """What it is called: `sysctl`, `cgroup myorg/web-42`, `rtnl`, `netfilter inet fw`."""
        return " ".join(filter(None, (self.kind, self.scope)))

    @property
    def section(self) -> Keys:
        """The keys of the table that it is read from."""
        return (self.kind, self.scope) if self.kind == "cgroup" else (self.kind,)

    @property
    def share(self) -> str:
        """Which share of the namespace's state it is, where several parts have one each."""
        return self.scope if self.kind == "netfilter" else ""

    @property
    def is_tagged(self) -> bool:
        """Whether it is by tags of the kernel's that what is its own is known, not by a record."""
        return self.kind == "rtnl"

    @property
    def claim(self) -> Claim | None:
        """What of the kernel's state it is all about, whether that is there or not."""
        return Claim(f"table {self.scope}") if self.kind == "netfilter" else None

    def source(self, *, revert_on_release: bool = False, once: bool = False) -> AnySource:
        """A new source for it, not entered.

        Args:
            revert_on_release: Whether what is not desired any more gets its value from before;
                `rtnl` and `netfilter` delete it either way.
            once: Whether it is for a single pass.

        Raises:
            DesiredStateError: There can be no such scope.
        """
        return _SOURCES[self.kind](self, revert_on_release, once)


@frozen
class HostConfig:
    """The desired state of a host, checked.

    Attributes:
        file: Where it was read from.
        parts: What it says, one a loop, in the order of the file.
    """

    file: str
    parts: tuple[Part, ...] = ()


def part_named(name: str) -> Part | None:
    """A part of that name that desires nothing; None where no part can have that name."""
    kind, _, scope = name.partition(" ")
    if kind not in _SOURCES or not _SCOPES[kind].fullmatch(scope):
        return None
    return Part(kind, scope, _ABSENT.get(kind, {}))
